// Package packaging_test builds the packages and installs them on a booted system.
package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kaizala-drop/internal/boottest"
)

// repository is where the project lies, from this package on.
const repository = ".."

func needProgram(t *testing.T, program, debian string) {
	t.Helper()
	_, err := exec.LookPath(program)
	boottest.Need(t, err == nil, "there is no "+program+": install the package "+debian)
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
