package config

import (
	"strings"
	"testing"
)

// TestSocketIsAPath: what no socket can be is a problem with its line, and "" is none at all.
func TestSocketIsAPath(t *testing.T) {
	dir := tree(t)
	folder := "\n[[folder]]\npath = \"$DIR/a\"\ngroup_id = \"g\"\n"
	for text, want := range map[string]string{
		`socket = "/run/x.sock"`:       "/run/x.sock",
		`socket = "/run//y/../x.sock"`: "/run/x.sock",
		`socket = ""`:                  "",
		``:                             defaultSocket,
		`socket = "/` + strings.Repeat("s", 95) + `"`: "/" + strings.Repeat("s", 95),
	} {
		if got := mustLoad(t, dir, token+folder+"[control]\n"+text, env("TOKEN", "t")).Control.Socket; got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
	for text, want := range map[string]string{
		`socket = "control.sock"`: "absolute",
		`socket = 5`:              "path in quotes",
		`socket = "/` + strings.Repeat("s", 96) + `"`: "at most 96",
		`socket = "/a\u0000b"`:                        "NUL",
		`sockt = "/run/x"`:                            "did you mean socket?",
	} {
		problems := problemsOf(t, dir, token+folder+"[control]\n"+text, env("TOKEN", "t"))
		if len(problems) != 1 || problems[0].Line == 0 || !strings.Contains(problems[0].Text, want) {
			t.Errorf("%s: %v, want %q", text, problems, want)
		}
	}
}
