package watcher

import (
	"slices"
	"time"
)

// finished reports that a run with once has nothing left to wait for, or waits for a folder that hangs.
func (l *loop) finished() bool {
	if !l.once || len(l.outbox) > 0 {
		return false
	}
	return l.hanging || l.listed && !l.wantsYet() && !l.away && len(l.gather.sets) == 0 && !l.busyYet(func(string) bool { return true })
}

// busyYet reports whether a run with once waits for a file of which belongs is true. One that a program writes again and again
// is left to another run, after the time that a torn one is given.
func (l *loop) busyYet(belongs func(string) bool) bool {
	return l.files.BusyStill(time.Now(), l.folder.TruncatedAfter, belongs)
}

// wantsYet reports whether there is anything to ask of the scout but to look at files that are written again and again.
func (l *loop) wantsYet() bool {
	most := l.folder.TruncatedAfter
	if most == 0 || l.list {
		return l.wants()
	}
	now := time.Now()
	waited := func(name string) bool { return !l.files.IsUnquiet(now, most, name) }
	return slices.ContainsFunc(l.names, waited) || slices.ContainsFunc(l.due, waited) || slices.ContainsFunc(l.later, waited)
}
