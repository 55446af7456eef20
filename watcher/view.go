package watcher

import (
	"context"
	"iter"
	"maps"
	"time"

	"kaizala-drop/internal/view"
)

// What a watcher shows of itself.

const (
	// kindSettling is shown of a file of which nothing but its quiet time is missing.
	kindSettling = "settling"
	// kindGathered is shown of an image that has settled and waits for those that belong with it.
	kindGathered = "gathered"
)

// answer passes a question on to the watch of its folder. A folder that is not watched answers nothing.
func (w *watches) answer(ctx context.Context, ask view.Ask[view.Watched]) {
	f, ok := w.byPath[ask.Folder]
	if !ok {
		return
	}
	select {
	case f.asks <- ask:
	case <-f.done:
	case <-ctx.Done():
	}
}

// view gives what the loop knows as of now: of all files, or of those that are asked for.
func (l *loop) view(now time.Time, ask view.Ask[view.Watched]) view.Watched {
	shown := view.Watched{
		Folder: l.folder.Path, Listed: l.listed, Remote: l.remote, ListAt: l.listAt, Ignored: l.ignored,
	}
	if l.trouble != "" {
		shown.Trouble = l.trouble + ": " + l.because
	}
	if call, ok := l.calls.First(); ok && l.hanging {
		shown.Hangs = call.String()
	}
	for _, b := range l.outbox {
		shown.Settled += len(b)
	}
	if ask.Name != "" && !ask.Below {
		if h, ok := l.viewOf(ask.Name); ok {
			shown.Held = []view.Held{h}
		}
		return shown
	}
	shown.Ignored = maps.Clone(l.ignored)
	if ask.Name == "" {
		shown.Held = make([]view.Held, 0, len(l.report.entries))
	}
	for h := range l.allHeld(func(name string) bool { return ask.Name == "" || ask.IsOf(name) }) {
		shown.Held = append(shown.Held, h)
	}
	return shown
}

// allHeld yields what is held back of the names that are wanted.
func (l *loop) allHeld(wanted func(name string) bool) iter.Seq[view.Held] {
	return func(yield func(view.Held) bool) {
		todo := todos{}
		reported := 0 // of the candidates: as a rule all that is reported is one
		for name, c := range l.files.candidates {
			e, known := l.report.entries[name]
			switch {
			case known:
				if reported++; wanted(name) && !yield(l.heldAs(name, e, c, todo)) {
					return
				}
			case !c.handed && wanted(name) && !yield(settling(c)):
				return
			}
		}
		for name, e := range l.report.entries {
			if reported == len(l.report.entries) {
				break
			}
			if l.files.candidates[name] == nil && wanted(name) && !yield(l.heldAs(name, e, nil, todo)) {
				return
			}
		}
		for _, set := range l.gather.sets {
			for name := range set.images {
				if wanted(name) && !yield(gathered(name, set)) {
					return
				}
			}
		}
	}
}

// viewOf shows one name. ok is false if it is not held back.
func (l *loop) viewOf(name string) (h view.Held, ok bool) {
	if e, known := l.report.entries[name]; known {
		return l.heldAs(name, e, l.files.candidates[name], todos{}), true
	}
	if set := l.gather.sets[l.gather.dirOf(name)]; set != nil {
		if _, waits := set.images[name]; waits {
			return gathered(name, set), true
		}
	}
	if c, known := l.files.candidates[name]; known && !c.handed {
		return settling(c), true
	}
	return view.Held{}, false
}

// todos are what a person can do, by kind, as far as that was looked up for an answer.
type todos map[kind]string

func (t todos) of(k kind) string {
	todo, ok := t[k]
	if !ok {
		todo = stateOf(k).todo
		t[k] = todo
	}
	return todo
}

// heldAs shows a name that is held back, and of which c is known, if it is not nil.
func (l *loop) heldAs(name string, e *entry, c *candidate, todo todos) view.Held {
	shown := view.Held{Name: name, Kind: string(e.kind), Reason: e.reason, Since: e.since, Advice: todo.of(e.kind)}
	if c != nil && c.place != notWaiting {
		shown.Next = c.due
		if end := l.files.endsAt(c); e.kind == kindStrange {
			shown.Goes = end
		} else {
			shown.Fails = end
		}
	}
	return shown
}

// endsAt is when c is waited for no longer, if it stays as it is; zero: never.
func (s *settler) endsAt(c *candidate) time.Time {
	if s.truncatedAfter == 0 || !c.last.obstacle.torn || c.reason != c.last.obstacle.reason {
		return time.Time{}
	}
	return c.tornSince.Add(s.truncatedAfter)
}

func settling(c *candidate) view.Held {
	shown := view.Held{Name: c.name, Kind: kindSettling, Reason: "it was seen, and must be quiet for a while", Since: c.since}
	if c.place != notWaiting {
		shown.Next = c.due
	}
	return shown
}

func gathered(name string, set *gathering) view.Held {
	return view.Held{
		Name: name, Kind: kindGathered, Reason: "it is complete, and waits for the pictures that go with it",
		Since: set.images[name].At, Next: earlier(set.ends, set.last),
	}
}
