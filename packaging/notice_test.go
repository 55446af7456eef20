package packaging_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kaizala-drop/internal/boottest"
)

// TestNoticeNamesWhatIsLinkedIn holds NOTICE against the modules that the program is made of, both ways, and against their licences.
func TestNoticeNamesWhatIsLinkedIn(t *testing.T) {
	notice := readFile(t, filepath.Join(repository, "NOTICE"))
	var linked []string
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		out := runIn(t, repository, []string{"GOOS=linux", "GOARCH=" + arch, "CGO_ENABLED=0"},
			"go", "list", "-tags", "goolm", "-deps", "-f", `{{with .Module}}{{if .Version}}{{.Path}} {{.Version}}{{end}}{{end}}`, "./cmd/kaizala-drop", "./internal/matrix/e2ee")
		linked = append(linked, strings.Split(strings.TrimSpace(out), "\n")...)
	}
	slices.Sort(linked)
	linked = slices.Compact(linked)
	for _, module := range linked {
		if !strings.Contains(notice, "\n"+module+"\n") {
			t.Errorf("NOTICE does not name %s: go run ./packaging/notice > NOTICE", module)
		}
	}
	if len(linked) < 15 {
		t.Errorf("only %d modules are linked in: %q", len(linked), linked)
	}
	for _, terms := range []string{"Copyright 2009 The Go Authors", "Apache License", "CoreOS, Inc", "MIT License", "The Sqlite Authors", "Mozilla Public License Version 2.0"} {
		if !strings.Contains(notice, terms) {
			t.Errorf("NOTICE lacks %q", terms)
		}
	}
}

// TestNoticeIsMade: NOTICE is what its generator prints.
func TestNoticeIsMade(t *testing.T) {
	boottest.TakesLong(t)
	// Standard error is left out: there go tells what it downloads.
	cmd := exec.CommandContext(t.Context(), "go", "run", "./packaging/notice")
	cmd.Dir = repository
	made, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if string(made) != readFile(t, filepath.Join(repository, "NOTICE")) {
		t.Errorf("NOTICE is not what its generator prints: go run ./packaging/notice > NOTICE")
	}
}
