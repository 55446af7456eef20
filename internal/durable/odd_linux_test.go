package durable

import (
	"errors"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/mounts"
)

// TestFileSystemThatFails shows that a rename succeeds where folders cannot be synced, and fails where a sync fails.
func TestFileSystemThatFails(t *testing.T) {
	odd := mounts.Odd(t)
	from, to := filepath.Join(odd.Path, "new"), filepath.Join(odd.Path, "old")
	for errno, fails := range map[unix.Errno]bool{unix.EINVAL: false, unix.EOPNOTSUPP: false, unix.EIO: true, unix.ENOSPC: true} {
		write(t, from, "content")
		odd.Fail("fsyncdir", 0, 1, errno)
		err := Rename(from, to)
		if hit := odd.Clear(); hit != 1 {
			t.Errorf("%v: %d syncs failed", errno, hit)
		}
		if fails && !errors.Is(err, errno) || !fails && err != nil {
			t.Errorf("%v became %v", errno, err)
		}
	}
}
