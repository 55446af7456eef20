package journal

import (
	"cmp"
	"fmt"
	"strings"
)

// What a person reads in the journal: MESSAGE=, which journalctl shows alone. What it is about comes first, then what happened
// and why, what to do, and the rest in brackets.

// isRest reports whether a field has no place of its own in the text, and is of use to who reads it.
func isRest(name string) bool {
	switch name {
	case "folder", "file", "last", "images", "album", "reason", "error", "errors", "advice", "to_do":
		return false
	case "delivery", "reference", "kind", "its_own_word":
		return false
	}
	return true
}

// text says the whole line: /srv/drop/scan.pdf: failed: it has no ending (to failed/scan.pdf, took 3s).
func (l line) text() string {
	var out strings.Builder
	if about := l.about(); about != "" {
		out.WriteString(about + ": ")
	}
	out.WriteString(l.message)
	for _, why := range []string{l.of("reason"), l.of("error"), l.of("errors")} {
		if why != "" {
			out.WriteString(": " + why)
		}
	}
	if todo := cmp.Or(l.of("to_do"), l.of("advice")); todo != "" {
		out.WriteString(". What helps: " + todo)
	}
	var rest []string
	for _, f := range l.fields {
		if isRest(f.name) && len(f.values) > 0 {
			rest = append(rest, strings.ReplaceAll(f.name, "_", " ")+" "+strings.Join(f.values, ", "))
		}
	}
	if rest != nil {
		out.WriteString(" (" + strings.Join(rest, ", ") + ")")
	}
	return out.String()
}

// about is the path of the file, or of the folder.
func (l line) about() string {
	folder, file := l.of("folder"), l.of("file")
	switch {
	case file == "":
		return folder
	case folder != "" && !strings.HasPrefix(file, "/"):
		file = folder + "/" + file
	}
	if n := l.of("images"); n != "" && l.of("last") != "" {
		file += fmt.Sprintf(" to %s (%s images)", l.of("last"), n)
	}
	return file
}
