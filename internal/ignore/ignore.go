// Package ignore tells which names below a folder are left alone, by patterns like those of a .gitignore file.
//
// The rules are those of gitignore(5), "PATTERN FORMAT". A pattern without a slash matches a name at any depth. A
// pattern with a slash at its beginning or inside matches from the folder on. A pattern with a slash at its end matches
// only folders. ** stands for any number of folders. ! before a pattern takes back what an earlier pattern said, and
// the last pattern that matches decides.
//
// Four things differ, because these patterns stand in quotes in a list, and the names are given by devices: case does
// not count, # begins no comment, a space at the end belongs to the pattern, and ! cannot take back what the program
// leaves alone by itself.
package ignore

import (
	"errors"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Patterns are the patterns of one folder, in order. The zero value matches nothing. Patterns is safe for concurrent
// use.
type Patterns struct{ list []pattern }

type pattern struct {
	text     string // as it was written
	glob     string // in lower case
	takeBack bool
	folders  bool // matches only folders
	anchored bool // matches the whole name, and not only its last part
}

// The errors of Compile say what to do.
var (
	errEmpty    = errors.New("it names nothing: write a name, or leave it out")
	errSyntax   = errors.New("* stands for any characters but /, ** for any folders, ? for one character, [a-c] for one of several, and a backslash takes their meaning from them")
	errAbsolute = errors.New("a / at the beginning stands for the watched folder itself, so this matches nothing in it: write what comes after the folder's path")
	errDots     = errors.New("it matches nothing: patterns are about names below the folder, so leave out ./, ../ and //")
)

// Compile reads patterns. folder is the absolute path of the folder that they are for, or "". Its error is about the
// first pattern that is malformed or could never match, and index is the place of that pattern in texts.
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

// escapeBraces makes { and } stand for themselves, as they do in .gitignore.
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

// Match gives the pattern by which name is left alone, or "". name is relative to the folder, and isDir tells whether
// it is a folder. Match must not be asked about what lies in a folder that is left alone.
func (p Patterns) Match(name string, isDir bool) (by string) {
	if len(p.list) == 0 {
		return ""
	}
	lower := strings.ToLower(name)
	base := path.Base(lower)
	for _, one := range p.list {
		if one.folders && !isDir || one.takeBack == (by == "") {
			continue // it would change nothing
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
