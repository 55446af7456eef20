// Package boottest runs a test in a booted system: under a real systemd, in a throw-away overlay of this machine's root.
//
// The test binary lives three lives. As a test it starts itself in new namespaces; there it becomes process 1 of the overlay, and then
// systemd; that starts it once more, as the test of what is inside. Nothing is written to the machine: the overlay's upper layer goes with
// its namespace.
package boottest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lifeVar says which life this is: none, asInit or asInside.
const (
	lifeVar  = "KAIZALA_DROP_BOOT_TEST"
	asInit   = "init"
	asInside = "inside"
)

// bootTimeout is for everything from the first mount to systemd's end: far more than it takes.
const bootTimeout = 20 * time.Minute

// Shared is where the files that are handed to Boot are inside. The test there runs in it.
const Shared = "/kaizala-drop-test"

// Target is the unit to which the system inside boots. What it wants is at work until the end.
const Target = "kaizala-drop-test.target"

const initProgram = "/lib/systemd/systemd"

// Main runs the tests, or what else this life of the binary is for. TestMain calls it, and exits with what it gives.
func Main(m *testing.M) int {
	if os.Getenv(lifeVar) != asInit {
		return m.Run()
	}
	err := becomeInit(os.Args[1], os.Args[2], os.Args[3])
	fmt.Fprintln(os.Stderr, err) // it does not return otherwise
	return 1
}

// Inside reports whether this is the life inside the booted system.
func Inside() bool { return os.Getenv(lifeVar) == asInside }

// Needs skips the test where no system can be booted, or fails it where it must run.
func Needs(t *testing.T) {
	t.Helper()
	Need(t, os.Geteuid() == 0, "only root can boot a systemd")
	_, err := os.Stat(initProgram)
	Need(t, err == nil, "there is no systemd to boot: install the package systemd")
}

// Boot boots a system that has the files of the folder share at Shared, and runs the test of the same name there. It fails if that does,
// or does not come to its end.
func Boot(t *testing.T, share string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	CopyFile(t, self, filepath.Join(share, "test"), 0o755)
	started := time.Now()
	err = boot(t, share)
	log, readErr := os.ReadFile(filepath.Join(share, "log"))
	t.Logf("inside, in %v:\n%s", time.Since(started).Round(time.Millisecond), log)
	if err = errors.Join(err, readErr); err != nil {
		t.Error(err)
	}
	if !bytes.Contains(log, []byte("\nPASS\n")) || bytes.Contains(log, []byte("no tests to run")) {
		t.Error("the test inside did not come to its end")
	}
}

// CopyFile copies a file.
func CopyFile(t *testing.T, from, to string, mode fs.FileMode) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, mode); err != nil {
		t.Fatal(err)
	}
}

// boot starts the second life and waits for its end. Whatever it left running dies with its first process.
func boot(t *testing.T, share string) error {
	t.Helper()
	cgroup := newCgroup(t)
	runtime.LockOSThread() // Pdeathsig is the thread's
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeout(t.Context(), bootTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", share, cgroup, t.Name())
	cmd.Env = append(os.Environ(), lifeVar+"="+asInit)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  unix.SIGKILL,
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the booted system: %w\n%s", err, said.Bytes())
	}
	return nil
}

// newCgroup makes a control group for systemd to rule, and sees at the end that nothing is left in it.
func newCgroup(t *testing.T) string {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	top := ""
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			top = f[1]
			break
		}
	}
	Need(t, top != "", "no cgroup2 file system is mounted")
	dir, err := os.MkdirTemp(top, "kaizala-drop-test-")
	Need(t, err == nil, fmt.Sprintf("cannot make a control group: %v", err))
	t.Cleanup(func() {
		var dirs []string
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, d := range slices.Backward(dirs) {
			if err := os.Remove(d); err != nil {
				t.Errorf("a control group is left behind: %v", err)
			}
		}
	})
	return dir
}
