// Package setup decides what kaizala-drop setup does: what to ask next, what a folder lacks, what the unit needs for it, and how the
// text of the configuration is changed. It does no I/O; all its functions are safe for concurrent use.
package setup

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"kaizala-drop/internal/layout"
)

// Setting is one line of the configuration. Its value is a text.
type Setting struct{ Key, Value string }

// Edit is one change of the text of a TOML file.
type Edit struct {
	kind     editKind
	at       layout.Path
	comment  string // a line above what is added; "": none
	settings []Setting
}

type editKind int

const (
	replaces editKind = iota
	adds
	drops
	addsTable
	addsItem
)

// Set replaces the value that stands at path.
func Set(path layout.Path, value string) Edit {
	return Edit{kind: replaces, at: path, settings: []Setting{{"", value}}}
}

// Add adds settings to the table at path, which has none of them.
func Add(path layout.Path, settings ...Setting) Edit {
	return Edit{kind: adds, at: path, settings: settings}
}

// CommentOut makes comments of the lines of a setting, or of a table and all that is in it.
func CommentOut(path layout.Path) Edit { return Edit{kind: drops, at: path} }

// AddTable adds a table that is not there, at the end.
func AddTable(path layout.Path, comment string, settings ...Setting) Edit {
	return Edit{kind: addsTable, at: path, comment: comment, settings: settings}
}

// AddItem adds a table at the end of an array of tables, which need not be there.
func AddItem(array, comment string, settings ...Setting) Edit {
	return Edit{kind: addsItem, at: layout.Path{array}, comment: comment, settings: settings}
}

// ErrForm is wrapped where the file is written in a form that an edit does not fit into.
var ErrForm = errors.New("the file is written in a form that cannot be added to")

// Apply changes text, and keeps every comment, every setting and every line that no edit is about. The result means what text means
// and the edits say, and nothing else: that is seen to by reading both, and where it does not hold the error wraps ErrForm.
func Apply(text string, edits ...Edit) (string, error) {
	var want map[string]any
	if _, err := toml.Decode(text, &want); err != nil {
		return "", fmt.Errorf("it is not TOML: %w", err)
	}
	after := text
	for _, e := range edits {
		changed, err := e.in(after)
		if err != nil {
			return "", err
		}
		if !e.means(want) {
			return "", fmt.Errorf("%w: at %s", ErrForm, strings.Join(e.at, "."))
		}
		after = changed
	}
	var got map[string]any
	if _, err := toml.Decode(after, &got); err != nil {
		return "", fmt.Errorf("%w: it would not be TOML any more", ErrForm)
	}
	if !reflect.DeepEqual(plain(got), plain(want)) {
		return "", fmt.Errorf("%w: it would mean something else", ErrForm)
	}
	return after, nil
}

// in is the text with the edit.
func (e Edit) in(text string) (string, error) {
	places := layout.Of(text)
	at, ok := places[e.at.Key()]
	switch e.kind {
	case replaces:
		if !ok || at.Value == 0 {
			return "", fmt.Errorf("%w: nothing stands at %s", ErrForm, strings.Join(e.at, "."))
		}
		return text[:at.Value] + Quote(e.settings[0].Value) + text[at.End:], nil
	case adds:
		return e.addIn(text, at)
	case drops:
		return e.commentOut(text, places)
	case addsTable:
		if parent := places[e.at[:len(e.at)-1].Key()]; len(e.at) > 1 && parent.Value > 0 {
			return intoBraces(text, parent, quoteKey(e.at[len(e.at)-1])+" = "+inline(e.settings))
		}
		return appended(text, e.comment, "["+header(e.at)+"]", e.settings), nil
	default:
		if ok && at.Value > 0 {
			return intoBrackets(text, at, inline(e.settings))
		}
		return appended(text, e.comment, "[["+header(e.at)+"]]", e.settings), nil
	}
}

// addIn adds settings below the header of a table, or between its braces.
func (e Edit) addIn(text string, at layout.Place) (string, error) {
	switch {
	case at.End == 0:
		return "", fmt.Errorf("%w: %s has no place of its own", ErrForm, strings.Join(e.at, "."))
	case at.Value > 0:
		var parts []string
		for _, s := range e.settings {
			parts = append(parts, s.Key+" = "+Quote(s.Value))
		}
		return intoBraces(text, at, strings.Join(parts, ", "))
	}
	newline := newlineOf(text)
	var lines strings.Builder
	indent := text[strings.LastIndexByte(text[:at.Start], '\n')+1 : at.Start]
	if strings.Trim(indent, " \t") != "" { // a byte order mark
		indent = ""
	}
	for _, s := range e.settings {
		lines.WriteString(indent + s.Key + " = " + Quote(s.Value) + newline)
	}
	end := strings.IndexByte(text[at.End:], '\n')
	if end < 0 {
		return text + newline + lines.String(), nil
	}
	end += at.End + 1
	return text[:end] + lines.String() + text[end:], nil
}

// commentOut finds what lies at or below a path outside of any brackets, and puts a # before each of its lines.
func (e Edit) commentOut(text string, places layout.Layout) (string, error) {
	marks := map[int]bool{} // where lines begin
	for key, p := range places {
		if p.End == 0 || key != e.at.Key() && !strings.HasPrefix(key, e.at.Key()+"\x00") {
			continue
		}
		for start := p.Start; start < p.End; {
			line := strings.LastIndexByte(text[:start], '\n') + 1
			if line == 0 {
				line = len(text) - len(strings.TrimPrefix(text, "\ufeff"))
			}
			marks[line] = true
			next := strings.IndexByte(text[start:p.End], '\n')
			if next < 0 {
				break
			}
			start += next + 1
		}
	}
	if len(marks) == 0 {
		return "", fmt.Errorf("%w: %s is not there", ErrForm, strings.Join(e.at, "."))
	}
	for _, at := range slices.Backward(slices.Sorted(maps.Keys(marks))) {
		text = text[:at] + "#" + text[at:]
	}
	return text, nil
}

// appended adds a table at the end of the text.
func appended(text, comment, header string, settings []Setting) string {
	newline := newlineOf(text)
	var b strings.Builder
	b.WriteString(text)
	if trimmed := strings.TrimPrefix(text, "\ufeff"); trimmed != "" {
		if !strings.HasSuffix(text, "\n") {
			b.WriteString(newline)
		}
		b.WriteString(newline)
	}
	if comment != "" {
		b.WriteString("# " + oneLine(comment) + newline)
	}
	b.WriteString(header + newline)
	for _, s := range settings {
		b.WriteString(s.Key + " = " + Quote(s.Value) + newline)
	}
	return b.String()
}

func header(path layout.Path) string {
	parts := make([]string, len(path))
	for i, part := range path {
		parts[i] = quoteKey(part)
	}
	return strings.Join(parts, ".")
}

// newlineOf is how the lines of a text end.
func newlineOf(text string) string {
	if i := strings.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}
