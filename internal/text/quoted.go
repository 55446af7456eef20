package text

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Quoted spells a path so that it can be pasted into a shell as one word, and into a terminal without harm: as it is, in single
// quotes, or, where Printable has to change something but a backslash, in $'...' with its octal escapes (POSIX.1-2024, 2.2.4, and
// bash, zsh, ksh and BusyBox before it).
func Quoted(path string) string {
	plain, bare := true, path != ""
	for i := 0; i < len(path); {
		r, n := utf8.DecodeRuneInString(path[i:])
		plain = plain && (r == '\\' || plainRune(r, n))
		bare = bare && (r >= utf8.RuneSelf || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/._-+@%,:", r))
		i += n
	}
	switch {
	case !plain:
		return "$'" + escaped(path) + "'"
	case bare:
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// escaped spells a text within $'...'.
func escaped(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); {
		r, n := utf8.DecodeRuneInString(path[i:])
		switch {
		case r == '\\' || r == '\'':
			b.WriteString(`\` + string(r))
		case r == '\n':
			b.WriteString(`\n`)
		case plainRune(r, n):
			b.WriteString(path[i : i+n])
		default:
			for _, c := range []byte(path[i : i+n]) {
				fmt.Fprintf(&b, `\%03o`, c)
			}
		}
		i += n
	}
	return b.String()
}
