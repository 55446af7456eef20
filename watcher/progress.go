package watcher

import (
	"time"

	"kaizala-drop/internal/file"
)

// busy reports whether any file that satisfies belongs is on its way to being handed over: it is neither handed over
// nor held back, or it is torn, which ends after a while.
func (s *settler) busy(belongs func(name string) bool) bool {
	return s.busyStill(time.Time{}, 0, belongs)
}

// busyStill is busy without the files that have not been quiet for the time most (unquiet); 0 leaves out none.
func (s *settler) busyStill(now time.Time, most time.Duration, belongs func(name string) bool) bool {
	for name, c := range s.candidates {
		busy := c.hold == 0 && (most == 0 || now.Sub(c.since) < most) || c.hold > 0 && c.last.obstacle.torn && s.truncatedAfter > 0
		if !c.handed && busy && belongs(name) {
			return true
		}
	}
	return false
}

// coming reports whether any file that satisfies belongs may still be handed over by itself. Such a file is busy, or is
// held back for what a look found in it, or, for as long as a torn file would be waited for, is empty or cannot be
// looked at. A file that is held back for a reason that no waiting cures is not.
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

// isHanded reports whether f, which was handed over, is unchanged as far as is known.
func (s *settler) isHanded(f file.Settled) bool {
	c, ok := s.candidates[f.Name]
	return ok && c.handed && c.last.Identity == f.ID
}

// waits calls yield for each file that is held back, with the reason. It leaves out what waits for nothing: links,
// special files and notes.
func (s *settler) waits(yield func(name, reason string)) {
	for name, c := range s.candidates {
		leftAlone := c.looked && (!c.last.Mode.IsRegular() || c.last.Links > 1 && !s.allowHardlinks || c.last.obstacle.kind == kindNote)
		if c.hold > 0 && (c.failed || !leftAlone) {
			yield(name, c.reason)
		}
	}
}

// unquiet calls yield for each file that is on its way, but has not been quiet for at least the time most, with the
// time when that began.
func (s *settler) unquiet(now time.Time, most time.Duration, yield func(name string, since time.Time)) {
	for name, c := range s.candidates {
		if !c.handed && c.hold == 0 && now.Sub(c.since) >= most {
			yield(name, c.since)
		}
	}
}

// isUnquiet reports whether unquiet would yield name.
func (s *settler) isUnquiet(now time.Time, most time.Duration, name string) bool {
	c, ok := s.candidates[name]
	return ok && !c.handed && c.hold == 0 && now.Sub(c.since) >= most
}

// isHeld reports whether name is held back, or will be as far as the last observation tells. Such a file is in no hurry
// to be looked at.
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
