package main

import (
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"kaizala-drop/internal/sandbox"
)

// TestScripts runs the command line as its user would: each file of testdata/script is one session, with a sandbox at
// $SANDBOX that knows the groups reception@2 and plant@2 and writes the PINs that it sends to pins, a line each, and the example of a
// configuration at $EXAMPLE.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	testscript.Run(t, testscript.Params{
		Files:               scripts,
		RequireExplicitExec: true,
		Setup:               func(env *testscript.Env) error { return withSandbox(t, env) },
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "until": until},
	})
}

func withSandbox(t *testing.T, env *testscript.Env) error {
	s, err := sandbox.New(sandbox.Options{
		Dir:    t.TempDir(),
		Groups: []sandbox.Group{{ID: "reception@2", Name: "Reception"}, {ID: "plant@2", Name: "Plant"}},
		OnPIN:  func(_, pin string) { appendLine(t, filepath.Join(env.WorkDir, "pins"), pin) },
	})
	if err != nil {
		return err
	}
	example, err := filepath.Abs("../../config.example.toml")
	if err != nil {
		return err
	}
	env.Setenv("EXAMPLE", example)
	server := httptest.NewServer(s)
	env.Defer(func() { s.Close(); server.Close() })
	env.Setenv("SANDBOX", server.URL)
	return nil
}

func appendLine(t *testing.T, path, line string) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := f.WriteString(line + "\n"); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// exits runs a command and compares its exit code: exits CODE COMMAND ARG...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%v: exit code %d, want %d", args[1:], got, want)
	}
}

// until runs a command again and again until its output matches a pattern: until PATTERN COMMAND ARG...
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND ARG...")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	deadline := time.After(time.Minute)
	for again := time.Tick(50 * time.Millisecond); ; {
		cmd := exec.Command(args[1], args[2:]...)
		cmd.Dir, cmd.Env = ts.MkAbs("."), []string{"PATH=" + ts.Getenv("PATH"), "HOME=" + ts.Getenv("HOME")}
		out, err := cmd.CombinedOutput()
		if err == nil && pattern.Match(out) {
			ts.Check(ts.Exec(args[1], args[2:]...)) // once more, for the lines that look at its output
			return
		}
		select {
		case <-again:
		case <-deadline:
			ts.Fatalf("%v: no match for %q in a minute: %s", args[1:], args[0], out)
		}
	}
}
