//go:build unix && !linux

package filing

import "golang.org/x/sys/unix"

// renameNoReplace sends the caller to link and unlink, which every unix has.
func renameNoReplace(string, string) error { return unix.ENOSYS }
