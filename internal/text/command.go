package text

import "strings"

// Options are what a command line that is advised needs behind the name of its command, so that it finds the configuration that is
// meant: none for the default one, "".
func Options(config string) string {
	if config == "" {
		return ""
	}
	return " --config " + Quoted(config)
}

// Command is a command line of this program to be pasted into a shell: its name, the options, and flags and arguments.
func Command(options, name string, args ...string) string {
	var b strings.Builder
	b.WriteString("kaizala-drop " + name + options)
	for _, arg := range args {
		b.WriteString(" " + Quoted(arg))
	}
	return b.String()
}
