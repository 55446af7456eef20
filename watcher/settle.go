package watcher

import (
	"container/heap"
	"time"

	"kaizala-drop/internal/file"
)

// settler decides from observations when a file is settled. It is a pure state machine: no clock, no I/O, no goroutine.
// It is told hints (touch) and observations (observe), and says when to look again (next, due).
//
// A file is settled when it was quiet for the settle time by the settler's own observation: no hint, two equal
// observations at least that far apart, and no reason to hold the file back. The mtime does not count, because `cp -p`
// sets it to the past. A settled file is handed over once, and again only after it was released or has changed. In a
// folder where files are written with pauses nearly as long as the settle time, later files must be quiet for longer
// (patience.go).
//
// All times must come from one monotonic clock. A settler is not safe for concurrent use.
type settler struct {
	patience       patience
	allowHardlinks bool
	truncatedAfter time.Duration // 0 = a torn file waits for ever
	candidates     map[string]*candidate
	waiting        dueQueue     // the candidates to look at again, the earliest first
	order          uint64       // counts changes, so that files which changed at the same instant keep their order
	round          uint64       // counts whole listings
	crowds         map[kind]int // how many candidates are held back, by kind
}

// newSettler returns a settler that knows no file. With allowHardlinks, files with more than one name are handed over.
func newSettler(settle time.Duration, allowHardlinks bool) *settler {
	return &settler{patience: patience{settle: settle}, allowHardlinks: allowHardlinks, candidates: map[string]*candidate{}, crowds: map[kind]int{}}
}

// setSettle changes the settle time for every change that is observed from now on.
func (s *settler) setSettle(d time.Duration) { s.patience.settle = d }

// quiet is how long a file must be quiet: the settle time, or more if a verdict said so.
func (s *settler) quiet() time.Duration { return s.patience.quiet() }

// setTruncatedAfter sets after how long without a change a torn file is handed over as torn; 0 is never.
func (s *settler) setTruncatedAfter(d time.Duration) { s.truncatedAfter = d }

// touch takes a hint that name has changed, which starts its quiet time again.
func (s *settler) touch(now time.Time, name string) {
	c := s.candidate(now, name)
	c.round = s.round
	c.calmSince = now
	if !c.handed { // only a look tells whether a file that was handed over is another one now
		s.restart(now, c)
	}
}

// touchAttributes takes a hint that attributes of name have changed, such as its permissions. If they go on changing
// long after the bytes did, their end is not waited for.
func (s *settler) touchAttributes(now time.Time, name string) {
	c := s.candidate(now, name)
	c.round = s.round
	if !c.handed && !s.onlyAttributes(now, c) {
		s.restart(now, c)
	}
}

// came notes how the file under name came there.
func (s *settler) came(now time.Time, name string, how origin) { s.candidate(now, name).origin = how }

// originOf gives the origin of the file under name, with regard to the newest look at it.
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

// If only changes of its attributes have kept a file from being quiet for attributesFor quiet times, and for
// attributesLeast, they no longer restart the quiet time: an indexer, or a job that mends permissions, may never end.
const (
	attributesFor   = 4
	attributesLeast = 5 * time.Second
)

func (s *settler) onlyAttributes(now time.Time, c *candidate) bool {
	return now.Sub(c.calmSince) >= max(attributesFor*s.patience.quiet(), attributesLeast)
}

// observe takes what a look at name found, and judges it. A difference from the last observation is a change, even if
// there was no hint: when hints were lost, a look may be the first to see it. The end of a reason to hold the file back
// is a change as well: a scanner that closes its file for a moment between two pages has not finished it.
//
// asked is when the look was asked for. The answer may be late, and show a state as old as asked, so the quiet time
// must have been over by then.
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
	case !look.examined: // the look was that of a listing, and the closer look is still to come
		if c.place == notWaiting {
			s.schedule(c, now)
		}
		return verdict{}
	}
	return s.handOver(c, verdict{settled: true})
}

// sameBytes reports whether two observations of a file differ at most in its attributes.
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

// gone forgets name, because nothing lies there any more.
func (s *settler) gone(name string) {
	if c, ok := s.candidates[name]; ok {
		s.remove(c)
		s.joinCrowd(c, "")
		delete(s.candidates, name)
	}
}

// release takes back a file that was handed over. If it is still there, it settles anew.
func (s *settler) release(now time.Time, name string) {
	if c, ok := s.candidates[name]; ok && c.handed {
		c.startAnew(now)
		s.restart(now, c)
	}
}

// next gives the time at which due will have something. ok is false while nothing waits.
func (s *settler) next() (at time.Time, ok bool) {
	if len(s.waiting) == 0 {
		return time.Time{}, false
	}
	return s.waiting[0].due, true
}

// due takes out the names whose time has come, in the order in which they changed. The caller must look at each, and
// then call observe, fail or gone, which put it back or forget it.
func (s *settler) due(now time.Time) []string {
	var names []string
	for len(s.waiting) > 0 && !s.waiting[0].due.After(now) {
		names = append(names, heap.Pop(&s.waiting).(*candidate).name)
	}
	return names
}

// startRound begins a whole listing. endRound ends it.
func (s *settler) startRound() { s.round++ }

// endRound ends the listing that startRound began, and forgets every name that neither the listing nor anything else
// has shown since.
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
	if c.hold == 0 && !c.changed.IsZero() { // a file that was held back was silent for a known reason
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
