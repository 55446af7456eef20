package watcher

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/hang"
)

func (l *loop) tell(name string, v Verdict) {
	if v.Pause > 0 {
		l.log.Info().Str("file", file.Printable(name)).Stringer("pause", v.Pause.Round(time.Millisecond)).
			Stringer("settle", l.files.Quiet().Round(time.Millisecond)).
			Msg("files are written with pauses here: waiting longer than settle says, until 50 files in a row came without")
	}
	if v.News {
		l.log.Info().Str("file", file.Printable(name)).Str("reason", file.Printable(v.Reason)).Msg("left where it is")
	}
}

func (l *loop) tellOnce(name, reason string) {
	if _, told := l.toldOnce[name]; !told {
		l.toldOnce[name] = struct{}{}
		l.log.Info().Str("file", file.Printable(name)).Str("reason", reason).Msg("left where it is")
	}
}

// hangsAt is when to look whether what the scout does hangs.
func (l *loop) hangsAt(now time.Time) time.Time {
	call, ok := l.calls.First()
	if !ok || l.hanging {
		return now.Add(hang.Bound)
	}
	return call.HangsAt()
}

// checkHanging says once that the scout does not come back.
func (l *loop) checkHanging(now time.Time) {
	call, hangs := l.calls.Hanging(now)
	if !hangs || l.hanging {
		return
	}
	l.hanging = true
	l.log.Warn().Stringer("hangs", call).Stringer("for", now.Sub(call.Since).Round(time.Second)).
		Msg("the file system does not answer: this folder waits for it, the others go on. Is the server of the share gone, the disk frozen?")
}

// tellBack says that the scout came back after all.
func (l *loop) tellBack() {
	if l.hanging {
		l.hanging = false
		l.log.Info().Msg("the file system answers again")
	}
}

// left says what a run with once leaves.
func (l *loop) left() error {
	var unlisted, waiting error
	if call, hangs := l.calls.First(); hangs && l.hanging {
		return fmt.Errorf("%s does not answer: %w", file.Printable(l.folder.Path), &hang.Error{Calls: []hang.Call{call}})
	}
	if len(l.unlisted) > 0 {
		unlisted = fmt.Errorf("cannot list all of %s: %s", file.Printable(l.folder.Path),
			strings.Join(slices.Sorted(maps.Keys(l.unlisted)), "; "))
	}
	var names []string
	l.files.Waits(func(name, reason string) { names = append(names, file.Printable(name+" ("+reason+")")) })
	if len(names) > 0 {
		const most = 3
		slices.Sort(names)
		text := strings.Join(names[:min(most, len(names))], ", ")
		if len(names) > most {
			text += ", ..."
		}
		waiting = fmt.Errorf("%d left in %s: %s", len(names), file.Printable(l.folder.Path), text)
	}
	return errors.Join(unlisted, waiting)
}
