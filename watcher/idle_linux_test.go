package watcher

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// heldBack gives, for each reason, a function that makes a file at path which is held back for it.
func heldBack() map[string]func(t testing.TB, path string) {
	torn := "%PDF-1.7\n" + string(make([]byte, 3000))
	return map[string]func(t testing.TB, path string){
		"empty":      func(t testing.TB, path string) { put(t, path, "") },
		"hard links": func(t testing.TB, path string) { put(t, path, torn); must(t, os.Link(path, path+".part")) },
		"torn":       func(t testing.TB, path string) { put(t, path, torn) },
		"lock file":  func(t testing.TB, path string) { put(t, path, torn); put(t, lockOf(path), "") },
		"open": func(t testing.TB, path string) {
			f, err := os.Create(path)
			must(t, err)
			t.Cleanup(func() { f.Close() })
			_, err = f.WriteString(torn + "%%EOF\n")
			must(t, err)
		},
	}
}

func put(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o600))
}

func lockOf(path string) string {
	return filepath.Join(filepath.Dir(path), ".~lock."+filepath.Base(path)+"#")
}

// heldFolder makes a folder with n files that are held back, with the default settings.
func heldFolder(t testing.TB, n int, hold func(t testing.TB, path string)) (f Folder, names []string) {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		names = append(names, fmt.Sprintf("%05d.pdf", i))
		hold(t, filepath.Join(dir, names[i]))
	}
	return Folder{Path: dir, Settle: 5 * time.Second, SettleRemote: 15 * time.Second, Rescan: time.Minute,
		VerifyEnding: true, TruncatedAfter: 24 * time.Hour}, names
}

// counted is a scout that counts what it is asked for.
type counted struct {
	*scout
	lists, names, due atomic.Int64
}

func (c *counted) run(ctx context.Context, requests <-chan request, answers chan<- answer) {
	for r := range requests {
		c.names.Add(int64(len(r.names)))
		c.due.Add(int64(len(r.due)))
		if r.whole {
			c.lists.Add(1)
		}
		select {
		case answers <- c.answer(ctx, r):
		case <-ctx.Done():
			return
		}
	}
}

func (c *counted) reset() {
	for _, n := range []*atomic.Int64{&c.lists, &c.names, &c.due} {
		n.Store(0)
	}
}

// TestHeldBackIsCheap shows that while nothing happens a folder of hundreds of held-back files is listed once a minute,
// that each file is looked into as seldom as their number demands, and that no file is read again. The clock is that of
// synctest, so no machine is too slow. BenchmarkHeldBackForReal measures the cost.
func TestHeldBackIsCheap(t *testing.T) {
	const many = 500
	for reason, hold := range heldBack() {
		t.Run(reason, func(t *testing.T) {
			f, names := heldFolder(t, many, hold)
			synctest.Test(t, func(t *testing.T) {
				r, c := &rig{t: t}, &counted{scout: newScout(f, nil)}
				r.start(newLoop(f, false, zerolog.New(&r.log)), make(chan fsnotify.Event), nil, c.run)
				r.none(3*time.Minute + 30*time.Second) // half a minute before and after any listing
				r.said("left where it is", 1)          // one line with a count
				const idle = 5 * time.Minute
				c.reset()
				before := fromFiles(t)
				r.none(idle)
				synctest.Wait()
				read, due := fromFiles(t).bytes-before.bytes, c.due.Load()
				t.Logf("%d files in %v: %d listings, looked into %d times, %d bytes read", len(names), idle, c.lists.Load(), due, read)
				each := min(time.Duration(len(names))*heldEach, maxHold) // the time between two looks into a file
				if most := int64(len(names)) * int64(idle/each+1); due == 0 || due > most {
					t.Errorf("files were looked into %d times, want it to be from 1 to %d", due, most)
				}
				if c.lists.Load() != int64(idle/f.Rescan) || c.names.Load() != 0 {
					t.Errorf("%d listings, and %d looks at single files without an event", c.lists.Load(), c.names.Load())
				}
				if read >= int64(len(names)) { // one byte of each file
					t.Errorf("%d bytes were read, want what was found torn not to be read again", read)
				}
			})
		})
	}
}

// BenchmarkHeldBackForReal measures a minute with 10,000 held-back files: one listing of the folder, and one look into
// each file. The aim is under 1 % of a processor.
func BenchmarkHeldBackForReal(b *testing.B) {
	for reason, hold := range heldBack() {
		b.Run(reason, func(b *testing.B) {
			f, names := heldFolder(b, 10_000, hold)
			s := newScout(f, nil)
			s.answer(b.Context(), request{due: names}) // from now on it is known which files are torn
			before := processorTime(b)
			for b.Loop() {
				if n := len(s.answer(b.Context(), request{whole: true, due: names}).seen); n < 2*len(names) {
					b.Fatalf("%d seen", n)
				}
			}
			b.ReportMetric(100*(processorTime(b)-before).Minutes()/float64(b.N), "%CPU")
		})
	}
}

// processorTime is the processor time that this process has used so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var use unix.Rusage
	must(b, unix.Getrusage(unix.RUSAGE_SELF, &use))
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
