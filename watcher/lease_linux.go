package watcher

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openForWriting asks the kernel whether any process of this host has f open for writing, or mapped for it: a read lease
// is granted only if none has (fcntl(2), F_SETLEASE). It is given back at once, as while it is held a writer that opens
// without blocking would be turned away. f must be open for reading only.
//
// errCannotTell says that the kernel does not answer: the file is another user's and CAP_LEASE is missing, or its
// file system knows no leases.
func openForWriting(f *os.File) (bool, error) {
	raw, err := f.SyscallConn() // not Fd, which would make the descriptor blocking
	if err != nil {
		return false, err
	}
	var lease error
	err = raw.Control(func(fd uintptr) {
		if _, lease = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_RDLCK); lease == nil {
			_, lease = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
		}
	})
	switch {
	case err != nil:
		return false, err
	case errors.Is(lease, unix.EAGAIN):
		return true, nil
	case lease != nil:
		return false, fmt.Errorf("%w: %w", errCannotTell, lease)
	}
	return false, nil
}

// isSparse reports whether f has fewer blocks than its size needs: a writer has set the size and not filled the file.
// Only file systems that neither compress nor pack small files tell truly; the others are believed.
func isSparse(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	var st unix.Stat_t
	var fsys unix.Statfs_t
	failed := errors.New("not asked")
	err = raw.Control(func(fd uintptr) {
		failed = errors.Join(unix.Fstat(int(fd), &st), unix.Fstatfs(int(fd), &fsys))
	})
	if err != nil || failed != nil {
		return false
	}
	switch uint32(fsys.Type) { //nolint:unconvert // its width differs by architecture
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		const block = 512 // st_blocks counts these, whatever st_blksize says: stat(2)
		return st.Blocks*block < st.Size
	}
	return false
}
