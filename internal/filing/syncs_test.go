package filing

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// TestSyncsAreShared shows that one sync serves a hundred callers that come while another one runs.
func TestSyncsAreShared(t *testing.T) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var n, running atomic.Int32
		s := newSyncs(func(*os.File) error {
			if running.Add(1) > 1 {
				t.Error("two syncs of one folder at once")
			}
			defer running.Add(-1)
			n.Add(1)
			time.Sleep(time.Second) // on the bubble's clock
			return nil
		})
		var callers sync.WaitGroup
		call := func() {
			dir, err := os.Open(path) // each has a descriptor of its own
			noError(t, err)
			defer dir.Close()
			began := n.Load()
			noError(t, s.sync(dir))
			if n.Load() == began {
				t.Error("returned without a sync that began after the call")
			}
		}
		callers.Go(call)
		synctest.Wait()
		for range 100 {
			callers.Go(call)
		}
		callers.Wait()
		if n.Load() != 2 || len(s.latest) != 0 {
			t.Errorf("%d syncs, %d rounds left", n.Load(), len(s.latest))
		}
	})
}

// TestFoldersDoNotWaitForEachOther shows that the sync of one folder does not wait for that of another.
func TestFoldersDoNotWaitForEachOther(t *testing.T) {
	a, err := os.Open(t.TempDir())
	noError(t, err)
	defer a.Close()
	b, err := os.Open(t.TempDir())
	noError(t, err)
	defer b.Close()
	block, blocked := make(chan struct{}), make(chan struct{})
	s := newSyncs(func(f *os.File) error {
		if f == a {
			close(blocked)
			<-block
		}
		return nil
	})
	var wg sync.WaitGroup
	wg.Go(func() { noError(t, s.sync(a)) })
	<-blocked
	noError(t, s.sync(b))
	close(block)
	wg.Wait()
}

// TestSyncErrors shows which errors of fsync(2) only mean that a file system cannot sync folders.
func TestSyncErrors(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	noError(t, err)
	defer dir.Close()
	for answer, fine := range map[error]bool{
		nil: true, unix.EINVAL: true, unix.EOPNOTSUPP: true, unix.EIO: false, unix.ENOSPC: false,
	} {
		err := newSyncs(func(*os.File) error { return answer }).sync(dir)
		if fine != (err == nil) || !fine && !errors.Is(err, answer) {
			t.Errorf("%v became %v", answer, err)
		}
	}
}

// TestFewSyncs shows that a hundred moves at once need few syncs on a real file system.
func TestFewSyncs(t *testing.T) {
	d := newDesk(t)
	mkdir(t, d.done, 0o755)
	const moves = 100
	var n atomic.Int32
	c := realCalls()
	full := make(chan struct{}) // the first sync lasts until all files are moved, as on a slow disk
	c.fsync = func(f *os.File) error {
		if n.Add(1) == 1 {
			<-full
		}
		return f.Sync()
	}
	f := newFiler(c)
	var wg sync.WaitGroup
	for i := range moves {
		m := d.drop(fmt.Sprintf("%d.pdf", i), "x")
		wg.Go(func() {
			if _, err := f.Move(m); err != nil {
				t.Error(err)
			}
		})
	}
	for {
		left, err := filepath.Glob(d.folder + "/*.pdf")
		noError(t, err)
		if len(left) == 0 {
			break
		}
	}
	close(full)
	wg.Wait()
	t.Logf("%d syncs for %d moves", n.Load(), moves)
	if n.Load() > moves/2 {
		t.Errorf("%d syncs for %d moves", n.Load(), moves)
	}
}

// TestSyncFails shows that a move whose sync fails tells where the file lies, and that a copy whose sync fails leaves its
// original alone.
func TestSyncFails(t *testing.T) {
	fail := realCalls()
	fail.fsync = func(*os.File) error { return unix.EIO }
	d := newDesk(t)
	mkdir(t, d.done, 0o755)
	dest, err := newFiler(fail).Move(d.drop("a.pdf", "a"))
	if !errors.Is(err, unix.EIO) || dest != d.done+"/a.pdf" {
		t.Errorf("got %q, %v", dest, err)
	}
	holds(t, d.folder, "done/a.pdf=a")

	d = newFarDesk(t) // between two devices, the original must stay
	mkdir(t, d.done, 0o755)
	dest, err = newFiler(fail).Fail(d.drop("a.pdf", "a"), Note{})
	if !errors.Is(err, unix.EIO) || dest != "" {
		t.Errorf("got %q, %v", dest, err)
	}
	holds(t, d.folder, "a.pdf=a")
	holds(t, d.done)
}

// TestSyncFailsOnce shows that after the failure of any sync the same move with Again syncs both folders again, and leaves the
// file alone in its place.
func TestSyncFailsOnce(t *testing.T) {
	everyWay(t, func(t *testing.T, d desk, c calls) {
		failed := 0
		for nth, failing := 0, true; failing; nth++ {
			noError(t, os.RemoveAll(d.done))
			m := d.drop("a.pdf", "a")
			failing = false
			n, synced := 0, map[string]bool{}
			c.fsync = func(f *os.File) error {
				if n++; n-1 == nth {
					failing = true
					return unix.EIO
				}
				synced[f.Name()] = true
				return f.Sync()
			}
			f := newFiler(c)
			dest, err := f.Move(m)
			if !failing {
				noError(t, err)
				break
			}
			failed++
			if !errors.Is(err, unix.EIO) {
				t.Errorf("sync %d: got %q, %v", nth, dest, err)
			}
			clear(synced)
			m.Again = true
			if dest, err = f.Move(m); err != nil || dest != d.done+"/a.pdf" {
				t.Errorf("sync %d, again: got %q, %v", nth, dest, err)
			}
			if !synced[d.folder] || !synced[d.done] {
				t.Errorf("sync %d, again: only %v were synced", nth, synced)
			}
			holds(t, d.done, "a.pdf=a")
			missing(t, m.source())
		}
		if failed < 3 { // of the folder above done/, of done/, of the folder
			t.Errorf("there were %d syncs only", failed)
		}
	})
}

// TestCopyIsFoundOnCoarseClocks shows that a copy is found again after its last sync failed, on file systems that keep times
// in steps of two seconds (FAT) or 100 ns (SMB).
func TestCopyIsFoundOnCoarseClocks(t *testing.T) {
	d := newFarDesk(t)
	m := d.drop("a.pdf", "a")
	dest, err := New().Move(m)
	noError(t, err)
	for _, step := range []int64{100, 10e6, 1e9, 2e9} {
		kept := time.Unix(0, m.Want.Mtime-m.Want.Mtime%step)
		noError(t, os.Chtimes(dest, kept, kept))
		m.Again = true
		if again, err := New().Move(m); err != nil || again != dest {
			t.Errorf("steps of %d ns: got %q, %v", step, again, err)
		}
	}
}
