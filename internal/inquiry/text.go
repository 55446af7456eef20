package inquiry

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/text"
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
		lines = append(lines, "  ("+capital(cmp.Or(s.Unasked, NotRunning))+": this is what the ledger and the folder show.)")
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
	wide := 0
	for _, e := range rows {
		wide = max(wide, utf8.RuneCountInString(e.Target))
	}
	for _, e := range rows {
		line := fmt.Sprintf("%s  %-9s  ", e.At.In(now.Location()).Format(time.DateTime), stateWord(e))
		if wide > 0 { // the group, where one is known
			line += fmt.Sprintf("%-*s  ", wide, cmp.Or(e.Target, "-"))
		}
		line += filepath.Join(e.Folder, e.Name)
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
			line += " (it may be in the " + noun(e.Target) + " twice)"
		}
		lines = append(lines, line)
	}
	return printable(lines)
}

// stateWord is what a row of the history is called: as it is asked for, but that a posted file is told from one that only waits.
func stateWord(e control.Entry) string {
	if e.State == string(ledger.Posted) {
		return string(ledger.Posted)
	}
	return StateOf(e)
}

// shorter is path as short as it can be said beside folder.
func shorter(path, folder string) string {
	if rel, err := filepath.Rel(folder, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
