// Package ignore tells which names below a folder are left alone by patterns such as those of a .gitignore file.
//
// The rules are those of gitignore(5), "PATTERN FORMAT": a pattern without a slash matches a name at any depth, one with a
// slash at its begin or in it matches from the folder on, one with a slash at its end matches folders only, ** stands for any
// folders, and ! before a pattern takes back what an earlier one said: the last one that matches decides. Four things differ,
// as these patterns stand in quotes in a list, and what they are about is written by devices: case does not count, # begins
// no comment, a space at the end is one, and ! takes nothing back of what the program leaves alone by itself.
package ignore

import (
	"errors"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Patterns are the patterns of one folder, in order. The zero value matches nothing. It is safe for concurrent use.
type Patterns struct{ list []pattern }

type pattern struct {
	text     string // as it was written
	glob     string // in lower case
	takeBack bool
	folders  bool // matches folders only
	anchored bool // matches the whole name, not its last part
}

// Errors of Compile, each with what to do.
var (
	errEmpty    = errors.New("it names nothing: write a name, or leave it out")
	errSyntax   = errors.New("* stands for any characters but /, ** for any folders, ? for one character, [a-c] for one of several, and a backslash takes their meaning from them")
	errAbsolute = errors.New("a / at the begin stands for the watched folder itself, so this matches nothing in it: write what comes after the folder's path")
	errDots     = errors.New("it matches nothing: patterns are about names below the folder, so leave out ./, ../ and //")
)

// Compile takes patterns apart. Its error is about the first one that matches nothing or is none, and index which one
// that is. folder, if not "", is the absolute path of the folder that they are for.
func Compile(texts []string, folder string) (p Patterns, index int, err error) {
	for i, text := range texts {
		one, err := parse(text)
		if err == nil && folder != "" && folder != "/" && strings.HasPrefix(text, folder+"/") {
			err = errAbsolute
		}
		if err != nil {
			return Patterns{}, i, err
		}
		p.list = append(p.list, one)
	}
	return p, 0, nil
}

func parse(text string) (pattern, error) {
	p := pattern{text: text}
	glob := text
	glob, p.takeBack = strings.CutPrefix(glob, "!")
	if rest, escaped := strings.CutPrefix(glob, `\!`); escaped && !p.takeBack {
		glob = "!" + rest
	}
	glob, p.folders = strings.CutSuffix(glob, "/")
	p.anchored = strings.Contains(glob, "/")
	glob = strings.TrimPrefix(glob, "/")
	if glob == "" {
		return p, errEmpty
	}
	for part := range strings.SplitSeq(glob, "/") {
		if part == "" || part == "." || part == ".." {
			return p, errDots
		}
	}
	p.glob = strings.ToLower(escapeBraces(glob))
	if !doublestar.ValidatePattern(p.glob) {
		return p, errSyntax
	}
	return p, nil
}

// escapeBraces takes the meaning from { and }, which have none in .gitignore.
func escapeBraces(glob string) string {
	var b strings.Builder
	escaped := false
	for _, r := range glob {
		if (r == '{' || r == '}') && !escaped {
			b.WriteByte('\\')
		}
		escaped = r == '\\' && !escaped
		b.WriteRune(r)
	}
	return b.String()
}

// Match gives the pattern for which name is left alone, or "". name is relative to the folder and isDir tells whether a
// folder lies there. What lies in a folder that is left alone must not be asked about.
func (p Patterns) Match(name string, isDir bool) (by string) {
	if len(p.list) == 0 {
		return ""
	}
	lower := strings.ToLower(name)
	base := path.Base(lower)
	for _, one := range p.list {
		if one.folders && !isDir || one.takeBack == (by == "") {
			continue // it could not change anything
		}
		subject := base
		if one.anchored {
			subject = lower
		}
		switch ok, _ := doublestar.Match(one.glob, subject); {
		case ok && one.takeBack:
			by = ""
		case ok:
			by = one.text
		}
	}
	return by
}
