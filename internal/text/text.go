// Package text makes names and texts from outside fit to be shown: safe to print, on one line, of bounded length, and to be
// pasted into a shell.
package text

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable spells a name, or any text from outside, so that it is safe in a log line, a terminal and a text file.
//
// Control characters, invisible and bidirectional formatting, line separators and bytes that are not UTF-8 become Go
// escapes (\n, \u202e, \xff). The backslash becomes one as well, so that two different names never look the same.
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

// Line makes one printable line of s: at most most characters, with "…" at the end if something was cut off. White space of
// any kind becomes single spaces. A byte that is not UTF-8 counts as a character.
func Line(s string, most int) string {
	short := First(s, most)
	out := Printable(strings.Join(strings.Fields(short), " "))
	if cut := First(out, most); len(cut) < len(out) || len(short) < len(s) {
		return cut + "…"
	}
	return out
}

// First gives the first n characters of s. A byte that is not UTF-8 counts as a character.
func First(s string, n int) string {
	end := 0
	for ; n > 0 && end < len(s); n-- {
		_, size := utf8.DecodeRuneInString(s[end:])
		end += size
	}
	return s[:end]
}

// Cut gives the beginning of s, at most most bytes. It cuts between characters wherever s is UTF-8.
func Cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for cut := most; cut > max(0, most-utf8.UTFMax); cut-- {
		if utf8.RuneStart(s[cut]) {
			return s[:cut]
		}
	}
	return s[:most]
}

// Shorten gives s unchanged if it has at most most bytes. Otherwise it gives the valid UTF-8 in the first most bytes, and "…".
func Shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
