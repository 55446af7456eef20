// Package systemd_test turns the unit, as it is installed, into a running service under a real systemd, and looks at
// what it does.
package systemd_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"kaizala-drop/internal/boottest"
)

func TestMain(m *testing.M) { os.Exit(boottest.Main(m)) }

func TestUnit(t *testing.T) {
	if boottest.Inside() {
		testInside(t)
		return
	}
	boottest.Needs(t)
	share := t.TempDir()
	for from, to := range map[string]string{
		build(t): "kaizala-drop", build(t, "-tags", "hanghook"): hangingProgram,
		"kaizala-drop.service": "kaizala-drop.service", "kaizala-drop.sysusers.conf": "kaizala-drop.sysusers.conf",
		"folders.conf.example": "folders.conf.example",
	} {
		copyFile(t, from, filepath.Join(share, to), 0o755)
	}
	boottest.Boot(t, share)
}

// build builds the daemon with these flags, and gives its path.
func build(t *testing.T, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kaizala-drop")
	command := exec.CommandContext(t.Context(), "go", append(append([]string{"build", "-o", path}, flags...), "../cmd/kaizala-drop")...)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the daemon: %v\n%s", err, out)
	}
	return path
}

func copyFile(t *testing.T, from, to string, mode fs.FileMode) {
	t.Helper()
	boottest.CopyFile(t, from, to, mode)
}
