package filing

import (
	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

// renameNoReplace is renameat2(2) with RENAME_NOREPLACE. On FUSE and NFS it fails with EINVAL, before Linux 3.15 with ENOSYS.
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

// nameLimit is how many bytes a name in dir may have, as statfs(2) says it, or else maxName.
func nameLimit(dir string) int {
	st, err := statfs(dir)
	if err != nil || st.Namelen < shortestLimit {
		return maxName
	}
	return int(st.Namelen)
}

// inventsInodes reports whether inode numbers and link counts in dir are what a FUSE program or a server makes of them: two names
// of one file may have two numbers, and a file a new one with each name. That leaves no way to tell whether link(2) and
// unlink(2) did what they should. What cannot be asked may be one of them.
func inventsInodes(dir string) bool {
	st, err := statfs(dir)
	if err != nil {
		return true
	}
	switch uint32(st.Type) { //nolint:unconvert // int32 on some architectures
	case unix.FUSE_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.V9FS_MAGIC:
		return true
	}
	return false
}

// isOverlay reports whether dir is on an overlayfs.
func isOverlay(dir string) bool {
	st, err := statfs(dir)
	return err == nil && st.Type == unix.OVERLAYFS_SUPER_MAGIC
}

// handle is an open descriptor of a file, which stays with the file whatever name that gets. The file need not be readable.
type handle struct {
	fd  int
	err error // why the file could not be opened
}

func openHandle(path string) handle {
	for {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return handle{fd, err}
		}
	}
}

func (h handle) close() {
	if h.err == nil {
		_ = unix.Close(h.fd)
	}
}

// isLinked reports whether the file still has a name, in whatever folder.
func (h handle) isLinked() bool {
	var st unix.Stat_t
	return h.err == nil && retry(func() error { return unix.Fstat(h.fd, &st) }) == nil && st.Nlink > 0
}

// is reports whether the open file is the one that now describes and was the one that before describes. Their inode numbers may
// differ.
func (h handle) is(before, now file.Identity) (bool, error) {
	if h.err != nil || now.Size != before.Size || now.Mtime != before.Mtime {
		return false, nil
	}
	var st unix.Stat_t
	err := retry(func() error { return unix.Fstat(h.fd, &st) })
	return err == nil && st.Dev == now.Dev && st.Ino == now.Ino, err
}
