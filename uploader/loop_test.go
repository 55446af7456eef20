package uploader

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
)

// bubble runs a test on synctest's clock, with a ledger in memory. That Run leaves no goroutine behind is checked by
// synctest: the test would not end.
func bubble(t *testing.T, test func(w *world, book *memory)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		book := newMemory()
		test(newWorld(t, book), book)
	})
}

// both runs a test that needs no clock with the ledger in memory and with the real one.
func both(t *testing.T, test func(w *world)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(newWorld(t, newMemory())) })
	t.Run("sqlite", func(t *testing.T) { test(newWorld(t, realLedger(t))) })
}

func TestDrainedRunEnds(t *testing.T) {
	both(t, func(w *world) {
		w.start(w.t.Context(), w.folder())
		var want []string
		for i := range 40 {
			w.drop(fmt.Sprintf("%02d.pdf", i), fmt.Sprint("content ", i))
			want = append(want, fmt.Sprint("content ", i))
		}
		w.drop("notes.txt", "text")
		if sum := w.end(); sum != (Summary{Delivered: 40, Failed: 1}) {
			t.Errorf("%+v", sum)
		}
		w.wantPosted(want...)
		for i := range 40 {
			if w.lies(fmt.Sprintf("done/%02d.pdf", i)) != want[i] {
				t.Errorf("%d is not in done/", i)
			}
		}
		if w.lies("failed/notes.txt") != "text" || !strings.Contains(w.lies("failed/notes.txt.reason.txt"), ".txt") {
			t.Error("the text is not in failed/ with its reason")
		}
		if open := w.unfinished(); len(open) != 0 || w.service.most > 4 {
			t.Errorf("%d are unfinished; %d uploads at once", len(open), w.service.most)
		}
	})
}

// TestRestart goes on from each state that a crash can leave, without a second upload or post where none is promised.
func TestRestart(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	sum := sha256.Sum256([]byte("content"))
	resource := func(w *world, id int64) { w.must(w.ledger.Uploaded(ctx, id, "kept", [][]byte{sum[:]})) }
	posting := func(w *world, id int64) { resource(w, id); w.must(w.ledger.Posting(ctx, id, "g@2", "", false)) }
	posted := func(w *world, id int64) { posting(w, id); w.must(w.ledger.Posted(ctx, id, "r")) }
	for _, c := range []struct {
		name    string
		before  func(w *world, id int64)
		hold    bool
		uploads int
		posts   int
		at      string
	}{
		{"claimed", func(*world, int64) {}, false, 1, 1, "done/x.pdf"},
		{"uploaded", resource, false, 0, 1, "done/x.pdf"},
		{"uploaded, hold", resource, true, 0, 1, "done/x.pdf"},
		{"posting", posting, false, 0, 1, "done/x.pdf"},
		{"posting, hold", posting, true, 0, 0, "failed/x.pdf"},
		{"posted", posted, false, 0, 0, "done/x.pdf"},
		{"posted and moved", func(w *world, id int64) {
			posted(w, id)
			w.must(os.Mkdir(w.dir+"/done", 0o755))
			w.must(os.Rename(w.dir+"/x.pdf", w.dir+"/done/x.pdf"))
		}, false, 0, 0, "done/x.pdf"},
		{"failed", func(w *world, id int64) { w.must(w.ledger.Failed(ctx, id, "bad")) }, false, 0, 0, "failed/x.pdf"},
		{"posting, chmod since", func(w *world, id int64) {
			posting(w, id)
			w.must(os.Chmod(w.dir+"/x.pdf", 0o600))
		}, false, 0, 1, "done/x.pdf"},
		{"posting, chmod since, hold", func(w *world, id int64) {
			posting(w, id)
			w.must(os.Chmod(w.dir+"/x.pdf", 0o600))
		}, true, 0, 0, "failed/x.pdf"},
	} {
		restart := func(t *testing.T, rebooted bool) {
			both(t, func(w *world) {
				s := w.write("x.pdf", "content")
				before := s.ID
				if rebooted {
					before.Dev++
				}
				id, err := w.ledger.Claim(ctx, ledger.Delivery{Folder: w.dir, Kind: "Document", SettledAt: s.At,
					Files: []ledger.File{{Name: s.Name, ID: before}}})
				w.must(err)
				c.before(w, id)
				f := w.folder()
				f.HoldUnknown = c.hold
				w.start(w.t.Context(), f)
				if w.lies("x.pdf") != "" {
					w.settled <- file.Batch{s} // the watcher finds it anew
				}
				w.end()
				if len(w.service.uploads) != c.uploads || len(w.service.posted) != c.posts {
					t.Errorf("%d uploads, %d posts", len(w.service.uploads), len(w.service.posted))
				}
				if w.lies(c.at) != "content" || w.lies("x.pdf") != "" {
					t.Errorf("it is not at %s", c.at)
				}
				if open := w.unfinished(); len(open) != 0 {
					t.Errorf("unfinished: %+v", open)
				}
			})
		}
		t.Run(c.name, func(t *testing.T) { restart(t, false) })
		t.Run(c.name+", and the device has another number", func(t *testing.T) { restart(t, true) })
	}
}

func TestRestartKeepsTheOrderOfSettling(t *testing.T) {
	both(t, func(w *world) {
		at := time.Now()
		var want []string
		for i := range 10 { // claimed in the opposite order
			name := fmt.Sprintf("%d.pdf", i)
			s := w.write(name, name)
			_, err := w.ledger.Claim(w.t.Context(), ledger.Delivery{Folder: w.dir, Kind: "Document",
				SettledAt: at.Add(-time.Duration(i) * time.Second), Files: []ledger.File{{Name: name, ID: s.ID}}})
			w.must(err)
			want = append([]string{name}, want...)
		}
		w.start(w.t.Context(), w.folder())
		w.end()
		w.wantPosted(want...)
	})
}

// TestFileChangesUnderWay: at each stage, in each way. What is posted is what settled, once; what is newer is delivered
// after it; nothing is lost.
func TestFileChangesUnderWay(t *testing.T) {
	changes := map[string]func(w *world){
		"written":  func(w *world) { w.write("x.pdf", "newer content") },
		"replaced": func(w *world) { w.write("y.tmp", "newer content"); w.must(os.Rename(w.dir+"/y.tmp", w.dir+"/x.pdf")) },
		"removed":  func(w *world) { w.must(os.Remove(w.dir + "/x.pdf")) },
	}
	for how, change := range changes {
		for _, at := range []string{"Claim", "upload", "Uploaded", "Posting", "post", "Posted"} {
			t.Run(how+" at "+at, func(t *testing.T) {
				bubble(t, func(w *world, book *memory) {
					done := false
					once := func(now string) {
						if now == at && !done {
							done = true
							change(w)
						}
					}
					book.fail = func(step string, _ *ledger.Delivery) error { once(step); return nil }
					w.service.onUpload = func(context.Context, string, int) error { once("upload"); return nil }
					w.service.onPost = func(context.Context, destination.Message, int) error { once("post"); return nil }
					w.start(w.t.Context(), w.folder())
					w.drop("x.pdf", "content")
					synctest.Wait()
					early := at == "Claim" || at == "upload" || at == "Uploaded"
					if early { // withdrawn
						if r := <-w.released; r != (file.Release{Folder: w.dir, Name: "x.pdf"}) {
							t.Errorf("released %+v", r)
						}
					}
					var want []string
					if !early {
						want = append(want, "content")
					}
					if how != "removed" {
						w.settled <- file.Batch{w.look("x.pdf")}
						want = append(want, "newer content")
					}
					w.end()
					w.wantPosted(want...)
					if how != "removed" && w.lies("done/x.pdf") != "newer content" {
						t.Error("the newer one is not in done/")
					}
					if open := w.unfinished(); !done || len(open) != 0 {
						t.Errorf("unfinished: %+v", open)
					}
				})
			})
		}
	}
}

// TestFolderAwayForAMoment: its files settle anew when it is back, in the very state they were in. That one of them was
// known, and is only now being forgotten, must not make it forgotten for good.
func TestFolderAwayForAMoment(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		away := false
		w.service.onUpload = func(context.Context, string, int) error {
			if !away {
				away = true
				w.must(os.Rename(w.dir, w.dir+".away"))
			}
			return nil
		}
		stuck := time.Now().Add(time.Minute)
		book.fail = func(step string, _ *ledger.Delivery) error {
			if step == "Withdraw" && time.Now().Before(stuck) {
				return errors.New("disk full")
			}
			return nil
		}
		w.start(w.t.Context(), w.folder())
		s := w.write("x.pdf", "content")
		w.settled <- file.Batch{s}
		synctest.Wait()
		w.must(os.Rename(w.dir+".away", w.dir))
		w.settled <- file.Batch{s} // the watcher saw it go and come
		if r := <-w.released; r.Name != "x.pdf" {
			t.Errorf("released %+v", r)
		}
		w.settled <- file.Batch{s}
		w.end()
		w.wantPosted("content")
	})
}

// TestLedgerFails at each step, once and for an hour: no outside step without its commit, nothing twice, and all goes
// on by itself afterwards.
func TestLedgerFails(t *testing.T) {
	for _, step := range []string{"Claim", "Uploaded", "Posting", "NotPosted", "Posted", "Filed", "Failed", "FailedFiled", "Waits", "Withdraw"} {
		for _, lasts := range []time.Duration{0, time.Hour} {
			t.Run(fmt.Sprint(step, lasts), func(t *testing.T) {
				bubble(t, func(w *world, book *memory) {
					begun, failures := time.Now(), 0
					book.fail = func(now string, _ *ledger.Delivery) error {
						if now == step && (failures == 0 || time.Since(begun) < lasts) {
							failures++
							return errors.New("disk full")
						}
						return nil
					}
					w.service.onUpload = func(_ context.Context, name string, nth int) error {
						switch {
						case name == "busy.pdf" && nth == 1:
							return ofDestination(503)
						case name == "bad.pdf":
							return ofFile(415)
						case name == "changing.pdf" && nth == 1:
							w.write(name, "changed content")
						}
						return nil
					}
					w.service.onPost = func(_ context.Context, p destination.Message, nth int) error {
						w.wantState(book, ledger.Posting, p.Ref)
						if nth == 1 {
							return throttled(10 * time.Second)
						}
						return nil
					}
					w.start(w.t.Context(), w.folder())
					for _, name := range []string{"a.pdf", "bad.pdf", "busy.pdf", "changing.pdf"} {
						w.drop(name, name)
					}
					<-w.released
					w.settled <- file.Batch{w.look("changing.pdf")}
					time.Sleep(lasts + 20*time.Minute) // of the bubble's clock
					if sum := w.end(); sum != (Summary{Delivered: 3, Failed: 1}) || failures == 0 {
						t.Errorf("%+v; the ledger failed %d times", sum, failures)
					}
					slices.Sort(w.service.posted)
					w.wantPosted("a.pdf", "busy.pdf", "changed content")
					for name, n := range w.service.calls {
						if strings.HasPrefix(name, "upload a") && n != 1 {
							t.Errorf("%d times %s", n, name)
						}
					}
					for _, d := range book.rows {
						if !d.Finished {
							t.Errorf("unfinished: %+v", d)
						}
					}
				})
			})
		}
	}
}

// wantState checks from the outside that the ledger has a delivery with this resource in the state.
func (w *world) wantState(book *memory, state ledger.State, resource string) {
	book.mu.Lock()
	defer book.mu.Unlock()
	for _, d := range book.rows {
		if d.Resource == resource && d.State == state {
			return
		}
	}
	w.t.Errorf("the ledger has no delivery of %s that is %s", resource, state)
}

// TestLedgerFailsForGood: the run can still be stopped, and nothing was done on the outside that it does not know of.
func TestLedgerFailsForGood(t *testing.T) {
	for step, want := range map[string]struct{ uploads, posts int }{
		"Claim": {0, 0}, "Uploaded": {1, 0}, "Posting": {1, 0}, "Posted": {1, 1}, "Filed": {1, 1},
	} {
		t.Run(step, func(t *testing.T) {
			bubble(t, func(w *world, book *memory) {
				book.fail = func(now string, _ *ledger.Delivery) error {
					if now == step {
						return errors.New("disk full")
					}
					return nil
				}
				ctx, stop := context.WithCancel(w.t.Context())
				w.start(ctx, w.folder())
				w.drop("x.pdf", "content")
				time.Sleep(24 * time.Hour)
				stop()
				sum := <-w.result
				if sum.Left != 1 || len(w.service.uploads) != want.uploads || len(w.service.posted) != want.posts {
					t.Errorf("%+v, %d uploads, %d posts", sum, len(w.service.uploads), len(w.service.posted))
				}
				if step == "Posted" && w.lies("x.pdf") != "content" {
					t.Error("moved though the ledger does not know that it is posted")
				}
			})
		})
	}
}

// TestRefusalThatIsNotWrittenDown, and then the file changes: the ledger must hear of the refusal before it can forget.
func TestRefusalThatIsNotWrittenDown(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		told := false
		book.fail = func(now string, _ *ledger.Delivery) error {
			if now == "NotPosted" && !told {
				told = true
				return errors.New("disk full")
			}
			return nil
		}
		w.service.onPost = func(_ context.Context, _ destination.Message, nth int) error {
			if nth == 1 && !told {
				w.write("x.pdf", "changed")
				return ofDestination(503)
			}
			return nil
		}
		w.start(w.t.Context(), w.folder())
		w.drop("x.pdf", "content")
		<-w.released
		w.settled <- file.Batch{w.look("x.pdf")}
		if sum := w.end(); sum != (Summary{Delivered: 1}) {
			t.Errorf("%+v", sum)
		}
		w.wantPosted("changed")
	})
}

// TestPostIsWrittenDownAtOnce: not when there is room for its next step.
func TestPostIsWrittenDownAtOnce(t *testing.T) {
	both(t, func(w *world) {
		s := w.write("x.pdf", "content")
		d := newDelivery(&lane{folder: w.folder()}, s)
		for _, at := range []stage{toClaim, toUpload, toKeep, toPost, toConfirm} {
			d.stage = at
			r := w.u.step(w.t.Context(), d.job())
			w.must(r.err)
			d.learn(r)
		}
		if open := w.unfinished(); len(open) != 1 || open[0].State != ledger.Posted || open[0].Reference == "" ||
			open[0].Caption != "caption of x.pdf" || open[0].Group != "g@2" {
			t.Errorf("%+v", open)
		}
	})
}

// TestCommitsComeFirst: each call finds in the ledger what it must, and the checksum is that of what was sent.
func TestCommitsComeFirst(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		w.service.onUpload = func(_ context.Context, name string, _ int) error {
			book.mu.Lock()
			defer book.mu.Unlock()
			if !slices.ContainsFunc(w.rows(book), func(d *ledger.Delivery) bool {
				return d.Files[0].Name == name && d.State == ledger.Claimed
			}) {
				t.Errorf("%s is sent, and not claimed", name)
			}
			return nil
		}
		w.service.onPost = func(_ context.Context, p destination.Message, _ int) error {
			w.wantState(book, ledger.Posting, p.Ref)
			return nil
		}
		w.start(w.t.Context(), w.folder())
		for i := range 50 {
			w.drop(fmt.Sprint(i, ".pdf"), fmt.Sprint(i))
		}
		w.end()
		for _, d := range book.rows {
			content := w.lies("done/" + d.Files[0].Name)
			if sum := sha256.Sum256([]byte(content)); !slices.Equal(d.Files[0].SHA256, sum[:]) || content == "" {
				t.Errorf("%s has the checksum %x", d.Files[0].Name, d.Files[0].SHA256)
			}
		}
	})
}

func (w *world) rows(book *memory) []*ledger.Delivery { return slices.Collect(maps.Values(book.rows)) }

// TestDoneCannotBeWritten: what could not be filed is not posted, which is said once, and goes on by itself.
func TestDoneCannotBeWritten(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		var log logged
		w.u.Log = zerolog.New(&log)
		w.must(os.WriteFile(w.dir+"/done", nil, 0o644)) // a file where a folder should be
		w.start(w.t.Context(), w.folder())
		for i := range 30 {
			w.drop(fmt.Sprintf("%02d.pdf", i), fmt.Sprintf("%02d", i))
		}
		w.drop("bad.txt", "text")
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		w.wantPosted()
		if uploads, _ := w.soFar(); len(uploads) > 0 || w.lies("failed/bad.txt") != "text" {
			t.Errorf("uploaded %v; failed/bad.txt holds %q", uploads, w.lies("failed/bad.txt"))
		}
		if n := strings.Count(log.String(), `"level":"warn"`); n != 2 || strings.Count(log.String(), "cannot be filed away") != 1 {
			t.Errorf("%d warnings, want one for the folder and one for bad.txt:\n%s", n, log.String())
		}
		w.must(os.Remove(w.dir + "/done"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.lies("done/00.pdf") != "00" || w.lies("done/29.pdf") != "29" || strings.Count(log.String(), "filed away again") != 1 {
			t.Errorf("not filed:\n%s", log.String())
		}
		w.end()
		if len(w.service.posted) != 30 || w.service.posted[0] != "00" || w.service.posted[29] != "29" {
			t.Errorf("posted %v", w.service.posted)
		}
	})
}

// TestDoneBecomesUnwritable: a few files are posted at most before it is noticed that none can be filed any more.
func TestDoneBecomesUnwritable(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		w.start(w.t.Context(), w.folder())
		w.drop("first.pdf", "first")
		time.Sleep(time.Minute)
		synctest.Wait()
		w.must(os.Rename(w.dir+"/done", w.dir+"/taken away"))
		w.must(os.WriteFile(w.dir+"/done", nil, 0o644))
		for i := range 300 {
			w.drop(fmt.Sprintf("%03d.pdf", i), fmt.Sprintf("%03d", i))
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, posted := w.soFar(); len(posted) != 1 {
			t.Errorf("%d posts, want only the one from before", len(posted))
		}
		w.must(os.Remove(w.dir + "/done"))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if _, posted := w.soFar(); len(posted) != 301 {
			t.Errorf("%d posts after it was mended, want 301", len(posted))
		}
		w.end()
	})
}

func TestGrace(t *testing.T) {
	for _, c := range []struct {
		name   string
		upload time.Duration
		took   time.Duration
		state  ledger.State
	}{
		{"ends in time", 5 * time.Second, 5 * time.Second, ledger.Uploaded},
		{"is broken off", time.Hour, 20 * time.Second, ledger.Claimed},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(w *world, book *memory) {
				w.service.onUpload = func(ctx context.Context, _ string, _ int) error {
					select {
					case <-time.After(c.upload):
						return nil
					case <-ctx.Done():
						return broken()
					}
				}
				ctx, stop := context.WithCancel(w.t.Context())
				w.start(ctx, w.folder())
				for i := range 30 {
					w.drop(fmt.Sprint(i, ".pdf"), "content")
				}
				synctest.Wait()
				stop()
				begun := time.Now()
				sum := <-w.result
				if took := time.Since(begun); took != c.took || sum.Left != 30 {
					t.Errorf("it took %v, %+v", took, sum)
				}
				n := 0
				for _, d := range book.rows {
					if d.State == c.state {
						n++
					}
				}
				if n < 4 || len(w.service.posted) != 0 {
					t.Errorf("%d are %s; posted %v", n, c.state, w.service.posted)
				}
			})
		})
	}
}

// TestPostThatEndsWithTheGrace: what was posted is written down and filed, although the time is up.
func TestPostThatEndsWithTheGrace(t *testing.T) {
	for name, end := range map[string]error{
		"posted": nil, "doubtful": &destination.Error{MayHaveActed: true, Err: context.Canceled}, "not sent": broken(),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world, book *memory) {
				w.service.onPost = func(ctx context.Context, _ destination.Message, _ int) error { <-ctx.Done(); return end }
				ctx, stop := context.WithCancel(w.t.Context())
				w.start(ctx, w.folder())
				w.drop("x.pdf", "content")
				synctest.Wait()
				stop()
				<-w.result
				d := book.rows[1]
				want := map[string]ledger.State{"posted": ledger.Filed, "doubtful": ledger.Posting, "not sent": ledger.Uploaded}[name]
				if d.State != want {
					t.Errorf("it is %s in the ledger, want %s", d.State, want)
				}
				if name == "posted" && w.lies("done/x.pdf") != "content" {
					t.Error("not filed")
				}
			})
		})
	}
}

// TestLastChanceToWriteDownAPost: the ledger works again just before the stop.
func TestLastChanceToWriteDownAPost(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		begun := time.Now()
		book.fail = func(step string, _ *ledger.Delivery) error {
			if step == "Posted" && time.Since(begun) < time.Hour {
				return errors.New("disk full")
			}
			return nil
		}
		ctx, stop := context.WithCancel(w.t.Context())
		w.start(ctx, w.folder())
		w.drop("x.pdf", "content")
		time.Sleep(time.Hour)
		stop()
		if sum := <-w.result; sum != (Summary{Delivered: 1}) || book.rows[1].State != ledger.Filed {
			t.Errorf("%+v, %+v", sum, book.rows[1])
		}
	})
}

// TestUploadThatEndsWithTheGrace is kept.
func TestUploadThatEndsWithTheGrace(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		w.service.onUpload = func(ctx context.Context, _ string, _ int) error { <-ctx.Done(); return nil }
		ctx, stop := context.WithCancel(w.t.Context())
		w.start(ctx, w.folder())
		w.drop("x.pdf", "content")
		synctest.Wait()
		stop()
		<-w.result
		if book.rows[1].State != ledger.Uploaded || len(w.service.posted) != 0 {
			t.Errorf("%+v", book.rows[1])
		}
	})
}

func TestStopBeforeTheFirstFolders(t *testing.T) {
	bubble(t, func(w *world, _ *memory) {
		ctx, stop := context.WithCancel(w.t.Context())
		stop()
		if sum, err := w.u.Run(ctx); sum != (Summary{}) || err != nil {
			t.Error(sum, err)
		}
	})
}

// TestTornFileIsGivenUpInOneStep: a crash at any moment leaves no ledger by which a torn file, or one of an unknown type,
// would be posted.
func TestTornFileIsGivenUpInOneStep(t *testing.T) {
	both(t, func(w *world) {
		w.must(os.WriteFile(w.dir+"/failed", nil, 0o644)) // a file where a folder should be, so that it stays
		ctx, stop := context.WithCancel(w.t.Context())
		w.start(ctx, w.folder())
		torn := w.write("torn.pdf", "%PDF")
		torn.Torn = "no end"
		w.settled <- file.Batch{torn}
		w.drop("bad.txt", "text")
		for len(w.unfinished()) < 2 {
			time.Sleep(time.Millisecond)
		}
		for _, d := range w.unfinished() {
			if d.State != ledger.Failed || d.Reason == "" {
				t.Errorf("%s is %s, for the reason %q", d.Files[0].Name, d.State, d.Reason)
			}
		}
		stop()
		<-w.result
	})
}

func TestUnknownAnswer(t *testing.T) {
	for _, hold := range []bool{false, true} {
		t.Run(fmt.Sprint("hold ", hold), func(t *testing.T) {
			bubble(t, func(w *world, book *memory) {
				w.service.onPost = func(_ context.Context, p destination.Message, nth int) error {
					switch nth {
					case 1:
						return doubtful(504)
					case 2:
						return ofDestination(429)
					}
					return nil
				}
				f := w.folder()
				f.HoldUnknown = hold
				w.start(w.t.Context(), f)
				w.drop("x.pdf", "content")
				sum := w.end()
				if hold {
					note := w.lies("failed/x.pdf.reason.txt")
					if sum.Failed != 1 || !strings.Contains(note, "may have been posted") || !strings.Contains(note, adviceUnknown) {
						t.Errorf("%+v; %s", sum, note)
					}
					return
				}
				if w.wantPosted("content"); sum.Delivered != 1 || !book.rows[1].MaybeTwice {
					t.Errorf("%+v, %+v", sum, book.rows[1])
				}
			})
		})
	}
}

// TestNobodyReadsReleased: nothing waits for the reader, and what is left counts.
func TestNobodyReadsReleased(t *testing.T) {
	bubble(t, func(w *world, _ *memory) {
		w.service.onUpload = func(_ context.Context, name string, _ int) error {
			if strings.HasPrefix(name, "changing") {
				w.write(name, "changed")
			}
			return nil
		}
		w.start(w.t.Context(), w.folder())
		for i := range 20 {
			w.drop(fmt.Sprint("changing ", i, ".pdf"), "content")
			w.drop(fmt.Sprint(i, ".pdf"), fmt.Sprint(i))
		}
		if sum := w.end(); sum != (Summary{Delivered: 20, Left: 20}) {
			t.Errorf("%+v", sum)
		}
		if len(w.service.posted) != 20 {
			t.Errorf("posted %v", w.service.posted)
		}
	})
}

func TestOrphansWaitForTheirFolder(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		s := w.write("x.pdf", "content")
		_, err := book.Claim(w.t.Context(), ledger.Delivery{Folder: w.dir, Kind: "Document", Files: []ledger.File{{Name: s.Name, ID: s.ID}}})
		w.must(err)
		other := folder(t.TempDir())
		w.start(w.t.Context(), other)
		time.Sleep(time.Hour)
		w.wantPosted()
		w.folders <- []Folder{other, w.folder()}
		synctest.Wait()
		w.wantPosted("content")
		w.folders <- []Folder{other}
		w.folders <- []Folder{other, w.folder()}
		w.end()
		w.wantPosted("content")
	})
}

// TestFolderRemovedWhileBusy: what is under way is brought to its end.
func TestFolderRemovedWhileBusy(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		w.service.onUpload = func(context.Context, string, int) error { time.Sleep(time.Minute); return nil }
		w.start(w.t.Context(), w.folder())
		for i := range 30 {
			w.drop(fmt.Sprintf("%02d.pdf", i), fmt.Sprintf("%02d", i))
		}
		synctest.Wait()
		w.folders <- nil
		synctest.Wait()
		sum := w.end()
		if sum.Delivered != aheadFactor*4 || sum.Left != 0 || len(w.unfinished()) != 0 {
			t.Errorf("%+v", sum)
		}
		for i := aheadFactor * 4; i < 30; i++ {
			if w.lies(fmt.Sprintf("%02d.pdf", i)) == "" {
				t.Errorf("%d is not in its folder", i)
			}
		}
	})
}

// TestRunWithOnceGivesUp when nothing works, and says what is left.
func TestRunWithOnceGivesUp(t *testing.T) {
	bubble(t, func(w *world, _ *memory) {
		w.service.onUpload = func(context.Context, string, int) error { return ofDestination(0) }
		w.start(w.t.Context(), w.folder())
		for i := range 100 {
			w.drop(fmt.Sprint(i, ".pdf"), "content")
		}
		begun := time.Now()
		if sum := w.end(); sum != (Summary{Left: 100}) {
			t.Errorf("%+v", sum)
		}
		if took := time.Since(begun); took < 10*time.Second || took > time.Minute {
			t.Errorf("it tried for %v", took)
		}
	})
}

// TestNoMoreFolders: a closed channel is no new configuration, and not to be read again and again.
func TestNoMoreFolders(t *testing.T) {
	bubble(t, func(w *world, _ *memory) {
		w.start(w.t.Context(), w.folder())
		synctest.Wait()
		close(w.folders)
		synctest.Wait()
		w.drop("x.pdf", "content")
		w.end()
		w.wantPosted("content")
	})
}

func TestLedgerCannotBeRead(t *testing.T) {
	w := newWorld(t, closedLedger(t))
	w.folders <- []Folder{w.folder()}
	if _, err := w.u.Run(w.t.Context()); err == nil || !strings.Contains(err.Error(), "earlier runs") {
		t.Error(err)
	}
}

func closedLedger(t *testing.T) *ledger.Ledger {
	l, err := ledger.Open(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l
}

// TestOutageIsToldOnce when it begins and once when it ends; a failure now and then, or those of one file, are none.
func TestOutageIsToldOnce(t *testing.T) {
	lasts := 10 * time.Hour
	if os.Getenv("KAIZALA_DROP_CI") == "" || raceEnabled {
		lasts = time.Hour // ten of them take a while
	}
	for name, c := range map[string]struct {
		fails func(call stage, name string, n int, at time.Duration) bool
		told  int
	}{
		"everything": {func(_ stage, _ string, _ int, at time.Duration) bool { return at < lasts }, 1},
		"posts":      {func(call stage, _ string, _ int, at time.Duration) bool { return call == toPost && at < lasts }, 1},
		"uploads": {func(call stage, _ string, _ int, at time.Duration) bool {
			return call == toUpload && at > time.Minute && at < lasts
		}, 1},
		"one file": {func(call stage, name string, _ int, _ time.Duration) bool {
			return call == toUpload && name == "100.pdf"
		}, 0},
		"one call of twenty": {func(_ stage, _ string, n int, _ time.Duration) bool { return n%20 == 0 }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world, _ *memory) {
				var log logged
				w.u.Log = zerolog.New(&log)
				begun := time.Now()
				var calls atomic.Int64
				call := func(at stage, name string) error {
					if c.fails(at, name, int(calls.Add(1)), time.Since(begun)) {
						return ofDestination(503)
					}
					return nil
				}
				w.service.onUpload = func(_ context.Context, name string, _ int) error { return call(toUpload, name) }
				w.service.onPost = func(_ context.Context, p destination.Message, _ int) error { return call(toPost, p.Ref) }
				w.start(w.t.Context(), w.folder())
				for i := range 200 {
					w.drop(fmt.Sprintf("%03d.pdf", i), "x")
					time.Sleep(time.Second)
				}
				time.Sleep(lasts + time.Hour)
				w.end()
				began, ended := strings.Count(log.String(), "cannot take files now"), strings.Count(log.String(), "answers again")
				if began != c.told || ended != c.told {
					t.Errorf("told %d times that it began, and %d that it ended, want %d", began, ended, c.told)
				}
				if c.told > 0 && (!strings.Contains(log.String(), `"waiting":`) || strings.Contains(log.String(), `"waiting":0`)) {
					t.Error("it is not said how many wait")
				}
			})
		})
	}
}
