package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// lines says on which line of a TOML file something is first named. The library keeps positions of keys to itself, so
// the file is scanned once more for them.
type lines map[string]int

// keyPath leads to a value: names of keys and, in arrays, indexes from 0 ("folder", "1", "ignore", "0").
type keyPath []string

// deepest is how far down lines are kept, which is further than any setting lies. It bounds the work on a file that
// nests without end.
const deepest = 6

// child does not grow once it is too deep to be noted, nor share memory with its siblings.
func (p keyPath) child(name string) keyPath {
	if len(p) > deepest {
		return p
	}
	return append(slices.Clip(p), name)
}

func (p keyPath) item(index int) keyPath { return p.child(strconv.Itoa(index)) }

func (p keyPath) key() string { return strings.Join(p, "\x00") }

// of is the line of path, or of the nearest thing around it that has one, or 0.
func (l lines) of(path keyPath) int {
	for ; len(path) > 0; path = path[:len(path)-1] {
		if line := l[path.key()]; line > 0 {
			return line
		}
	}
	return 0
}

// findLines scans a file. It is right about every file the TOML library accepts; of any other it makes what it can.
func findLines(text string) lines {
	s := lineScanner{text: strings.TrimPrefix(text, "\ufeff"), line: 1, found: lines{}, tables: map[string]int{}}
	var table keyPath
	for s.blank(); s.pos < len(s.text); s.blank() {
		switch {
		case s.accept("[["):
			table = s.header(true)
		case s.accept("["):
			table = s.header(false)
		default:
			s.pair(table)
		}
		s.skipTo("\n") // a comment, if anything: and with it, never stand still
	}
	return s.found
}

type lineScanner struct {
	text   string
	pos    int
	line   int // of pos
	found  lines
	tables map[string]int // elements so far of each array that [[...]] makes
}

// skip is the only way forward, so that no newline goes uncounted.
func (s *lineScanner) skip(n int) {
	n = min(n, len(s.text)-s.pos)
	s.line += strings.Count(s.text[s.pos:s.pos+n], "\n")
	s.pos += n
}

func (s *lineScanner) skipTo(chars string) {
	n := strings.IndexAny(s.text[s.pos:], chars)
	if n < 0 {
		n = len(s.text) - s.pos
	}
	s.skip(n)
}

func (s *lineScanner) skipAll(chars string) {
	rest := s.text[s.pos:]
	s.skip(len(rest) - len(strings.TrimLeft(rest, chars)))
}

func (s *lineScanner) accept(token string) bool {
	if !strings.HasPrefix(s.text[s.pos:], token) {
		return false
	}
	s.skip(len(token))
	return true
}

// blank passes white space, newlines and comments.
func (s *lineScanner) blank() {
	for s.skipAll(" \t\r\n"); s.accept("#"); s.skipAll(" \t\r\n") {
		s.skipTo("\n")
	}
}

func (s *lineScanner) note(path keyPath) {
	if key := path.key(); len(path) <= deepest && s.found[key] == 0 {
		s.found[key] = s.line
	}
}

// header reads [a.b] or [[a.b]] behind its first brackets. A name in it that stands for an array of tables means the
// last of them (https://toml.io/en/v1.0.0#array-of-tables).
func (s *lineScanner) header(array bool) keyPath {
	var path keyPath
	for more := true; more; {
		path = path.child(s.keyPart())
		s.note(path)
		more = s.accept(".")
		key := path.key()
		if array && !more {
			s.tables[key]++
		}
		if n := s.tables[key]; n > 0 {
			path = path.item(n - 1)
			s.note(path)
		}
	}
	return path
}

// pair reads KEY = VALUE, where the key may have several parts.
func (s *lineScanner) pair(table keyPath) {
	path := table
	for more := true; more; more = s.accept(".") {
		path = path.child(s.keyPart())
		s.note(path)
	}
	if s.accept("=") {
		s.skipAll(" \t")
		s.value(path)
	}
}

const bareKey = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

// keyPart reads one part of a key and the white space around it.
func (s *lineScanner) keyPart() string {
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

func (s *lineScanner) value(path keyPath) {
	for _, quotes := range []string{`"""`, `'''`, `"`, `'`} {
		if s.accept(quotes) {
			s.quoted(quotes)
			return
		}
	}
	switch {
	case s.accept("["):
		s.list("]", func(i int) {
			item := path.item(i)
			s.note(item)
			s.value(item)
		})
	case s.accept("{"):
		s.list("}", func(int) { s.pair(path) })
	default:
		s.skipTo(",]}#\n")
	}
}

// list reads what an array or an inline table holds, up to its end. An element that is none ends it too.
func (s *lineScanner) list(end string, element func(i int)) {
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
func (s *lineScanner) quoted(quotes string) {
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
