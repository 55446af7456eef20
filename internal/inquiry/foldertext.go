package inquiry

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/text"
	"kaizala-drop/internal/view"
)

// destination shows how a destination and its folders stand: numbers first, so that a long path is in nobody's way.
func (t *statusText) destination(to control.Destination) {
	line := to.Name
	switch {
	case !t.Running:
		line += ":"
	case to.Silent:
		line += ": silent"
	case to.Pause != nil:
		line += ": paused"
	default:
		line += ": up"
	}
	if to.CallsPerMinute > 0 {
		line += fmt.Sprintf(", %d of %.0f calls left this minute", to.CallsLeft, to.CallsPerMinute)
	}
	t.add(Plain, "")
	t.add(Head, "%s", line)
	switch {
	case t.narrow:
	case t.Running:
		t.row("FOLDER", "%-7s %5s %5s %5s %5s %6s  %-10s  ", "STATE", "NEW", "WAIT", "SEND", "HELD", "FAILED", "LAST POST")
	default:
		t.row("FOLDER", "%9s %6s  %-10s  ", "UNDER WAY", "FAILED", "LAST POST")
	}
	for _, f := range t.Folders {
		if f.Destination == to.Name {
			t.folder(f)
		}
	}
}

// folder is a row of the table; on a narrow terminal a line, and another one with what is not 0.
func (t *statusText) folder(f control.Folder) {
	path, last := text.Quoted(f.Path), "never"
	if f.Last != nil {
		last = clock(f.Last.At, t.At)
	}
	n := numbersOf(f)
	switch {
	case t.narrow:
		t.row(path, "")
		t.add(Plain, "  %s", n.sentence(t.Running, f, last))
	case t.Running:
		t.row(path, "%-7s %5s %5s %5s %5s %6s  %-10s  ", stateOf(f), cell(n.fresh), cell(n.waiting), cell(n.sending), cell(n.held), cell(f.Failed), last)
	default:
		t.row(path, "%9s %6s  %-10s  ", cell(f.Deliveries), cell(f.Failed), last)
	}
}

// cell is a number in a table, in which those that are not 0 are to be seen.
func cell(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

// stateOf is a folder in a word.
func stateOf(f control.Folder) string {
	switch {
	case f.Silent:
		return "silent"
	case !f.Up:
		return "down"
	case f.Trouble != "":
		return "trouble"
	case f.Pause != nil || f.Filing != nil:
		return "paused"
	}
	return "up"
}

// numbers count what is in a folder.
type numbers struct {
	fresh, waiting, sending, held int
}

func numbersOf(f control.Folder) (n numbers) {
	for _, q := range f.Queue {
		if isSending(q) {
			n.sending++
		}
	}
	for _, r := range f.Held {
		switch {
		case slices.Contains([]string{"settling", "gathered", "written", "changed"}, r.Kind):
			n.fresh += r.Files
		case !stays(r.Kind):
			n.held += r.Files
		}
	}
	n.waiting = f.Deliveries - n.sending
	return n
}

// sentence is the row of a folder for a narrow terminal.
func (n numbers) sentence(running bool, f control.Folder, last string) string {
	parts := []string{stateOf(f)}
	if !running {
		parts = nil
	}
	for _, one := range []struct {
		n    int
		what string
	}{{n.fresh, "new"}, {n.waiting, "waiting"}, {n.sending, "sending"}, {n.held, "held"}, {f.Failed, "failed"}} {
		if one.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", one.n, one.what))
		}
	}
	return strings.Join(append(parts, "last post "+last), ", ")
}

// isSending reports whether a call of q is under way.
func isSending(q view.Queued) bool {
	return q.Busy && (q.Stage == view.Claimed || q.Stage == view.Uploaded)
}
