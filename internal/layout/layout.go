// Package layout says where in the text of a TOML file something stands: on which line, and at which bytes. The TOML library keeps
// positions of keys to itself, so the file is scanned once more for them.
package layout

import (
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// Layout knows the place at which each thing in a file is first named.
type Layout map[string]Place

// Place is where something is first named. Offsets are bytes of the text.
type Place struct {
	Line       int // 1-based
	Start      int // of the name, or of the bracket that opens a header
	Value, End int // its value is text[Value:End]; of a header, Value is 0 and End is behind the last bracket; 0, 0: it only lies above such a thing
}

// Path leads to a value: names of keys and, in arrays, indexes from 0 ("folder", "1", "ignore", "0").
type Path []string

// deepest is how far down lines are kept, which is further than any setting lies. It bounds the work on a file that
// nests without end.
const deepest = 6

// Child leads to what has that name. It does not grow once it is too deep to be noted, nor share memory with its siblings.
func (p Path) Child(name string) Path {
	if len(p) > deepest {
		return p
	}
	return append(slices.Clip(p), name)
}

// Item leads to that element of an array.
func (p Path) Item(index int) Path { return p.Child(strconv.Itoa(index)) }

// Key is p as Layout has it.
func (p Path) Key() string { return strings.Join(p, "\x00") }

// Line is that of path, or of the nearest thing around it that has one, or 0.
func (l Layout) Line(path Path) int {
	for ; len(path) > 0; path = path[:len(path)-1] {
		if line := l[path.Key()].Line; line > 0 {
			return line
		}
	}
	return 0
}

// Of scans a file. It is right about every file the TOML library accepts; of any other it makes what it can.
func Of(text string) Layout {
	s := scanner{text: text, line: 1, found: Layout{}, tables: map[string]int{}}
	s.accept("\ufeff")
	var table Path
	for s.blank(); s.pos < len(s.text); s.blank() {
		start := s.pos
		switch {
		case s.accept("[["):
			table = s.header(start, "]]")
		case s.accept("["):
			table = s.header(start, "]")
		default:
			s.pair(table)
		}
		s.skipTo("\n") // a comment, if anything: and with it, never stand still
	}
	return s.found
}

type scanner struct {
	text   string
	pos    int
	line   int // of pos
	found  Layout
	tables map[string]int // elements so far of each array that [[...]] makes
}

// skip is the only way forward, so that no newline goes uncounted.
func (s *scanner) skip(n int) {
	n = min(n, len(s.text)-s.pos)
	s.line += strings.Count(s.text[s.pos:s.pos+n], "\n")
	s.pos += n
}

func (s *scanner) skipTo(chars string) {
	n := strings.IndexAny(s.text[s.pos:], chars)
	if n < 0 {
		n = len(s.text) - s.pos
	}
	s.skip(n)
}

func (s *scanner) skipAll(chars string) {
	rest := s.text[s.pos:]
	s.skip(len(rest) - len(strings.TrimLeft(rest, chars)))
}

func (s *scanner) accept(token string) bool {
	if !strings.HasPrefix(s.text[s.pos:], token) {
		return false
	}
	s.skip(len(token))
	return true
}

// blank passes white space, newlines and comments.
func (s *scanner) blank() {
	for s.skipAll(" \t\r\n"); s.accept("#"); s.skipAll(" \t\r\n") {
		s.skipTo("\n")
	}
}

// note says where path is named, unless it was named before. It reports whether it was not.
func (s *scanner) note(path Path, start int) bool {
	key := path.Key()
	if _, before := s.found[key]; before || len(path) > deepest {
		return false
	}
	s.found[key] = Place{Line: s.line, Start: start}
	return true
}

// end says where the value of path is, which was just named.
func (s *scanner) end(path Path, value int) {
	place := s.found[path.Key()]
	place.Value, place.End = value, s.pos
	s.found[path.Key()] = place
}

// header reads [a.b] or [[a.b]] behind its first brackets. A name in it that stands for an array of tables means the
// last of them (https://toml.io/en/v1.0.0#array-of-tables).
func (s *scanner) header(start int, closing string) Path {
	var path Path
	isNew := false
	for more := true; more; {
		path = path.Child(s.keyPart())
		isNew = s.note(path, start)
		more = s.accept(".")
		key := path.Key()
		if closing == "]]" && !more {
			s.tables[key]++
		}
		if n := s.tables[key]; n > 0 {
			path = path.Item(n - 1)
			isNew = s.note(path, start)
		}
	}
	// A table that was named by one below it may have a header of its own later.
	if p := s.found[path.Key()]; s.accept(closing) && (isNew || p.End == 0) && len(path) <= deepest {
		p.Start = start
		s.found[path.Key()] = p
		s.end(path, 0)
	}
	return path
}

// pair reads KEY = VALUE, where the key may have several parts.
func (s *scanner) pair(table Path) {
	path, start, isNew := table, s.pos, false
	for more := true; more; more = s.accept(".") {
		path = path.Child(s.keyPart())
		isNew = s.note(path, start)
	}
	if s.accept("=") {
		s.skipAll(" \t")
		value := s.pos
		s.value(path)
		if isNew {
			s.end(path, value)
		}
	}
}

const bareKey = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

// keyPart reads one part of a key and the white space around it.
func (s *scanner) keyPart() string {
	s.skipAll(" \t")
	start := s.pos
	switch {
	case s.accept(`"`):
		s.quoted(`"`)
	case s.accept(`'`):
		s.quoted(`'`)
	default:
		s.skipAll(bareKey)
	}
	part := s.text[start:s.pos]
	s.skipAll(" \t")
	return unquoteKey(part)
}

// unquoteKey leaves quoted keys to the library, to be of one mind with it about escapes.
func unquoteKey(part string) string {
	if !strings.HasPrefix(part, `"`) && !strings.HasPrefix(part, `'`) {
		return part
	}
	var decoded struct{ Key string }
	if _, err := toml.Decode("Key = "+part, &decoded); err != nil {
		return part
	}
	return decoded.Key
}

func (s *scanner) value(path Path) {
	for _, quotes := range []string{`"""`, `'''`, `"`, `'`} {
		if s.accept(quotes) {
			s.quoted(quotes)
			return
		}
	}
	switch {
	case s.accept("["):
		s.list("]", func(i int) {
			item, start := path.Item(i), s.pos
			isNew := s.note(item, start)
			s.value(item)
			if isNew {
				s.end(item, start)
			}
		})
	case s.accept("{"):
		s.list("}", func(int) { s.pair(path) })
	default:
		start := s.pos
		s.skipTo(",]}#\n")
		s.back(start + len(strings.TrimRight(s.text[start:s.pos], " \t\r")))
	}
}

// back is for the blanks behind a value, which hold no newline.
func (s *scanner) back(to int) { s.pos = to }

// list reads what an array or an inline table holds, up to its end. An element that is none ends it too.
func (s *scanner) list(end string, element func(i int)) {
	for i := 0; ; i++ {
		s.blank()
		if s.accept(end) {
			return
		}
		before := s.pos
		element(i)
		s.blank()
		s.accept(",")
		if s.pos == before {
			return
		}
	}
}

// quoted reads a string behind its opening quotes. Three of them may be closed by up to five: the first ones are part of
// the string.
func (s *scanner) quoted(quotes string) {
	rest := s.text[s.pos:]
	for i := 0; i < len(rest); i++ {
		switch {
		case rest[i] == '\\' && quotes[0] == '"':
			i++
		case rest[i] == '\n' && len(quotes) == 1:
			s.skip(i)
			return
		case strings.HasPrefix(rest[i:], quotes):
			s.skip(i + len(quotes))
			if len(quotes) == 3 {
				s.skipAll(quotes[:1])
			}
			return
		}
	}
	s.skip(len(rest))
}
