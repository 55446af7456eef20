package watcher

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/hang"
	"kaizala-drop/internal/text"
)

// tellPause says that files are given more time from now on.
func (l *loop) tellPause(name string, v verdict) {
	if v.pause > 0 {
		l.log.Info().Str("file", text.Printable(name)).Stringer("pause", v.pause.Round(time.Millisecond)).
			Stringer("settle", l.files.quiet().Round(time.Millisecond)).
			Msg("files are written with pauses here: waiting longer than settle says, until 50 files in a row came without")
	}
}

// tellStale says that a lock file beside a file that is handed over was left behind.
func (l *loop) tellStale(s sighting) {
	if s.stale != "" {
		l.log.Info().Str("file", text.Printable(s.name)).Str("lock", text.Printable(s.stale)).
			Msg("the lock file beside it is old, and no program has either of them open: it was left behind, and holds no longer")
	}
}

// hold notes why name is not handed over.
func (l *loop) hold(now time.Time, name string, kind kind, reason string) {
	if l.report.set(now, name, kind, reason) {
		l.log.Debug().Str("file", text.Printable(name)).Str("kind", string(kind)).Msg("not handed over")
	}
}

func kindOfError(err error) kind {
	if errors.Is(err, fs.ErrPermission) {
		return kindDenied
	}
	return kindUnseen
}

// keepReported forgets what a whole listing did not show.
func (l *loop) keepReported(a answer) {
	seen := map[string]bool{}
	for _, s := range a.seen {
		if s.nameless || s.dir {
			seen[s.name] = true
		}
	}
	l.report.keep(func(name string, kind kind) bool { return seen[name] || l.files.knows(name) })
}

// say logs what is to be said of the files that are not handed over: one line for each kind, or one for all kinds if
// many come together.
func (l *loop) say(now time.Time, all bool) {
	var left, late []line
	for _, line := range l.report.lines(now, all) {
		switch {
		case line.over:
			l.log.Info().Str("kind", string(line.kind)).Str("reason", line.reason).Msg("over: no file waits for this any more that was warned of")
		case line.warn:
			late = append(late, line)
		case line.kind == kindOldNote:
			l.about(l.log.Info(), line).Msg("not a file to send")
		default:
			left = append(left, line)
		}
	}
	if left = apart(left); len(left) > togetherFrom && slices.ContainsFunc(left, func(of line) bool { return len(of.names) > 1 }) {
		l.aboutAll(l.log.Info(), left, false).Msg("left where they are")
		left = nil
	}
	for _, line := range left {
		l.about(l.log.Info(), line).Msg("left where it is")
	}
	const look = ", and has been for long: a person has to look"
	if len(late) > togetherFrom {
		l.aboutAll(l.log.Warn(), late, true).Msg("left where it is" + look)
		late = nil
	}
	for _, line := range late {
		l.about(l.log.Warn(), line).Str("to_do", stateOf(line.kind).todo).Time("since", line.since).Msg("left where it is" + look)
	}
}

const (
	// togetherFrom is how many kinds have a line each when they are said at once. More kinds have one line for all.
	togetherFrom = 2
	// apartMost is how many files have a line each when they are said at once.
	apartMost = 8
)

// apart makes a line of each file if there are few.
func apart(lines []line) (each []line) {
	for _, of := range lines {
		for i, name := range of.names {
			if each = append(each, line{kind: of.kind, reason: of.each[i], names: []string{name}, each: of.each[i : i+1], since: of.since}); len(each) > apartMost {
				return lines
			}
		}
	}
	return each
}

// aboutAll adds to e, for each kind, its reason, the number of files and the first of them.
func (l *loop) aboutAll(e *zerolog.Event, lines []line, todo bool) *zerolog.Event {
	kinds, n := zerolog.Dict(), 0
	for _, of := range lines {
		n += len(of.names)
		text := fmt.Sprintf("%s: %d: %s", text.Printable(of.reason), len(of.names), strings.Join(of.first(), ", "))
		if todo {
			text += " -- " + stateOf(of.kind).todo
		}
		kinds.Str(string(of.kind), text)
	}
	return e.Int("files", n).Dict("kinds", kinds)
}

// namesMost is how many names one line of the log has.
const namesMost = 5

// about adds to e what a line is about: one file, or how many files and the first of them.
func (l *loop) about(e *zerolog.Event, of line) *zerolog.Event {
	e.Str("kind", string(of.kind)).Str("reason", text.Printable(of.reason))
	if len(of.names) == 1 {
		return e.Str("file", text.Printable(of.names[0]))
	}
	return e.Int("files", len(of.names)).Strs("first", of.first())
}

// first gives the first names of a line, fit to print, each with its reason if the reasons differ.
func (of line) first() (names []string) {
	for i, name := range of.names[:min(len(of.names), namesMost)] {
		if of.each[i] != of.reason {
			name += " (" + of.each[i] + ")"
		}
		names = append(names, text.Printable(name))
	}
	if len(of.names) > namesMost {
		names = append(names, "...")
	}
	return names
}

// tellIgnored says how many names each rule leaves alone, when a rule is new or leaves alone ten times as many names as
// were last said.
func (l *loop) tellIgnored(by map[string]*tally) {
	news, n := false, 0
	for rule, t := range by {
		n += t.n
		news = news || l.ignored[rule] == 0 || t.n >= warnWorse*l.ignored[rule]
	}
	if !news {
		return
	}
	rules := zerolog.Dict()
	for _, rule := range slices.Sorted(maps.Keys(by)) {
		t := by[rule]
		l.ignored[rule] = max(l.ignored[rule], t.n)
		slices.SortFunc(t.first, compareNames)
		names := strings.Join(t.first, ", ")
		if t.n > len(t.first) {
			names += ", ..."
		}
		rules.Str(text.Printable(rule), fmt.Sprintf("%d: %s", t.n, text.Printable(names)))
		for _, name := range t.first {
			l.log.Debug().Str("file", text.Printable(name)).Str("rule", text.Printable(rule)).Msg("ignored")
		}
	}
	l.log.Info().Int("names", n).Dict("rules", rules).Msg("ignored by their names")
}

// hangsAt is when to check whether the scout hangs.
func (l *loop) hangsAt(now time.Time) time.Time {
	call, ok := l.calls.First()
	if !ok || l.hanging {
		return now.Add(hang.Bound)
	}
	return call.HangsAt()
}

// checkHanging says once that the scout hangs.
func (l *loop) checkHanging(now time.Time) {
	call, hangs := l.calls.Hanging(now)
	if !hangs || l.hanging {
		return
	}
	l.hanging = true
	l.log.Warn().Stringer("hangs", call).Stringer("for", now.Sub(call.Since).Round(time.Second)).
		Msg("the file system does not answer: this folder waits for it, the others go on. Is the server of the share gone, the disk frozen?")
}

// tellBack says that the scout no longer hangs.
func (l *loop) tellBack() {
	if l.hanging {
		l.hanging = false
		l.log.Info().Msg("the file system answers again")
	}
}
