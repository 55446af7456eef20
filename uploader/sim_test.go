package uploader

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/hang"
)

// sim runs a queue against a simulated clock and simulated steps, and checks at every move what must always hold.
type sim struct {
	t    testing.TB
	q    *queue
	now  time.Time
	rand *rand.Rand

	takes func(d *delivery) time.Duration // how long the next step takes
	ends  func(d *delivery) error         // how it ends
	after func(e event)                   // what else happens then
	hangs func(d *delivery) bool          // whether a call of the next step on the file system hangs, until it is thawed

	underWay []*stepUnderWay
	calls    int
	lastID   int64
	posts    []string // names as they were posted, with doubts too
	events   []event
	released []file.Release
	moves    int
	failures int
	frozen   []*stepUnderWay // steps that hang
}

type stepUnderWay struct {
	d    *delivery
	end  time.Time
	err  error
	call *hang.Call // that hangs
}

// event is the end of one step.
type event struct {
	d   *delivery
	was stage
	v   verdict
	at  time.Time
	fx  effects
}

// free is a budget without a limit.
type free struct{}

func (free) Take(time.Time) time.Duration { return 0 }

// perMinute allows so many calls, evenly.
type perMinute struct {
	n    int
	next time.Time
}

func (b *perMinute) Take(now time.Time) time.Duration {
	if now.Before(b.next) {
		return b.next.Sub(now)
	}
	b.next = now.Add(time.Minute / time.Duration(b.n))
	return 0
}

func newSim(t testing.TB, maxUploads int, b Budget, folders ...Folder) *sim {
	s := &sim{t: t, q: newQueue(maxUploads, 10, b, destination.Traits{Name: "It"}), now: time.Unix(1_000_000, 0), rand: rand.New(rand.NewPCG(1, 2))}
	s.takes = func(d *delivery) time.Duration {
		if d.stage == toUpload || d.stage == toPost {
			return 100 * time.Millisecond
		}
		return time.Millisecond
	}
	s.ends = func(*delivery) error { return nil }
	s.after = func(event) {}
	s.hangs = func(*delivery) bool { return false }
	s.q.setFolders(folders)
	return s
}

func folder(path string) Folder {
	return Folder{Path: path, Group: "group of " + path, Done: path + "/done", Failed: path + "/failed"}
}

// version is the file name in its nth state.
func version(folder, name string, n int) file.Settled {
	return file.Settled{Folder: folder, Name: name, ID: file.Identity{Dev: 1, Ino: 7, Size: 10, Mtime: int64(n), Ctime: int64(n)}}
}

func (s *sim) add(folder string, names ...string) {
	for _, name := range names {
		f := version(folder, name, 1)
		f.At = s.now
		s.q.add(file.Batch{f})
	}
}

func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%04d.pdf", i)
	}
	return names
}

// start starts all steps that the queue gives.
func (s *sim) start() {
	for given := 0; ; given++ {
		if given > 100_000 {
			s.t.Fatal("next gives deliveries without end")
		}
		d, _ := s.q.next(s.now)
		if d == nil {
			break
		}
		if !d.busy {
			s.t.Fatal("a delivery was given that is not marked busy")
		}
		if d.stage == toUpload || d.stage == toPost {
			s.calls++
		}
		if s.hangs(d) {
			s.freeze(d)
			continue
		}
		s.underWay = append(s.underWay, &stepUnderWay{d: d, end: s.now.Add(s.takes(d)), err: s.ends(d)})
		s.check()
	}
	known, busy := s.q.counts()
	if want := s.holding(); busy != want {
		s.t.Fatalf("the queue counts %d steps, %d are under way", busy, want)
	}
	if !s.q.wake.IsZero() && !s.q.wake.After(s.now) {
		s.t.Fatalf("next gives nothing, and wants to be asked again %v ago", s.now.Sub(s.q.wake))
	}
	if known > 0 && len(s.underWay)+len(s.frozen) == 0 && s.q.wake.IsZero() && !s.q.stopping {
		s.t.Fatalf("forgotten: %d deliveries, none under way, and no time to wake at", known)
	}
}

// freeze has the step of d hang in a call on the file system.
func (s *sim) freeze(d *delivery) {
	u := &stepUnderWay{d: d, call: &hang.Call{What: "read", Path: d.name(), Since: s.now}}
	d.calls.Begin(u.call)
	s.frozen = append(s.frozen, u)
}

// holding counts the steps that hold what all folders share.
func (s *sim) holding() (n int) {
	for _, u := range slices.Concat(s.underWay, s.frozen) {
		if !u.d.hanging {
			n++
		}
	}
	return n
}

// thaw lets all that hangs go on.
func (s *sim) thaw() {
	s.hangs = func(*delivery) bool { return false }
	for _, u := range s.frozen {
		u.d.calls.End(u.call)
		u.end = s.now
		s.underWay = append(s.underWay, u)
	}
	s.frozen = nil
}

// check holds the limits.
func (s *sim) check() {
	uploads, long, posts := 0, 0, map[*lane]int{}
	for _, u := range s.underWay {
		switch u.d.stage {
		case toUpload:
			uploads++
			if !u.d.isSmall() {
				long++
			}
		case toPost:
			posts[u.d.lane]++
			if posts[u.d.lane] > 1 {
				s.t.Fatal("two posts of one folder at once")
			}
		}
	}
	if uploads > s.q.maxUploads+min(long, 1) || long > s.q.maxUploads || len(posts) > postsFactor*s.q.maxUploads {
		s.t.Fatalf("%d uploads, %d of them long, and %d posts at once, with max_uploads %d", uploads, long, len(posts), s.q.maxUploads)
	}
	for _, l := range s.q.turns {
		most := aheadFactor * s.q.maxUploads
		if s.failures > 0 { // what waited for itself is not counted, until it goes on
			most = maxUnfiled
		}
		if len(l.active) > most {
			s.t.Fatalf("%d deliveries of %s are taken up", len(l.active), l.folder.Path)
		}
	}
}

// move starts what can be started and goes on to the next thing that happens. It reports false when nothing ever will.
func (s *sim) move() bool {
	if s.moves++; s.moves > 2_000_000 {
		s.t.Fatal("no end in sight")
	}
	s.start()
	i := s.earliest()
	switch {
	case i >= 0 && (s.q.wake.IsZero() || !s.q.wake.Before(s.underWay[i].end)):
		u := s.underWay[i]
		s.underWay = slices.Delete(s.underWay, i, i+1)
		s.now = u.end
		s.end(u)
	case !s.q.wake.IsZero():
		s.now = s.q.wake
	default:
		return false
	}
	return true
}

func (s *sim) earliest() int {
	found := -1
	for i, u := range s.underWay {
		if found < 0 || u.end.Before(s.underWay[found].end) {
			found = i
		}
	}
	return found
}

// learned is what a step has learned that ends in this way.
func (s *sim) learned(u *stepUnderWay) result {
	r, was := result{err: u.err}, u.d.stage
	switch {
	case u.err != nil:
		s.failures++
	case was == toClaim || was == toFail && u.d.ID == 0:
		s.lastID++
		r.id = s.lastID
	case was == toUpload:
		r.resource = "resource of " + u.d.name()
	case was == toPost:
		r.posted = true
		s.posts = append(s.posts, strings.Join(u.d.names(), "+"))
	}
	return r
}

// end does what the loop does with an outcome.
func (s *sim) end(u *stepUnderWay) {
	d, was := u.d, u.d.stage
	s.q.ended(d, s.learned(u))
	v := judge(d, result{err: u.err})
	fx := s.q.apply(s.now, d, v, u.err)
	for _, back := range fx.handBack {
		s.released = append(s.released, back.Release)
	}
	e := event{d, was, v, s.now, fx}
	s.events = append(s.events, e)
	s.after(e)
}

// run moves until everything has come to its end, and fails if that needs more than the given time.
func (s *sim) run(limit time.Duration) {
	s.t.Helper()
	until := s.now.Add(limit)
	for s.known() > 0 {
		if !s.move() {
			s.t.Fatalf("it stands still with %d deliveries", s.known())
		}
		if s.now.After(until) {
			s.t.Fatalf("not done after %v: %d are left", limit, s.known())
		}
	}
}

// pass moves on for so long, whatever is left.
func (s *sim) pass(d time.Duration) {
	for until := s.now.Add(d); s.now.Before(until) && s.move(); {
	}
}

func (s *sim) known() int {
	known, _ := s.q.counts()
	return known
}

// ended counts the deliveries that came to their end at the given stage.
func (s *sim) ended(at stage) (names []string) {
	for _, e := range s.events {
		if e.was == at && e.v == advance {
			names = append(names, strings.Join(e.d.names(), "+"))
		}
	}
	return names
}

// failure is an error as a destination that speaks HTTP gives it for a status; 0: there was no answer.
func failure(status int, fault destination.Fault) *destination.Error {
	e := &destination.Error{Fault: fault, Answered: status != 0, OfItself: status != 0, Err: fmt.Errorf("answered %d", status)}
	e.Answer.Status = fmt.Sprint(status)
	switch status { // they say of themselves that they are about no file
	case 401:
		e.Fault, e.OfItself = destination.OfAccess, false
	case 429:
		e.Fault, e.OfItself = destination.OfTraffic, false
	case 503:
		e.OfItself = false
	}
	return e
}

func ofDestination(status int) *destination.Error { return failure(status, destination.OfDestination) }

// ofFile and ofGroup are refusals by the service itself.
func ofFile(status int) *destination.Error {
	e := failure(status, destination.OfFile)
	e.Spoken, e.BodySent = true, true
	return e
}

func ofGroup(status int) *destination.Error {
	e := failure(status, destination.OfTarget)
	e.Spoken = true
	return e
}

// wordless is a refusal that claims the fault of err, without the service's word.
func wordless(err *destination.Error) *destination.Error {
	claimed := *err
	claimed.Spoken = false
	return &claimed
}

// inVain is err after the file had left.
func inVain(err *destination.Error) *destination.Error {
	sent := *err
	sent.BodySent = true
	return &sent
}

// unsent is err before any of the file had left.
func unsent(err *destination.Error) *destination.Error {
	asked := *err
	asked.BodySent = false
	return &asked
}

func doubtful(status int) *destination.Error {
	e := ofDestination(status)
	e.MayHaveActed = true
	return e
}

// throttled is a 429 that asks to wait.
func throttled(retryAfter time.Duration) *destination.Error {
	e := ofDestination(429)
	e.RetryAfter = retryAfter
	return e
}

// broken is a call that was broken off.
func broken() *destination.Error { return &destination.Error{Err: context.Canceled} }
