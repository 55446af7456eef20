package watcher

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

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

// isSparse reports whether something of f was never written, although its size says so: a writer has set the size, or
// has reserved blocks for it (fallocate), and died before it filled them. Only file systems that neither compress nor
// pack small files tell truly; the others are believed. It moves the descriptor's offset, which ReadAt does not use.
func isSparse(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	sparse := false
	err = raw.Control(func(fd uintptr) { sparse = hasHoles(int(fd)) })
	return err == nil && sparse
}

func hasHoles(fd int) bool {
	var st unix.Stat_t
	var fsys unix.Statfs_t
	if errors.Join(unix.Fstat(fd, &st), unix.Fstatfs(fd, &fsys)) != nil {
		return false
	}
	switch uint32(fsys.Type) { //nolint:unconvert // its width differs by architecture
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.TMPFS_MAGIC:
	default:
		return false
	}
	const block = 512 // st_blocks counts these, whatever st_blksize says: stat(2)
	hole, err := unix.Seek(fd, 0, unix.SEEK_HOLE)
	return st.Blocks*block < st.Size || err == nil && hole < st.Size || hasUnwritten(fd, st.Size)
}

// hasUnwritten reports whether blocks of the first size bytes are reserved and were never written. SEEK_HOLE finds such
// blocks on ext4 and xfs only as long as nobody has read there, a virus scanner or a mapping's read-ahead (8 MB on some
// disks): what lies in the page cache counts as data. The extents themselves know better (FIEMAP), once what was written
// is on the disk. To wait for that costs time, so only a file that has such blocks before is waited for.
func hasUnwritten(fd int, size int64) bool {
	const sync = 1 // FIEMAP_FLAG_SYNC
	return mapsUnwritten(fd, size, 0) && mapsUnwritten(fd, size, sync)
}

// fiemap is the request and the answer of FS_IOC_FIEMAP: linux/fiemap.h.
type fiemap struct {
	start, length                  uint64
	flags, mapped, count, reserved uint32
	extents                        [64]struct {
		logical, physical, length uint64
		_                         [2]uint64
		flags                     uint32
		_                         [3]uint32
	}
}

// mapsUnwritten goes over the extents of the first size bytes. A file system that knows no extents is believed.
func mapsUnwritten(fd int, size int64, flags uint32) bool {
	const request, last, unwritten = 0xC020660B, 0x1, 0x800 // FS_IOC_FIEMAP, FIEMAP_EXTENT_*
	for m := (fiemap{flags: flags}); m.start < uint64(size); {
		m.length, m.count = uint64(size)-m.start, uint32(len(m.extents))
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&m)))
		if errno != 0 || m.mapped == 0 {
			return false
		}
		for _, e := range m.extents[:m.mapped] {
			if e.flags&unwritten != 0 {
				return true
			}
			if e.flags&last != 0 {
				return false
			}
			m.start = e.logical + e.length
		}
	}
	return false
}
