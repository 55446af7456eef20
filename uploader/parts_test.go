package uploader

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/ledger"
)

// rooms is a service that shows each file by a post of its own, and can be asked for what is there.
type rooms struct {
	*service
	takes time.Duration // that each file takes

	mu    sync.Mutex
	shown map[string][]string // ids, by the delivery's key
	order map[string][]string // keys as they were shown, by group
	// does says what becomes of the nth file that is posted: whether it is shown, and the error that ends the post there.
	does  func(nth int) (shows bool, err error)
	finds func(nth int) error // the error of the nth question
	// refuses gives the error of a file's post that is not made, or nil.
	refuses func(m destination.Message, id string) error
	files   int // of each delivery; 0: as many as were uploaded
	nth     int
	posts   []destination.Message
	asked   []destination.Message
}

func newRooms(s *service, files int) *rooms {
	return &rooms{service: s, files: files, shown: map[string][]string{}, order: map[string][]string{},
		does: func(int) (bool, error) { return true, nil }, finds: func(int) error { return nil },
		refuses: func(destination.Message, string) error { return nil }}
}

// filesOf is how many files a message has.
func (r *rooms) filesOf(m destination.Message) int {
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	return cmp.Or(r.files, 1+strings.Count(r.contents[m.Ref], "+"))
}

func (r *rooms) Post(_ context.Context, m destination.Message) (destination.Receipt, error) {
	r.mu.Lock()
	r.posts = append(r.posts, m)
	r.mu.Unlock()
	ids := slices.Clone(m.Shown)
	for i := len(ids); i < r.filesOf(m); i++ {
		time.Sleep(r.takes)
		id := fmt.Sprint("id ", i)
		if err := r.postFile(m, id); err != nil {
			return destination.Receipt{Shown: ids}, err
		}
		ids = append(ids, id)
	}
	return destination.Receipt{ID: strings.Join(ids, "+")}, nil
}

func (r *rooms) postFile(m destination.Message, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.refuses(m, id); err != nil {
		return err
	}
	r.nth++
	shows, err := r.does(r.nth)
	if shows {
		r.shown[m.Key] = append(r.shown[m.Key], id)
		r.order[m.Target] = append(r.order[m.Target], m.Key)
	}
	return err
}

func (r *rooms) Find(_ context.Context, m destination.Message, _ time.Time) (destination.Receipt, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, m)
	if err := r.finds(len(r.asked)); err != nil {
		return destination.Receipt{}, false, err
	}
	ids := slices.Clone(r.shown[m.Key])
	if len(ids) < r.filesOf(m) {
		return destination.Receipt{Shown: ids}, false, nil
	}
	return destination.Receipt{ID: strings.Join(ids, "+")}, true, nil
}

// TestAlbumsInParts: an album of which some images are shown goes on with the others, whatever keeps it from that, and also where a
// folder does not post again: what is known to be there is in no doubt.
func TestAlbumsInParts(t *testing.T) {
	for name, does := range map[string]func(nth int) (bool, error){
		"answers lost, shown":     func(nth int) (bool, error) { return true, onNth(nth, doubtful(504), 2, 3) },
		"answers lost, not shown": func(nth int) (bool, error) { err := onNth(nth, doubtful(504), 1, 3); return err == nil, err },
		"too many calls":          func(nth int) (bool, error) { err := onNth(nth, ofDestination(429), 2, 3, 5); return err == nil, err },
		"the group refuses":       func(nth int) (bool, error) { err := onNth(nth, ofGroup(403), 3, 4, 5, 6); return err == nil, err },
		"server errors":           func(nth int) (bool, error) { return nth != 4, onNth(nth, doubtful(500), 2, 4, 6) },
	} {
		for _, hold := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", hold: ", hold), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					book := newMemory()
					w := newWorld(t, book)
					r := newRooms(w.service, 4)
					r.does = does
					w.u.Destination = r
					folder := w.folder()
					folder.HoldUnknown = hold
					w.start(t.Context(), folder)
					w.settled <- w.writeAlbum("a.jpg", "b.jpg", "c.jpg", "d.jpg")
					if sum := w.end(); sum.Delivered != 1 || sum.Failed != 0 {
						t.Errorf("%+v", sum)
					}
					for key, ids := range r.shown {
						if strings.Join(ids, " ") != "id 0 id 1 id 2 id 3" || len(r.shown) != 1 {
							t.Errorf("%s: %q of %d", key, ids, len(r.shown))
						}
					}
					for _, d := range w.rows(book) {
						if d.MaybeTwice || d.State != ledger.Filed || d.Reference != "id 0+id 1+id 2+id 3" {
							t.Errorf("%+v", d)
						}
					}
					if len(r.posts) < 2 {
						t.Error("nothing went wrong")
					}
				})
			})
		}
	}
}

// onNth gives err at one of those calls.
func onNth(nth int, err error, at ...int) error {
	if slices.Contains(at, nth) {
		return err
	}
	return nil
}

// TestCannotTell: where the destination cannot say whether a post was made, when_unknown decides, and of a file that was never sent there
// is no doubt.
func TestCannotTell(t *testing.T) {
	never := &destination.Error{Unknowable: true, Err: fmt.Errorf("its history is gone")}
	for _, c := range []struct {
		hold              bool
		delivered, failed int
		shown             int
	}{{false, 1, 0, 2}, {true, 0, 1, 1}} {
		t.Run(fmt.Sprint("hold: ", c.hold), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				book := newMemory()
				w := newWorld(t, book)
				r := newRooms(w.service, 1)
				r.does = func(nth int) (bool, error) { return true, onNth(nth, doubtful(504), 1) }
				r.finds = func(int) error { return never }
				w.u.Destination = r
				folder := w.folder()
				folder.HoldUnknown = c.hold
				w.start(t.Context(), folder)
				w.drop("a.pdf", "a")
				if sum := w.end(); sum.Delivered != c.delivered || sum.Failed != c.failed || len(r.asked) != 1 {
					t.Errorf("%+v, asked %d times", sum, len(r.asked))
				}
				for key, ids := range r.shown {
					if len(ids) != c.shown || key == "" {
						t.Errorf("shown %d times", len(ids))
					}
				}
				for _, d := range w.rows(book) {
					if d.MaybeTwice == c.hold {
						t.Errorf("%+v", d)
					}
				}
				if note := w.lies("failed/a.pdf.reason.txt"); c.hold && !strings.Contains(note, "its history is gone") {
					t.Errorf("note: %s", note)
				}
			})
		})
	}
}

// TestCannotTellYet: while the destination cannot tell yet whether a post was made, its folder waits, whatever when_unknown says, and the
// others go on. What is shown then is filed and not posted again, also where the folder posts to another group by then.
func TestCannotTellYet(t *testing.T) {
	for _, hold := range []bool{false, true} {
		for _, moved := range []bool{false, true} {
			t.Run(fmt.Sprint("hold: ", hold, ", moved: ", moved), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					book := newMemory()
					w := newWorld(t, book)
					r, begun := newRooms(w.service, 1), time.Now()
					r.finds = func(int) error {
						if time.Since(begun) < 6*time.Minute {
							return &destination.Error{Later: true, Err: fmt.Errorf("it may be shown later")}
						}
						return nil
					}
					w.u.Destination = r
					here, other := w.folder(), w.below("other", "other@2")
					here.HoldUnknown = hold
					d := w.left(book, ledger.Posting, w.write("a.pdf", "a"))
					d.Key, d.Group, d.PostingAt = "KEY", "g@2", time.Now()
					r.shown["KEY"] = []string{"id 0"}
					if moved {
						here.Group = "another@2"
					}
					w.start(t.Context(), here, other)
					w.settled <- w.writeIn(other, "b.pdf")
					time.Sleep(time.Minute)
					if _, posted := w.soFar(); len(r.posts) != 1 || r.posts[0].Target != "other@2" {
						t.Errorf("after a minute: %q is posted, %+v", posted, r.posts)
					}
					if sum := w.end(); sum.Delivered != 2 || len(r.posts) != 1 || time.Since(begun) < 6*time.Minute || d.MaybeTwice || d.State != ledger.Filed {
						t.Errorf("%+v after %v, posted %d times, %+v", sum, time.Since(begun), len(r.posts), d)
					}
				})
			})
		}
	}
}

// TestOldLedger: what an earlier run left as not posted is asked for before it is posted: the ledger may be a copy of before. What is
// there is filed and not posted; what is not, is posted, also where that cannot be told.
func TestOldLedger(t *testing.T) {
	for _, state := range []ledger.State{ledger.Claimed, ledger.Uploaded} {
		for _, c := range []struct {
			name  string
			there bool
			err   error
			posts int
		}{
			{"there", true, nil, 0}, {"not there", false, nil, 1}, {"cannot be told", false, &destination.Error{Unknowable: true, Err: fmt.Errorf("x")}, 1},
		} {
			for _, hold := range []bool{false, true} {
				t.Run(fmt.Sprint(state, ", ", c.name, ", hold: ", hold), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						book := newMemory()
						w := newWorld(t, book)
						r := newRooms(w.service, 1)
						r.finds = func(int) error { return c.err }
						w.u.Destination = r
						d := w.left(book, state, w.write("a.pdf", "a"))
						d.Key = "KEY"
						if c.there {
							r.shown["KEY"] = []string{"id 0"}
						}
						folder := w.folder()
						folder.HoldUnknown = hold
						w.start(t.Context(), folder)
						if sum := w.end(); sum.Delivered != 1 || len(r.posts) != c.posts || len(r.asked) != 1 {
							t.Errorf("%+v, posted %d times, asked %d times", sum, len(r.posts), len(r.asked))
						}
						if m := r.asked[0]; m.Target != "g@2" || m.Tried || m.Ref == "" {
							t.Errorf("asked for %+v", m)
						}
						if d.State != ledger.Filed || d.Reference != "id 0" || d.MaybeTwice || d.Group != "g@2" {
							t.Errorf("%+v", d)
						}
					})
				})
			}
		}
	}
}

// TestStaleUpload: what was uploaded for nothing is uploaded again, also in the run that uploaded it, and nothing waits for that.
func TestStaleUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newMemory())
		r := newRooms(w.service, 1)
		stale := failure(0, destination.OfFile)
		stale.Stale, stale.Answered = true, false
		r.does = func(nth int) (bool, error) { err := onNth(nth, stale, 1, 2); return err == nil, err }
		w.u.Destination = r
		w.start(t.Context(), w.folder())
		begun := time.Now()
		w.drop("a.pdf", "a")
		if sum := w.end(); sum.Delivered != 1 || time.Since(begun) > time.Second {
			t.Errorf("%+v in %v", sum, time.Since(begun))
		}
		if uploads, _ := w.soFar(); len(uploads) != 3 || len(r.posts) != 3 || r.posts[0].Ref == r.posts[2].Ref {
			t.Errorf("uploads %q, posts %+v", uploads, r.posts)
		}
	})
}

// TestFindInAnotherGroup: where a folder has another group by now, and the one that it had refuses to be asked, when_unknown decides. The
// group that it has is waited for.
func TestFindInAnotherGroup(t *testing.T) {
	for _, moved := range []bool{false, true} {
		t.Run(fmt.Sprint("moved: ", moved), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				book := newMemory()
				w := newWorld(t, book)
				r := newRooms(w.service, 1)
				r.finds = func(nth int) error { return onNth(nth, ofGroup(403), 1, 2, 3) }
				w.u.Destination = r
				d := w.left(book, ledger.Posting, w.write("a.pdf", "a"))
				d.Key, d.Group, d.PostingAt = "KEY", "g@2", time.Now()
				folder := w.folder()
				want := 4
				if moved {
					folder.Group, want = "other@2", 1
				}
				w.start(t.Context(), folder)
				if sum := w.end(); sum.Delivered != 1 || len(r.asked) != want || d.MaybeTwice != moved {
					t.Errorf("%+v, asked %d times, want %d, %+v", sum, len(r.asked), want, d)
				}
				if len(r.posts) != 1 || r.posts[0].Target != folder.Group || r.asked[0].Target != "g@2" {
					t.Errorf("asked for %+v, posted %+v", r.asked, r.posts)
				}
			})
		})
	}
}
