package inquiry

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/text"
	"kaizala-drop/internal/view"
)

// Weight is how much a line of text wants to be seen.
type Weight int

// The weights of lines.
const (
	Plain Weight = iota
	Head         // above what belongs together
	Alarm        // a person is needed, or nothing goes on
)

// Line is a line of text for a person, harmless for a terminal.
type Line struct {
	Weight Weight
	Text   string
	Path   string // behind Text in a row of a table, which keeps to one line
	Whole  bool   // it is to be copied: where lines can be of any length it is not broken
}

// statusText makes the lines of a status.
type statusText struct {
	control.Status
	command func(args ...string) string
	narrow  bool
	lines   []Line
}

// tableWidth is how many columns of a terminal the tables want.
const tableWidth = 70

// StatusText is a status as lines of text: what needs a person, then how the folders stand, then what is under way. It is for that many
// columns, 0: as many as it takes. command spells a command of this program, as it can be pasted into a shell.
func StatusText(s control.Status, columns int, command func(args ...string) string) []Line {
	t := statusText{Status: s, command: command, narrow: columns > 0 && columns < tableWidth}
	t.head()
	t.add(Plain, "")
	if t.needs(); len(t.lines) == 2 && t.Running {
		t.add(Plain, "Nothing needs a person.")
	}
	for _, to := range s.Destinations {
		t.destination(to)
	}
	for _, f := range s.Folders {
		t.details(f)
	}
	for i, line := range t.lines {
		t.lines[i].Text, t.lines[i].Path = printable([]string{line.Text})[0], printable([]string{line.Path})[0]
	}
	return t.lines
}

func (t *statusText) add(w Weight, format string, args ...any) {
	t.lines = append(t.lines, Line{Weight: w, Text: fmt.Sprintf(format, args...)})
}

// row adds a row of a table.
func (t *statusText) row(path, format string, args ...any) {
	t.lines = append(t.lines, Line{Text: fmt.Sprintf(format, args...), Path: path})
}

// alarm adds what needs a person, and what to do.
func (t *statusText) alarm(todo, format string, args ...any) {
	t.add(Alarm, "! "+format, args...)
	if todo != "" {
		t.lines = append(t.lines, Line{Text: "    " + todo, Whole: strings.HasPrefix(todo, "kaizala-drop ")})
	}
}

func (t *statusText) head() {
	if t.Running {
		t.add(Head, "kaizala-drop %s, pid %d, up for %s", t.Version, t.PID, span(t.At.Sub(t.Started)))
		return
	}
	switch why := cmp.Or(t.Unasked, NotRunning); why {
	case NotRunning:
		t.alarm("to start it: systemctl start kaizala-drop", "no daemon runs: nothing is posted. This is what the ledger knows")
	default:
		t.alarm("", "%s. This is what the ledger knows", why)
	}
}

// remedy is what helps against a pause, and when it is tried again.
func (t *statusText) remedy(p *view.Pause) string {
	if p.Advice == "" {
		return t.again(p.Until)
	}
	return strings.TrimSuffix(p.Advice, ".") + "; " + t.again(p.Until)
}

// needs tells of all that needs a person, or stands still: first what holds up the most.
func (t *statusText) needs() {
	const askAgain = "ask again; if it stays so, look at the log: journalctl -u kaizala-drop"
	for _, to := range t.Destinations {
		switch {
		case to.Silent:
			t.alarm(askAgain, "%s: its part of the daemon does not answer", to.Name)
		case to.Pause != nil:
			t.alarm(t.remedy(to.Pause), "%s has taken no files for %s: %s", to.Service, t.since(to.Pause.Since), to.Pause.Reason)
		}
		if to.Notice != "" {
			t.alarm(to.Advice, "%s: %s", to.Name, to.Notice)
		}
	}
	for _, f := range t.Folders {
		if f.Silent {
			t.alarm(askAgain, "%s: its part of the daemon does not answer", text.Quoted(f.Path))
		}
		t.stands(f)
	}
	for _, f := range t.Folders {
		for _, r := range f.Held {
			if needsPerson(r) {
				t.alarm(t.command("explain", f.Path+"/"+r.Names[0]), "%s: %s", text.Quoted(f.Path), t.held(r))
			}
		}
		if f.Failed > 0 {
			t.alarm(t.command("history", "--state", "failed", "--folder", f.Path), "%s: %s failed: %s", text.Quoted(f.Path), count(f.Failed, "file", "files"),
				someNames(f.FailedNames, f.Failed))
		}
	}
	for _, o := range t.Orphans {
		t.alarm("configure them again, under these names", "%s: %s to %q cannot go on: the folder or the destination is not configured any more",
			text.Quoted(o.Folder), count(o.Deliveries, "delivery", "deliveries"), o.Destination)
	}
}

// stands tells why a folder stands still.
func (t *statusText) stands(f control.Folder) {
	path := text.Quoted(f.Path)
	switch {
	case f.Trouble != "" && !f.Up:
		t.alarm(joined(f.Advice, t.again(f.Next)), "%s is not served: %s", path, f.Trouble)
	case f.Trouble != "":
		t.alarm(joined(f.Advice, t.again(f.Next)), "%s: %s", path, f.Trouble)
	}
	if p := f.Pause; p != nil {
		t.alarm(t.again(p.Until), "%s: its %s has refused for %s: %s", path, noun(f.Target), t.since(p.Since), p.Reason)
	}
	if p := f.Filing; p != nil {
		t.alarm(t.again(p.Until), "%s: files could not be moved away for %s: %s", path, t.since(p.Since), p.Reason)
	}
}

// held says how much is held back for a reason.
func (t *statusText) held(r control.Reason) string {
	what := "held back"
	if stays(r.Kind) {
		what = "left alone"
	}
	return fmt.Sprintf("%d %s for %s: %s: %s", r.Files, what, t.since(r.Since), r.Reason, someNames(r.Names, r.Files)) + goesAway(r, t.At)
}

// stays reports whether what is held back for a kind of reason may stay as it is.
func stays(kind string) bool {
	return slices.Contains([]string{"folder", "filed", "note", "removed note"}, kind)
}

// needsPerson reports whether somebody should look at what is held back.
func needsPerson(r control.Reason) bool { return r.Late && len(r.Names) > 0 && !stays(r.Kind) }

func (t *statusText) since(at time.Time) string { return span(t.At.Sub(at)) }

// again says when something is tried again.
func (t *statusText) again(at time.Time) string {
	switch {
	case at.IsZero():
		return ""
	case !at.After(t.At):
		return "it is tried again now"
	}
	return "it is tried again " + moment(at, t.At)
}

// joined puts half sentences together.
func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "; ")
}

// details tell what is under way in a folder and what waits for what, but for what needs a person.
func (t *statusText) details(f control.Folder) {
	var lines []string
	lines = append(lines, t.queue(f)...)
	for _, r := range f.Held {
		if !needsPerson(r) {
			lines = append(lines, t.held(r))
		}
	}
	if len(lines) == 0 {
		return
	}
	t.add(Plain, "")
	t.add(Head, "%s", text.Quoted(f.Path))
	for _, line := range lines {
		t.add(Plain, "  %s", line)
	}
}
