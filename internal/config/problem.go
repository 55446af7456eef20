package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"kaizala-drop/internal/text"
)

// Problem is one thing that is wrong, or should be known, and what to do about it.
type Problem struct {
	Line int // 1-based; 0 is the whole file
	Text string
}

// Problems is the error for a file that cannot be used. List is never empty, and sorted by line.
type Problems struct {
	File string
	List []Problem
}

// Error gives each problem its own line: "FILE:LINE: text", or "FILE: text" where no one line is to blame.
func (p *Problems) Error() string {
	lines := make([]string, len(p.List))
	for i, problem := range p.List {
		lines[i] = problem.In(p.File)
	}
	return strings.Join(lines, "\n")
}

// In is the problem as compilers and editors write it: "FILE:LINE: text".
func (p Problem) In(name string) string {
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s", text.Printable(name), p.Text)
	}
	return fmt.Sprintf("%s:%d: %s", text.Printable(name), p.Line, p.Text)
}

// byLine sorts, and drops what was said twice: a setting in [defaults] is seen by every folder.
func byLine(list []Problem) []Problem {
	slices.SortStableFunc(list, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	seen := make(map[Problem]bool, len(list))
	return slices.DeleteFunc(list, func(p Problem) bool {
		again := seen[p]
		seen[p] = true
		return again
	})
}
