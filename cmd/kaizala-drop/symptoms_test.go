package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSymptomsAreSaid: what docs/running.md quotes as a symptom is a text of the program.
func TestSymptomsAreSaid(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/running.md")
	must(t, err)
	_, table, found := strings.Cut(string(page), "| symptom |")
	if !found {
		t.Fatal("there is no table of symptoms")
	}
	code := sources(t)
	quotes := 0
	for line := range strings.Lines(table) {
		symptom, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		for _, quote := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(symptom, -1) {
			if quotes++; !strings.Contains(code, quote[1]) {
				t.Errorf("nothing says %q", quote[1])
			}
		}
	}
	if quotes < 10 {
		t.Errorf("%d quotes are too few to tell", quotes)
	}
}

// sources is all of the code but the tests.
func sources(t *testing.T) string {
	var all strings.Builder
	must(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	}))
	return all.String()
}
