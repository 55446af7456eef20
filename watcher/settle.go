package watcher

import (
	"container/heap"
	"time"

	"kaizala-drop/internal/file"
)

// settler decides from observations when a file is settled. It is a pure state machine: no clock, no I/O, no goroutine.
// It is told of hints (Touch) and looks (Look), and says when to look again (Next, Due).
//
// A file is settled when it was quiet for the settle time by the caller's own observation (never by its mtime, which
// `cp -p` sets to the past): no hint, two equal looks at least that far apart, and no reason to hold it back. It is then
// handed over once, and again only after it was released or has changed. Where files are written with pauses nearly as long
// as the settle time, more is asked of the folder's next ones (patience.go).
//
// All times must come from one monotonic clock. A settler is not safe for concurrent use.
type settler struct {
	patience       patience
	allowHardlinks bool
	truncatedAfter time.Duration // 0 = a torn file waits for ever
	candidates     map[string]*candidate
	waiting        dueQueue     // the candidates to be looked at again, the earliest first
	order          uint64       // counts changes, so that files that changed at one instant keep their order
	round          uint64       // counts whole listings
	crowds         map[kind]int // how many are held back, by the kind of the reason
}

// newSettler returns a Settler that knows no file. allowHardlinks lets files pass that have more than one name.
func newSettler(settle time.Duration, allowHardlinks bool) *settler {
	return &settler{patience: patience{settle: settle}, allowHardlinks: allowHardlinks, candidates: map[string]*candidate{}, crowds: map[kind]int{}}
}

// setSettle changes the settle time for every change observed from now on.
func (s *settler) setSettle(d time.Duration) { s.patience.settle = d }

// quiet is how long a file must be quiet: the settle time, or more if a Verdict said so.
func (s *settler) quiet() time.Duration { return s.patience.quiet() }

// setTruncatedAfter sets after how long without a change a torn file is handed over as torn; 0 is never.
func (s *settler) setTruncatedAfter(d time.Duration) { s.truncatedAfter = d }

// touch takes a hint that name has changed: its quiet time starts again.
func (s *settler) touch(now time.Time, name string) {
	c := s.candidate(now, name)
	c.round = s.round
	c.calmSince = now
	if !c.handed { // of a file that was handed over, only a look tells whether it is another one now
		s.restart(now, c)
	}
}

// touchAttributes takes a hint that attributes of name have changed, its permissions say. Where they go on changing long after its
// bytes did, they are not waited for.
func (s *settler) touchAttributes(now time.Time, name string) {
	c := s.candidate(now, name)
	c.round = s.round
	if !c.handed && !s.onlyAttributes(now, c) {
		s.restart(now, c)
	}
}

// came notes how the file under name came there.
func (s *settler) came(now time.Time, name string, how origin) { s.candidate(now, name).origin = how }

// originOf tells it, with the newest look at it.
func (s *settler) originOf(name string, look observation) origin {
	c, ok := s.candidates[name]
	if !ok {
		return originUnknown
	}
	if c.looked && c.last.SameFile(look.Identity) && (c.last.Size != look.Size || c.last.Mtime != look.Mtime) {
		c.origin = originWritten
	}
	return c.origin
}

// Where nothing but changes of its attributes has kept a file from being quiet for attributesFor times the quiet time, and
// attributesLeast, they do not restart that any more: an indexer, or a job that mends permissions, may never end.
const (
	attributesFor   = 4
	attributesLeast = 5 * time.Second
)

func (s *settler) onlyAttributes(now time.Time, c *candidate) bool {
	return now.Sub(c.calmSince) >= max(attributesFor*s.patience.quiet(), attributesLeast)
}

// observe takes what a look at name found and judges it. A difference from the look before is a change, whether there was
// a hint of it or not: when hints were lost, a look can be the first to see it. So is the end of a reason to hold the
// file back: a scanner that closes its file for a moment between two pages has not finished it.
//
// asked is when the look was asked for. What it shows may be as old as that, however late the answer, so it must have
// been asked for when the quiet time was over.
func (s *settler) observe(asked, now time.Time, name string, look observation) verdict {
	c := s.candidate(now, name)
	c.round = s.round
	same := c.looked && c.last.Identity == look.Identity
	if !c.looked || !sameBytes(c.last.Identity, look.Identity) {
		c.calmSince = now
	}
	same = same || !c.handed && s.onlyAttributes(now, c)
	grew := c.looked && c.last.Size > 0 && c.last.SameFile(look.Identity) && look.Size > c.last.Size
	reason, final := s.holdReason(look)
	if same && !look.examined { // what the last closer look found still holds
		look.obstacle = c.last.obstacle
	}
	c.last, c.looked, c.failed = look, true, false
	if c.handed && same {
		return verdict{}
	}
	if !same || c.hold > 0 && reason == "" && look.examined {
		c.startAnew(now)
		s.restart(now, c)
	}
	var pause time.Duration
	if grew && s.patience.learn(c.pause) {
		pause = c.pause
	}
	c.pause = 0
	quiet := asked.Sub(c.changed) >= s.patience.quiet()
	if quiet && same {
		c.calmSince = now
	}
	switch {
	case final:
		v := s.holdBack(now, c, reason)
		s.remove(c)
		return v
	case !quiet || !same:
		s.schedule(c, c.changed.Add(s.patience.quiet()))
		return verdict{pause: pause}
	case reason != "":
		return s.holdBack(now, c, reason)
	case !look.examined: // a listing came by: the closer look is still to come
		if c.place == notWaiting {
			s.schedule(c, now)
		}
		return verdict{}
	}
	return s.handOver(c, verdict{settled: true})
}

// sameBytes reports whether what differs between two looks at a file are its attributes at most.
func sameBytes(a, b file.Identity) bool {
	return a.SameFile(b) && a.Size == b.Size && a.Mtime == b.Mtime
}

func (s *settler) handOver(c *candidate, v verdict) verdict {
	s.remove(c)
	s.joinCrowd(c, "")
	s.patience.handed()
	c.handed, c.reason, c.hold = true, "", 0
	return v
}

// gone forgets name: nothing lies there any more.
func (s *settler) gone(name string) {
	if c, ok := s.candidates[name]; ok {
		s.remove(c)
		s.joinCrowd(c, "")
		delete(s.candidates, name)
	}
}

// release takes back a file that was handed over: if it is still there, it settles anew.
func (s *settler) release(now time.Time, name string) {
	if c, ok := s.candidates[name]; ok && c.handed {
		c.startAnew(now)
		s.restart(now, c)
	}
}

// next says when Due will have something. ok is false while nothing waits.
func (s *settler) next() (at time.Time, ok bool) {
	if len(s.waiting) == 0 {
		return time.Time{}, false
	}
	return s.waiting[0].due, true
}

// due takes out the names whose time has come, in the order in which they changed. Each must be looked at: Look,
// Fail or Gone brings it back.
func (s *settler) due(now time.Time) []string {
	var names []string
	for len(s.waiting) > 0 && !s.waiting[0].due.After(now) {
		names = append(names, heap.Pop(&s.waiting).(*candidate).name)
	}
	return names
}

// startRound begins a whole listing. EndRound forgets every name that was not seen since.
func (s *settler) startRound() { s.round++ }

// endRound ends the listing that StartRound began: what neither it nor anything else has shown since is gone.
func (s *settler) endRound() {
	for name, c := range s.candidates {
		if c.round < s.round {
			s.gone(name)
		}
	}
}

func (s *settler) candidate(now time.Time, name string) *candidate {
	c, ok := s.candidates[name]
	if !ok {
		c = &candidate{name: name, calmSince: now, place: notWaiting, since: now}
		s.candidates[name] = c
		s.restart(now, c)
	}
	return c
}

// restart starts the quiet time of c again.
func (s *settler) restart(now time.Time, c *candidate) {
	if c.hold == 0 && !c.changed.IsZero() { // else it was seen why nothing came
		c.pause = max(c.pause, now.Sub(c.changed))
	}
	s.joinCrowd(c, "")
	s.order++
	c.changed, c.tornSince, c.order, c.hold = now, now, s.order, 0
	s.schedule(c, now.Add(s.patience.quiet()))
}

func (s *settler) schedule(c *candidate, due time.Time) {
	c.due = due
	if c.place == notWaiting {
		heap.Push(&s.waiting, c)
	} else {
		heap.Fix(&s.waiting, c.place)
	}
}

func (s *settler) remove(c *candidate) {
	if c.place != notWaiting {
		heap.Remove(&s.waiting, c.place)
	}
}

func settlerOf(f Folder) *settler {
	s := newSettler(f.Settle, f.AllowHardlinks)
	s.setTruncatedAfter(f.TruncatedAfter)
	return s
}
