package config

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"kaizala-drop/internal/ignore"
	"kaizala-drop/internal/text"
)

// Each function here makes the reader of one kind of value: it checks what the TOML library decoded, and stores it in a
// field or says what is wrong with it.

type read[T any] = func(at place, value any, into *T)

const anyInt = math.MaxInt32 // no limit that anyone would meet, and an int on every machine

func checkedText[T any](field func(*T) *string, check func(at place, s string) bool) read[T] {
	return func(at place, value any, into *T) {
		s, ok := value.(string)
		if !ok {
			at.wrongType("a text in quotes", value)
		} else if check(at, s) {
			*field(into) = s
		}
	}
}

func nonEmpty[T any](field func(*T) *string) read[T] {
	return checkedText(field, func(at place, s string) bool {
		if s == "" {
			at.problem("must not be empty: write %s, or leave the line out", at.doc)
			return false
		}
		return at.withoutNUL(s)
	})
}

// absolute is a path, which is stored clean.
func absolute[T any](field func(*T) *string) read[T] {
	return func(at place, value any, into *T) {
		s, ok := value.(string)
		switch {
		case !ok:
			at.wrongType(`a path in quotes, such as "/srv/drop"`, value)
		case s == "":
			at.problem("must not be empty: write %s, from / on", at.doc)
		case !filepath.IsAbs(s):
			at.problem("must be an absolute path, from / on, not %q", s)
		case at.withoutNUL(s):
			*field(into) = filepath.Clean(s)
		}
	}
}

// LongestSocket is how many bytes the path of a socket can have: unix(7) has room for 107, and one is made in a directory of its own
// beside its place.
const LongestSocket = 96

// socket is an absolute path that a socket can have, or nothing.
func socket[T any](field func(*T) *string) read[T] {
	return func(at place, value any, into *T) {
		s, ok := value.(string)
		switch {
		case !ok:
			at.wrongType(`a path in quotes, such as "`+DefaultSocket+`"`, value)
		case s == "":
			*field(into) = ""
		case !filepath.IsAbs(s):
			at.problem("must be an absolute path, from / on, not %q; empty for no socket", s)
		case len(s) > LongestSocket:
			at.problem("has %d bytes, and the path of a socket at most %d: put it nearer to /", len(s), LongestSocket)
		case at.withoutNUL(s):
			*field(into) = filepath.Clean(s)
		}
	}
}

// withoutNUL refuses what no path can hold (path_resolution(7)).
func (p place) withoutNUL(s string) bool {
	if !strings.Contains(s, "\x00") {
		return true
	}
	p.problem("must not hold a NUL: no path has one")
	return false
}

func choice[T any](field func(*T) *string, allowed ...string) read[T] {
	return checkedText(field, func(at place, s string) bool {
		if slices.Contains(allowed, s) {
			return true
		}
		quoted := make([]string, len(allowed))
		for i, word := range allowed {
			quoted[i] = fmt.Sprintf("%q", word)
		}
		at.problem("must be one of %s, not %q", strings.Join(quoted, ", "), s)
		return false
	})
}

// plain is a text that goes into an HTTP header and is no secret.
func plain[T any](field func(*T) *string) read[T] {
	return checkedText(field, func(at place, s string) bool {
		if scheme, _, ok := cutReference(s); ok {
			at.problem("is not a secret and must be written out: %s: is not looked up here", scheme)
			return false
		}
		return at.fitsOneLine(s)
	})
}

// groupID takes any id: real ones are a GUID with something behind it, and nothing says that all of them are.
func groupID[T any](field func(*T) *string) read[T] {
	return checkedText(field, func(at place, s string) bool {
		if s == "" {
			at.problem("must not be empty: write the id of %s", at.doc)
			return false
		}
		return at.fitsOneLine(s)
	})
}

// fitsOneLine does not show the text, which may be a secret.
func (p place) fitsOneLine(s string) bool {
	switch {
	case strings.ContainsFunc(s, unicode.IsControl):
		p.problem("holds a control character, such as a line break: write it on one line, as it was given to you")
	case s != strings.TrimSpace(s):
		p.problem("begins or ends with white space: remove that")
	default:
		return true
	}
	return false
}

func boolean[T any](field func(*T) *bool) read[T] {
	return func(at place, value any, into *T) {
		b, ok := value.(bool)
		if !ok {
			at.wrongType("true or false, without quotes", value)
			return
		}
		*field(into) = b
	}
}

func integer[T any](field func(*T) *int, least, most int64) read[T] {
	return func(at place, value any, into *T) {
		n, ok := value.(int64)
		switch {
		case !ok:
			at.wrongType("a whole number, without quotes", value)
		case most == anyInt && n < least:
			at.problem("must be %d or more, not %d", least, n)
		case n < least || n > most:
			at.problem("must be from %d to %d, not %d", least, most, n)
		default:
			*field(into) = int(n)
		}
	}
}

func duration[T any](field func(*T) *time.Duration, least time.Duration) read[T] {
	return func(at place, value any, into *T) {
		s, ok := value.(string)
		if !ok {
			at.wrongType(`a duration in quotes, such as "5s"`, value)
			return
		}
		d, err := ParseDuration(s)
		switch {
		case err != nil:
			at.problem(`must be a number with its unit, such as "500ms", "5s", "2m", "1h" or "90d", not %q`, s)
		case d < 0:
			at.problem("must not be negative, as %q is", s)
		case d == 0 && least > 0:
			at.problem("must be more than zero, not %q", s)
		case d < least:
			at.problem("must be at least %v, not %q", least, s)
		default:
			*field(into) = d
		}
	}
}

func caption[T any](field func(*T) *Caption) read[T] {
	return func(at place, value any, into *T) {
		s, ok := value.(string)
		if !ok {
			at.wrongType("a text in quotes", value)
			return
		}
		c, err := parseCaption(s)
		if err != nil {
			at.problem("is not a usable template (%s): it may hold {{.Name}}, {{.Stem}}, {{.Folder}}, {{.Time}}, "+
				"{{.Count}}, {{.First}} and {{.Last}}",
				text.Printable(err.Error()))
			return
		}
		*field(into) = c
	}
}

// patterns are those of ignore.Compile.
func patterns[T any](field func(*T) *[]string) read[T] {
	return checkedPatterns(field, func(place, string) bool { return true })
}

// filePatterns are patterns that are about files.
func filePatterns[T any](field func(*T) *[]string) read[T] {
	return checkedPatterns(field, func(at place, s string) bool {
		if strings.HasSuffix(s, "/") {
			at.problem("holds %q, which names folders, and this is about files: %q is all that lies in such a one", s, s+"**")
			return false
		}
		return true
	})
}

// checkedPatterns are patterns of which check has something more to say.
func checkedPatterns[T any](field func(*T) *[]string, check func(at place, s string) bool) read[T] {
	return func(at place, value any, into *T) {
		list, ok := value.([]any)
		if !ok {
			at.wrongType(`a list of patterns, such as ["*.bak", "~*"]`, value)
			return
		}
		all := make([]string, 0, len(list))
		for i, item := range list {
			at := at.item(i)
			s, ok := item.(string)
			if !ok {
				at.wrongType(`a list of texts, such as ["*.bak", "~*"]`, item)
			} else if _, _, err := ignore.Compile([]string{s}, ""); err != nil {
				at.problem("holds %q, which is not a pattern that could match: %v", s, err)
			} else if check(at, s) {
				all = append(all, s)
			}
		}
		*field(into) = all
	}
}

// patternsBelow sees that the patterns of a folder are about what lies in it, and that some file is taken.
func (r *reader) patternsBelow(index int, f Folder) {
	for _, of := range []struct {
		key  string
		list []string
	}{{"ignore", f.Ignore}, {"only", f.Only}} {
		if _, i, err := ignore.Compile(of.list, f.Path); err != nil {
			r.problem(r.folderLine(index, of.key), "%s holds %q, which is not a pattern that could match: %v", of.key, of.list[i], err)
		}
	}
	if len(f.Only) > 0 && !slices.ContainsFunc(f.Only, func(s string) bool { return !strings.HasPrefix(s, "!") }) {
		r.problem(r.folderLine(index, "only"), "only takes nothing: each of its patterns takes back what an earlier one took. Begin it with one that takes")
	}
}
