package main

import (
	"strings"
	"testing"
)

// TestEveryCommandHasExamples holds for those to come.
func TestEveryCommandHasExamples(t *testing.T) {
	commands := newRoot().Commands()
	if len(commands) == 0 {
		t.Fatal("no commands")
	}
	for _, c := range commands {
		if c.Long == "" || !strings.HasPrefix(c.Example, "  kaizala-drop "+c.Name()) {
			t.Errorf("%s has no help or no example of its own", c.Name())
		}
	}
}
