//go:build unix && !linux

package filing

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

// renameNoReplace always fails, so that its caller uses link(2) and unlink(2), which every unix has.
func renameNoReplace(string, string) error { return unix.ENOSYS }

func makeDir(path string, mode fs.FileMode) error { return os.Mkdir(path, mode&^fs.ModeSetgid) }

func nameLimit(string) int { return maxName }

func inventsInodes(string) bool { return false }

// handle is empty: it serves file systems whose inode numbers change with the name, and none is known outside of Linux.
type handle struct{ err error }

func isOverlay(string) bool { return false }

func openHandle(string) handle { return handle{} }

func (handle) close() {}

func (handle) isLinked() bool { return false }

func (handle) is(_, _ file.Identity) (bool, error) { return false, nil }
