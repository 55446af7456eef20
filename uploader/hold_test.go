package uploader

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
)

// sized is a file of so many bytes.
func sized(folder, name string, size int64) file.Settled {
	f := version(folder, name, 1)
	f.ID.Size = size
	return f
}

// uploads counts the uploads that ended of a file.
func (s *sim) uploads(name string) (n int) {
	for _, e := range s.events {
		if e.was == toUpload && e.d.name() == name {
			n++
		}
	}
	return n
}

// passUntil moves on to so long after start; what is next to happen may be some minutes later.
func (s *sim) passUntil(start time.Time, d time.Duration) { s.pass(start.Add(d).Sub(s.now)) }

// heldOnes names the deliveries that are held.
func (s *sim) heldOnes() (names []string) {
	for _, l := range s.q.turns {
		for _, d := range l.active {
			if d.isHeld() {
				names = append(names, joined(d.names()))
			}
		}
	}
	return names
}

// fails has every upload of the named files fail.
func (s *sim) fails(err error, names ...string) {
	s.ends = func(d *delivery) error {
		if d.stage == toUpload && slices.ContainsFunc(d.toSend(), func(f ledger.File) bool { return slices.Contains(names, f.Name) }) {
			return err
		}
		return nil
	}
}

// reset is a connection that was closed while the file was sent.
func reset() *destination.Error { return inVain(ofDestination(0)) }

// TestLoneFileIsNotSentForEver: after its body began it is sent three times within a minute, then it is held with a reason
// that says so; after that it is tried an hour later, six hours after that, and then once a day.
func TestLoneFileIsNotSentForEver(t *testing.T) {
	for _, err := range []*destination.Error{
		wordless(ofFile(404)), wordless(ofFile(413)), wordless(ofFile(400)), inVain(ofDestination(504)), inVain(ofDestination(502)),
		inVain(ofDestination(500)), inVain(ofDestination(503)), reset(),
	} {
		t.Run(err.Answer.Status, func(t *testing.T) {
			s := newSim(t, 4, free{}, folder("/a"))
			s.fails(err, "film.mp4")
			s.q.add(file.Batch{sized("/a", "film.mp4", 300<<20)})
			start := s.now
			s.pass(time.Minute)
			if n := s.uploads("film.mp4"); n != 3 || !slices.Equal(s.heldOnes(), []string{"film.mp4"}) {
				t.Fatalf("%d uploads in a minute, held: %v", n, s.heldOnes())
			}
			d := s.q.lanes["/a"].active[0]
			if !strings.Contains(d.Reason, "held: 3 uploads") || !strings.Contains(d.Reason, reasonOf(err)) || !d.noted {
				t.Errorf("the reason %q, in the ledger: %t", d.Reason, d.noted)
			}
			for _, want := range []struct {
				at time.Duration
				n  int
			}{{50 * time.Minute, 3}, {70 * time.Minute, 4}, {390 * time.Minute, 4}, {450 * time.Minute, 5}, {30 * time.Hour, 5},
				{32 * time.Hour, 6}, {272 * time.Hour, 16}} {
				if s.passUntil(start, want.at); s.uploads("film.mp4") != want.n {
					t.Fatalf("%d uploads after %v, want %d", s.uploads("film.mp4"), want.at, want.n)
				}
			}
			s.fails(nil)
			s.run(25 * time.Hour)
			s.wantPosts("film.mp4")
		})
	}
}

// TestSmallOnesAreHeldShorter: what costs little is tried again after a quarter of an hour, then every hour; so is what is
// refused for its headers alone, after eight tries.
func TestSmallOnesAreHeldShorter(t *testing.T) {
	for _, c := range []struct {
		err   error
		size  int64
		first int
	}{{wordless(ofFile(404)), 3000, sentMost}, {reset(), 3000, sentMost}, {unsent(wordless(ofFile(413))), 300 << 20, askedMost}} {
		s := newSim(t, 4, free{}, folder("/a"))
		s.fails(c.err, "x.pdf")
		s.q.add(file.Batch{sized("/a", "x.pdf", c.size)})
		start := s.now
		for _, want := range []struct {
			at time.Duration
			n  int
		}{{time.Minute, c.first}, {10 * time.Minute, c.first}, {20 * time.Minute, c.first + 1}, {70 * time.Minute, c.first + 1},
			{24 * time.Hour, c.first + 24}} {
			if s.passUntil(start, want.at); s.uploads("x.pdf") != want.n {
				t.Fatalf("%v: %d uploads after %v, want %d", c.err, s.uploads("x.pdf"), want.at, want.n)
			}
		}
	}
}

// TestWhatSaysItIsAboutNoFileHoldsNone: the token, the number of calls, a service that is down, nobody there.
func TestWhatSaysItIsAboutNoFileHoldsNone(t *testing.T) {
	for _, err := range []error{inVain(ofDestination(401)), inVain(ofDestination(429)), inVain(ofDestination(503)), ofDestination(0), ofDestination(502)} {
		s := newSim(t, 4, free{}, folder("/a"))
		s.fails(err, "x.pdf")
		s.add("/a", "x.pdf")
		s.pass(10 * time.Hour)
		if held := s.heldOnes(); len(held) > 0 {
			t.Errorf("%v: held %v", err, held)
		}
		s.fails(nil)
		s.run(pauseMost + time.Minute)
		s.wantPosts("x.pdf")
	}
}

// TestHeldIsTriedWhenAnotherPasses: an upload of the same destination, in any folder; and what fails then while others
// pass is to blame.
func TestHeldIsTriedWhenAnotherPasses(t *testing.T) {
	s := newSim(t, 4, &perMinute{n: 100}, folder("/a"), folder("/b"))
	s.fails(reset(), "film.mp4")
	s.q.add(file.Batch{sized("/a", "film.mp4", 300<<20)})
	s.pass(10 * time.Minute)
	s.add("/b", "first.pdf")
	s.pass(time.Minute)
	s.wantPosts("first.pdf")
	if n := s.uploads("film.mp4"); n < 4 || n > 6 {
		t.Errorf("%d uploads, when one other passed", n)
	}
	for i := range 60 {
		s.add("/b", fmt.Sprintf("later %d.pdf", i))
		s.pass(time.Minute)
	}
	s.run(time.Hour)
	if failed := s.ended(toFail); !slices.Equal(failed, []string{"film.mp4"}) || s.uploads("film.mp4") > 16 {
		t.Errorf("failed %v after %d uploads", failed, s.uploads("film.mp4"))
	}
	for _, e := range s.events {
		if e.was == toFail && (!strings.Contains(e.d.note.Reason, "failed 10 times while other files went through") || e.d.note.Attempts != 10) {
			t.Errorf("the note: %+v", e.d.note)
		}
	}
}

// TestHeldIsTriedAtTheNextStart, and its place in the ledger says nothing that keeps it.
func TestHeldIsTriedAtTheNextStart(t *testing.T) {
	s := newSim(t, 4, free{}, folder("/a"))
	s.q.restore(ledger.Delivery{ID: 1, Folder: "/a", State: ledger.Claimed, Reason: "held: ...", Files: []ledger.File{{Name: "film.mp4"}}})
	s.run(time.Minute)
	s.wantPosts("film.mp4")
}

// TestNewerFileIsNotKeptWaitingByAHeldOne: somebody makes the film smaller, and puts it in its place.
func TestNewerFileIsNotKeptWaitingByAHeldOne(t *testing.T) {
	s := newSim(t, 4, free{}, folder("/a"))
	replaced := false
	s.ends = func(d *delivery) error {
		switch {
		case replaced && d.Files[0].ID.Mtime == 1 && (d.stage == toUpload || d.stage == toHold):
			return errChanged
		case !replaced && d.stage == toUpload:
			return wordless(ofFile(413))
		}
		return nil
	}
	s.add("/a", "film.mp4")
	s.pass(5 * time.Minute)
	if len(s.heldOnes()) != 1 {
		t.Fatal("it is not held")
	}
	replaced = true
	s.q.add(file.Batch{version("/a", "film.mp4", 2)})
	s.run(time.Minute)
	s.wantPosts("film.mp4")
}

// TestHeldFileThatGoes is forgotten soon, and without a call.
func TestHeldFileThatGoes(t *testing.T) {
	s := newSim(t, 4, free{}, folder("/a"))
	s.fails(reset(), "film.mp4")
	s.q.add(file.Batch{sized("/a", "film.mp4", 300<<20)})
	s.pass(5 * time.Minute)
	calls := s.calls
	s.ends = func(d *delivery) error {
		if d.stage == toHold || d.stage == toUpload {
			return errVanished
		}
		return nil
	}
	s.run(heldLook + time.Minute)
	if s.calls != calls || len(s.released) != 1 {
		t.Errorf("%d calls, %d given back", s.calls-calls, len(s.released))
	}
}

// TestHeldAndTheLedgerIsFull: the reason is written once it can be, and the file waits all the same.
func TestHeldAndTheLedgerIsFull(t *testing.T) {
	s := newSim(t, 4, free{}, folder("/a"))
	full := true
	s.ends = func(d *delivery) error {
		switch {
		case d.stage == toHold && full:
			return ledgerError{errors.New("disk full")}
		case d.stage == toUpload && full:
			return reset()
		}
		return nil
	}
	s.add("/a", "x.pdf")
	s.pass(10 * time.Minute)
	if s.uploads("x.pdf") != sentMost {
		t.Errorf("%d uploads", s.uploads("x.pdf"))
	}
	full = false
	s.run(time.Hour)
	s.wantPosts("x.pdf")
}

// TestTwoLargeFilesAreNotSentForEver: neither shows that it is an outage, nor whose fault it is.
func TestTwoLargeFilesAreNotSentForEver(t *testing.T) {
	s := newSim(t, 4, free{}, folder("/a"), folder("/b"))
	s.fails(wordless(ofFile(413)), "1.mp4", "2.mp4")
	s.q.add(file.Batch{sized("/a", "1.mp4", 300<<20)})
	s.q.add(file.Batch{sized("/b", "2.mp4", 300<<20)})
	s.pass(24 * time.Hour)
	if a, b := s.uploads("1.mp4"), s.uploads("2.mp4"); a > 6 || b > 6 || len(s.heldOnes()) != 2 {
		t.Errorf("%d and %d uploads in a day, held %v", a, b, s.heldOnes())
	}
}

// TestPoisonWithoutAWord: one file is refused while others pass, by whoever it is. It is in failed/ after max_attempts, the
// others are posted, and it alone is not blamed before.
func TestPoisonWithoutAWord(t *testing.T) {
	for at, err := range map[stage]*destination.Error{toUpload: wordless(ofFile(413)), toPost: wordless(ofFile(400))} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			s := newSim(t, 4, &perMinute{n: 100}, folder("/a"))
			s.ends = func(d *delivery) error {
				if d.name() == "0000.pdf" && d.stage == at {
					return err
				}
				return nil
			}
			s.add("/a", "0000.pdf")
			s.pass(24 * time.Hour)
			if s.known() != 1 {
				t.Fatalf("alone for a day: failed %v", s.ended(toFail))
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
				if e.was == toFail && (e.d.note.Attempts != 10 || !strings.Contains(e.d.note.Reason, err.Error())) {
					t.Errorf("the note: %+v", e.d.note)
				}
			}
		})
	}
}

// TestWordSendsToFailedAtOnce: one truly refused file among good ones costs one call.
func TestWordSendsToFailedAtOnce(t *testing.T) {
	s := newSim(t, 4, free{}, folder("/a"))
	s.fails(ofFile(413), "0005.pdf")
	s.add("/a", numbered(20)...)
	s.run(time.Minute)
	if failed := s.ended(toFail); !slices.Equal(failed, []string{"0005.pdf"}) || s.uploads("0005.pdf") != 1 || len(s.posts) != 19 {
		t.Errorf("failed %v after %d uploads, %d posted", failed, s.uploads("0005.pdf"), len(s.posts))
	}
}

// TestAlbumWithoutAWord: refused alone, it is held in one piece; refused while others pass, it is divided, and the image
// that is to blame is found.
func TestAlbumWithoutAWord(t *testing.T) {
	s := newSim(t, 4, &perMinute{n: 100}, folder("/a"))
	s.q.maxAttempts = 3
	s.fails(wordless(ofFile(415)), "5.jpg")
	s.q.add(album("/a", images(8)...))
	s.pass(5 * time.Hour)
	if len(s.ended(toDivide)) > 0 || len(s.ended(toFail)) > 0 || !slices.Equal(s.heldOnes(), []string{joined(images(8))}) {
		t.Fatalf("alone: divided %v, failed %v, held %v", s.ended(toDivide), s.ended(toFail), s.heldOnes())
	}
	for i := range 600 {
		s.add("/a", fmt.Sprintf("other %d.pdf", i))
		s.pass(time.Minute)
	}
	s.run(time.Hour)
	if failed := s.ended(toFail); !slices.Equal(failed, []string{"5.jpg"}) {
		t.Errorf("failed %v", failed)
	}
	if pictures := slices.DeleteFunc(s.posts, func(p string) bool { return !strings.Contains(p, ".jpg") }); len(joined(pictures)) != len(joined(images(7))) {
		t.Errorf("posted %q", pictures)
	}
}

// TestNonsenseWithinASearch: the service refuses an album itself, and while its image is looked for, something in between
// answers for ten minutes. It repeats the question, and blames nobody else.
func TestNonsenseWithinASearch(t *testing.T) {
	for _, status := range []int{400, 404, 413, 415} {
		s := newSim(t, 2, free{}, folder("/a"))
		s.refusing(99, "6.jpg")
		truth, begun := s.ends, time.Time{}
		s.ends = func(d *delivery) error {
			if d.stage == toUpload && d.search != nil {
				if begun.IsZero() {
					begun = s.now
				}
				if s.now.Sub(begun) < 10*time.Minute {
					return wordless(ofFile(status))
				}
			}
			return truth(d)
		}
		s.q.add(album("/a", images(8)...))
		s.run(3 * time.Hour)
		s.wantPosts("0.jpg+1.jpg+2.jpg+3.jpg+4.jpg+5.jpg+7.jpg")
		if failed := s.ended(toFail); !slices.Equal(failed, []string{"6.jpg"}) {
			t.Errorf("%d: failed %v", status, failed)
		}
	}
}

// TestMessageOfAnAlbumWithoutAWord: its post is refused while others of its group pass, so its images go one by one.
func TestMessageOfAnAlbumWithoutAWord(t *testing.T) {
	s := newSim(t, 4, &perMinute{n: 100}, folder("/a"))
	s.q.maxAttempts = 3
	s.ends = func(d *delivery) error {
		if d.stage == toPost && d.isAlbum() {
			return wordless(ofFile(400))
		}
		return nil
	}
	s.q.add(album("/a", images(3)...))
	for i := range 200 {
		s.add("/a", fmt.Sprintf("other %d.pdf", i))
		s.pass(time.Minute)
	}
	s.run(time.Hour)
	pictures := slices.DeleteFunc(s.posts, func(p string) bool { return !strings.Contains(p, ".jpg") })
	if !slices.Equal(pictures, images(3)) || len(s.ended(toFail)) > 0 {
		t.Errorf("posted %q, failed %q", pictures, s.ended(toFail))
	}
}

// TestOldResourceIsMadeAnewWithoutAWord: alone, after three refusals; nothing is in failed/.
func TestOldResourceIsMadeAnewWithoutAWord(t *testing.T) {
	s := newSim(t, 1, free{}, folder("/a"))
	s.ends = func(d *delivery) error {
		if d.stage == toPost && d.Resource == "old" {
			return wordless(ofFile(400))
		}
		return nil
	}
	s.q.restore(ledger.Delivery{ID: 1, Folder: "/a", State: ledger.Uploaded, Resource: "old", Files: []ledger.File{{Name: "x.pdf"}}})
	s.run(time.Minute)
	s.wantPosts("x.pdf")
	if s.uploads("x.pdf") != 1 || s.calls != staleTries+2 {
		t.Errorf("%d uploads, %d calls", s.uploads("x.pdf"), s.calls)
	}
}

// TestWhatMayBePostedIsNotPostedBeyondThat: an answer was lost, then something in between refuses every other try, alone and
// while others pass.
func TestWhatMayBePostedIsNotPostedBeyondThat(t *testing.T) {
	for _, hold := range []bool{false, true} {
		for _, then := range []error{wordless(ofFile(400)), wordless(ofFile(413)), wordless(ofGroup(404)), ofDestination(302)} {
			f := folder("/a")
			f.HoldUnknown = hold
			s := newSim(t, 1, free{}, f)
			start, posts := s.now, 0
			s.ends = func(d *delivery) error {
				if d.stage != toPost || d.name() != "x.pdf" {
					return nil
				}
				switch posts++; {
				case posts == 1:
					return doubtful(504)
				case s.now.Sub(start) < 10*time.Minute:
					return then
				}
				return nil
			}
			s.add("/a", "x.pdf")
			s.run(time.Hour)
			if hold && (posts != 1 || len(s.ended(toFail)) != 1) {
				t.Errorf("held, then %v: posted %d times, failed %v", then, posts, s.ended(toFail))
			}
			if !hold && (!slices.Equal(s.posts, []string{"x.pdf"}) || len(s.ended(toFail)) > 0) {
				t.Errorf("then %v: posted %v, failed %v", then, s.posts, s.ended(toFail))
			}
		}
	}
}

// TestAllGroupsRefusedAlike, without a word: it is an outage, of few calls, and over for all of them within minutes. One
// group that is refused so among others holds only its folder, as before.
func TestAllGroupsRefusedAlike(t *testing.T) {
	var all []Folder
	for i := range 20 {
		all = append(all, folder(fmt.Sprint("/", i)))
	}
	s := newSim(t, 4, &perMinute{n: 100}, all...)
	s.ends = func(d *delivery) error {
		if d.stage == toPost {
			return wordless(ofGroup(404))
		}
		return nil
	}
	for _, f := range all {
		s.add(f.Path, numbered(3)...)
	}
	s.pass(time.Hour)
	calls := s.calls
	s.pass(10 * time.Hour)
	if n := s.calls - calls; n > 150 {
		t.Errorf("%d calls in ten hours", n)
	}
	s.ends = func(*delivery) error { return nil }
	s.run(2*pauseMost + time.Minute)
	if len(s.posts) != 60 || len(s.ended(toFail)) > 0 {
		t.Errorf("%d posted", len(s.posts))
	}
}

// TestTwoGroupsRefusedAlikeHoldNoOther: a third folder, with something to post now and then, does not wait for them.
func TestTwoGroupsRefusedAlikeHoldNoOther(t *testing.T) {
	s := newSim(t, 4, &perMinute{n: 100}, folder("/1"), folder("/2"), folder("/well"))
	s.ends = func(d *delivery) error {
		if d.stage == toPost && d.Folder != "/well" {
			return wordless(ofGroup(403))
		}
		return nil
	}
	s.add("/1", numbered(30)...)
	s.add("/2", numbered(30)...)
	for i := range 50 {
		s.pass(17 * time.Minute)
		s.add("/well", fmt.Sprintf("%04d.jpg", i))
		if s.pass(10 * time.Second); len(s.posts) != i+1 {
			t.Fatalf("%d of %d are posted ten seconds after they came", len(s.posts), i+1)
		}
	}
}

// TestCoughHoldsNobody: something in between answers for five seconds. What fails meanwhile is tried again after that, and
// not held, however few files there are.
func TestCoughHoldsNobody(t *testing.T) {
	for _, files := range []int{1, 2, 3, 12} {
		for _, err := range []error{wordless(ofFile(404)), reset(), unsent(wordless(ofFile(413)))} {
			s := newSim(t, 4, free{}, folder("/a"))
			start := s.now
			s.ends = func(d *delivery) error {
				if d.stage == toUpload && s.now.Sub(start) < 5*time.Second {
					return err
				}
				return nil
			}
			names := numbered(files)
			s.add("/a", names...)
			s.run(time.Minute)
			s.wantPosts(names...)
		}
	}
}

// TestHeldIsNotSentForEachThatPasses: the more often others pass while it fails, the longer it waits after that.
func TestHeldIsNotSentForEachThatPasses(t *testing.T) {
	s := newSim(t, 4, free{}, folder("/a"), folder("/b"))
	s.fails(reset(), "film.mp4")
	s.q.add(file.Batch{sized("/a", "film.mp4", 300<<20)})
	s.pass(5 * time.Minute)
	start := s.now
	for i := 0; len(s.ended(toFail)) == 0; i++ {
		s.add("/b", fmt.Sprintf("other %d.pdf", i))
		s.pass(time.Second)
	}
	if took := s.now.Sub(start); took < 10*time.Minute || s.uploads("film.mp4") > sentMost+10 {
		t.Errorf("it was sent %d times, and given up after %v", s.uploads("film.mp4"), took)
	}
}

// TestPostsDoNotReleaseWhatIsHeld: they show nothing of uploads.
func TestPostsDoNotReleaseWhatIsHeld(t *testing.T) {
	s := newSim(t, 4, free{}, folder("/a"), folder("/b"))
	s.fails(reset(), "film.mp4")
	s.q.add(file.Batch{sized("/a", "film.mp4", 300<<20)})
	s.pass(5 * time.Minute)
	for i, name := range numbered(5) {
		s.q.restore(ledger.Delivery{ID: int64(100 + i), Folder: "/b", State: ledger.Uploaded, Resource: "r", Files: []ledger.File{{Name: name}}})
	}
	s.pass(time.Minute)
	if n := s.uploads("film.mp4"); n != sentMost || len(s.posts) != 5 {
		t.Errorf("it was sent %d times, %d others were posted", n, len(s.posts))
	}
}

// TestTriedAtOnceAfterALogin: what waits for the destination and for a group is tried at once when there may be access again, and not
// before the time for which the service asked; where there is none still, the pauses go on as long as they were.
func TestTriedAtOnceAfterALogin(t *testing.T) {
	for name, err := range map[string]*destination.Error{"access": failure(401, destination.OfAccess), "group": ofGroup(403)} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, 4, free{}, folder("/a"), folder("/b"))
			denied := true
			s.ends = func(d *delivery) error {
				if denied && (d.stage == toUpload || d.stage == toPost) {
					return err
				}
				return nil
			}
			s.add("/a", "a.pdf")
			s.add("/b", "b.pdf")
			s.pass(3 * time.Hour)
			calls := s.calls
			s.q.tryNow(s.now)
			s.pass(time.Second)
			if s.calls == calls || len(s.posts) > 0 {
				t.Fatalf("%d calls more, posted %v", s.calls-calls, s.posts)
			}
			calls = s.calls
			s.pass(30 * time.Second)
			if s.calls > calls+2 {
				t.Errorf("%d calls in half a minute after one that was refused, too", s.calls-calls)
			}
			denied = false
			s.q.tryNow(s.now)
			s.pass(2 * time.Second)
			if slices.Sort(s.posts); !slices.Equal(s.posts, []string{"a.pdf", "b.pdf"}) {
				t.Errorf("posted %v", s.posts)
			}
		})
	}
	var p pause
	now := time.Unix(1000, 0)
	p.fail(now)
	p.obey(now.Add(time.Hour))
	if p.tryNow(now); p.over(now.Add(time.Hour - 1)) {
		t.Error("it is tried before the time that the service asked for")
	}
}
