//go:build goolm

package e2ee

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/matrix/e2ee/e2eetest"
)

// disk is an ext4 file system in a file, whose power can be taken away. Its test's goroutine has a thread, and that one its mounts, for
// itself.
type disk struct {
	t                 *testing.T
	image, root, loop string
}

// needs skips a test, and fails it in CI.
func needs(t *testing.T, what string) {
	t.Helper()
	if thorough() {
		t.Fatal("this needs ", what)
	}
	t.Skip("this needs ", what)
}

func (d *disk) run(name string, args ...string) {
	d.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		needs(d.t, fmt.Sprintf("%s (%v: %s)", name, err, out))
	}
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		needs(t, "root")
	}
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		needs(t, fmt.Sprintf("mounts of its own (%v)", err))
	}
	try(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	d := &disk{t: t, image: fmt.Sprintf("/dev/shm/kaizala-drop-e2ee-%d", os.Getpid()), root: t.TempDir()}
	try(t, os.WriteFile(d.image, nil, 0o600))
	t.Cleanup(func() { os.Remove(d.image) })
	try(t, os.Truncate(d.image, 32<<20))
	d.run("mkfs.ext4", "-q", d.image)
	d.run("mount", "-t", "ext4", "-o", "loop,"+options, d.image, d.root)
	t.Cleanup(func() { _ = unix.Unmount(d.root, unix.MNT_DETACH) })
	var st unix.Stat_t
	try(t, unix.Stat(d.root, &st))
	d.loop = fmt.Sprintf("/dev/loop%d", unix.Minor(st.Dev))
	held, err := os.Open(d.loop) // so that its number stays what it is
	try(t, err)
	t.Cleanup(func() { held.Close() })
	return d
}

// options have nothing written by itself for as long as a life lasts, and nothing because of a rename.
const options = "commit=300,noauto_da_alloc"

// cut takes the power away: from then on nothing is written, and what the kernel had only in memory is gone when the disk is there again.
func (d *disk) cut() {
	d.t.Helper()
	try(d.t, os.WriteFile(d.root+"/lost", []byte("nobody waited for this"), 0o600))
	f, err := os.Open(d.root)
	try(d.t, err)
	const shutdown, withoutFlush = 0x8004587d, 2 // EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH (fs/ext4/ext4.h)
	try(d.t, unix.IoctlSetPointerInt(int(f.Fd()), shutdown, withoutFlush))
	try(d.t, f.Close())
	try(d.t, unix.Unmount(d.root, 0))
	d.forget()
	d.run("mount", "-t", "ext4", "-o", options, d.loop, d.root)
	if content, err := os.ReadFile(d.root + "/lost"); err == nil && len(content) > 0 {
		d.t.Error("this was no power cut")
	}
	_ = os.Remove(d.root + "/lost")
}

// forget empties the kernel's cache of the device: one whose block size is set to another has none (block/bdev.c, set_blocksize).
func (d *disk) forget() {
	d.t.Helper()
	device, err := os.OpenFile(d.loop, os.O_RDWR|unix.O_EXCL, 0)
	try(d.t, err)
	defer device.Close()
	for _, size := range []int{512, 2048} { // neither is the file system's
		try(d.t, unix.IoctlSetPointerInt(int(device.Fd()), unix.BLKBSZSET, size))
	}
	shown, stored := make([]byte, 64<<10), make([]byte, 64<<10) // superblock and group descriptors
	_, err = device.ReadAt(shown, 0)
	try(d.t, err)
	image, err := os.Open(d.image)
	try(d.t, err)
	defer image.Close()
	_, err = image.ReadAt(stored, 0)
	try(d.t, err)
	if !bytes.Equal(shown, stored) {
		d.t.Error("the device still shows what is not on the disk")
	}
}

// TestPowerCuts takes the power away from the store at random moments: it is never damaged and never locked out, and all that stands in the
// room can be read.
func TestPowerCuts(t *testing.T) {
	p, _, reader, room := inRoom(t, map[string]any{"rotation_period_msgs": 5})
	try(t, p.Machine.Close())
	d := newDisk(t)
	p.dir = filepath.Join(d.root, "keys")
	p.LogIn("") // the store so far is elsewhere
	sent := map[string]bool{}
	for run := range kills(8, 100) {
		k := p.task(room)
		k.Run = run
		for _, line := range killed(t, k, 1+rand.IntN(8), time.Duration(rand.IntN(30))*time.Millisecond) {
			if text, ok := strings.CutPrefix(line, "sent "); ok {
				sent[text] = true
			}
		}
		d.cut()
		reader.Sync()
	}
	if len(sent) == 0 {
		t.Error("nothing was sent")
	}
	var why string
	if !e2eetest.Eventually(t, func() bool {
		reader.Sync()
		left := len(sent)
		why = ""
		for i, m := range reader.Read(room) {
			if m.Err != nil {
				why = fmt.Sprintf("message %d: %v", i, m.Err)
			} else if sent[fmt.Sprint(m.Content["body"])] {
				left--
			}
		}
		return left == 0 && why == ""
	}) {
		t.Error("not all is there: ", why)
	}
	t.Logf("%d messages", len(sent))
}
