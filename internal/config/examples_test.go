package config

import (
	"regexp"
	"strings"
	"testing"
)

// TestExamplesThatStand: what of the example and of the README must be replaced is named with its line, also where it stands in other
// forms of TOML, and nothing else is.
func TestExamplesThatStand(t *testing.T) {
	file := example(t)
	for _, match := range regexp.MustCompile(`(?m)^#   ((?:\[destination\.chat\]|type|homeserver|user) ?.*)$`).FindAllStringSubmatch(file, -1)[:4] {
		file += match[1] + "\n"
	}
	file += "[[folder]]\npath = \"/x\"\nroom = \"#reception:example.org\"\n"
	want := []string{"your-application-id", "00000000-0000-0000-0000-000000000000@2", "example.org", "#reception:example.org"}
	got := ExamplesIn(file)
	if len(got) != 4 { // user is empty in the example
		t.Fatalf("got %v", got)
	}
	lines := strings.Split(file, "\n")
	for i, problem := range examples(file) {
		if got[i].Value != want[i] || !strings.Contains(lines[problem.Line-1], want[i]) || !strings.Contains(problem.Text, want[i]) {
			t.Errorf("%d: %+v, %+v", i, got[i], problem)
		}
	}
	for text, want := range map[string]int{
		`destination = {a = {homeserver = "https://matrix.example.org/"}}`:                                  1,
		`folder = [{path="/example.org", room="#a:example.org"}, {room="#a:myexample.org"}]`:                1,
		`destination.a.user = "@a:example.com"`:                                                             1,
		`kaizala.application_id = "..."`:                                                                    1,
		"[kaizala]\napplication_id = 'mine'\n[[folder]]\ngroup_id='0f8b4a1e-0000@2'\n":                      0,
		"[defaults]\ncaption = \"example.org\"\nignore = [\"your-application-id\"]\nroom=\"x:example.org\"": 0,
		"no TOML": 0,
	} {
		if got := ExamplesIn(text); len(got) != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
