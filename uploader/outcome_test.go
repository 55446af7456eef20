package uploader

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
)

// TestTableOfOutcomes is the whole table: each kind of error at each stage, what it is judged to be, where the delivery
// goes, and who waits: d the delivery, l its folder, q all.
func TestTableOfOutcomes(t *testing.T) {
	full := ledgerError{errors.New("disk full")}
	forgotten := ledgerError{fmt.Errorf("delivery 1: %w", ledger.ErrUnknown)}
	denied := errors.New("permission denied")
	content := &destination.Error{Fault: destination.OfContent, Err: errors.New("cannot read the content: EIO")}
	type how struct{ hold, unknown, resumed, stopping, lookedFor bool }
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
		{toFile, full, how{}, retryEnd, toFile, "d"},
		{toFail, full, how{}, retryEnd, toFail, "d"},
		{toWithdraw, full, how{}, retryEnd, toWithdraw, "d"},
		{toKeep, ledgerError{context.Canceled}, how{stopping: true}, retryFile, toKeep, "d"},
		{toKeep, forgotten, how{}, disowned, toFail, ""},
		{toPost, forgotten, how{}, disowned, toFail, ""},
		{toPost, forgotten, how{unknown: true}, disowned, toFail, ""},
		{toWithdraw, forgotten, how{}, disowned, toFail, ""},
		{toFile, denied, how{}, retryEnd, toFile, "d"},
		{toFail, denied, how{}, retryEnd, toFail, "d"},

		{toUpload, errChanged, how{}, withdraw, toWithdraw, ""},
		{toUpload, errVanished, how{}, withdraw, toWithdraw, ""},
		{toUpload, errFolderGone, how{}, withdraw, toWithdraw, ""},
		{toPost, errChanged, how{}, withdraw, toWithdraw, ""},
		{toPost, errVanished, how{}, withdraw, toWithdraw, ""},
		{toPost, errChanged, how{unknown: true}, uncertain, toFail, ""},
		{toPost, errVanished, how{unknown: true}, uncertain, toFail, ""},
		{toPost, errChanged, how{unknown: true, lookedFor: true}, uncertain, toPost, "d"},
		{toPost, errVanished, how{unknown: true, lookedFor: true}, uncertain, toPost, "d"},
		{toPost, errVanished, how{unknown: true, lookedFor: true, hold: true}, uncertain, toFail, ""},
		{toPost, errFolderGone, how{unknown: true}, retryFile, toPost, "d"},
		{toUpload, denied, how{}, retryFile, toUpload, "d"},
		{toUpload, content, how{}, retryFile, toUpload, "d"},

		{toUpload, ofFile(400), how{}, refusedForGood, toFail, ""},
		{toUpload, ofFile(413), how{}, refusedForGood, toFail, ""},
		{toUpload, ofFile(415), how{}, refusedForGood, toFail, ""},
		{toUpload, ofFile(404), how{}, refusedForGood, toFail, ""},
		{toPost, ofFile(400), how{}, refusedForGood, toFail, ""},
		{toPost, ofFile(400), how{resumed: true}, uploadAgain, toUpload, ""},
		{toUpload, ofFile(400), how{resumed: true}, refusedForGood, toFail, ""},

		{toUpload, wordless(ofFile(400)), how{}, unproven, toUpload, "q"},
		{toUpload, wordless(ofFile(404)), how{}, unproven, toUpload, "q"},
		{toUpload, wordless(ofFile(413)), how{}, unproven, toUpload, "q"},
		{toUpload, wordless(ofFile(415)), how{resumed: true}, unproven, toUpload, "q"},
		{toUpload, unsent(wordless(ofFile(413))), how{}, unproven, toUpload, "q"},
		{toPost, wordless(ofFile(400)), how{}, unproven, toPost, "q"},
		{toPost, wordless(ofFile(413)), how{unknown: true}, unproven, toPost, "q"},
		{toPost, wordless(ofFile(400)), how{resumed: true}, unproven, toPost, "q"},
		{toPost, wordless(ofFile(400)), how{hold: true}, unproven, toPost, "q"},
		{toUpload, &destination.Error{Fault: destination.OfFile, Err: denied}, how{}, refusedForGood, toFail, ""}, // not sent at all

		{toPost, wordless(ofGroup(403)), how{}, unprovenFolder, toPost, "l"},
		{toPost, wordless(ofGroup(404)), how{}, unprovenFolder, toPost, "l"},
		{toPost, wordless(ofGroup(410)), how{unknown: true}, unprovenFolder, toPost, "l"},
		{toPost, &destination.Error{Fault: destination.OfTarget, Err: denied}, how{}, retryFolder, toPost, "l"},

		{toPost, ofGroup(403), how{}, retryFolder, toPost, "l"},
		{toPost, ofGroup(404), how{}, retryFolder, toPost, "l"},

		{toUpload, ofDestination(0), how{}, retryAll, toUpload, "q"},
		{toUpload, ofDestination(401), how{}, retryAll, toUpload, "q"},
		{toUpload, ofDestination(429), how{}, retryAll, toUpload, "q"},
		{toUpload, ofDestination(500), how{}, retryAll, toUpload, "q"},
		{toUpload, inVain(ofDestination(0)), how{}, retryAll, toUpload, "q"},
		{toUpload, inVain(ofDestination(504)), how{}, retryAll, toUpload, "q"},
		{toUpload, ofDestination(200), how{}, retryAll, toUpload, "q"}, // a captive portal
		{toUpload, ofDestination(302), how{}, retryAll, toUpload, "q"},
		{toPost, ofDestination(302), how{}, retryAll, toPost, "q"},
		{toPost, doubtful(200), how{}, uncertain, toPost, "dq"},
		{toPost, doubtful(200), how{hold: true}, uncertain, toFail, "lq"},
		{toPost, ofDestination(429), how{}, retryAll, toPost, "q"},
		{toPost, ofDestination(503), how{hold: true}, retryAll, toPost, "q"},

		{toPost, doubtful(0), how{}, uncertain, toPost, "dq"},
		{toPost, doubtful(504), how{}, uncertain, toPost, "dq"},
		{toPost, doubtful(504), how{hold: true}, uncertain, toFail, "lq"},
		{toPost, errUnknown, how{hold: true, unknown: true}, uncertain, toFail, ""},

		{toUpload, broken(), how{stopping: true}, interrupted, toUpload, ""},
		{toPost, broken(), how{stopping: true}, interrupted, toPost, ""},
		{toUpload, broken(), how{}, interrupted, toUpload, "q"}, // by nobody: it must not be tried at once
		{toPost, &destination.Error{MayHaveActed: true, Err: context.Canceled}, how{stopping: true},
			uncertain, toPost, "dq"},
	} {
		t.Run(fmt.Sprintf("%d/%v/%v", c.at, c.err, c.how), func(t *testing.T) {
			f := folder("/a")
			f.HoldUnknown = c.how.hold
			q := newQueue(1, 10, free{}, destination.Traits{})
			q.setFolders([]Folder{f})
			now := time.Now()
			q.add(file.Batch{version("/a", "x.pdf", 1)})
			q.next(now.Add(-time.Second))
			d := q.lanes["/a"].active[0]
			q.ended(d, result{})
			d.stage, d.unknown, d.resumed, q.stopping = c.at, c.how.unknown, c.how.resumed, c.how.stopping
			d.lookedFor = c.how.lookedFor
			if c.at.isDecided() {
				d.Reason = "decided"
			}
			if !d.isOpen() {
				q.localEnd(d)
			}
			l := d.lane
			d.learn(result{err: c.err})
			v := judge(d, result{err: c.err})
			q.apply(now, d, v, c.err)
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
			if c.err != nil && v != interrupted && d.Reason == "" {
				t.Error("it waits without a reason")
			}
			if c.at.isDecided() && d.stage == c.at && d.Reason != "decided" {
				t.Errorf("what it was decided for is now %q", d.Reason)
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
		if wait < base*8/10-1 || wait > min(base*12/10+1, pauseMost) {
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
	after := ofDestination(429)
	after.RetryAfter = 2 * time.Minute
	for name, err := range map[string]*destination.Error{
		"offline": ofDestination(0), "401": ofDestination(401), "503": ofDestination(503), "429": after,
	} {
		for _, folders := range []int{1, 5} {
			for _, begins := range []time.Duration{0, 20 * time.Second, 90 * time.Second} {
				t.Run(fmt.Sprintf("%s, %d folders, after %v", name, folders, begins), func(t *testing.T) {
					tenHours(t, folders, begins, func(d *delivery) error { return err }, true)
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
				tenHours(t, 20, 20*time.Second, func(d *delivery) error {
					if d.stage == down {
						return ofDestination(status)
					}
					return nil
				}, down == toUpload) // of posts others may be tried first, for something gets through
			})
		}
	}
}

// tenHours lets 1,000 files arrive before and during ten hours in which down says what fails.
func tenHours(t *testing.T, folders int, begins time.Duration, down func(*delivery) error, ordered bool) {
	const lasts, files = 10 * time.Hour, 1000
	var all []Folder
	for i := range folders {
		all = append(all, folder(fmt.Sprint("/", i)))
	}
	s := newSim(t, 4, &perMinute{n: 100}, all...)
	s.q.maxAttempts = 3
	start := s.now
	during := func() bool { at := s.now.Sub(start); return at >= begins && at < begins+lasts }
	s.ends = func(d *delivery) error {
		if during() && (d.stage == toUpload || d.stage == toPost) {
			return down(d)
		}
		return nil
	}
	s.after = func(e event) {
		if during() && e.was == toFail {
			t.Errorf("%s was moved to failed/", e.d.name())
		}
	}
	names := numbered(files / folders)
	drop := func(names []string) {
		for _, f := range all {
			s.add(f.Path, names...)
		}
	}
	drop(names[:len(names)/4])
	s.pass(begins)
	calls := s.calls
	late := names[len(names)/4:]
	for i, name := range late {
		drop([]string{name})
		s.pass(begins + lasts*time.Duration(i+1)/time.Duration(len(late)) - time.Second - s.now.Sub(start))
	}
	calls = s.calls - calls
	most := 150
	if !ordered || folders > 10 { // some calls get through: of each folder what may be ahead of its posts
		most += 36 * folders
	}
	if calls < 60 || calls > most {
		t.Errorf("%d calls in ten hours of outage, want at most %d", calls, most)
	}
	t.Logf("%d calls in ten hours of outage", calls)
	s.run(2 * time.Hour)
	if failed := s.ended(toFail); len(failed) != 0 || len(s.posts) != files {
		t.Errorf("%d posted, %d in failed/", len(s.posts), len(failed))
	}
	if back := s.now.Sub(start) - begins - lasts; back > pauseMost+25*time.Minute {
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

// TestOutageOfAFolderThatHolds: answers to posts are lost for ten hours. What is held is a doubt each, but few of them.
func TestOutageOfAFolderThatHolds(t *testing.T) {
	for name, c := range map[string]struct {
		uploads error // how they end
		most    int   // held
	}{
		"everything": {ofDestination(502), 2},
		"posts only": {nil, 140},
	} {
		t.Run(name, func(t *testing.T) {
			f := folder("/a")
			f.HoldUnknown = true
			s := newSim(t, 4, &perMinute{n: 100}, f)
			start := s.now
			s.ends = func(d *delivery) error {
				at := s.now.Sub(start)
				switch {
				case at < 20*time.Second || at > 10*time.Hour:
				case d.stage == toPost:
					return doubtful(502)
				case d.stage == toUpload:
					return c.uploads
				}
				return nil
			}
			s.add("/a", numbered(1000)...)
			s.run(12 * time.Hour)
			held := len(s.ended(toFail))
			t.Logf("%d held", held)
			if held > c.most || len(s.posts)+held != 1000 {
				t.Errorf("%d posted, %d held, want at most %d", len(s.posts), held, c.most)
			}
		})
	}
}

// TestLongUploadIsNoProbe: a call that fails while a long upload is under way is tried again before that ends.
func TestLongUploadIsNoProbe(t *testing.T) {
	for _, where := range []string{"/invoices", "/videos"} {
		for name, err := range map[string]error{"destination": ofDestination(503), "group": ofGroup(403)} {
			t.Run(where+" "+name, func(t *testing.T) {
				s := newSim(t, 4, free{}, folder("/videos"), folder("/invoices"))
				failed := 0
				s.takes = func(d *delivery) time.Duration {
					if d.name() == "film.mp4" && d.stage == toUpload {
						return 9 * time.Hour
					}
					return 100 * time.Millisecond
				}
				s.ends = func(d *delivery) error {
					if d.name() == "first.pdf" && d.stage == toPost && failed < 3 {
						failed++
						return err
					}
					return nil
				}
				s.add(where, "first.pdf")
				s.add("/videos", "film.mp4")
				start := s.now
				for len(s.posts) < 1 && s.move() {
				}
				if took := s.now.Sub(start); took > time.Minute || failed != 3 {
					t.Errorf("%v were posted after %v and %d failures", s.posts, took, failed)
				}
				s.run(10 * time.Hour)
			})
		}
	}
}

// TestMessagesAreNotShownWithoutEnd: the service takes each post, and its answer is lost, for ten hours; or for one file alone.
func TestMessagesAreNotShownWithoutEnd(t *testing.T) {
	for _, c := range []struct{ files, lost, most int }{{1, 1, 15}, {100, 100, 15}, {100, 1, 1 + doubtsMost}} {
		s := newSim(t, 4, &perMinute{n: 100}, folder("/a"))
		start, shown := s.now, map[string]int{}
		s.ends = func(d *delivery) error {
			if d.stage != toPost {
				return nil
			}
			shown[d.name()]++
			if n, _ := strconv.Atoi(strings.TrimSuffix(d.name(), ".pdf")); n < c.lost && s.now.Sub(start) < 10*time.Hour {
				return doubtful(504)
			}
			return nil
		}
		s.add("/a", numbered(c.files)...)
		s.run(12 * time.Hour)
		most := 0
		for _, n := range shown {
			most = max(most, n)
		}
		t.Logf("%d files, answers to %d lost: shown %d times at most", c.files, c.lost, most)
		if failed := len(s.ended(toFail)); most > c.most || c.lost == c.files && failed > 0 || c.lost < c.files && failed != c.lost {
			t.Errorf("%d files, answers to %d lost: shown %d times, %d in failed/", c.files, c.lost, most, failed)
		}
	}
}

// TestProbesAreFiveMinutesApartAtMost, however many files wait and whatever fails.
func TestProbesAreFiveMinutesApartAtMost(t *testing.T) {
	for _, files := range []int{1, 2, 16, 100} {
		for _, err := range []error{ofDestination(0), ofDestination(500), ofDestination(503)} {
			for _, down := range []stage{toUpload, toPost} {
				s := newSim(t, 4, free{}, folder("/a"))
				var last time.Time
				var longest time.Duration
				s.ends = func(d *delivery) error {
					if d.stage != down && !(d.stage == toPost && down == toUpload) {
						return nil
					}
					if !last.IsZero() {
						longest = max(longest, s.now.Sub(last))
					}
					last = s.now
					return err
				}
				s.add("/a", numbered(files)...)
				s.pass(20 * time.Hour)
				if longest > pauseMost+time.Second {
					t.Errorf("%d files, %v at %d: %v between two probes", files, err, down, longest)
				}
			}
		}
	}
}

// TestNobodyIsToBlame: a group whose posts are answered with something about the token, the number of calls or the
// service, while another's go through.
func TestNobodyIsToBlame(t *testing.T) {
	for _, status := range []int{401, 429, 500, 503} {
		s := newSim(t, 4, &perMinute{n: 100}, folder("/bad"), folder("/well"))
		s.ends = func(d *delivery) error {
			if d.stage == toPost && d.Folder == "/bad" {
				return ofDestination(status)
			}
			return nil
		}
		s.add("/bad", numbered(20)...)
		for i := range 300 {
			s.add("/well", fmt.Sprintf("later %d.pdf", i))
			s.pass(4 * time.Minute)
		}
		s.pass(time.Hour)
		if failed := s.ended(toFail); len(failed) > 0 || len(s.posts) != 300 {
			t.Errorf("%d: %d posted, failed/ holds %v", status, len(s.posts), failed)
		}
	}
}

// TestOutageKeepsTheOrder: uploads take their time and end in any order, the outage ends at any moment. An upload that
// stands aside may be overtaken by a post; that must be rare.
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
				return ofDestination(0)
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
	if overtaken > 2 {
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
				return ofDestination(503)
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
			return ofDestination(500)
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
			return ofDestination(0)
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
		for _, err := range []error{ofDestination(500), ofDestination(0), ofDestination(503), doubtful(500), errors.New("EIO")} {
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
					if e.was == toFail && (e.d.note.Attempts < 10 && !e.d.unknown || e.d.note.Attempts < doubtsMost || e.d.note.Reason == "") {
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
			return throttled(10 * time.Minute)
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

// TestUploadAgainWhereTheServiceForgot: a service that is begun anew between the upload and the post has forgotten what was uploaded. The file
// is uploaded once more, and given up only if it is refused then, too; a message that is refused right after its upload is at once.
func TestUploadAgainWhereTheServiceForgot(t *testing.T) {
	s := newSim(t, 1, free{}, folder("/a"))
	up, begun := s.now.Add(10*time.Minute), map[string]time.Time{} // when each file was uploaded last
	uploads := map[string]int{}
	s.ends = func(d *delivery) error {
		switch {
		case d.stage == toUpload:
			begun[d.name()], uploads[d.name()] = s.now, uploads[d.name()]+1
		case d.stage != toPost:
		case s.now.Before(up):
			return ofDestination(503)
		case begun[d.name()].Before(up) || strings.HasPrefix(d.name(), "bad"):
			return ofFile(400)
		}
		return nil
	}
	s.add("/a", "bad.pdf", "good.pdf")
	s.run(time.Hour)
	s.add("/a", "bad, later.pdf")
	s.run(time.Hour)
	if !slices.Equal(s.posts, []string{"good.pdf"}) || !slices.Equal(s.ended(toFail), []string{"bad.pdf", "bad, later.pdf"}) {
		t.Errorf("posted %v, failed %v", s.posts, s.ended(toFail))
	}
	if uploads["bad.pdf"] != 2 || uploads["good.pdf"] != 2 || uploads["bad, later.pdf"] != 1 {
		t.Errorf("uploaded %v", uploads)
	}
}

// TestNotesSayWhatHappened: what a destination says of a refusal, or else the text of the error, with what this side knows.
func TestNotesSayWhatHappened(t *testing.T) {
	at := func(s stage) *delivery {
		return &delivery{facts: facts{stage: s, Delivery: ledger.Delivery{Attempts: 3, Files: []ledger.File{{Name: "x.pdf"}}}}}
	}
	for _, c := range []struct {
		err   error
		holds []string
	}{
		{wordless(ofFile(400)), []string{"answered 400", "400"}},
		{errors.New("bad \x1b[31m"), []string{`bad \x1b[31m`, "3"}},
	} {
		n := noteOf(at(toUpload), c.err)
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
