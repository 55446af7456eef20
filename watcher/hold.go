package watcher

import (
	"cmp"
	"fmt"
	"time"
)

// minHold and maxHold are the shortest and the longest time between two looks at a file that is held back and does not
// change. A longer settle time counts instead of either.
//
// The shortest time is longer where many files are held back for a reason of one kind: heldEach for each of them, up to
// maxHeld. So looking at them costs little however many there are, and a file that is held back for another reason does
// not wait for them.
const (
	minHold  = 100 * time.Millisecond
	maxHold  = time.Minute
	heldEach = 10 * time.Millisecond
	maxHeld  = 2 * time.Minute
)

// fail takes a look at name that failed for the given reason. What is known of the file stays known. A file that was
// handed over stays so, and any other is held back.
func (s *settler) fail(now time.Time, name, reason string) verdict {
	c := s.candidate(now, name)
	c.round = s.round
	if c.handed {
		return verdict{}
	}
	c.failed = true
	return s.holdBack(now, c, reason)
}

// holdBack plans the next look at c, later and later while its reason stands.
func (s *settler) holdBack(now time.Time, c *candidate, reason string) verdict {
	news := reason != c.reason
	most := maxHold
	var end time.Time // when a torn file has waited for long enough
	hold := c.last.obstacle
	if reason != hold.reason {
		hold = obstacle{}
	}
	if !hold.torn {
		c.tornSince = now
	} else if s.truncatedAfter > 0 {
		end = c.tornSince.Add(s.truncatedAfter)
		if !end.After(now) {
			return s.handOver(c, verdict{settled: true, torn: hold.kind != kindStrange, reason: reason})
		}
	}
	most = max(cmp.Or(hold.recheck, most), s.patience.settle)
	kind := kindUnseen
	if !c.failed {
		kind = kindOfLook(c.last, reason)
	}
	s.joinCrowd(c, kind)
	crowd := min(time.Duration(s.crowds[kind])*heldEach, maxHeld)
	c.reason = reason
	c.hold = max(min(max(2*c.hold, s.patience.settle), most), crowd, minHold)
	next := now.Add(c.hold)
	if !end.IsZero() {
		next = earlier(end, next)
	}
	s.schedule(c, next)
	return verdict{reason: reason, kind: kind, news: news}
}

// joinCrowd counts c among the files that are held back for a reason of that kind; "" is none.
func (s *settler) joinCrowd(c *candidate, kind kind) {
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

// holdReason gives the reason why the observed file cannot be handed over, or "". final means that no waiting will
// help, but only another file under that name.
func (s *settler) holdReason(l observation) (reason string, final bool) {
	switch {
	case !l.Mode.IsRegular():
		return kindOf(l.Mode) + ": only regular files are sent", true
	case l.Links > 1 && !s.allowHardlinks:
		return fmt.Sprintf("it has %d names (hard links): copy it in instead, or set allow_hardlinks = true", l.Links), false
	case l.Size == 0:
		return "it is empty", false
	}
	return l.obstacle.reason, false
}
