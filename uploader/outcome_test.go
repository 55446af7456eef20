package uploader

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/ledger"
)

// TestTableOfOutcomes is the whole table: each kind of error at each stage, what it is judged to be, where the delivery
// goes, and who waits: d the delivery, l its folder, q all.
func TestTableOfOutcomes(t *testing.T) {
	full := ledgerError{errors.New("disk full")}
	forgotten := ledgerError{fmt.Errorf("delivery 1: %w", ledger.ErrUnknown)}
	denied := errors.New("permission denied")
	content := &kaizala.Error{Call: "media", Fault: kaizala.FaultFile, Err: fmt.Errorf("%w: EIO", kaizala.ErrContent)}
	type how struct{ hold, unknown, resumed, stopping bool }
	for _, c := range []struct {
		at    stage
		err   error
		how   how
		want  verdict
		then  stage
		waits string
	}{
		{toClaim, nil, how{}, advance, toUpload, ""},
		{toUpload, nil, how{}, advance, toKeep, ""},
		{toKeep, nil, how{}, advance, toPost, ""},
		{toPost, nil, how{}, advance, toConfirm, ""},
		{toConfirm, nil, how{}, advance, toFile, ""},

		{toClaim, full, how{}, retryFile, toClaim, "d"},
		{toKeep, full, how{}, retryFile, toKeep, "d"},
		{toPost, full, how{}, retryFile, toPost, "d"},
		{toFile, full, how{}, retryFile, toFile, "d"},
		{toFail, full, how{}, retryFile, toFail, "d"},
		{toWithdraw, full, how{}, retryFile, toWithdraw, "d"},
		{toKeep, ledgerError{context.Canceled}, how{stopping: true}, retryFile, toKeep, "d"},
		{toKeep, forgotten, how{}, disowned, toFail, ""},
		{toPost, forgotten, how{}, disowned, toFail, ""},
		{toPost, forgotten, how{unknown: true}, disowned, toFail, ""},
		{toWithdraw, forgotten, how{}, disowned, toFail, ""},
		{toFile, denied, how{}, retryFile, toFile, "d"},
		{toFail, denied, how{}, retryFile, toFail, "d"},

		{toUpload, errChanged, how{}, withdraw, toWithdraw, ""},
		{toUpload, errVanished, how{}, withdraw, toWithdraw, ""},
		{toUpload, errFolderGone, how{}, withdraw, toWithdraw, ""},
		{toPost, errChanged, how{}, withdraw, toWithdraw, ""},
		{toPost, errVanished, how{}, withdraw, toWithdraw, ""},
		{toPost, errChanged, how{unknown: true}, uncertain, toFail, ""},
		{toPost, errVanished, how{unknown: true}, uncertain, toFail, ""},
		{toPost, errFolderGone, how{unknown: true}, retryFile, toPost, "d"},
		{toUpload, denied, how{}, retryFile, toUpload, "d"},
		{toUpload, content, how{}, retryFile, toUpload, "d"},

		{toUpload, ofFile(400), how{}, refused, toFail, ""},
		{toUpload, ofFile(413), how{}, refused, toFail, ""},
		{toUpload, ofFile(415), how{}, refused, toFail, ""},
		{toUpload, ofFile(404), how{}, refused, toFail, ""},
		{toPost, ofFile(400), how{}, refused, toFail, ""},
		{toPost, ofFile(400), how{resumed: true}, uploadAgain, toUpload, ""},
		{toUpload, ofFile(400), how{resumed: true}, refused, toFail, ""},

		{toPost, ofGroup(403), how{}, retryFolder, toPost, "l"},
		{toPost, ofGroup(404), how{}, retryFolder, toPost, "l"},

		{toUpload, destination(0), how{}, retryAll, toUpload, "q"},
		{toUpload, destination(401), how{}, retryAll, toUpload, "q"},
		{toUpload, destination(429), how{}, retryAll, toUpload, "q"},
		{toUpload, destination(500), how{}, retryAll, toUpload, "q"},
		{toPost, destination(429), how{}, retryAll, toPost, "q"},
		{toPost, destination(503), how{hold: true}, retryAll, toPost, "q"},

		{toPost, doubtful(0), how{}, uncertain, toPost, "q"},
		{toPost, doubtful(504), how{}, uncertain, toPost, "q"},
		{toPost, doubtful(504), how{hold: true}, uncertain, toFail, ""},
		{toPost, errUnknown, how{hold: true, unknown: true}, uncertain, toFail, ""},

		{toUpload, broken("media"), how{stopping: true}, interruptedBy, toUpload, ""},
		{toPost, broken("actions"), how{stopping: true}, interruptedBy, toPost, ""},
		{toUpload, broken("media"), how{}, interruptedBy, toUpload, "q"}, // by nobody: it must not be tried at once
		{toPost, &kaizala.Error{Call: "actions", MayHaveActed: true, Err: context.Canceled}, how{stopping: true},
			uncertain, toPost, "q"},
	} {
		t.Run(fmt.Sprintf("%d/%v/%v", c.at, c.err, c.how), func(t *testing.T) {
			f := folder("/a")
			f.HoldUnknown = c.how.hold
			q := newQueue(1, 10, free{})
			q.setFolders([]Folder{f})
			now := time.Now()
			q.add(file.Batch{version("/a", "x.pdf", 1)})
			q.next(now.Add(-time.Second))
			d := q.lanes["/a"].active[0]
			q.ended(d, toClaim)
			d.stage, d.unknown, d.resumed, q.stopping = c.at, c.how.unknown, c.how.resumed, c.how.stopping
			if !d.isOpen() {
				q.localEnd(d)
			}
			l := d.lane
			v := classify(d, c.err)
			q.settle(now, d, v, c.err)
			var waits []string
			for _, p := range []struct {
				name string
				*pause
			}{{"d", &d.pause}, {"l", &l.pause}, {"q", &q.pause}} {
				if !p.over(now) {
					waits = append(waits, p.name)
				}
			}
			if v != c.want || d.stage != c.then || strings.Join(waits, "") != c.waits {
				t.Errorf("verdict %d, stage %d, waits %q; want %d, %d, %q", v, d.stage, waits, c.want, c.then, c.waits)
			}
			if c.err != nil && v != interruptedBy && d.Reason == "" {
				t.Error("it waits without a reason")
			}
			if d.stage == toFail && c.at != toFail && (d.note.Reason == "" || len(l.unfiled) != 1 || len(l.active) != 0) {
				t.Errorf("refused, with the note %+v", d.note)
			}
		})
	}
}

func TestPauseGrowsAndIsBounded(t *testing.T) {
	var p pause
	now := time.Now()
	for i := range 100 {
		p.fail(now)
		wait := p.until.Sub(now)
		base := min(pauseFirst<<min(i, 20), pauseMost)
		if wait < base*8/10-1 || wait > base*12/10+1 {
			t.Fatalf("failure %d: %v", i+1, wait)
		}
		now = p.until
	}
	if !p.end() || p.end() || !p.over(now) {
		t.Error("it does not end, or ends twice")
	}
}

// TestOutage: ten hours, 1,000 files. Nothing is given up, the calls are few, and afterwards all is delivered once, in
// order.
func TestOutage(t *testing.T) {
	after := destination(429)
	after.RetryAfter = 2 * time.Minute
	for name, err := range map[string]*kaizala.Error{
		"offline": destination(0), "401": destination(401), "503": destination(503), "429": after,
	} {
		for _, folders := range []int{1, 5} {
			for _, begins := range []time.Duration{0, 20 * time.Second, 90 * time.Second} {
				t.Run(fmt.Sprintf("%s, %d folders, after %v", name, folders, begins), func(t *testing.T) {
					outage(t, folders, begins, func(d *delivery) error { return err }, true)
				})
			}
		}
	}
}

// TestOutageOfOneCall: only uploads, or only actions fail. What gets through does not make the others poison.
func TestOutageOfOneCall(t *testing.T) {
	for _, down := range []stage{toUpload, toPost} {
		for _, status := range []int{0, 500, 503} {
			t.Run(fmt.Sprint(down, status), func(t *testing.T) {
				outage(t, 20, 20*time.Second, func(d *delivery) error {
					if d.stage == down {
						return destination(status)
					}
					return nil
				}, down == toUpload) // of posts others may be tried first, for something gets through
			})
		}
	}
}

func outage(t *testing.T, folders int, begins time.Duration, down func(*delivery) error, ordered bool) {
	var all []Folder
	for i := range folders {
		all = append(all, folder(fmt.Sprint("/", i)))
	}
	s := newSim(t, 4, &perMinute{n: 100}, all...)
	s.q.maxAttempts = 3
	start := s.now
	during := func() bool { at := s.now.Sub(start); return at >= begins && at < begins+10*time.Hour }
	s.ends = func(d *delivery) error {
		if during() && (d.stage == toUpload || d.stage == toPost) {
			return down(d)
		}
		return nil
	}
	names := numbered(1000 / folders)
	for _, f := range all {
		s.add(f.Path, names...)
	}
	s.pass(begins)
	calls := s.calls
	s.pass(begins + 10*time.Hour - s.now.Sub(start) - time.Second)
	calls = s.calls - calls
	if calls < 60 || calls > 1000 {
		t.Errorf("%d calls in ten hours of outage", calls)
	}
	t.Logf("%d calls in ten hours of outage", calls)
	s.run(2 * time.Hour)
	if failed := s.ended(toFail); len(failed) != 0 || len(s.posts) != 1000 {
		t.Errorf("%d posted, %d in failed/", len(s.posts), len(failed))
	}
	if back := s.now.Sub(start) - begins - 10*time.Hour; back > pauseMost*12/10+25*time.Minute {
		t.Errorf("it took %v after the outage", back)
	}
	posted := map[string][]string{}
	for _, e := range s.events {
		if e.was == toPost && e.v == advance {
			posted[e.d.Folder] = append(posted[e.d.Folder], e.d.name())
		}
	}
	for f, got := range posted {
		if ordered && !slices.Equal(got, names) {
			t.Errorf("%s: posted in the order %v", f, got)
		}
	}
}

// TestOutageKeepsTheOrder: uploads take their time and end in any order, the outage ends at any moment. An upload that
// stands aside when no other is left to try may be overtaken by a post; that must be rare (one in 200 here).
func TestOutageKeepsTheOrder(t *testing.T) {
	overtaken := 0
	for seed := range uint64(200) {
		s := newSim(t, 2, free{}, folder("/a"))
		s.rand = rand.New(rand.NewPCG(seed, 0))
		start, lasts := s.now, time.Duration(s.rand.IntN(3600))*time.Second
		var took time.Duration
		s.takes = func(d *delivery) time.Duration {
			took = time.Duration(s.rand.IntN(20_000)) * time.Millisecond
			return took
		}
		s.ends = func(d *delivery) error { // what is under way when it begins fails too
			at := s.now.Sub(start) - 15*time.Second
			if at+took > 0 && at < lasts && (d.stage == toUpload || d.stage == toPost) {
				return destination(0)
			}
			return nil
		}
		names := numbered(20)
		s.add("/a", names...)
		s.run(3 * time.Hour)
		if len(s.posts) != len(names) {
			t.Fatalf("seed %d: posted %v", seed, s.posts)
		}
		if !slices.Equal(s.posts, names) {
			overtaken++
		}
	}
	t.Logf("the order was lost in %d of 200 outages", overtaken)
	if overtaken > 8 {
		t.Errorf("the order was lost in %d of 200 outages", overtaken)
	}
}

// TestOutageWithNothingToUpload: a day of 503 to posts only. None of them is to blame, and their order holds.
func TestOutageWithNothingToUpload(t *testing.T) {
	for hours := range 24 {
		s := newSim(t, 4, free{}, folder("/a"))
		start := s.now
		s.ends = func(d *delivery) error {
			if s.now.Sub(start) < time.Duration(hours)*time.Hour {
				return destination(503)
			}
			return nil
		}
		names := numbered(16)
		for i, name := range names {
			s.q.restore(ledger.Delivery{ID: int64(i + 1), Folder: "/a", State: ledger.Uploaded, Resource: "r",
				Files: []ledger.File{{Name: name}}})
		}
		s.run(25 * time.Hour)
		if !slices.Equal(s.posts, names) {
			t.Errorf("after %d hours: posted in the order %v", hours, s.posts)
		}
	}
}

// TestShareAwayForHours: a post whose answer was lost waits for its share, however many others get through.
func TestShareAwayForHours(t *testing.T) {
	s := newSim(t, 4, &perMinute{n: 100}, folder("/share"), folder("/well"))
	s.q.maxAttempts = 2
	away := true
	s.ends = func(d *delivery) error {
		if away && d.Folder == "/share" {
			return errFolderGone
		}
		return nil
	}
	s.q.restore(ledger.Delivery{ID: 1, Folder: "/share", State: ledger.Posting, Resource: "r", Files: []ledger.File{{Name: "x.pdf"}}})
	s.add("/well", numbered(500)...)
	s.pass(5 * time.Hour)
	away = false
	s.run(time.Hour)
	if len(s.ended(toFail)) != 0 || len(s.posts) != 501 {
		t.Errorf("failed %v, %d posted", s.ended(toFail), len(s.posts))
	}
}

// TestOursIsNotTheirFault: while the ledger takes nothing, calls that go through do not make poison of those that wait
// for it.
func TestOursIsNotTheirFault(t *testing.T) {
	var folders []Folder
	for i := range 20 {
		folders = append(folders, folder(fmt.Sprint("/", i)))
	}
	s := newSim(t, 1, &perMinute{n: 60}, folders...)
	s.q.maxAttempts = 2
	start := s.now
	s.ends = func(d *delivery) error {
		if d.stage == toKeep && s.now.Sub(start) < time.Hour {
			return ledgerError{errors.New("disk full")}
		}
		return nil
	}
	for _, f := range folders {
		s.add(f.Path, numbered(10)...)
	}
	s.run(3 * time.Hour)
	if failed := s.ended(toFail); len(failed) != 0 || len(s.posts) != 200 || s.calls != 400 {
		t.Errorf("%d failed, %d posted, %d calls", len(failed), len(s.posts), s.calls)
	}
}

// TestEachCallStartsAnew: what failed and then went through, and others that got through in between, are forgotten.
func TestEachCallStartsAnew(t *testing.T) {
	s := newSim(t, 2, free{}, folder("/a"), folder("/b"))
	s.q.maxAttempts = 1
	failed := map[stage]bool{}
	s.ends = func(d *delivery) error {
		if d.Folder == "/a" && !failed[d.stage] && (d.stage == toUpload || d.stage == toPost && len(s.posts) > 5) {
			failed[d.stage] = true
			return destination(500)
		}
		return nil
	}
	s.takes = func(d *delivery) time.Duration {
		if d.Folder == "/a" && d.stage == toUpload && failed[toUpload] {
			return time.Minute
		}
		return time.Second
	}
	s.add("/a", "x.pdf")
	s.add("/b", numbered(20)...)
	s.run(time.Hour)
	if len(s.posts) != 21 || !failed[toPost] {
		t.Errorf("%d posted, failed: %v", len(s.posts), s.ended(toFail))
	}
}

// TestABlipIsOneFailure: all calls under way fail at once, and work again a second later.
func TestABlipIsOneFailure(t *testing.T) {
	s := newSim(t, 8, free{}, folder("/0"), folder("/1"), folder("/2"), folder("/3"))
	for i := range 4 {
		s.add(fmt.Sprint("/", i), numbered(50)...)
	}
	start := s.now
	s.takes = func(*delivery) time.Duration { return 500 * time.Millisecond }
	s.ends = func(d *delivery) error {
		if at := s.now.Sub(start); at > 2*time.Second && at < 3*time.Second && (d.stage == toUpload || d.stage == toPost) {
			return destination(0)
		}
		return nil
	}
	s.pass(10 * time.Second)
	if s.failures < 4 {
		t.Fatalf("only %d calls failed at once", s.failures)
	}
	if s.q.pause.failures > 0 {
		t.Errorf("seven seconds after a blip it counts %d failures in a row", s.q.pause.failures)
	}
	s.run(time.Minute)
}

// TestPoison: it fails for ever with what counts as the destination's fault, while others pass; with nobody else it is
// not blamed.
func TestPoison(t *testing.T) {
	for _, at := range []stage{toUpload, toPost} {
		for _, err := range []error{destination(500), destination(0), destination(503), doubtful(500), errors.New("EIO")} {
			t.Run(fmt.Sprint(at, err), func(t *testing.T) {
				s := newSim(t, 4, &perMinute{n: 100}, folder("/a"))
				s.ends = func(d *delivery) error {
					if d.name() == "0000.pdf" && d.stage == at {
						return err
					}
					return nil
				}
				s.add("/a", "0000.pdf")
				s.pass(24 * time.Hour)
				if s.known() != 1 || s.calls > 500 {
					t.Fatalf("alone for a day: %d left, %d calls, %v", s.known(), s.calls, s.ended(toFail))
				}
				names := numbered(300)
				s.add("/a", names[1:]...)
				for i := range 300 {
					s.add("/a", fmt.Sprintf("later %d.pdf", i))
					s.pass(time.Minute)
				}
				s.run(time.Hour)
				if failed := s.ended(toFail); !slices.Equal(failed, []string{"0000.pdf"}) || len(s.posts) != 599 {
					t.Fatalf("failed %v, %d posted", failed, len(s.posts))
				}
				for _, e := range s.events {
					if e.was == toFail && (e.d.note.Attempts < 10 || e.d.note.Reason == "") {
						t.Errorf("the note: %+v", e.d.note)
					}
				}
			})
		}
	}
}

// TestGroupHoldsOnlyItsFolder: 403 and 404 on actions.
func TestGroupHoldsOnlyItsFolder(t *testing.T) {
	s := newSim(t, 4, &perMinute{n: 100}, folder("/refused"), folder("/well"))
	open := false
	s.ends = func(d *delivery) error {
		if d.stage == toPost && d.Folder == "/refused" && !open {
			return ofGroup(403)
		}
		return nil
	}
	names := numbered(100)
	s.add("/refused", names...)
	s.add("/well", names...)
	s.pass(10 * time.Hour)
	if !slices.Equal(s.posts, names) || len(s.ended(toFail)) != 0 {
		t.Fatalf("%d posted, %d failed", len(s.posts), len(s.ended(toFail)))
	}
	if extra := s.calls - 200; extra > 250 {
		t.Errorf("%d calls for a group that refuses", extra)
	}
	open = true
	s.run(time.Hour)
	if !slices.Equal(s.posts[100:], names) {
		t.Errorf("afterwards posted %v", s.posts[100:])
	}
}

// TestRetryAfterIsNeverUndercut: not by the backoff, and not by calls that were under way and succeed.
func TestRetryAfterIsNeverUndercut(t *testing.T) {
	s := newSim(t, 4, free{}, folder("/a"), folder("/b"))
	var quiet time.Time
	n := 0
	s.takes = func(d *delivery) time.Duration {
		if (d.stage == toUpload || d.stage == toPost) && s.now.Before(quiet) {
			t.Fatalf("a call %v before the time that was asked for", quiet.Sub(s.now))
		}
		return time.Duration(1+s.rand.IntN(1000)) * time.Millisecond
	}
	s.ends = func(d *delivery) error {
		if n++; n%17 == 0 && (d.stage == toUpload || d.stage == toPost) {
			return &kaizala.Error{Status: 429, Fault: kaizala.FaultDestination, RetryAfter: 10 * time.Minute}
		}
		return nil
	}
	s.after = func(e event) {
		if e.v == retryAll {
			quiet = s.now.Add(10 * time.Minute)
		}
	}
	s.add("/a", numbered(40)...)
	s.add("/b", numbered(40)...)
	s.run(24 * time.Hour)
	if quiet.IsZero() || len(s.posts) != 80 {
		t.Errorf("%d posts", len(s.posts))
	}
}

func TestUploadAgainOnlyOnceAndOnlyForAnOldResource(t *testing.T) {
	s := newSim(t, 1, free{}, folder("/a"))
	s.ends = func(d *delivery) error {
		if d.stage == toPost && (d.Resource == "old" || d.name() == "bad.pdf") {
			return ofFile(400)
		}
		return nil
	}
	for i, name := range []string{"good.pdf", "bad.pdf"} {
		s.q.restore(ledger.Delivery{ID: int64(i + 1), Folder: "/a", State: ledger.Uploaded, Resource: "old",
			Files: []ledger.File{{Name: name, ID: file.Identity{Mtime: 1}}}})
	}
	s.run(time.Minute)
	if !slices.Equal(s.posts, []string{"good.pdf"}) || !slices.Equal(s.ended(toFail), []string{"bad.pdf"}) || s.calls != 6 {
		t.Errorf("posted %v, failed %v, %d calls", s.posts, s.ended(toFail), s.calls)
	}
}

func TestNotesSayWhatHappened(t *testing.T) {
	at := func(s stage) *delivery {
		return &delivery{stage: s, Delivery: ledger.Delivery{Attempts: 3, Files: []ledger.File{{Name: "x.pdf"}}}}
	}
	large := ofFile(413)
	large.Code, large.Message = "TooBig", "no"
	for _, c := range []struct {
		d     *delivery
		err   error
		holds []string
	}{
		{at(toUpload), large, []string{"too large", "TooBig", "no", "413", "smaller"}},
		{at(toUpload), ofFile(415), []string{"extension", "415"}},
		{at(toPost), ofFile(400), []string{"message", "400"}},
		{at(toUpload), ofFile(400), []string{"refused the file", "400"}},
		{at(toUpload), errors.New("bad \x1b[31m"), []string{`bad \x1b[31m`, "3"}},
	} {
		n := noteOf(c.d, c.err)
		text := fmt.Sprintf("%+v", n)
		for _, want := range c.holds {
			if !strings.Contains(text, want) {
				t.Errorf("%v: %q is missing in %s", c.err, want, text)
			}
		}
	}
	if n := unknownNote(at(toPost), doubtful(504)); n.Advice != adviceUnknown || !strings.Contains(n.Reason, "may have been posted") {
		t.Errorf("%+v", n)
	}
}
