package watcher

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// newspaper lets time pass for a report, second by second.
type newspaper struct {
	t *testing.T
	*report
	now time.Time
}

func newNewspaper(t *testing.T) *newspaper {
	return &newspaper{t: t, report: newReport(15*time.Minute, 5*time.Second), now: start0}
}

// until lets time pass, asks the report whenever it wants to be asked, and gives the lines.
func (n *newspaper) until(d time.Duration) (said []string) {
	end := start0.Add(d)
	for asked := 0; ; asked++ {
		if asked > 10_000 {
			n.t.Fatal("it wants to be asked without end")
		}
		at, ok := n.next()
		if !ok || at.After(end) {
			n.now = end
			return said
		}
		n.now = at
		for _, l := range n.lines(n.now, false) {
			said = append(said, spellLine(l))
		}
	}
}

func spellLine(l line) string {
	switch {
	case l.over:
		return fmt.Sprintf("%s: over", l.kind)
	case l.warn:
		return fmt.Sprintf("%s: warning of %d, %s first", l.kind, len(l.names), l.names[0])
	}
	return fmt.Sprintf("%s: %d, %s first", l.kind, len(l.names), l.names[0])
}

func (n *newspaper) want(d time.Duration, want ...string) {
	n.t.Helper()
	if got := n.until(d); !slices.Equal(got, want) {
		n.t.Fatalf("up to %v it said %q, want %q", d, got, want)
	}
}

func (n *newspaper) empties(from, to int) {
	for i := from; i < to; i++ {
		n.set(n.now, fmt.Sprintf("marker %d", i), kindEmpty, "")
	}
}

// TestReportIsShort shows that there is one line for all files that come together, one warning after warn_after,
// another when ten times as many wait, and one line when it is over.
func TestReportIsShort(t *testing.T) {
	t.Parallel()
	n := newNewspaper(t)
	n.empties(0, 3000)
	n.want(time.Minute, "empty: 3000, marker 0 first")
	n.want(14*time.Minute + 59*time.Second)
	n.want(16*time.Minute, "empty: warning of 3000, marker 0 first")
	n.empties(3000, 29_999)
	n.want(3*time.Hour, "empty: 26999, marker 3000 first")
	n.empties(29_999, 30_000)
	n.want(4*time.Hour, "empty: 1, marker 29999 first", "empty: warning of 30000, marker 0 first")
	for name := range n.entries {
		n.clear(name)
	}
	n.want(5*time.Hour, "empty: over")
	n.want(24 * time.Hour)
	if _, ok := n.next(); ok {
		t.Error("it wants to be asked, and there is nothing")
	}
	n.empties(0, 1)
	n.want(25*time.Hour, "empty: 1, marker 0 first", "empty: warning of 1, marker 0 first")
}

// TestReportOfATrickle shows that markers which come every second for three hours are said in a few lines, and each
// marker once.
func TestReportOfATrickle(t *testing.T) {
	n := newNewspaper(t)
	lines, names := 0, 0
	for i := range 3 * 60 * 60 {
		n.empties(i, i+1)
		for _, text := range n.until(time.Duration(i+1) * time.Second) {
			if of := 0; !strings.Contains(text, "warning") {
				if _, err := fmt.Sscanf(text, "empty: %d,", &of); err != nil {
					t.Fatal(text)
				}
				lines, names = lines+1, names+of
			}
		}
	}
	for _, l := range n.lines(n.now, true) {
		if !l.warn {
			names += len(l.names)
		}
	}
	if lines > 12 || names != 3*60*60 {
		t.Errorf("%d lines about %d names", lines, names)
	}
}

// TestReportOfOneThatComesAndGoes shows that what is said is true when it is said, that a file which goes back and
// forth between busy kinds waits since the first of them, and that names which come and go use no memory.
func TestReportOfOneThatComesAndGoes(t *testing.T) {
	n := newNewspaper(t)
	n.set(n.now, "gone at once", kindEmpty, "")
	n.clear("gone at once")
	n.want(time.Minute)
	var said []string
	for i := range 40 {
		n.set(n.now, "scan.pdf", []kind{kindOpen, kindWriting}[i%2], "")
		said = append(said, n.until(time.Minute+time.Duration(i)*30*time.Second)...)
	}
	if warned := slices.ContainsFunc(said, func(text string) bool { return strings.Contains(text, "warning of 1, scan.pdf") }); !warned || !slices.Contains(said, "open: 1, scan.pdf first") {
		t.Errorf("it said %q", said)
	}
	n.clear("scan.pdf")
	n.until(time.Hour)
	n.set(n.now, "locked.docx", kindLocked, "")
	for i := range 100_000 {
		name := fmt.Sprint("temporary ", i)
		n.set(n.now, name, kindLocked, "")
		n.clear(name)
	}
	if kept := len(n.saying(kindLocked).fresh); kept > 2*freshMost {
		t.Errorf("%d names are kept", kept)
	}
	n.want(time.Hour+time.Minute, "locked: 1, locked.docx first")
}

// TestReportWarnsSoon shows that what a person must mend anyway is worth a warning after ten seconds.
func TestReportWarnsSoon(t *testing.T) {
	n := newNewspaper(t)
	n.set(n.now, "b.pdf", kindDenied, "")
	n.set(n.now, "a.pdf", kindDenied, "")
	n.want(9 * time.Second)
	n.want(time.Minute, "denied: warning of 2, a.pdf first")
	n.set(n.now, "holiday", kindFolder, "")
	n.want(24*time.Hour, "folder: 1, holiday first")
}
