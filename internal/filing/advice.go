package filing

import (
	"slices"
	"strings"

	"kaizala-drop/internal/text"
)

// What can be done about a failed file is said by the note beside it, and to whoever asks. Both have it from here.

// Step is one thing that a person can do. The text is without its full stop or colon.
type Step struct {
	Text string
	Args []string // of kaizala-drop, to be run on the server; nil: there is no command
}

// Command is the command line of a step; options follow the name of the command.
func (s Step) Command(options string) string { return text.Command(options, s.Args[0], s.Args[1:]...) }

const (
	stepSame    = "Put into the folder again as it is, it would only come back here"
	stepAgain   = "To send the file, put it into the folder again"
	stepOrRun   = "To send the file, put it into the folder again, or run on the server"
	stepAsItIs  = stepSame + ". This sends it as it is, if run on the server"
	stepNot     = "If it is not there, put the file into the folder again, or run on the server"
	stepIsThere = "If it is there, this moves the file to done/, and sends nothing"
)

// Steps says how the file, which lies at path, is sent again; "": it lies nowhere that a command could name.
func (n Note) Steps(path string) []Step {
	switch {
	case path == "" && !n.Same:
		return []Step{{Text: stepAgain}}
	case path == "", n.Same && !n.AsItIs && !n.Unknown:
		return []Step{{Text: stepSame}}
	case n.Unknown:
		return []Step{{stepNot, []string{"retry", "--post-again", path}}, {stepIsThere, []string{"retry", "--was-posted", path}}}
	case n.AsItIs:
		return []Step{{stepAsItIs, []string{"retry", "--as-it-is", path}}}
	}
	return []Step{{stepOrRun, []string{"retry", path}}}
}

// ReadNote gives what the note beside the file at path says of what to do: Advice, Same, AsItIs and Unknown. It is not ok if there
// is none of this package's there, or somebody has changed it.
func ReadNote(path string) (n Note, ok bool) {
	content, err := noteText(path + noteSuffix)
	if err != nil {
		return n, false
	}
	if _, unchanged := IsNote(content); !unchanged {
		return n, false
	}
	todo := string(content[strings.LastIndex(string(content), noteTodo)+len(noteTodo):])
	n.Unknown, n.AsItIs = strings.Contains(todo, "--post-again "), strings.Contains(todo, "--as-it-is ")
	n.Same = strings.Contains(todo, stepSame)
	isStep := func(line string) bool {
		return slices.ContainsFunc([]string{stepSame, stepAgain, stepNot, stepIsThere, noteTail[:len(noteTail)-1]}, func(step string) bool { return strings.HasPrefix(line, step) })
	}
	for line := range strings.Lines(todo) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !strings.HasPrefix(line, "    ") && !isStep(line) {
			n.Advice = strings.TrimSpace(n.Advice + " " + line)
		}
	}
	return n, true
}

// NotePath is where the note of the file at path lies.
func NotePath(path string) string { return path + noteSuffix }
