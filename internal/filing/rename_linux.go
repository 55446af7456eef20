package filing

import (
	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

// renameNoReplace is renameat2(2). FUSE and NFS answer EINVAL, kernels before 3.15 ENOSYS.
func renameNoReplace(from, to string) error {
	for {
		err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
		if err != unix.EINTR {
			return err
		}
	}
}

// statfs is statfs(2).
func statfs(dir string) (st unix.Statfs_t, err error) {
	err = retry(func() error { return unix.Statfs(dir, &st) })
	return st, err
}

// nameLimit asks how many bytes a name in dir may have.
func nameLimit(dir string) int {
	st, err := statfs(dir)
	if err != nil || st.Namelen < shortest {
		return maxName
	}
	return int(st.Namelen)
}

// isMadeUp reports whether inode numbers and link counts in dir are what a FUSE program or a server makes of them: two names
// of one file may have two numbers, and a file a new one with each name. That leaves no way to tell whether link(2) and
// unlink(2) did what they should. What cannot be asked may be one of them.
func isMadeUp(dir string) bool {
	st, err := statfs(dir)
	if err != nil {
		return true
	}
	switch uint32(st.Type) { //nolint:unconvert // int32 on some
	case unix.FUSE_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.V9FS_MAGIC:
		return true
	}
	return false
}

func isOverlay(dir string) bool {
	st, err := statfs(dir)
	return err == nil && st.Type == unix.OVERLAYFS_SUPER_MAGIC
}

// held is a file that stays the same whatever name it gets. It need not be readable.
type held struct {
	fd  int
	err error // why it could not be held
}

func hold(path string) held {
	for {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return held{fd, err}
		}
	}
}

func (h held) release() {
	if h.err == nil {
		_ = unix.Close(h.fd)
	}
}

// isLinked reports whether the file has a name still, wherever that is.
func (h held) isLinked() bool {
	var st unix.Stat_t
	return h.err == nil && retry(func() error { return unix.Fstat(h.fd, &st) }) == nil && st.Nlink > 0
}

// is reports whether it was the file that before describes, and is the one that now does, although its inode number changed.
func (h held) is(before, now file.Identity) (bool, error) {
	if h.err != nil || now.Size != before.Size || now.Mtime != before.Mtime {
		return false, nil
	}
	var st unix.Stat_t
	err := retry(func() error { return unix.Fstat(h.fd, &st) })
	return err == nil && st.Dev == now.Dev && st.Ino == now.Ino, err
}
