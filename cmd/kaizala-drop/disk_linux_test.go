package main

import (
	"database/sql"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

// fault is a disk that fails for a while: system calls of the daemon end with an error, by strace.
type fault struct {
	from  string   // when it begins: "start", or "/v1/media" or "/actions": while that call is answered
	calls string   // that fail, separated by commas
	errno string   // with what
	paths []string // only of these, below the world's folder; see path. None: of all
	says  []string // words of the log, beside those for errno
	state string   // a delivery has this state and a reason meanwhile; "": none was written down
}

func (f fault) String() string {
	return fmt.Sprintf("%s %s %s from %s", f.calls, strings.Join(f.paths, " "), f.errno, f.from)
}

// faults are all that can happen to a file on the same device (a.pdf), to one on its way to another (b.pdf), to one that
// is refused (bad.txt), and to the ledger.
func faults() []fault {
	const full, broken, denied = "ENOSPC", "EIO", "EACCES"
	var all []fault
	add := func(calls, path, file, state string, errnos ...string) {
		from := "start"
		if state == "posted" { // from the start, it would not be posted
			from = "/actions"
		}
		for _, errno := range errnos {
			all = append(all, fault{from, calls, errno, strings.Fields(path), []string{file}, state})
		}
	}
	add("openat", "in/done", "in/done", "posted", broken, denied)
	add("renameat2", "in/a.pdf in/done/a.pdf", "a.pdf", "posted", full, broken, denied, "EROFS", "EDQUOT")
	add("fsync", "in/done/a.pdf", "a.pdf", "posted", full, broken)
	add("fsync", "in/done", "in/done", "posted", full, broken)
	add("fsync", "in", "a.pdf", "posted", full, broken)

	add("openat", "far/done", "b.pdf", "posted", broken, denied)
	add("openat", "far/done/~b.pdf", "b.pdf", "posted", full, broken, denied)
	add("copy_file_range,write", "far/done/~b.pdf", "b.pdf", "posted", full, broken)
	add("fsync", "far/done/~b.pdf", "b.pdf", "posted", full, broken)
	add("linkat", "far/done/b.pdf", "b.pdf", "posted", full, broken, denied)
	add("fsync", "far/done", "b.pdf", "posted", full, broken)
	add("renameat", "in2/b.pdf", "b.pdf", "posted", broken, denied)
	add("renameat,unlinkat", "in2/b.pdf", "b.pdf", "posted", full)
	add("unlinkat", "in2/~b.pdf", "b.pdf", "posted", broken, denied)
	add("fsync", "in2", "b.pdf", "posted", full, broken)
	add("unlinkat", "far/done/~b.pdf", "b.pdf", "posted", broken, denied)
	add("unlinkat", "", "b.pdf", "posted", broken, denied)
	add("fsync", "", "b.pdf", "posted", full, broken)

	add("openat", "in/failed", "in/failed", "failed", broken, denied)
	add("openat", "in/failed/bad.txt.reason.txt", "bad.txt", "failed", full, broken, denied, "EDQUOT")
	add("write", "in/failed/bad.txt.reason.txt", "bad.txt", "failed", full, broken)
	add("fsync", "in/failed/bad.txt.reason.txt", "bad.txt", "failed", full, broken)
	add("renameat2", "in/bad.txt", "bad.txt", "failed", full, broken, denied)
	add("fsync", "in/failed", "in/failed", "failed", full, broken)

	for _, errno := range []string{broken, denied} { // from the start, the watcher would not let it come to that
		all = append(all, fault{"/actions", "openat", errno, []string{"in"}, []string{"a.pdf"}, "posted"},
			fault{"/actions", "openat", errno, []string{"in2"}, []string{"b.pdf"}, "posted"})
	}
	for _, from := range []string{"start", "/v1/media", "/actions"} {
		for _, call := range []string{"pwrite64", "fdatasync"} {
			for _, errno := range []string{full, broken} {
				all = append(all, fault{from, call, errno, []string{"state/ledger.db", "state/ledger.db-wal"}, []string{"ledger.db", "disk"}, ""})
			}
		}
	}
	return all
}

// words are what the log says of the error, but for the ledger's: what would help, as long as the file lies where it lay.
func (f fault) words() string {
	moved := f.calls == "fsync" || f.calls == "unlinkat" && slices.Contains(f.paths, "far/done/~b.pdf")
	switch f.errno {
	case "ENOSPC", "EDQUOT":
		if moved {
			return "no space left"
		}
		return "make room"
	case "EACCES", "EROFS":
		if moved {
			return "permission denied"
		}
		return "must be writable"
	}
	return "input/output error"
}

// TestFailingDisk: at every step of filing and of the ledger, in turn, the disk fails for a while. Nothing is lost, nothing
// is posted twice, nothing is left lying about, the log says what happens, and all goes on by itself.
func TestFailingDisk(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil || os.Geteuid() != 0 {
		needs(t, "strace, as root")
	}
	all := faults()
	if !thorough() { // each step fails with one error
		all = slices.CompactFunc(all, func(a, b fault) bool { return a.from == b.from && a.calls == b.calls && slices.Equal(a.paths, b.paths) })
	}
	t.Logf("%d faults", len(all))
	var wg sync.WaitGroup
	defer wg.Wait()
	turns := make(chan fault)
	defer close(turns)
	for range 16 { // they mostly wait: more at once than there are processors, which is what t.Parallel would give
		wg.Go(func() {
			for f := range turns {
				t.Run(f.String(), f.test)
			}
		})
	}
	for _, f := range all {
		turns <- f
	}
}

func (f fault) test(t *testing.T) {
	d := newDiskWorld(t)
	d.daemon()
	attached := sync.OnceValue(func() *exec.Cmd { return d.attach(f) })
	if f.from == "start" {
		attached()
	} else { // from its first call to there on, which comes after the files
		d.between(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, f.from) {
				attached()
			}
			return false
		})
	}
	d.dropAll()
	for _, text := range f.says {
		d.p.waitFor(text)
	}
	if f.state != "" {
		d.p.waitFor(f.words())
		d.waits(f.state)
	}
	strace := attached()
	must(t, strace.Process.Signal(syscall.SIGTERM))
	_ = strace.Wait()
	d.wantDelivered()
}

// TestLedgerCannotBeOpened: the disk fails while the ledger of a daemon that was killed is opened. The next one ends with
// an error that names the file, and a later one goes on where the first one was.
func TestLedgerCannotBeOpened(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil || os.Geteuid() != 0 {
		needs(t, "strace, as root")
	}
	d := newDiskWorld(t)
	d.between(func(rw http.ResponseWriter, r *http.Request) bool {
		down := strings.HasSuffix(r.URL.Path, "/actions")
		if down {
			http.Error(rw, "down", http.StatusServiceUnavailable)
		}
		return down
	})
	d.daemon()
	d.dropAll()
	d.waits("uploaded")
	must(t, d.p.Process.Kill())
	d.p.wait()
	before := d.unfinished()
	for _, f := range []fault{
		{calls: "openat", paths: []string{"state/lock"}},
		{calls: "openat", paths: []string{"state/ledger.db"}}, // a look before SQLite's
		{calls: "open", paths: []string{"state/ledger.db"}},
		{calls: "open", paths: []string{"state/ledger.db-wal"}},
		{calls: "open", paths: []string{"state/ledger.db-shm"}},
		{calls: "pread64", paths: []string{"state/ledger.db"}},
		{calls: "pread64", paths: []string{"state/ledger.db-wal"}},
	} {
		for _, f.errno = range []string{"EIO", "EACCES"} {
			if f.calls == "pread64" && f.errno == "EACCES" {
				continue // no disk says that
			}
			cmd := exec.Command("strace", append(d.strace(f), os.Args[0], "run", "--config", d.config, "--once")...)
			cmd.Env = append(os.Environ(), runMain+"=1")
			p := startProcess(t, cmd)
			if code, log := p.wait(), p.log(); code != 1 || !strings.Contains(log, "state") {
				t.Errorf("%s: exit code %d: %s", f, code, log)
			} else {
				t.Logf("%s: %s", f, log[max(0, len(log)-400):])
			}
			if now := d.unfinished(); !maps.Equal(now, before) {
				t.Errorf("%s: it left %v of %v", f, now, before)
			}
		}
	}
	d.between(nil)
	d.daemon()
	d.wantDelivered()
}

// TestLedgerCannotBeClosed: the disk fails while the ledger is closed. All is delivered, and nothing again.
func TestLedgerCannotBeClosed(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("strace"); err != nil || os.Geteuid() != 0 {
		needs(t, "strace, as root")
	}
	for _, f := range []fault{{calls: "pwrite64", errno: "ENOSPC"}, {calls: "fdatasync", errno: "EIO"}, {calls: "ftruncate", errno: "EIO"}} {
		t.Run(f.calls, func(t *testing.T) {
			t.Parallel()
			d := newDiskWorld(t)
			d.daemon()
			d.dropAll()
			d.lieWhereTheyBelong()
			f.paths = []string{"state/ledger.db", "state/ledger.db-wal"}
			strace := d.attach(f)
			if code := d.p.stop(); code > 1 {
				t.Errorf("exit code %d", code)
			}
			_ = strace.Wait()
			d.daemon()
			d.wantDelivered()
		})
	}
}

// diskWorld is a world of two folders; in2 has its done/ on another device.
type diskWorld struct {
	*world
	far string // the other device
	p   *process
	ids map[string]file.Identity // of the files, by name
}

func newDiskWorld(t *testing.T) *diskWorld {
	d := &diskWorld{world: newWorld(t, "", "in", "in2"), ids: map[string]file.Identity{}}
	far, err := os.MkdirTemp("/dev/shm", "kaizala-drop-disk")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(far) })
	d.far = far
	d.reconfigure(`group_id = "in2@2"`, `group_id = "in2@2"`+fmt.Sprintf("\ndone = %q", far+"/done"))
	for name, content := range map[string]string{"a.pdf": "first", "b.pdf": "second", "bad.txt": "unsupported"} {
		must(t, os.WriteFile(filepath.Join(d.dir, name), []byte(content), 0o644))
		info, err := file.Lstat(filepath.Join(d.dir, name))
		must(t, err)
		d.ids[name] = info.Identity
	}
	return d
}

func (d *diskWorld) daemon() { d.p = d.world.daemon() }

// dropAll moves the files in, so that they are those that ids tells of.
func (d *diskWorld) dropAll() {
	d.t.Helper()
	for name, folder := range map[string]string{"a.pdf": "in", "b.pdf": "in2", "bad.txt": "in"} {
		must(d.t, os.Rename(filepath.Join(d.dir, name), filepath.Join(d.folder(folder), name)))
	}
}

// path is where a path of a fault is: "far/..." on the other device, and "~NAME" under the hidden name that filing has for
// that file. The name must never change: what an older version left under it is to be found.
func (d *diskWorld) path(path string) string {
	if below, far := strings.CutPrefix(path, "far/"); far {
		path = filepath.Join(d.far, below)
	} else {
		path = filepath.Join(d.dir, path)
	}
	dir, base := filepath.Split(path)
	name, isHidden := strings.CutPrefix(base, "~")
	if !isHidden {
		return path
	}
	id := d.ids[name]
	sum := digest(fmt.Sprintf("%d %d %d %s", id.Ino, id.Size, id.Mtime, name))
	return dir + ".kaizala-drop-" + sum[:12] + ".tmp"
}

// strace is the arguments that make system calls fail.
func (d *diskWorld) strace(f fault) []string {
	args := []string{"-f", "-qq", "-o", "/dev/null", "-e", "trace=" + f.calls, "-e", "inject=" + f.calls + ":error=" + f.errno}
	for _, path := range f.paths {
		args = append(args, "-P", d.path(path))
	}
	return args
}

// attach has strace make system calls of the daemon fail, and returns when it does.
func (d *diskWorld) attach(f fault) *exec.Cmd {
	strace := exec.Command("strace", append(d.strace(f), "-p", fmt.Sprint(d.p.Process.Pid))...)
	must(d.t, strace.Start())
	d.t.Cleanup(func() {
		if strace.ProcessState == nil {
			_ = strace.Process.Kill()
			_ = strace.Wait()
		}
	})
	eventually(d.t, func() error {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", d.p.Process.Pid))
		must(d.t, err)
		for _, task := range tasks {
			if status, err := os.ReadFile(task); err == nil && strings.Contains(string(status), "TracerPid:\t0\n") {
				return fmt.Errorf("%s is not traced", task)
			}
		}
		return nil
	})
	return strace
}

// waits waits until a delivery of this state has a reason.
func (d *diskWorld) waits(state string) {
	d.t.Helper()
	eventually(d.t, func() error {
		reason := ""
		query(d.t, "file:"+d.dir+"/state/ledger.db?mode=ro", func(rows *sql.Rows) { must(d.t, rows.Scan(&reason)) },
			"SELECT reason FROM delivery WHERE finished_at IS NULL AND reason != '' AND state = '"+state+"'")
		if reason == "" {
			return fmt.Errorf("no delivery is %s with a reason", state)
		}
		return nil
	})
}

// unfinished counts the unfinished deliveries by state.
func (d *diskWorld) unfinished() map[string]int {
	d.t.Helper()
	return (&crashWorld{world: d.world}).unfinished()
}

// lieWhereTheyBelong waits for the end of all: in the folders and in the ledger.
func (d *diskWorld) lieWhereTheyBelong() {
	d.t.Helper()
	in := d.folder("in")
	eventually(d.t, func() error {
		for path, content := range map[string]string{in + "/done/a.pdf": "first", d.far + "/done/b.pdf": "second", in + "/failed/bad.txt": "unsupported"} {
			if text, err := os.ReadFile(path); string(text) != content {
				return fmt.Errorf("%s holds %q, %w", path, text, err)
			}
		}
		if states := ledgerStates(d.t, "file:"+d.dir+"/state/ledger.db?mode=ro"); len(states) > 0 {
			return fmt.Errorf("not at their end: %v", states)
		}
		return nil
	})
}

// wantDelivered waits for the end of all, has another daemon look whether anything is left to do, and holds it against the
// promise.
func (d *diskWorld) wantDelivered() {
	d.t.Helper()
	d.lieWhereTheyBelong()
	if code := d.p.stop(); code != 0 {
		d.t.Errorf("exit code %d", code)
	}
	if code := d.start("run", "--config", d.config, "--once").wait(); code != 0 {
		d.t.Errorf("exit code %d of another run", code)
	}
	count := map[string]int{}
	for _, p := range d.sandbox.Posts() {
		count[p.Media[0].Name]++
	}
	if len(count) != 2 || count["a.pdf"] != 1 || count["b.pdf"] != 1 {
		d.t.Errorf("posted %v", count)
	}
	for folder, n := range map[string]int{d.folder("in"): 3, d.folder("in2"): 0, d.far: 1} {
		if found := files(d.t, folder); len(found) != n {
			d.t.Errorf("%s holds %q, want %d files", folder, found, n)
		}
	}
}

// TestDiskForReal: the same with real disks that are full or read-only.
func TestDiskForReal(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		needs(t, "root")
	}
	mount := func(t *testing.T, path, size string) {
		t.Helper()
		must(t, os.MkdirAll(path, 0o755))
		must(t, unix.Mount("none", path, "tmpfs", 0, "size="+size))
		t.Cleanup(func() { must(t, unix.Unmount(path, unix.MNT_DETACH)) })
	}
	fill := func(t *testing.T, path string) {
		t.Helper()
		f, err := os.Create(path)
		must(t, err)
		defer f.Close()
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
	}
	t.Run("done is full", func(t *testing.T) {
		d := newDiskWorld(t)
		mount(t, d.dir+"/in/done", "64k")
		fill(t, d.dir+"/in/done/filler")
		d.daemon()
		d.dropAll()
		d.p.waitFor("make room")
		d.isNotPosted("a.pdf")
		must(t, os.Remove(d.dir+"/in/done/filler"))
		d.wantDelivered()
	})
	t.Run("done is read-only", func(t *testing.T) {
		d := newDiskWorld(t)
		mount(t, d.dir+"/in/done", "64k")
		must(t, unix.Mount("none", d.dir+"/in/done", "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		d.daemon()
		d.dropAll()
		d.p.waitFor("must be writable")
		d.isNotPosted("a.pdf")
		must(t, unix.Mount("none", d.dir+"/in/done", "", unix.MS_REMOUNT, ""))
		d.wantDelivered()
	})
	t.Run("done is immutable", func(t *testing.T) {
		d := newDiskWorld(t)
		must(t, os.Mkdir(d.dir+"/in/done", 0o755))
		if out, err := exec.Command("chattr", "+i", d.dir+"/in/done").CombinedOutput(); err != nil {
			needs(t, "a file system that knows chattr +i: "+string(out))
		}
		change := func(flag string) { _ = exec.Command("chattr", flag, d.dir+"/in/done").Run() }
		t.Cleanup(func() { change("-i") })
		d.daemon()
		d.dropAll()
		d.p.waitFor("must be writable")
		d.isNotPosted("a.pdf")
		change("-i")
		d.wantDelivered()
	})
	t.Run("state_dir is full", func(t *testing.T) {
		d := newDiskWorld(t)
		mount(t, d.dir+"/state", "1m")
		d.daemon()
		fill(t, d.dir+"/state/filler")
		d.dropAll()
		d.p.waitFor("disk")
		d.p.waitFor("ledger.db")
		must(t, os.Remove(d.dir+"/state/filler"))
		d.wantDelivered()
	})
}

// isNotPosted wants a file of the folder in to lie where it was dropped, and nothing to be posted from there, once the other
// folder has had its turn: what cannot be filed is not posted.
func (d *diskWorld) isNotPosted(name string) {
	d.t.Helper()
	d.posted(1)
	for _, p := range d.sandbox.Posts() {
		if p.GroupID == "in@2" {
			d.t.Errorf("posted, although it cannot be filed: %+v", p)
		}
	}
	if _, err := os.Lstat(filepath.Join(d.folder("in"), name)); err != nil {
		d.t.Error(err)
	}
}
