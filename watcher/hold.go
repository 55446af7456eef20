package watcher

import (
	"cmp"
	"fmt"
	"time"
)

// minHold and maxHold are the shortest and the longest time between two looks at a file that is held back and does not
// change. A longer settle time counts instead.
//
// heldEach times their number, at most maxHeld, is the shortest one where many are held back for a reason of one kind: looking
// at them costs little however many there are, and a file that is held back for another reason does not wait for them.
const (
	minHold  = 100 * time.Millisecond
	maxHold  = time.Minute
	heldEach = 10 * time.Millisecond
	maxHeld  = 2 * time.Minute
)

// Fail takes a look at name that failed for the given reason: what is known of the file stays known, one that was
// handed over stays so, and any other is held back.
func (s *Settler) Fail(now time.Time, name, reason string) Verdict {
	c := s.candidate(now, name)
	c.round = s.round
	if c.handed {
		return Verdict{}
	}
	c.failed = true
	return s.holdBack(now, c, reason)
}

// holdBack has c looked at again later and later while its reason stands.
func (s *Settler) holdBack(now time.Time, c *candidate, reason string) Verdict {
	news := reason != c.reason
	most := maxHold
	var end time.Time // of the wait for a torn file
	hold := c.last.Hold
	if reason != hold.Reason {
		hold = Hold{}
	}
	if !hold.Torn {
		c.still = now
	} else if s.truncatedAfter > 0 {
		end = c.still.Add(s.truncatedAfter)
		if !end.After(now) {
			return s.handOver(c, Verdict{Settled: true, Torn: true, Reason: reason})
		}
	}
	most = max(cmp.Or(hold.Recheck, most), s.patience.settle)
	kind := KindUnseen
	if !c.failed {
		kind = kindOfLook(c.last, reason)
	}
	s.join(c, kind)
	crowd := min(time.Duration(s.crowds[kind])*heldEach, maxHeld)
	c.reason = reason
	c.hold = max(min(max(2*c.hold, s.patience.settle), most), crowd, minHold)
	next := now.Add(c.hold)
	if !end.IsZero() {
		next = earlier(end, next)
	}
	s.schedule(c, next)
	return Verdict{Reason: reason, Kind: kind, News: news}
}

// join counts c among those that are held back for a reason of that kind; "" is none.
func (s *Settler) join(c *candidate, kind Kind) {
	if c.crowd != "" {
		s.crowds[c.crowd]--
	}
	if c.crowd = kind; kind != "" {
		s.crowds[kind]++
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// refuse gives the reason why what was seen can not be handed over. final means that no waiting will help: only
// another file under that name.
func (s *Settler) refuse(l Look) (reason string, final bool) {
	switch {
	case !l.Mode.IsRegular():
		return kindOf(l.Mode) + ": only regular files are sent", true
	case l.Links > 1 && !s.allowHardlinks:
		return fmt.Sprintf("it has %d names (hard links): copy it in instead, or set allow_hardlinks = true", l.Links), false
	case l.Size == 0:
		return "it is empty", false
	}
	return l.Hold.Reason, false
}

// Waits calls yield for each file that is held back, with the reason. What is left alone for what it is, a link, a FIFO, waits
// for nothing.
func (s *Settler) Waits(yield func(name, reason string)) {
	for name, c := range s.candidates {
		leftAlone := c.looked && (!c.last.Mode.IsRegular() || c.last.Links > 1 && !s.allowHardlinks || c.last.Hold.Kind == KindNote)
		if c.hold > 0 && (c.failed || !leftAlone) {
			yield(name, c.reason)
		}
	}
}

// Unquiet calls yield for each file that is on its way and was not quiet for so long that most is over, with when that began.
func (s *Settler) Unquiet(now time.Time, most time.Duration, yield func(name string, since time.Time)) {
	for name, c := range s.candidates {
		if !c.handed && c.hold == 0 && now.Sub(c.since) >= most {
			yield(name, c.since)
		}
	}
}

// IsUnquiet reports whether name is one of those.
func (s *Settler) IsUnquiet(now time.Time, most time.Duration, name string) bool {
	c, ok := s.candidates[name]
	return ok && !c.handed && c.hold == 0 && now.Sub(c.since) >= most
}

// IsHeld reports whether name is held back, or will be as far as the last look tells: there is no hurry to look at it.
func (s *Settler) IsHeld(name string) bool {
	c, ok := s.candidates[name]
	if !ok || !c.looked {
		return false
	}
	reason, _ := s.refuse(c.last)
	return c.hold > 0 || reason != ""
}

// Knows reports whether anything is known of name.
func (s *Settler) Knows(name string) bool {
	_, ok := s.candidates[name]
	return ok
}

// Came notes how the file under name came there.
func (s *Settler) Came(now time.Time, name string, how origin) { s.candidate(now, name).origin = how }

// OriginOf tells it, with the newest look at it.
func (s *Settler) OriginOf(name string, look Look) origin {
	c, ok := s.candidates[name]
	if !ok {
		return originUnknown
	}
	if c.looked && c.last.SameFile(look.Identity) && (c.last.Size != look.Size || c.last.Mtime != look.Mtime) {
		c.origin = originWritten
	}
	return c.origin
}
