package watcher

import (
	"cmp"
	"fmt"
	"time"
)

// minHold and maxHold are the shortest and the longest time between two looks at a file that is held back and does not
// change. A longer settle time counts instead.
//
// heldEach times their number, at most maxHeld, is the shortest one where many are held back: looking at them costs little
// however many there are.
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
	most, due := maxHold, now.Add(maxHold)
	hold := c.last.Hold
	if reason != hold.Reason {
		hold = Hold{}
	}
	if !hold.Torn {
		c.still = now
	} else if s.truncatedAfter > 0 {
		due = c.still.Add(s.truncatedAfter)
		if !due.After(now) {
			return s.handOver(c, Verdict{Settled: true, Torn: true, Reason: reason})
		}
	}
	most = max(cmp.Or(hold.Recheck, most), s.patience.settle)
	crowd := min(time.Duration(len(s.waiting))*heldEach, maxHeld)
	c.reason = reason
	c.hold = max(min(max(2*c.hold, s.patience.settle), most), crowd, minHold)
	s.schedule(c, earlier(due, now.Add(c.hold)))
	return Verdict{Reason: reason, News: news}
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
		leftAlone := c.looked && (!c.last.Mode.IsRegular() || c.last.Links > 1 && !s.allowHardlinks)
		if c.hold > 0 && (c.failed || !leftAlone) {
			yield(name, c.reason)
		}
	}
}
