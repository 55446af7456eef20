package packaging_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kaizala-drop/internal/boottest"
)

// pages writes manual pages and completions, as the build does, and returns where.
func pages(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	runIn(t, repository, nil, "go", "run", "-tags", "packaging", "./cmd/kaizala-drop", dir, "config.example.toml", "1.2.3", "1795887203")
	return dir
}

func programHere(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kaizala-drop")
	runIn(t, repository, []string{"CGO_ENABLED=0"}, "go", "build", "-o", path, "./cmd/kaizala-drop")
	return path
}

// TestPages: what is written beside the program says the same as the program.
func TestPages(t *testing.T) {
	boottest.TakesLong(t)
	dir, program := pages(t), programHere(t)
	t.Run("manual", func(t *testing.T) { testManual(t, dir, program) })
	t.Run("completions", func(t *testing.T) { testCompletions(t, dir, program) })
}

// testManual: the program has a page, and each of its commands; each flag that a command's help shows has its paragraph there; mandoc
// finds nothing to say of any, and man shows it.
func testManual(t *testing.T, dir, program string) {
	needProgram(t, "mandoc", "mandoc")
	needProgram(t, "man", "man-db")
	commands := regexp.MustCompile(`(?m)^  ([a-z]+) {2,}`)
	above, below, _ := strings.Cut(run(t, program, "--help"), "Available Commands:\n")
	names := []string{""}
	for _, found := range commands.FindAllStringSubmatch(strings.Split(below, "Flags:")[0], -1) {
		names = append(names, found[1])
	}
	if len(names) < 12 || above == "" {
		t.Fatalf("the help names the commands %q", names)
	}
	flags := 0
	for _, name := range names {
		args, page := []string{"--help"}, "kaizala-drop.1"
		if name != "" {
			args, page = []string{name, "--help"}, "kaizala-drop-"+name+".1"
		}
		text, err := os.ReadFile(filepath.Join(dir, "man", page))
		if err != nil {
			t.Errorf("a command has no page: %v", err)
			continue
		}
		for _, flag := range regexp.MustCompile(`(?m)^ +(?:-[a-z], )?(--[a-z-]+)`).FindAllStringSubmatch(run(t, program, args...), -1) {
			flags++
			tag := regexp.MustCompile(`(?m)^\.TP\n.*\\fB` + regexp.QuoteMeta(strings.ReplaceAll(flag[1], "-", `\-`)) + `\\fR.*\n[^.\n]`)
			if !tag.Match(text) {
				t.Errorf("%s has no paragraph for %s", page, flag[1])
			}
		}
		if name != "" && !bytes.Contains(text, []byte(`\fBkaizala\-drop `+name+`\fR`)) {
			t.Errorf("%s does not show how the command is used", page)
		}
	}
	if flags < 30 {
		t.Errorf("only %d flags were looked at", flags)
	}
	all, err := filepath.Glob(filepath.Join(dir, "man", "*"))
	if err != nil || len(all) != len(names)+1 {
		t.Errorf("%d pages for %d commands and the settings (%v)", len(all), len(names), err)
	}
	for _, page := range all {
		if said, err := exec.Command("mandoc", "-Tlint", page).CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("mandoc: %v\n%s", err, said)
		}
		man := exec.CommandContext(t.Context(), "man", "--warnings", "-l", page)
		man.Env = append(os.Environ(), "MANWIDTH=100", "LC_ALL=C.UTF-8")
		var shown, complaints bytes.Buffer
		man.Stdout, man.Stderr = &shown, &complaints
		if err := man.Run(); err != nil || complaints.Len() > 0 || !strings.Contains(shown.String(), "kaizala-drop 1.2.3") {
			t.Errorf("man -l %s: %v\n%s%s", page, err, complaints.Bytes(), shown.Bytes())
		}
	}
}

// TestProgramHasNoGenerator: what writes the manual is not in the program that is installed, nor can it be asked for.
func TestProgramHasNoGenerator(t *testing.T) {
	deps := runIn(t, repository, nil, "go", "list", "-deps", "./cmd/kaizala-drop")
	if strings.Contains(deps, "packaging") || !strings.Contains(deps, "kaizala-drop/uploader") {
		t.Errorf("it is made of %s", deps)
	}
}

// testCompletions: the scripts for the shells are those that the program prints, and each shell reads its own.
func testCompletions(t *testing.T, dir, program string) {
	for shell, name := range map[string]string{"bash": "kaizala-drop", "zsh": "_kaizala-drop", "fish": "kaizala-drop.fish"} {
		path := filepath.Join(dir, "completions", name)
		text, err := os.ReadFile(path)
		if printed := run(t, program, "completion", shell); err != nil || string(text) != printed || printed == "" {
			t.Errorf("%s: not what the program prints (%v)", shell, err)
		}
		if _, err := exec.LookPath(shell); err == nil {
			run(t, shell, "-n", path)
		}
	}
}
