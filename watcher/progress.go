package watcher

import (
	"time"

	"kaizala-drop/internal/file"
)

// busy reports whether a file of which belongs is true is on its way to being handed over: neither handed over nor held
// back, or torn, which ends after a while.
func (s *settler) busy(belongs func(name string) bool) bool {
	return s.busyStill(time.Time{}, 0, belongs)
}

// busyStill is Busy, but for what is Unquiet for most; 0 is for ever.
func (s *settler) busyStill(now time.Time, most time.Duration, belongs func(name string) bool) bool {
	for name, c := range s.candidates {
		busy := c.hold == 0 && (most == 0 || now.Sub(c.since) < most) || c.hold > 0 && c.last.obstacle.torn && s.truncatedAfter > 0
		if !c.handed && busy && belongs(name) {
			return true
		}
	}
	return false
}

// coming reports whether a file of which belongs is true may still be handed over by itself: it is Busy, or open for
// writing, or, for the time that a torn file would be given, empty or not to be looked at. What is held back for a reason
// that no waiting cures is not.
func (s *settler) coming(now time.Time, belongs func(name string) bool) bool {
	for name, c := range s.candidates {
		seen := c.reason == c.last.obstacle.reason
		mayYet := (c.failed || c.last.Mode.IsRegular() && c.last.Size == 0) && now.Sub(c.changed) < s.truncatedAfter
		if !c.handed && (c.hold == 0 || seen || mayYet) && belongs(name) {
			return true
		}
	}
	return false
}

// isHanded reports whether f, which was handed over, still is what it was as far as is known.
func (s *settler) isHanded(f file.Settled) bool {
	c, ok := s.candidates[f.Name]
	return ok && c.handed && c.last.Identity == f.ID
}

// waits calls yield for each file that is held back, with the reason. What is left alone for what it is, a link, a FIFO, waits
// for nothing.
func (s *settler) waits(yield func(name, reason string)) {
	for name, c := range s.candidates {
		leftAlone := c.looked && (!c.last.Mode.IsRegular() || c.last.Links > 1 && !s.allowHardlinks || c.last.obstacle.kind == kindNote)
		if c.hold > 0 && (c.failed || !leftAlone) {
			yield(name, c.reason)
		}
	}
}

// unquiet calls yield for each file that is on its way and was not quiet for so long that most is over, with when that began.
func (s *settler) unquiet(now time.Time, most time.Duration, yield func(name string, since time.Time)) {
	for name, c := range s.candidates {
		if !c.handed && c.hold == 0 && now.Sub(c.since) >= most {
			yield(name, c.since)
		}
	}
}

// isUnquiet reports whether name is one of those.
func (s *settler) isUnquiet(now time.Time, most time.Duration, name string) bool {
	c, ok := s.candidates[name]
	return ok && !c.handed && c.hold == 0 && now.Sub(c.since) >= most
}

// isHeld reports whether name is held back, or will be as far as the last look tells: there is no hurry to look at it.
func (s *settler) isHeld(name string) bool {
	c, ok := s.candidates[name]
	if !ok || !c.looked {
		return false
	}
	reason, _ := s.holdReason(c.last)
	return c.hold > 0 || reason != ""
}

// knows reports whether anything is known of name.
func (s *settler) knows(name string) bool {
	_, ok := s.candidates[name]
	return ok
}
