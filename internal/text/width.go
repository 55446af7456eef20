package text

import (
	"strings"

	"github.com/rivo/uniseg"
)

// Width is how many columns of a terminal s takes, as Unicode has it (UAX 11 and 29): a wide character two, one that combines none.
func Width(s string) int { return uniseg.StringWidth(s) }

// Fit gives s if it takes at most columns of a terminal; else as much of its beginning as has room with a "…" behind it. No character
// is parted from those that combine with it.
func Fit(s string, columns int) string {
	if Width(s) <= columns {
		return s
	}
	if columns < 1 {
		return ""
	}
	return s[:fits(s, columns-1)] + "…"
}

// fits is how many bytes of s have room in columns.
func fits(s string, columns int) (end int) {
	used := 0
	for g := uniseg.NewGraphemes(s); g.Next(); {
		if used += g.Width(); used > columns {
			break
		}
		_, end = g.Positions()
	}
	return end
}

// FitEnd is Fit with the end of s in place of its beginning, and the "…" before it.
func FitEnd(s string, columns int) string {
	if Width(s) <= columns {
		return s
	}
	if columns < 1 {
		return ""
	}
	rest := Width(s)
	for g := uniseg.NewGraphemes(s); g.Next(); {
		if rest -= g.Width(); rest <= columns-1 {
			_, end := g.Positions()
			return "…" + s[end:]
		}
	}
	return "…"
}

// Wrap breaks s at spaces into lines of at most columns of a terminal; those after the first begin with indent spaces. A word that has
// no room in any line is broken at its edge.
func Wrap(s string, columns, indent int) (lines []string) {
	indent = min(indent, columns/2)
	margin := strings.Repeat(" ", indent)
	line, empty := "", true
	for i, word := range strings.Split(s, " ") {
		switch {
		case i == 0:
			line, empty = word, word == ""
		case empty || Width(line)+1+Width(word) <= columns, Width(word) > columns-indent:
			line, empty = line+" "+word, empty && word == ""
		default:
			lines, line = append(lines, line), margin+word
		}
		for {
			cut := fits(line, columns)
			if cut == len(line) || cut <= indent { // all has room, or not even a single character
				break
			}
			lines, line = append(lines, line[:cut]), margin+line[cut:]
		}
	}
	return append(lines, line)
}
