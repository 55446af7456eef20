package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestPowerCut takes the power away from the daemon's disks at random moments, again and again over a stream of files, and
// then looks whether the promise was kept, as TestCrashMatrix does, with people at the files before each next start. What a kill leaves, the kernel still writes; here all
// that nobody waited for with a sync is gone: contents, names and steps of the ledger.
//
// The disks are ext4 file systems in files. A cut kills the daemon and shuts them down by EXT4_IOC_SHUTDOWN, without a flush
// of their journals: from then on nothing is written, in no order and not in half, as if the power were gone. Mounted anew,
// they replay their journals. To copy the file of a mounted one would not do: a copy takes its time, so its end would be
// later than its beginning. The cache of the device goes with the power: ext4 leaves its last group descriptors there, and
// mounted with those, of which the disk knows nothing, it took its bitmaps for corrupt and made no file any more. What is not
// simulated is a disk that loses, in spite of a flush, what it said it had.
func TestPowerCut(t *testing.T) {
	needsDisks(t)
	cuts := 2
	if thorough() {
		cuts = 12
	}
	for name, diskOf := range map[string]func(place string) string{
		// One journal keeps the order of all that happens to the files and to the ledger.
		"one disk": func(string) string { return "all" },
		// The ledger may be ahead of the folders, or behind them; some files are copied from one disk to another.
		"three disks": func(place string) string {
			if place == "state" || place == "shm" {
				return place
			}
			return "drop"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPowerWorld(t, diskOf)
			for range cuts {
				p.life()
				p.disturb()
			}
			p.finish()
			p.wantSound()
			p.wantWholeNotes()
			t.Logf("%d cuts; deliveries that they left: %v", cuts, p.left)
			logActs(t, p.acts)
			if cuts > 10 {
				wantDeeds(t, p.acts, slices.Sorted(maps.Keys(p.deeds())))
			}
			if left := len(p.left); left < 3 && cuts > 10 {
				t.Errorf("the cuts left only deliveries that are %v", slices.Collect(maps.Keys(p.left)))
			}
		})
	}
}

// TestPowerCutAfterFiling: nobody waited for the files to be on disk when they were dropped. What the ledger says lies in
// done/ or failed/ does, whole, when the power goes right after it.
func TestPowerCutAfterFiling(t *testing.T) {
	needsDisks(t)
	p := newPowerWorld(t, func(place string) string {
		if place == "shm" {
			return place
		}
		return "all"
	})
	for range 4 {
		for _, folder := range []string{"near", "far", "album"} {
			made := p.root("all") + "/make"
			name := p.makeOne(folder, made)
			must(t, os.Rename(filepath.Join(made, name), filepath.Join(p.on(folder), name)))
		}
	}
	cmd := p.daemonToCut()
	p.posted(1)
	eventually(t, func() error {
		if states := ledgerStates(t, "file:"+p.dir+"/state/ledger.db?mode=ro"); len(states) > 0 || !p.empty() {
			return fmt.Errorf("not at their end: %v", states)
		}
		return nil
	})
	p.cut(cmd)
	p.finish()
}

// TestNothingOutlivesThePower: what a file system had only in memory when its power went is not there when it is mounted
// again, and it works. The disk has nothing of the last life in its journal, which would put it right.
func TestNothingOutlivesThePower(t *testing.T) {
	needsDisks(t)
	p := newPowerWorld(t, func(string) string { return "all" })
	lost := p.on("near") + "/lost"
	for range 3 {
		for i := range 100 {
			must(t, os.WriteFile(fmt.Sprint(lost, i), []byte("x"), 0o600))
		}
		disks := p.openDisks()
		p.powerOff(disks)
		p.powerOn()
		for i := range 100 {
			if _, err := os.Lstat(fmt.Sprint(lost, i)); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("file %d outlived the power, %v", i, err)
			}
		}
		must(t, os.WriteFile(p.on("near")+"/new", []byte("x"), 0o600))
		p.wantSound()
	}
}

// powerWorld is a crashWorld whose folders, done/ and ledger lie on disks that can lose their power. Its test's goroutine
// has a thread, and that one its mounts, for itself: nobody else can keep a disk mounted, and all are gone with it.
type powerWorld struct {
	*crashWorld
	disks  []string
	loops  map[string]string // the device of a disk, held open from its first mount on: its number must stay what it is
	places map[string]string // name: mount point
	diskOf func(place string) string
	lives  int
}

func newPowerWorld(t *testing.T, diskOf func(place string) string) *powerWorld {
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		needs(t, fmt.Sprintf("mounts of its own (%v)", err))
	}
	must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	p := &powerWorld{crashWorld: newCrashWorld(t, 1+firstSeed(t)), diskOf: diskOf, loops: map[string]string{}, places: map[string]string{}}
	for _, place := range append(crashFolders(), "state") {
		p.places[place] = p.folder(place)
	}
	shm, err := os.Readlink(p.folder("shm"))
	must(t, err)
	p.places["shm"] = shm
	for place := range p.places {
		if disk := diskOf(place); !slices.Contains(p.disks, disk) {
			p.disks = append(p.disks, disk)
		}
	}
	for _, disk := range p.disks {
		image := p.image(disk)
		must(t, os.WriteFile(image, nil, 0o600))
		t.Cleanup(func() { os.Remove(image) })
		must(t, os.Truncate(image, 32<<20))
		run(t, "mkfs.ext4", "-q", image)
	}
	p.making, p.reached = func(folder string) string { return p.root(p.diskOf(folder)) + "/make" }, p.on
	p.calm = true // only this thread sees the disks
	t.Cleanup(p.unplug)
	p.plug()
	for place := range p.places {
		must(t, os.MkdirAll(p.on(place), 0o755))
	}
	for _, folder := range crashFolders() {
		if isFar(folder) {
			must(t, os.MkdirAll(p.on("shm")+"/"+folder, 0o755))
		}
	}
	for _, disk := range p.disks {
		must(t, os.Mkdir(p.root(disk)+"/make", 0o755))
		run(t, "sync", "-f", p.root(disk))
	}
	p.bind()
	return p
}

func needsDisks(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		needs(t, "root")
	}
	for _, tool := range []string{"mkfs.ext4", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			needs(t, tool)
		}
	}
}

// run runs a program of the system.
func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		needs(t, fmt.Sprintf("%s (%v: %s)", name, err, out))
	}
}

func (p *powerWorld) image(disk string) string {
	return fmt.Sprintf("/dev/shm/kaizala-drop-power-%d-%s-%s", os.Getpid(), filepath.Base(p.t.Name()), disk)
}

func (p *powerWorld) root(disk string) string { return p.dir + "/disks/" + disk }

// on is where a place is on its disk.
func (p *powerWorld) on(place string) string { return p.root(p.diskOf(place)) + "/" + place }

// plug mounts the disks. Nothing is written by itself for as long as a life lasts, and nothing because of a rename.
func (p *powerWorld) plug() {
	p.t.Helper()
	for _, disk := range p.disks {
		must(p.t, os.MkdirAll(p.root(disk), 0o755))
		if loop := p.loops[disk]; loop != "" {
			run(p.t, "mount", "-t", "ext4", "-o", "commit=300,noauto_da_alloc", loop, p.root(disk))
			continue
		}
		run(p.t, "mount", "-t", "ext4", "-o", "loop,commit=300,noauto_da_alloc", p.image(disk), p.root(disk))
		var st unix.Stat_t
		must(p.t, unix.Stat(p.root(disk), &st))
		p.loops[disk] = fmt.Sprintf("/dev/loop%d", unix.Minor(st.Dev))
		held, err := os.Open(p.loops[disk])
		must(p.t, err)
		p.t.Cleanup(func() { held.Close() })
	}
}

// bind puts the places where the configuration wants them.
func (p *powerWorld) bind() {
	p.t.Helper()
	for place, path := range p.places {
		must(p.t, os.MkdirAll(path, 0o755))
		must(p.t, unix.Mount(p.on(place), path, "", unix.MS_BIND, ""))
	}
}

// unplug unmounts what is mounted.
func (p *powerWorld) unplug() {
	for _, path := range slices.Concat(slices.Collect(maps.Values(p.places)), p.roots()) {
		if err := unix.Unmount(path, 0); err != nil && err != unix.EINVAL {
			p.t.Errorf("cannot unmount %s: %v", path, err)
			_ = unix.Unmount(path, unix.MNT_DETACH)
		}
	}
}

func (p *powerWorld) roots() []string {
	var roots []string
	for _, disk := range p.disks {
		roots = append(roots, p.root(disk))
	}
	return roots
}

// life drops files that are safe on disk, starts a daemon, and cuts the power at a random moment.
func (p *powerWorld) life() {
	p.t.Helper()
	for range 2 {
		for _, folder := range []string{"near", "near", "hold", "far", "far", "album", "album"} {
			made := p.root(p.diskOf(folder)) + "/make"
			p.dropSafely(filepath.Join(made, p.makeOne(folder, made)), folder)
		}
		trip := p.root(p.diskOf("trip")) + fmt.Sprint("/make/trip ", p.number)
		must(p.t, os.Mkdir(trip, 0o755))
		p.makeOne("trip", trip)
		p.makeOne("trip", trip)
		p.dropSafely(trip, "trip")
	}
	moment := p.moment()
	cmd := p.daemonToCut()
	select {
	case <-moment:
	case <-time.After(2 * time.Minute):
		p.t.Fatal("the moment of the cut has not come")
	}
	p.cut(cmd)
}

func (p *powerWorld) daemonToCut() *exec.Cmd {
	p.t.Helper()
	cmd := exec.Command(os.Args[0], "run", "--config", p.config)
	cmd.Env = append(os.Environ(), runMain+"=1")
	cmd.Stdout, cmd.Stderr = &p.log, &p.log
	must(p.t, cmd.Start())
	p.t.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

// dropSafely moves a file or a folder into a drop folder of its disk, and returns when it is there for good.
func (p *powerWorld) dropSafely(path, folder string) {
	p.t.Helper()
	inside, err := filepath.Glob(path + "/*")
	must(p.t, err)
	for _, each := range append(inside, path) {
		syncPath(p.t, each)
	}
	must(p.t, os.Rename(path, filepath.Join(p.on(folder), filepath.Base(path))))
	syncPath(p.t, p.on(folder))
}

func syncPath(t testing.TB, path string) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	must(t, f.Sync())
}

// moment comes some time after a call of the daemon that is to be started, when others are made and files are moved.
func (p *powerWorld) moment() <-chan struct{} {
	comes := make(chan struct{})
	after := time.Duration(p.rand.IntN(250)) * time.Millisecond
	path, nth := "/v1/media", 1
	if p.rand.IntN(4) > 0 {
		path, nth = "/actions", 1+p.rand.IntN(6)
	}
	var mu sync.Mutex
	p.set(func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if strings.HasSuffix(r.URL.Path, path) {
			if nth--; nth == 0 {
				time.AfterFunc(after, func() { close(comes) })
			}
		}
		return false
	})
	return comes
}

// cut ends the daemon and the disks, and gives back what is left of these.
func (p *powerWorld) cut(cmd *exec.Cmd) {
	p.t.Helper()
	p.lives++
	lost := fmt.Sprintf("written in life %d by somebody who did not wait for it", p.lives)
	disks := p.openDisks()
	for _, root := range p.roots() {
		must(p.t, os.WriteFile(root+"/lost", []byte(lost), 0o600))
	}
	p.wantSound()
	// A daemon that outlives its disks would see errors, and could still say something to the service.
	must(p.t, cmd.Process.Kill())
	p.powerOff(disks)
	_ = cmd.Wait()
	if status := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() {
		p.t.Fatalf("the daemon ended by itself:\n%s", &p.log)
	}
	fmt.Fprintln(&p.log, "killed by a power cut")
	p.set(nil)
	p.powerOn()
	for _, root := range p.roots() {
		if content, err := os.ReadFile(root + "/lost"); string(content) == lost {
			p.t.Errorf("this was no power cut: %q is there, %v", content, err)
		}
		_ = os.Remove(root + "/lost")
	}
	for state, n := range p.unfinished() {
		p.left[state] += n
	}
}

// disturb lays hands on files as crashWorld does, and has that be on disk.
func (p *powerWorld) disturb() {
	p.t.Helper()
	p.crashWorld.disturb()
	for _, root := range p.roots() {
		run(p.t, "sync", "-f", root)
	}
}

// openDisks opens the disks, to take the power away from.
func (p *powerWorld) openDisks() (disks []*os.File) {
	p.t.Helper()
	for _, root := range p.roots() {
		f, err := os.Open(root)
		must(p.t, err)
		p.t.Cleanup(func() { f.Close() })
		disks = append(disks, f)
	}
	return disks
}

// powerOff takes the power away, and closes the disks.
func (p *powerWorld) powerOff(disks []*os.File) {
	p.t.Helper()
	for _, disk := range disks {
		const shutdown, withoutFlush = 0x8004587d, 2 // EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH (fs/ext4/ext4.h)
		must(p.t, unix.IoctlSetPointerInt(int(disk.Fd()), shutdown, withoutFlush))
		must(p.t, disk.Close())
	}
}

// powerOn gives back what is left of the disks.
func (p *powerWorld) powerOn() {
	p.t.Helper()
	p.unplug()
	for _, disk := range p.disks {
		p.forget(disk)
	}
	p.plug()
	p.bind()
	p.wantSound()
}

// forget empties the kernel's cache of a disk's device, which its being held open keeps alive: a device whose block size is
// set to another has none (block/bdev.c, set_blocksize). What is in it then must be what is on the disk.
func (p *powerWorld) forget(disk string) {
	p.t.Helper()
	device, err := os.OpenFile(p.loops[disk], os.O_RDWR|unix.O_EXCL, 0)
	must(p.t, err)
	defer device.Close()
	for _, size := range []int{512, 2048} { // neither is the file system's
		must(p.t, unix.IoctlSetPointerInt(int(device.Fd()), unix.BLKBSZSET, size))
	}
	shown := make([]byte, 64<<10) // superblock and group descriptors
	_, err = device.ReadAt(shown, 0)
	must(p.t, err)
	image, err := os.Open(p.image(disk))
	must(p.t, err)
	defer image.Close()
	stored := make([]byte, len(shown))
	_, err = image.ReadAt(stored, 0)
	must(p.t, err)
	if !bytes.Equal(shown, stored) {
		p.t.Errorf("the device of %s still shows what is not on the disk", disk)
	}
}

// wantSound wants none of the file systems to have found itself damaged.
func (p *powerWorld) wantSound() {
	p.t.Helper()
	for _, disk := range p.disks {
		count, err := os.ReadFile("/sys/fs/ext4/" + filepath.Base(p.loops[disk]) + "/errors_count")
		must(p.t, err)
		if n := strings.TrimSpace(string(count)); n != "0" {
			p.t.Fatalf("the file system of %s has found %s errors in itself: see dmesg", disk, n)
		}
	}
}

// wantWholeNotes wants every note to be as it was written.
func (p *powerWorld) wantWholeNotes() {
	p.t.Helper()
	for _, place := range append(crashFolders(), "shm") {
		for path, content := range files(p.t, p.places[place]) {
			whole := strings.HasPrefix(content, "kaizala-drop put this file aside") && strings.HasSuffix(content, "This note can be deleted.\n")
			if strings.HasSuffix(path, ".reason.txt") && !whole {
				p.t.Errorf("%s/%s holds %q", place, path, content)
			}
		}
	}
}
