package config

import (
	"strings"

	"kaizala-drop/internal/text"
)

// syntaxAdvice turns a message of the TOML library into what to do. Most of its messages quote the file, which may hold
// a secret: what is quoted is shown only where it is the name of a key.
func syntaxAdvice(message string) string {
	if name, ok := strings.CutPrefix(message, "Key '"); ok {
		name, _, _ = strings.Cut(name, "'")
		return text.Printable(name) + " is here a second time: keep one of the two"
	}
	for _, known := range []struct{ part, advice string }{
		{"strings cannot contain newlines", "a text does not end on its line: close its quotes"},
		{"unexpected EOF; expected value", "a value is missing here: write one behind the ="},
		{"unexpected EOF", "a text is not closed: add the quotes that end it"},
		{"NULL bytes", "the file is not UTF-8: save it as UTF-8"},
		{"expected value but found", `what follows the = is no value: a text needs quotes, "like this"`},
		{"expected a top-level item", `a value is followed by something else: a text needs quotes, "like this", and ` +
			"each key a line of its own"},
		{"expected '.' or '='", "an = is missing here: a line is NAME = VALUE, or [SECTION]"},
		{"invalid escape", `a backslash in "..." has a meaning of its own: write two, or use '...' instead`},
		{"hexadecimal", `a backslash in "..." has a meaning of its own: write two, or use '...' instead`},
		{"expected a comma", "a list is not closed, or misses a comma: write [\"one\", \"two\"]"},
		{"table name", "a section is written [NAME], or [[folder]]"},
		{"control characters", "a control character is here: remove it"},
		{"unexpected '='", "a name is missing before the ="},
	} {
		if strings.Contains(message, known.part) {
			return known.advice
		}
	}
	return `this is no value: a text needs quotes, "like this", and a number is written in plain digits`
}

// maxNesting, in brackets within brackets, is what the TOML library is trusted with: it calls itself for every one of
// them, and a stack that overflows cannot be recovered from.
const maxNesting = 1000

// nesting is a number of brackets that text nests at most. Those in texts and comments count as well, which
// errs on the safe side.
func nesting(text string) (deepest int) {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth = max(0, depth-1)
		}
	}
	return deepest
}
