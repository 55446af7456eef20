package watcher

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestRealOverflow shows that every file is found although the kernel's queue overflows. It overflows for certain,
// because nobody takes an event until all files are written.
func TestRealOverflow(t *testing.T) {
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	must(t, err)
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	if limit > 50_000 {
		t.Skipf("the kernel queues %d events, which takes too many files to exceed", limit)
	}
	dir, err := os.MkdirTemp("/dev/shm", "watcher")
	if err != nil {
		dir = t.TempDir()
	}
	defer os.RemoveAll(dir)
	f := Folder{Path: dir, Settle: 50 * time.Millisecond, SettleRemote: 50 * time.Millisecond, Rescan: time.Hour}
	s := scoutFor(t, f)
	list(t, s) // the folder is watched now, and empty
	files := limit/2 + 1000
	for i := range files {
		must(t, os.WriteFile(fmt.Sprintf("%s/%d", dir, i), []byte("x"), 0o600))
	}
	r := startReal(t, s)
	must(t, os.Remove(dir+"/0"))
	must(t, os.WriteFile(dir+"/last", []byte("x"), 0o600))
	got := map[string]bool{}
	for deadline := time.After(time.Minute); len(got) < files; {
		select {
		case b := <-r.settled:
			s := b[0]
			if got[s.Name] {
				t.Fatalf("%q was handed over twice", s.Name)
			}
			got[s.Name] = true
			delete(got, "0") // which may have settled before it was removed
		case <-deadline:
			t.Fatalf("%d files of %d settled", len(got), files)
		}
	}
	r.said("more events than the kernel's queue holds", 1)
}

// TestScoutMountedAgain shows that a watch which died with its file system is made again, even if the new file system
// has the same device and inode.
func TestScoutMountedAgain(t *testing.T) {
	dir := t.TempDir()
	mount := func() error { return unix.Mount("none", dir, "tmpfs", 0, "size=64k") }
	if err := mount(); err != nil {
		if os.Getenv("KAIZALA_DROP_CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("cannot mount, which needs root: %v", err)
	}
	mounted := true
	defer func() {
		if mounted {
			must(t, unix.Unmount(dir, unix.MNT_DETACH))
		}
	}()
	s := scoutFor(t, Folder{Path: dir})
	before := list(t, s).root
	mounted = false
	must(t, unix.Unmount(dir, 0))
	must(t, mount())
	mounted = true
	after := list(t, s).root
	t.Logf("the same device and inode: %v", after.SameFile(before.Identity))
	hears(t, s, dir+"/x")
}
