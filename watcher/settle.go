package watcher

import (
	"container/heap"
	"time"

	"kaizala-drop/internal/file"
)

// Settler decides from observations when a file is settled. It is a pure state machine: no clock, no I/O, no goroutine.
// It is told of hints (Touch) and looks (Look), and says when to look again (Next, Due).
//
// A file is settled when it was quiet for the settle time by the caller's own observation (never by its mtime, which
// `cp -p` sets to the past): no hint, two equal looks at least that far apart, and no reason to hold it back. It is then
// handed over once, and again only after it was released or has changed. Where files are written with pauses nearly as long
// as the settle time, more is asked of the folder's next ones (patience.go).
//
// All times must come from one monotonic clock. A Settler is not safe for concurrent use.
type Settler struct {
	patience       patience
	allowHardlinks bool
	truncatedAfter time.Duration // 0 = a torn file waits for ever
	candidates     map[string]*candidate
	waiting        dueQueue     // the candidates to be looked at again, the earliest first
	order          uint64       // counts changes, so that files that changed at one instant keep their order
	round          uint64       // counts whole listings
	crowds         map[Kind]int // how many are held back, by the kind of the reason
}

type candidate struct {
	name    string
	last    Look
	looked  bool          // last is valid
	changed time.Time     // when a change was last observed
	calm    time.Time     // when it was quiet last, or a change was observed that may have been of its bytes
	pause   time.Duration // the longest time without one since the last look
	still   time.Time     // since when it has not changed, and only its looking cut off held it back
	order   uint64        // of that change
	due     time.Time     // when to look again
	place   int           // in waiting, or notWaiting
	handed  bool          // handed over with last.Identity
	reason  string        // why it is held back
	failed  bool          // because it could not be looked at
	hold    time.Duration // the time to the next look while it is held back, else 0
	round   uint64        // in which it was last seen
	since   time.Time     // when it came to be known, or was last handed over and then changed or given back
	origin  origin        // of the file that lies under the name
	crowd   Kind          // of the reason why it is held back, else ""
}

const notWaiting = -1

// NewSettler returns a Settler that knows no file. allowHardlinks lets files pass that have more than one name.
func NewSettler(settle time.Duration, allowHardlinks bool) *Settler {
	return &Settler{patience: patience{settle: settle}, allowHardlinks: allowHardlinks, candidates: map[string]*candidate{}, crowds: map[Kind]int{}}
}

// SetSettle changes the settle time for every change observed from now on.
func (s *Settler) SetSettle(d time.Duration) { s.patience.settle = d }

// Quiet is how long a file must be quiet: the settle time, or more if a Verdict said so.
func (s *Settler) Quiet() time.Duration { return s.patience.quiet() }

// SetTruncatedAfter sets after how long without a change a torn file is handed over as torn; 0 is never.
func (s *Settler) SetTruncatedAfter(d time.Duration) { s.truncatedAfter = d }

// Touch takes a hint that name has changed: its quiet time starts again.
func (s *Settler) Touch(now time.Time, name string) {
	c := s.candidate(now, name)
	c.round = s.round
	c.calm = now
	if !c.handed { // of a file that was handed over, only a look tells whether it is another one now
		s.restart(now, c)
	}
}

// TouchLooks takes a hint that attributes of name have changed, its permissions say. Where they go on changing long after its
// bytes did, they are not waited for.
func (s *Settler) TouchLooks(now time.Time, name string) {
	c := s.candidate(now, name)
	c.round = s.round
	if !c.handed && !s.onlyStirred(now, c) {
		s.restart(now, c)
	}
}

// Where nothing but changes of its attributes has kept a file from being quiet for stirredFor times the quiet time, and
// stirredLeast, they do not restart that any more: an indexer, or a job that mends permissions, may never end.
const (
	stirredFor   = 4
	stirredLeast = 5 * time.Second
)

func (s *Settler) onlyStirred(now time.Time, c *candidate) bool {
	return now.Sub(c.calm) >= max(stirredFor*s.patience.quiet(), stirredLeast)
}

// Look takes what a look at name found and judges it. A difference from the look before is a change, whether there was
// a hint of it or not: when hints were lost, a look can be the first to see it. So is the end of a reason to hold the
// file back: a scanner that closes its file for a moment between two pages has not finished it.
//
// asked is when the look was asked for. What it shows may be as old as that, however late the answer, so it must have
// been asked for when the quiet time was over.
func (s *Settler) Look(asked, now time.Time, name string, look Look) Verdict {
	c := s.candidate(now, name)
	c.round = s.round
	same := c.looked && c.last.Identity == look.Identity
	if !c.looked || !sameBytes(c.last.Identity, look.Identity) {
		c.calm = now
	}
	same = same || !c.handed && s.onlyStirred(now, c)
	grew := c.looked && c.last.Size > 0 && c.last.SameFile(look.Identity) && look.Size > c.last.Size
	reason, final := s.refuse(look)
	if same && !look.Examined { // what the last closer look found still holds
		look.Hold = c.last.Hold
	}
	c.last, c.looked, c.failed = look, true, false
	if c.handed && same {
		return Verdict{}
	}
	if !same || c.hold > 0 && reason == "" && look.Examined {
		c.leave(now)
		s.restart(now, c)
	}
	var pause time.Duration
	if grew && s.patience.learn(c.pause) {
		pause = c.pause
	}
	c.pause = 0
	quiet := asked.Sub(c.changed) >= s.patience.quiet()
	if quiet && same {
		c.calm = now
	}
	switch {
	case final:
		v := s.holdBack(now, c, reason)
		s.remove(c)
		return v
	case !quiet || !same:
		s.schedule(c, c.changed.Add(s.patience.quiet()))
		return Verdict{Pause: pause}
	case reason != "":
		return s.holdBack(now, c, reason)
	case !look.Examined: // a listing came by: the closer look is still to come
		if c.place == notWaiting {
			s.schedule(c, now)
		}
		return Verdict{}
	}
	return s.handOver(c, Verdict{Settled: true})
}

// sameBytes reports whether what differs between two looks at a file are its attributes at most.
func sameBytes(a, b file.Identity) bool {
	return a.SameFile(b) && a.Size == b.Size && a.Mtime == b.Mtime
}

func (s *Settler) handOver(c *candidate, v Verdict) Verdict {
	s.remove(c)
	s.join(c, "")
	s.patience.handed()
	c.handed, c.reason, c.hold = true, "", 0
	return v
}

// Gone forgets name: nothing lies there any more.
func (s *Settler) Gone(name string) {
	if c, ok := s.candidates[name]; ok {
		s.remove(c)
		s.join(c, "")
		delete(s.candidates, name)
	}
}

// Release takes back a file that was handed over: if it is still there, it settles anew.
func (s *Settler) Release(now time.Time, name string) {
	if c, ok := s.candidates[name]; ok && c.handed {
		c.leave(now)
		s.restart(now, c)
	}
}

// leave begins anew with a file that was handed over.
func (c *candidate) leave(now time.Time) {
	if c.handed {
		c.handed, c.since = false, now
	}
}

// Next says when Due will have something. ok is false while nothing waits.
func (s *Settler) Next() (at time.Time, ok bool) {
	if len(s.waiting) == 0 {
		return time.Time{}, false
	}
	return s.waiting[0].due, true
}

// Due takes out the names whose time has come, in the order in which they changed. Each must be looked at: Look,
// Fail or Gone brings it back.
func (s *Settler) Due(now time.Time) []string {
	var names []string
	for len(s.waiting) > 0 && !s.waiting[0].due.After(now) {
		names = append(names, heap.Pop(&s.waiting).(*candidate).name)
	}
	return names
}

// StartRound begins a whole listing. EndRound forgets every name that was not seen since.
func (s *Settler) StartRound() { s.round++ }

// EndRound ends the listing that StartRound began: what neither it nor anything else has shown since is gone.
func (s *Settler) EndRound() {
	for name, c := range s.candidates {
		if c.round < s.round {
			s.Gone(name)
		}
	}
}

// Busy reports whether a file of which belongs is true is on its way to being handed over: neither handed over nor held
// back, or torn, which ends after a while.
func (s *Settler) Busy(belongs func(name string) bool) bool {
	return s.BusyStill(time.Time{}, 0, belongs)
}

// BusyStill is Busy, but for what is Unquiet for most; 0 is for ever.
func (s *Settler) BusyStill(now time.Time, most time.Duration, belongs func(name string) bool) bool {
	for name, c := range s.candidates {
		busy := c.hold == 0 && (most == 0 || now.Sub(c.since) < most) || c.hold > 0 && c.last.Hold.Torn && s.truncatedAfter > 0
		if !c.handed && busy && belongs(name) {
			return true
		}
	}
	return false
}

// Coming reports whether a file of which belongs is true may still be handed over by itself: it is Busy, or open for
// writing, or, for the time that a torn file would be given, empty or not to be looked at. What is held back for a reason
// that no waiting cures is not.
func (s *Settler) Coming(now time.Time, belongs func(name string) bool) bool {
	for name, c := range s.candidates {
		seen := c.reason == c.last.Hold.Reason
		mayYet := (c.failed || c.last.Mode.IsRegular() && c.last.Size == 0) && now.Sub(c.changed) < s.truncatedAfter
		if !c.handed && (c.hold == 0 || seen || mayYet) && belongs(name) {
			return true
		}
	}
	return false
}

// IsHanded reports whether f, which was handed over, still is what it was as far as is known.
func (s *Settler) IsHanded(f file.Settled) bool {
	c, ok := s.candidates[f.Name]
	return ok && c.handed && c.last.Identity == f.ID
}

func (s *Settler) candidate(now time.Time, name string) *candidate {
	c, ok := s.candidates[name]
	if !ok {
		c = &candidate{name: name, calm: now, place: notWaiting, since: now}
		s.candidates[name] = c
		s.restart(now, c)
	}
	return c
}

// restart starts the quiet time of c again.
func (s *Settler) restart(now time.Time, c *candidate) {
	if c.hold == 0 && !c.changed.IsZero() { // else it was seen why nothing came
		c.pause = max(c.pause, now.Sub(c.changed))
	}
	s.join(c, "")
	s.order++
	c.changed, c.still, c.order, c.hold = now, now, s.order, 0
	s.schedule(c, now.Add(s.patience.quiet()))
}

func (s *Settler) schedule(c *candidate, due time.Time) {
	c.due = due
	if c.place == notWaiting {
		heap.Push(&s.waiting, c)
	} else {
		heap.Fix(&s.waiting, c.place)
	}
}

func (s *Settler) remove(c *candidate) {
	if c.place != notWaiting {
		heap.Remove(&s.waiting, c.place)
	}
}

func newSettlerOf(f Folder) *Settler {
	s := NewSettler(f.Settle, f.AllowHardlinks)
	s.SetTruncatedAfter(f.TruncatedAfter)
	return s
}
