package inquiry

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/text"
	"kaizala-drop/internal/view"
)

// What a person reads. Names are made harmless for a terminal here, as the last thing before they are shown.

// StoryText is a story as lines of text, with a paragraph for each file if there are several.
func StoryText(s control.Story) (lines []string) {
	lines = append(lines, s.Title)
	for _, f := range s.Files {
		lines = append(lines, "", f.Path)
		for _, line := range append([]string{f.Title}, f.Lines...) {
			lines = append(lines, "  "+line)
		}
		for _, line := range f.Advice {
			lines = append(lines, "  -> "+line)
		}
	}
	if len(s.Files) > 0 {
		lines = append(lines, "")
	}
	for _, line := range s.Lines {
		lines = append(lines, "  "+line)
	}
	for _, line := range s.Advice {
		lines = append(lines, "  -> "+line)
	}
	if !s.Running {
		lines = append(lines, "  (No daemon answers: this is what the ledger and the folder show.)")
	}
	return printable(lines)
}

// printable makes lines harmless. What is said of a name inside them is quoted already, which Printable leaves as it is but for
// its backslashes.
func printable(lines []string) []string {
	for i, line := range lines {
		lines[i] = strings.ReplaceAll(text.Printable(line), `\\`, `\`)
	}
	return lines
}

// HistoryText is a history as lines of text: one a file.
func HistoryText(rows []control.Entry, now time.Time) (lines []string) {
	if len(rows) == 0 {
		return []string{"Nothing is known of such files."}
	}
	for _, e := range rows {
		line := fmt.Sprintf("%s  %-9s  %s", e.At.In(now.Location()).Format(time.DateTime), stateWord(e), filepath.Join(e.Folder, e.Name))
		switch {
		case e.Finished && e.Dest != "":
			line += " -> " + shorter(e.Dest, e.Folder)
		case e.Reason != "":
			line += " (" + e.Reason + ")"
		}
		if e.Finished && e.Dest != "" && e.Reason != "" { // why it failed, or who says that it was posted
			line += ": " + e.Reason
		}
		if back, ok := (row{Entry: e}).putBack(); ok {
			line += fmt.Sprintf("; put back by %s on %s", back.By, back.At.In(now.Location()).Format(time.DateTime))
		}
		if e.MaybeTwice {
			line += " (it may be in the group twice)"
		}
		lines = append(lines, line)
	}
	return printable(lines)
}

func stateWord(e control.Entry) string {
	switch {
	case e.State == "filed":
		return StateDelivered
	case e.State == "failed":
		return StateFailed
	case e.State == "posted":
		return "posted"
	}
	return StateWaiting
}

// shorter is path as short as it can be said beside folder.
func shorter(path, folder string) string {
	if rel, err := filepath.Rel(folder, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// StatusText is a status as lines of text.
func StatusText(s control.Status) (lines []string) {
	if s.Running {
		lines = append(lines, fmt.Sprintf("kaizala-drop %s, process %d, runs for %s", s.Version, s.PID, span(s.At.Sub(s.Started))))
	} else {
		lines = append(lines, "No daemon answers: nothing is posted. This is what the ledger knows. To start it: systemctl start kaizala-drop")
	}
	for _, to := range s.Destinations {
		lines = append(lines, "", destinationLine(s, to))
		for _, f := range s.Folders {
			if f.Destination == to.Name {
				lines = append(lines, folderLines(s, f)...)
			}
		}
	}
	for _, o := range s.Orphans {
		lines = append(lines, fmt.Sprintf("%d deliveries of %s to %q wait: their folder or destination is not configured any more", o.Deliveries, o.Folder, o.Destination))
	}
	return printable(lines)
}

func destinationLine(s control.Status, to control.Destination) string {
	line := fmt.Sprintf("%s (%s): ", to.Name, to.Service)
	switch {
	case !s.Running:
		return line + fmt.Sprintf("%d under way", to.Deliveries)
	case to.Silent:
		return line + "its part of the daemon does not answer"
	case to.Pause != nil:
		line += fmt.Sprintf("cannot take files for %s: %s; tried again %s", span(s.At.Sub(to.Pause.Since)), to.Pause.Reason, moment(to.Pause.Until, s.At))
	default:
		line += "up"
	}
	if to.CallsPerMinute > 0 {
		line += fmt.Sprintf("; %d of %.0f calls left this minute", to.CallsLeft, to.CallsPerMinute)
	}
	return line
}

func folderLines(s control.Status, f control.Folder) (lines []string) {
	line := fmt.Sprintf("  %s -> %s: ", f.Path, f.Target)
	switch {
	case !s.Running:
		line += fmt.Sprintf("%d under way", f.Deliveries)
	case !f.Up && f.Trouble != "":
		line += "not served: " + f.Trouble
	case f.Silent:
		line += "its part of the daemon does not answer"
	case f.Trouble != "":
		line += f.Trouble
	default:
		line += "up"
	}
	if f.Failed > 0 {
		line += fmt.Sprintf("; %d failed (%s)", f.Failed, someNames(f.FailedNames, f.Failed))
	}
	if f.Last != nil {
		line += fmt.Sprintf("; last delivered %s, %s", filepath.Base(f.Last.Name), moment(f.Last.At, s.At))
	}
	lines = append(lines, line)
	if f.Advice != "" {
		lines = append(lines, "    -> "+f.Advice)
	}
	if !f.Next.IsZero() {
		lines = append(lines, "    tried again "+moment(f.Next, s.At))
	}
	for _, p := range []struct {
		what string
		p    *view.Pause
	}{{"its group refuses", f.Pause}, {"files cannot be moved away", f.Filing}} {
		if p.p != nil {
			lines = append(lines, fmt.Sprintf("    %s for %s: %s; tried again %s", p.what, span(s.At.Sub(p.p.Since)), p.p.Reason, moment(p.p.Until, s.At)))
		}
	}
	lines = append(lines, queueLines(s, f)...)
	for _, r := range f.Held {
		lines = append(lines, fmt.Sprintf("    held back %d, for up to %s: %s: %s", r.Files, span(s.At.Sub(r.Since)), r.Reason, someNames(r.Names, r.Files))+goesAway(r, s.At))
	}
	return lines
}

// queueLines show what is under way, and count what waits for the same.
func queueLines(s control.Status, f control.Folder) (lines []string) {
	waiting, order := map[string][]view.Queued{}, []string{}
	for _, q := range f.Queue {
		switch {
		case isSent(q):
			lines = append(lines, "    sent, waiting for the answer: "+label(q))
			continue
		case q.Busy && q.Stage == view.Claimed:
			lines = append(lines, fmt.Sprintf("    uploading %s: %s of %s%s", label(q), bytes(q.Sent), bytes(q.Size), rate(q, s.At)))
			continue
		case q.Busy && q.Stage == view.Uploaded:
			lines = append(lines, "    posting "+label(q))
			continue
		}
		why := waitsFor(q, s.At)
		if waiting[why] == nil {
			order = append(order, why)
		}
		waiting[why] = append(waiting[why], q)
	}
	for _, why := range order {
		var names []string
		for _, q := range waiting[why] {
			names = append(names, label(q))
		}
		lines = append(lines, fmt.Sprintf("    %s %d: %s", why, len(names), someNames(names[:min(len(names), namesMost)], len(names))))
	}
	if more := f.Deliveries - len(f.Queue); more > 0 && s.Running {
		lines = append(lines, fmt.Sprintf("    and %d more wait behind these", more))
	}
	return lines
}

// waitsFor says in a few words what a delivery waits for.
func waitsFor(q view.Queued, now time.Time) string {
	again := ""
	if q.Next.After(now) {
		again = ", tried again " + moment(q.Next, now)
	}
	switch {
	case q.Gone || q.MaybePosted && isOpen(q):
		return unsure(q) + again
	case q.Stage == view.Posted && q.Behind == view.BehindNothing:
		return "posted, being moved to done/"
	case q.Stage == view.Failing && q.Behind == view.BehindNothing:
		return "failed, being moved to failed/"
	case q.Stage == view.Posted:
		return "posted, and cannot be moved to done/ (" + cmp.Or(q.Trouble, "see above") + ")" + again
	case q.Stage == view.Failing:
		return "failed, and cannot be moved to failed/ (" + cmp.Or(q.Trouble, "see above") + ")" + again
	case q.Stage == view.HeldBack, q.Behind == view.BehindItself:
		return "waiting (" + cmp.Or(q.Trouble, q.Reason) + ")" + again
	}
	switch q.Behind {
	case view.BehindFolder:
		return "waiting until files can be moved away"
	case view.BehindGroup:
		return "waiting for the group"
	case view.BehindDestination:
		return "waiting for the destination"
	case view.BehindDisk:
		return "waiting for the file system"
	case view.BehindOther:
		return "on the way to another destination"
	}
	return "waiting for their turn"
}

// label is what a delivery is called.
func label(q view.Queued) string {
	if q.Files > 1 {
		return fmt.Sprintf("%s and %d more", q.Name, q.Files-1)
	}
	return q.Name
}

// rate says how fast an upload is.
func rate(q view.Queued, now time.Time) string {
	if took := now.Sub(q.Begun); took >= time.Second && q.Sent > 0 {
		return fmt.Sprintf(", %s/s", bytes(int64(float64(q.Sent)/took.Seconds())))
	}
	return ""
}

// someNames lists names, and how many there are beside them.
func someNames(names []string, of int) string {
	list := strings.Join(names, ", ")
	if more := of - len(names); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}
