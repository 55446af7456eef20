//go:build unix && !linux

package filing

import (
	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

// renameNoReplace sends the caller to link and unlink, which every unix has.
func renameNoReplace(string, string) error { return unix.ENOSYS }

func nameLimit(string) int { return maxName }

func isMadeUp(string) bool { return false }

// held is for file systems whose inode numbers change with the name; elsewhere than on Linux none is known.
type held struct{ err error }

func isOverlay(string) bool { return false }

func hold(string) held { return held{} }

func (held) release() {}

func (held) isLinked() bool { return false }

func (held) is(_, _ file.Identity) (bool, error) { return false, nil }
