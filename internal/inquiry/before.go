package inquiry

import (
	"fmt"
	"path/filepath"
	"strings"

	"kaizala-drop/internal/text"
)

// What is told beside the story of a file: how it fared before, and other files of its name.

// history tells how the file fared before, and of other files of its name.
func (k *facts) history() (lines []string) {
	if k.origin != nil {
		lines = append(lines, k.wasPutBack(*k.origin))
	}
	for i, r := range k.before {
		line := fmt.Sprintf("It had failed %s: %s.", k.moment(r.At), r.Reason)
		if r.Origin != nil && i < len(k.before)-1 {
			line += " " + k.wasPutBack(*r.Origin)
		}
		lines = append(lines, line)
	}
	return append(lines, k.earlier()...)
}

// earlierMost is how many other files of a name are told of.
const earlierMost = 3

// earlier tells of other files of the same name.
func (k *facts) earlier() (lines []string) {
	for _, r := range k.others[:min(len(k.others), earlierMost)] {
		what := map[string]string{"filed": "was posted", "failed": "failed"}[r.State]
		if what == "" {
			what = "was taken"
		}
		line := fmt.Sprintf("Another file of this name, in %s, %s %s.", quote(r.Folder), what, k.moment(r.At))
		if r.Dest != "" {
			line = strings.TrimSuffix(line, ".") + ", and went to " + quote(r.Dest) + "."
		}
		lines = append(lines, line)
	}
	if more := len(k.others) - earlierMost; more > 0 {
		lines = append(lines, fmt.Sprintf("There are %d more: %s", more, k.command("history --name "+text.Quoted(filepath.Base(k.name)))))
	}
	return lines
}
