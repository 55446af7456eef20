package setup

import (
	"fmt"
	"strings"

	"kaizala-drop/internal/layout"
)

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
