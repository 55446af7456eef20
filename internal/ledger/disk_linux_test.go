package ledger

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// mount mounts a tmpfs with these options until the test ends.
func mount(t *testing.T, flags uintptr, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		if os.Getenv("KAIZALA_DROP_CI") != "" {
			t.Fatalf("cannot mount a tmpfs: %v", err)
		}
		t.Skipf("needs the right to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestReadOnlyFileSystem shows that the error of Open says that the file system is read-only or cannot be written.
func TestReadOnlyFileSystem(t *testing.T) {
	dir := mount(t, unix.MS_RDONLY, "size=1m")
	for d, want := range map[string]string{dir: "cannot write in state_dir", dir + "/new": "cannot make state_dir"} {
		_, err := Open(d)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		t.Log(err)
	}
	used := mount(t, 0, "size=64m")
	path := closed(t, used)
	try(t, unix.Mount("", used, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=64m"))
	_, err := Open(used)
	if err == nil || !strings.Contains(err.Error(), "mounted read-only") {
		t.Errorf("%s: %v", path, err)
	}
}

// TestFullDisk shows that steps fail as a whole, with an error that says so, while the disk is full, and succeed once there is
// room.
func TestFullDisk(t *testing.T) {
	dir := mount(t, 0, "size=1m")
	l, ctx := run(t, dir), t.Context()
	kept := claim(t, l, sample(0, 2))

	ballast := fill(t, dir)
	var wg sync.WaitGroup
	var mu sync.Mutex
	told := map[string]int{}
	for i := range 20 {
		wg.Go(func() {
			_, err := l.Claim(ctx, sample(1+i, 2))
			mu.Lock()
			told[fmt.Sprint(err)]++
			mu.Unlock()
		})
	}
	wg.Wait()
	for text, n := range told {
		t.Logf("%d times: %s", n, text)
		if !strings.Contains(text, "disk is full: make room there") || !strings.Contains(text, l.path()) {
			t.Errorf("%q", text)
		}
	}
	err := l.Uploaded(ctx, kept, strings.Repeat("r", 9000), sums(2))
	if err == nil || get(t, l, kept).State != Claimed {
		t.Errorf("half applied: %v, %+v", err, get(t, l, kept))
	}
	if n := count(t, l, "SELECT count(*) FROM delivery"); n != 1 {
		t.Errorf("%d deliveries, want 1", n)
	}

	try(t, os.Remove(ballast))
	try(t, l.Uploaded(ctx, kept, strings.Repeat("r", 9000), sums(2)))
	next := claim(t, l, sample(1, 2))
	try(t, l.Close())
	l = run(t, dir)
	if get(t, l, kept).State != Uploaded || get(t, l, next).State != Claimed {
		t.Error("not there after the next start")
	}
}

// TestFullDiskAtOpen shows that Open fails, with an error that says so, while the disk has no room for the schema, and works
// once it has.
func TestFullDiskAtOpen(t *testing.T) {
	dir := mount(t, 0, "size=1m")
	ballast := fill(t, dir)
	for room := range 60 { // pages, from too few for the -shm to enough for everything
		try(t, os.Truncate(ballast, 1<<20-int64(room)*4096))
		l, err := Open(dir)
		if err == nil {
			t.Logf("%d pages are enough", room)
			try(t, os.Remove(ballast))
			start(t, l)
			claim(t, l, sample(1, 1))
			try(t, l.Close())
			return
		}
		if !strings.Contains(err.Error(), "full") || !strings.Contains(err.Error(), dir) {
			t.Errorf("%d pages: %v", room, err)
		}
	}
	t.Error("60 pages are not enough")
}

// TestDiskFillsUp shows that just the answered steps are on disk after the ledger itself has filled the disk in the middle of
// batches.
func TestDiskFillsUp(t *testing.T) {
	dir := mount(t, 0, "size=1m")
	l, ctx := run(t, dir), t.Context()
	var wg sync.WaitGroup
	var mu sync.Mutex
	there := map[int64]bool{}
	failures := 0
	for c := range 16 {
		wg.Go(func() {
			for i := range 40 {
				id, err := l.Claim(ctx, sample(c*100+i, 5))
				mu.Lock()
				if err == nil {
					there[id] = true
				} else if failures++; !strings.Contains(err.Error(), "full") {
					t.Error(err)
				}
				mu.Unlock()
				if err == nil {
					_ = l.Uploaded(ctx, id, strings.Repeat("r", 8000), sums(5))
				}
			}
		})
	}
	wg.Wait()
	if failures == 0 || len(there) == 0 {
		t.Fatalf("%d claims failed, %d did not", failures, len(there))
	}
	t.Logf("%d claims failed, %d did not", failures, len(there))
	try(t, unix.Mount("", dir, "", unix.MS_REMOUNT, "size=16m"))
	there[claim(t, l, sample(1_000_000, 1))] = true
	try(t, checkWAL(bytes.NewReader(imagesOf(t, l).wal))) // frames of failed commits are no damage
	try(t, l.Close())
	l = run(t, dir)
	open, err := l.Unfinished(ctx, "")
	try(t, err)
	for _, d := range open {
		if !there[d.ID] {
			t.Errorf("delivery %d is there, though its claim failed", d.ID)
		}
		files, sum := len(d.Files), d.Files[len(d.Files)-1].SHA256
		if files != 5 && d.Files[0].ID.Ino != 1_000_000 || (d.State == Uploaded) != (sum != nil) {
			t.Errorf("half applied: %+v", d)
		}
	}
	if len(open) != len(there) {
		t.Errorf("%d of %d are there", len(open), len(there))
	}
}

// fill takes all the free space of the disk, and returns the file that holds it.
func fill(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	try(t, err)
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	return path
}
