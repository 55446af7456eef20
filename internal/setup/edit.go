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
	lines := ""
	indent := text[strings.LastIndexByte(text[:at.Start], '\n')+1 : at.Start]
	if strings.Trim(indent, " \t") != "" { // a byte order mark
		indent = ""
	}
	for _, s := range e.settings {
		lines += indent + s.Key + " = " + Quote(s.Value) + newline
	}
	end := strings.IndexByte(text[at.End:], '\n')
	if end < 0 {
		return text + newline + lines, nil
	}
	end += at.End + 1
	return text[:end] + lines + text[end:], nil
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

// intoBraces adds what is between the braces of an inline table.
func intoBraces(text string, at layout.Place, what string) (string, error) {
	if at.End <= at.Value || text[at.Value] != '{' {
		return "", fmt.Errorf("%w: a table was to be there", ErrForm)
	}
	if rest := strings.TrimLeft(text[at.Value+1:at.End], " \t\r\n"); !strings.HasPrefix(rest, "}") {
		what += ", "
	}
	return text[:at.Value+1] + what + text[at.Value+1:], nil
}

// intoBrackets adds an element at the end of an array.
func intoBrackets(text string, at layout.Place, what string) (string, error) {
	if at.End <= at.Value || text[at.Value] != '[' {
		return "", fmt.Errorf("%w: an array was to be there", ErrForm)
	}
	end := at.End - 1
	last := lastOf(text[at.Value+1 : end])
	if last < 0 {
		return text[:at.Value+1] + what + text[at.Value+1:], nil
	}
	last += at.Value + 2
	begin := strings.LastIndexByte(text[:end], '\n') + 1
	switch {
	case text[last-1] == ',' && begin > last && strings.Trim(text[begin:end], " \t") == "": // the bracket has a line of its own
		return text[:begin] + indentOf(text, last) + what + "," + newlineOf(text) + text[begin:], nil
	case text[last-1] == ',':
		what = " " + what
	default:
		what = ", " + what
	}
	return text[:last] + what + text[last:], nil
}

// indentOf is the white space that the line at that place begins with.
func indentOf(text string, at int) string {
	line := text[strings.LastIndexByte(text[:at], '\n')+1 : at]
	return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
}

// lastOf is where the last byte is in the text of an array that is neither blank nor of a comment; -1: there is none. Its elements are
// tables, so that what a line ends with tells whether a # in it begins a comment.
func lastOf(text string) int {
	last := -1
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '#':
			next := strings.IndexByte(text[i:], '\n')
			if next < 0 {
				return last
			}
			i += next
		case c == '"' || c == '\'':
			i += endOfString(text[i:]) - 1
			last = i
		case !strings.ContainsRune(" \t\r\n", rune(c)):
			last = i
		}
	}
	return last
}

// endOfString is how long the string is that text begins with.
func endOfString(text string) int {
	quotes := text[:1]
	if strings.HasPrefix(text, strings.Repeat(quotes, 3)) {
		quotes = text[:3]
	}
	for i := len(quotes); i < len(text); i++ {
		switch {
		case text[i] == '\\' && quotes[0] == '"':
			i++
		case strings.HasPrefix(text[i:], quotes):
			return i + len(quotes)
		}
	}
	return len(text)
}

func inline(settings []Setting) string {
	parts := make([]string, len(settings))
	for i, s := range settings {
		parts[i] = s.Key + " = " + Quote(s.Value)
	}
	return "{" + strings.Join(parts, ", ") + "}"
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
