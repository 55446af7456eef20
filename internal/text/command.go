package text

import "strings"

// Command is a command line of this program to be pasted into a shell, as whoever reads it needs it: with the configuration, unless
// that is the default one (""), behind the name of the command. words are that name, flags and arguments.
func Command(config string, words ...string) string {
	line := []string{"kaizala-drop"}
	for i, word := range words {
		line = append(line, Quoted(word))
		if i == 0 && config != "" {
			line = append(line, "--config", Quoted(config))
		}
	}
	return strings.Join(line, " ")
}
