// Package packaging_test builds the packages and installs them on a booted system.
package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// repository is where the project lies, from this package on.
const repository = ".."

// need skips the test where the machine cannot run it, and fails it where it must.
func need(t *testing.T, ok bool, reason string) {
	t.Helper()
	switch {
	case ok:
	case os.Getenv("KAIZALA_DROP_CI") != "":
		t.Fatal(reason)
	default:
		t.Skip(reason)
	}
}

func needProgram(t *testing.T, program, debian string) {
	t.Helper()
	_, err := exec.LookPath(program)
	need(t, err == nil, "there is no "+program+": install the package "+debian)
}

// run gives what a program says; one that fails fails the test.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	return runIn(t, "", nil, name, args...)
}

func runIn(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	out, err := runsIn(t, dir, "env", append(append(env, name), args...)...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// runsIn gives what a program says, and whether it succeeded.
func runsIn(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// takesLong leaves to CI what takes minutes. The race detector has nothing to see there: other programs are run.
func takesLong(t *testing.T) {
	t.Helper()
	if os.Getenv("KAIZALA_DROP_CI") == "" {
		t.Skip("building and installing packages takes minutes: KAIZALA_DROP_CI=1 runs it")
	}
	if raceEnabled {
		t.Skip("it runs without the race detector")
	}
}

// patience is for what takes a fraction of a second.
const patience = 2 * time.Minute

// await looks again and again until ok.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	look, end := time.NewTicker(20*time.Millisecond), time.After(patience)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-end:
			t.Fatalf("%s did not come within %v", what, patience)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), mode))
	must(t, os.Chmod(path, mode))
}

// only gives the one file that matches.
func only(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s is %q (%v)", pattern, found, err)
	}
	return found[0]
}

// tidy gives what a program said, on one line.
func tidy(text string) string { return strings.Join(strings.Fields(text), " ") }
