package uploader

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/ledger"
)

// findable is a service that can be asked for what was posted.
type findable struct {
	*service

	mu    sync.Mutex
	shown map[string]int // posts by their keys
	// loses says of the nth post whether it is made, and whether its answer is lost.
	loses func(nth int) (made, lost bool)
	fails func(nth int) error // of the nth question
	asked []destination.Message
	since []time.Time
	posts int
}

func newFindable(s *service) *findable {
	return &findable{service: s, shown: map[string]int{},
		loses: func(int) (bool, bool) { return true, false }, fails: func(int) error { return nil }}
}

func (f *findable) Post(ctx context.Context, m destination.Message) (destination.Receipt, error) {
	f.mu.Lock()
	f.posts++
	made, lost := f.loses(f.posts)
	if made {
		f.shown[m.Key]++
	}
	f.mu.Unlock()
	if lost {
		return destination.Receipt{}, doubtful(504)
	}
	return f.service.Post(ctx, m)
}

func (f *findable) Find(_ context.Context, m destination.Message, since time.Time) (destination.Receipt, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked, f.since = append(f.asked, m), append(f.since, since)
	if err := f.fails(len(f.asked)); err != nil {
		return destination.Receipt{}, false, err
	}
	return destination.Receipt{ID: "found"}, f.shown[m.Key] > 0, nil
}

// TestLostAnswersAreFound: of every second post the answer is lost, half of those were made. A destination that can be asked gets
// each file once, whatever when_unknown says, and also when the first questions fail.
func TestLostAnswersAreFound(t *testing.T) {
	for _, hold := range []bool{false, true} {
		for name, fails := range map[string]func(nth int) error{
			"at once": func(int) error { return nil },
			"later": func(nth int) error {
				if nth < 6 { // a run whose input has ended gives up after eight failures in a row
					return ofDestination(503)
				}
				return nil
			},
			"after nonsense": func(nth int) error {
				if nth < 6 { // a run whose input has ended gives up after eight failures in a row
					return wordless(ofFile(400))
				}
				return nil
			},
		} {
			t.Run(fmt.Sprint(name, ", hold: ", hold), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, newMemory())
					f := newFindable(w.service)
					f.loses = func(nth int) (made, lost bool) { return nth%4 != 2, nth%2 == 0 }
					f.fails = fails
					w.u.Destination = f
					folder := w.folder()
					folder.HoldUnknown = hold
					w.start(t.Context(), folder)
					for i := range 20 {
						w.drop(fmt.Sprintf("%02d.pdf", i), fmt.Sprint(i))
					}
					sum := w.end()
					if sum.Delivered != 20 || sum.Failed != 0 || len(f.shown) != 20 || len(f.asked) < 8 {
						t.Errorf("%+v, %d shown, asked %d times", sum, len(f.shown), len(f.asked))
					}
					for key, n := range f.shown {
						if n != 1 || len(key) < 20 {
							t.Errorf("the message %q is shown %d times", key, n)
						}
					}
					for i, m := range f.asked {
						if m.Target != "g@2" || f.since[i].IsZero() || time.Since(f.since[i]) < 0 {
							t.Errorf("asked for %+v since %v", m, f.since[i])
						}
					}
					for _, d := range w.ledger.(*memory).rows {
						if d.MaybeTwice || d.State != ledger.Filed {
							t.Errorf("%+v", d)
						}
					}
				})
			})
		}
	}
}

// TestFindAfterRestart: what was being posted when the daemon was killed is asked for first. What an older version claimed has no key
// to ask for, and when_unknown decides.
func TestFindAfterRestart(t *testing.T) {
	for _, c := range []struct {
		name  string
		key   string
		shown bool
		asked int
		posts int
		twice bool
	}{
		{"it was made", "KEY", true, 1, 0, false},
		{"it was not made", "KEY", false, 1, 1, false},
		{"without a key", "", false, 0, 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, realLedger(t))
			f := newFindable(w.service)
			w.u.Destination, w.u.Name = f, "x"
			s := w.write("scan.pdf", "content")
			ctx := t.Context()
			id, err := w.ledger.Claim(ctx, ledger.Delivery{Destination: "x", Key: c.key, Folder: w.dir, Kind: "Document", SettledAt: s.At,
				Files: []ledger.File{{Name: s.Name, ID: s.ID}}})
			w.must(err)
			sum := sha256.Sum256([]byte("content"))
			w.must(w.ledger.Uploaded(ctx, id, "resource of before", [][]byte{sum[:]}))
			w.must(w.ledger.Posting(ctx, id, "g@2", "", false))
			if c.shown {
				f.shown[c.key] = 1
			}
			w.start(ctx, w.folder())
			if sum := w.end(); sum.Delivered != 1 {
				t.Errorf("%+v", sum)
			}
			got, err := w.ledger.(*ledger.Ledger).Get(ctx, id)
			w.must(err)
			if len(f.asked) != c.asked || f.posts != c.posts || got.State != ledger.Filed || got.MaybeTwice != c.twice {
				t.Errorf("asked %d times, posted %d times, %+v", len(f.asked), f.posts, got)
			}
			if c.shown && got.Reference != "found" || slices.ContainsFunc(f.since, time.Time.IsZero) {
				t.Errorf("reference %q, asked since %v", got.Reference, f.since)
			}
		})
	}
}
