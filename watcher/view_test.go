package watcher

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/view"
)

// TestViewSaysWhenItFails: of a file whose end is missing it is shown when it goes to failed/ if it stays as it is, which is the same at each look,
// and starts anew when it changes; of what waits for another reason, or for ever, nothing is shown.
func TestViewSaysWhenItFails(t *testing.T) {
	f := simFolder
	f.TruncatedAfter = time.Hour
	l := newLoop(f, false, zerolog.Nop())
	began := time.Now()
	torn := observation{Info: file.Info{Identity: file.Identity{Ino: 1, Size: 5}, Links: 1}, examined: true, obstacle: obstacle{reason: "its end is missing", torn: true, kind: kindTorn}}
	look := func(after time.Duration, name string, o observation) view.Held {
		now := began.Add(after)
		l.files.observe(now, now, name, o)
		l.report.set(now, name, kindTorn, o.obstacle.reason)
		return l.view(now, view.Ask[view.Watched]{Name: name}).Held[0]
	}
	look(0, "a.pdf", torn)
	for _, after := range []time.Duration{10 * time.Second, 20 * time.Second, time.Minute, 30 * time.Minute} {
		if h := look(after, "a.pdf", torn); !h.Fails.Equal(began.Add(time.Hour)) {
			t.Errorf("after %s it fails at %s", after, h.Fails.Sub(began))
		}
	}
	torn.Size = 9
	look(40*time.Minute, "a.pdf", torn)
	if h := look(41*time.Minute, "a.pdf", torn); !h.Fails.Equal(began.Add(100 * time.Minute)) {
		t.Errorf("after a change it fails at %s", h.Fails.Sub(began))
	}
	other := torn
	other.obstacle = obstacle{reason: "it is open", kind: kindOpen}
	look(0, "b.pdf", other)
	if h := look(time.Minute, "b.pdf", other); !h.Fails.IsZero() {
		t.Errorf("what is open fails at %s", h.Fails)
	}
	l.files.setTruncatedAfter(0)
	if h := look(42*time.Minute, "a.pdf", torn); !h.Fails.IsZero() {
		t.Errorf("what waits for ever fails at %s", h.Fails)
	}
}

// TestViewSaysWhenItGoes: a name that may be a temporary one is posted after truncated_after, so that is shown, and not that it fails.
func TestViewSaysWhenItGoes(t *testing.T) {
	f := simFolder
	f.TruncatedAfter = time.Hour
	l := newLoop(f, false, zerolog.Nop())
	began := time.Now()
	strange := observation{Info: file.Info{Identity: file.Identity{Ino: 1, Size: 5}, Links: 1}, examined: true,
		obstacle: obstacle{reason: stateOf(kindStrange).reason, torn: true, kind: kindStrange}}
	for _, now := range []time.Time{began, began.Add(time.Minute)} {
		l.files.observe(now, now, "README", strange)
		l.report.set(now, "README", kindStrange, strange.obstacle.reason)
	}
	h := l.view(began.Add(time.Minute), view.Ask[view.Watched]{Name: "README"}).Held[0]
	if !h.Fails.IsZero() || !h.Goes.Equal(began.Add(time.Hour)) {
		t.Errorf("it fails at %v and goes at %v", h.Fails, h.Goes)
	}
}

// TestViewFindsANameBelow: a question about the last part of names is answered with each that is held back, in whichever subfolder.
func TestViewFindsANameBelow(t *testing.T) {
	l, now := newLoop(simFolder, false, zerolog.Nop()), time.Now()
	for _, name := range []string{"x.pdf", "one/x.pdf", "one/y.pdf", "xx.pdf"} {
		l.report.set(now, name, kindEmpty, "it is empty")
	}
	l.files.touch(now, "two/x.pdf")
	for ask, want := range map[view.Ask[view.Watched]]string{
		{Name: "x.pdf", Below: true}: "[one/x.pdf two/x.pdf x.pdf]",
		{Name: "x.pdf"}:              "[x.pdf]",
		{Name: "z.pdf", Below: true}: "[]",
		{}:                           "[one/x.pdf one/y.pdf two/x.pdf x.pdf xx.pdf]",
	} {
		names := []string{}
		for _, h := range l.view(now, ask).Held {
			names = append(names, h.Name)
		}
		if slices.Sort(names); fmt.Sprint(names) != want {
			t.Errorf("%+v is answered with %v, want %s", ask, names, want)
		}
	}
}
