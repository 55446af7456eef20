package file

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable spells a name, or any text from outside, so that it is safe in a log line, a terminal and a text file:
// control characters, invisible and bidirectional formatting, line separators and bytes that are not UTF-8 become Go
// escapes (\n, \u202e, \xff), and so does the backslash, so that two names never look the same. Everything else stays.
func Printable(name string) string {
	if isPlain(name) {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRuneInString(name[i:])
		if plainRune(r, n) {
			b.WriteRune(r)
		} else {
			quoted := strconv.QuoteToASCII(name[i : i+n])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		i += n
	}
	return b.String()
}

func isPlain(s string) bool {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if !plainRune(r, n) {
			return false
		}
		i += n
	}
	return true
}

func plainRune(r rune, n int) bool {
	if r == utf8.RuneError && n == 1 {
		return false
	}
	return r != '\\' && (r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r))
}
