package watcher

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"kaizala-drop/internal/hang"
	"kaizala-drop/internal/text"
)

// finished reports whether a run with once has nothing left to wait for, or would wait for a folder that hangs.
func (l *loop) finished() bool {
	if !l.once || len(l.outbox) > 0 {
		return false
	}
	return l.hanging || l.listed && !l.wantsYet() && !l.away && len(l.gather.sets) == 0 && !l.busyYet(func(string) bool { return true })
}

// busyYet reports whether a run with once waits for any file that satisfies belongs. A file that a program writes again
// and again is left to another run after truncated_after.
func (l *loop) busyYet(belongs func(string) bool) bool {
	return l.files.busyStill(time.Now(), l.folder.TruncatedAfter, belongs)
}

// wantsYet reports whether there is anything to ask of the scout, apart from looks at files that are written again and
// again.
func (l *loop) wantsYet() bool {
	most := l.folder.TruncatedAfter
	if most == 0 || l.list {
		return l.wants()
	}
	now := time.Now()
	waited := func(name string) bool { return !l.files.isUnquiet(now, most, name) }
	return slices.ContainsFunc(l.names, waited) || slices.ContainsFunc(l.due, waited) || slices.ContainsFunc(l.later, waited)
}

// left gives the error that names what a run with once leaves behind.
func (l *loop) left() error {
	var unlisted, waiting error
	if call, hangs := l.calls.First(); hangs && l.hanging {
		return fmt.Errorf("%s does not answer: %w", text.Printable(l.folder.Path), &hang.Error{Calls: []hang.Call{call}})
	}
	if len(l.unlisted) > 0 {
		unlisted = fmt.Errorf("cannot list all of %s: %s", text.Printable(l.folder.Path),
			strings.Join(slices.Sorted(maps.Keys(l.unlisted)), "; "))
	}
	var names []string
	l.files.waits(func(name, reason string) { names = append(names, text.Printable(name+" ("+reason+")")) })
	l.files.unquiet(time.Now(), l.folder.TruncatedAfter, func(name string, since time.Time) {
		names = append(names, text.Printable(fmt.Sprintf("%s (%s, since %s)", name, stateOf(kindWriting).reason, since.Format(time.TimeOnly))))
	})
	if len(names) > 0 {
		const most = 3
		slices.Sort(names)
		some := strings.Join(names[:min(most, len(names))], ", ")
		if len(names) > most {
			some += ", ..."
		}
		waiting = fmt.Errorf("%d left in %s: %s", len(names), text.Printable(l.folder.Path), some)
	}
	return errors.Join(unlisted, waiting)
}
