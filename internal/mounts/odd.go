//go:build linux

package mounts

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Short143 mounts a file system with the rules of eCryptfs, and so of an encrypted Synology share: names of at most 143
// bytes, and EINVAL for RENAME_NOREPLACE.
func Short143(t testing.TB) *Mount {
	t.Helper()
	return Odd(t, "-max=143", "-noreplace=false")
}

// Odd mounts a new folder through oddfs. The options say how the file system differs from ext4 (internal/mounts/oddfs).
func Odd(t testing.TB, options ...string) *Mount {
	t.Helper()
	return OddAt(t, t.TempDir(), options...)
}

// OddAt shows the folder src through oddfs.
func OddAt(t testing.TB, src string, options ...string) *Mount {
	t.Helper()
	program := filepath.Join(t.TempDir(), "oddfs")
	if out, err := exec.Command("go", "build", "-o", program, "kaizala-drop/internal/mounts/oddfs").CombinedOutput(); err != nil {
		Needs(t, "the go command, to build oddfs", fmt.Errorf("%w: %s", err, out))
	}
	return serve(t, "golang", program, append(options, src)...)
}

// Fail makes count calls of an operation of FUSE ("rename", "unlink", ...; "any" is every operation) fail with errno,
// after skip calls that work. It is for mounts of Odd, and replaces an earlier Fail.
func (m *Mount) Fail(operation string, skip, count int, errno unix.Errno) {
	m.t.Helper()
	m.command(fmt.Sprintf("fail %s %d %d %s", operation, skip, count, unix.ErrnoName(errno)))
}

// Clear ends Fail, and gives how many calls it made fail.
func (m *Mount) Clear() int {
	m.t.Helper()
	return m.command("clear")
}

func (m *Mount) command(line string) (n int) {
	m.t.Helper()
	if _, err := fmt.Fprintln(m.stdin, line); err != nil {
		m.t.Fatal(err)
	}
	if !m.answers.Scan() {
		m.t.Fatalf("%q: no answer: %v", line, m.answers.Err())
	}
	if _, err := fmt.Sscanf(m.answers.Text(), "ok %d", &n); err != nil {
		m.t.Fatalf("%q: %s", line, m.answers.Text())
	}
	return n
}
