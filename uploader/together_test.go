package uploader

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/media"
)

// TestAlbumsStayTogether: whatever is answered, nothing else is posted to a group between two images of an album, be it of the same folder
// or of another one, and every file comes to its end.
func TestAlbumsStayTogether(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, newMemory())
				r := newRooms(w.service, 0)
				random := rand.New(rand.NewPCG(seed, 1))
				// With more, an album may stumble so often that it lets others go first, as it should.
				calls := weather{random: rand.New(rand.NewPCG(seed, 2)), share: []float64{0, 0.1, 0.2, 0.25}[seed%4]}
				r.takes = 100 * time.Millisecond
				r.does = func(int) (bool, error) { return calls.call() }
				r.finds = func(int) error { _, err := calls.call(); return err }
				w.u.Destination, w.u.MaxAttempts = r, 1000 // so many failures in a row are this test's, and nothing is given up for them
				a, b, c := w.folder(), w.below("b", "g@2"), w.below("c", "other@2")
				a.HoldUnknown = seed%2 == 0
				w.start(t.Context(), a, b, c)
				for i := range 6 {
					w.settled <- w.writeAlbum(fmt.Sprint(i, "a.jpg"), fmt.Sprint(i, "b.jpg"), fmt.Sprint(i, "c.jpg"))
					for _, f := range []Folder{a, b, b, c} {
						w.settled <- w.writeIn(f, fmt.Sprint(i, random.IntN(1_000_000), ".jpg"))
						time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
					}
					w.settled <- w.writeIn(b, fmt.Sprint(i, "x.jpg"), fmt.Sprint(i, "y.jpg"))
				}
				if sum := w.end(); sum.Delivered != 36 || sum.Failed != 0 {
					t.Errorf("%+v", sum)
				}
				for group, keys := range r.order {
					if runs := slices.Compact(slices.Clone(keys)); len(runs) != distinct(keys) {
						t.Errorf("%s: %d deliveries are shown in %d parts", group, distinct(keys), len(runs))
					}
				}
				if len(r.order["g@2"]) != 48 {
					t.Errorf("%d files are shown", len(r.order["g@2"]))
				}
			})
		})
	}
}

// TestAlbumThatCannotGoOn: an album one of whose images is refused again and again, and its folder alone, does not hold up its group for
// ever, nor its folder; in the end a person is told that some of it is posted.
func TestAlbumThatCannotGoOn(t *testing.T) {
	for name, err := range map[string]*destination.Error{
		"answered with an error": ofDestination(500), "unanswered": ofDestination(0), "the group refuses": ofGroup(403),
		"somebody in between refuses": wordless(ofGroup(403)),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, newMemory())
				r := newRooms(w.service, 0)
				r.refuses = func(m destination.Message, id string) error {
					if m.Kind == media.Album && id == "id 1" {
						return err
					}
					return nil
				}
				w.u.Destination = r
				a, b := w.folder(), w.below("b", "g@2")
				w.start(t.Context(), a, b)
				w.settled <- w.writeAlbum("1.jpg", "2.jpg", "3.jpg")
				for i := range 30 {
					w.settled <- w.writeIn(b, fmt.Sprint(i, ".jpg"))
					w.settled <- w.writeIn(a, fmt.Sprint("other ", i, ".jpg"))
				}
				for range 24 {
					time.Sleep(30 * time.Minute)
					r.mu.Lock()
					t.Log(time.Now(), len(r.order["g@2"]), len(r.posts))
					r.mu.Unlock()
				}
				want := Summary{Delivered: 60, Failed: 1}
				if err.Fault == destination.OfTarget {
					want = Summary{Delivered: 30, Left: 31} // its own folder waits for it
				}
				if sum := w.end(); sum != want {
					t.Errorf("%+v, want %+v", sum, want)
				}
				if note := w.lies("failed/1.jpg.reason.txt"); want.Failed > 0 && !strings.Contains(note, "may have been posted") {
					t.Errorf("note: %s", note)
				}
			})
		})
	}
}

// weather fails some calls. It is safe for concurrent use.
type weather struct {
	share float64 // of the calls

	mu     sync.Mutex
	random *rand.Rand
	inARow int // so far
}

// call says whether the service has acted, and how a call fails. So many in a row that a run gives up do not.
func (w *weather) call() (acted bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.inARow++; w.inARow > 4 || w.random.Float64() >= w.share {
		w.inARow = 0
		return true, nil
	}
	switch w.random.IntN(5) {
	case 0:
		return true, doubtful(504)
	case 1:
		return false, doubtful(0)
	case 2:
		return false, throttled(time.Second)
	case 3:
		return false, wordless(ofGroup(403))
	}
	return false, ofDestination(503)
}

func distinct(keys []string) int {
	return len(slices.Compact(slices.Sorted(slices.Values(keys))))
}

// below makes another folder, beside the world's own.
func (w *world) below(name, group string) Folder {
	f := Folder{Path: w.dir + " " + name, Group: group}
	f.Done, f.Failed = f.Path+"/done", f.Path+"/failed"
	w.must(os.Mkdir(f.Path, 0o755))
	return f
}

// writeIn puts images into a folder, and returns them as a batch.
func (w *world) writeIn(f Folder, names ...string) (b file.Batch) {
	for _, name := range names {
		path := filepath.Join(f.Path, name)
		w.must(os.WriteFile(path, []byte(f.Path+name), 0o644))
		info, err := file.Lstat(path)
		w.must(err)
		b = append(b, file.Settled{Folder: f.Path, Name: name, ID: info.Identity, At: time.Now()})
	}
	return b
}

// TestOutageInTheMidstOfAnAlbum: a service that shows files one by one is gone for ten hours, in the midst of albums of two folders that
// share a group. Nothing is given up, and nobody is asked too often; afterwards everything is shown once, in its order, and together.
func TestOutageInTheMidstOfAnAlbum(t *testing.T) {
	for name, err := range map[string]*destination.Error{"gone": doubtful(0), "a proxy has nobody to ask": doubtful(502), "down": ofDestination(503)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, newMemory())
				r := newRooms(w.service, 0)
				r.takes = 100 * time.Millisecond
				begun := time.Now()
				var calls atomic.Int64
				down := func() error {
					if since := time.Since(begun); since < 450*time.Millisecond || since > 10*time.Hour {
						return nil
					}
					calls.Add(1)
					return err
				}
				r.does = func(int) (bool, error) { err := down(); return err == nil, err }
				r.finds = func(int) error { return down() }
				w.service.onUpload = func(context.Context, string, int) error {
					if down() != nil {
						return ofDestination(503)
					}
					return nil
				}
				w.u.Destination = r
				a, b := w.folder(), w.below("b", "g@2")
				w.start(t.Context(), a, b)
				for i := range 6 {
					w.settled <- w.writeIn(a, fmt.Sprint(i, "a.jpg"), fmt.Sprint(i, "b.jpg"), fmt.Sprint(i, "c.jpg"))
					w.settled <- w.writeIn(b, fmt.Sprint(i, "d.jpg"), fmt.Sprint(i, "e.jpg"))
					w.settled <- w.writeIn(b, fmt.Sprint(i, "f.jpg"))
				}
				time.Sleep(10*time.Hour + 10*time.Minute)
				if sum := w.end(); sum != (Summary{Delivered: 18}) {
					t.Errorf("%+v", sum)
				}
				keys := r.order["g@2"]
				if runs := slices.Compact(slices.Clone(keys)); len(keys) != 36 || len(runs) != 18 || distinct(keys) != 18 {
					t.Errorf("%d files of %d deliveries are shown in %d parts", len(keys), distinct(keys), len(runs))
				}
				if n := calls.Load(); n > 400 {
					t.Errorf("%d calls in ten hours", n)
				}
			})
		})
	}
}
