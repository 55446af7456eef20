package watcher

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// holesIn reports whether some of f was never written, although its size counts it, and whether its end was not. A
// writer has set the size, or has reserved blocks for it (fallocate), and died before it filled them; or it has left
// out zeros. Only file systems that neither compress nor pack small files tell the truth; for all others holesIn finds
// none. It moves the descriptor's offset, which ReadAt does not use.
func holesIn(f *os.File) (some, atEnd bool) {
	raw, err := f.SyscallConn()
	if err != nil {
		return false, false
	}
	err = raw.Control(func(fd uintptr) { some, atEnd = holesOf(int(fd)) })
	return err == nil && some, err == nil && atEnd
}

func holesOf(fd int) (some, atEnd bool) {
	var st unix.Stat_t
	var fsys unix.Statfs_t
	if errors.Join(unix.Fstat(fd, &st), unix.Fstatfs(fd, &fsys)) != nil || st.Size == 0 {
		return false, false
	}
	switch uint32(fsys.Type) { //nolint:unconvert // its width differs by architecture
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.TMPFS_MAGIC:
	default:
		return false, false
	}
	const block = 512 // the unit of st_blocks, whatever st_blksize says: stat(2)
	hole, err := unix.Seek(fd, 0, unix.SEEK_HOLE)
	some = st.Blocks*block < st.Size || err == nil && hole < st.Size
	_, err = unix.Seek(fd, st.Size-1, unix.SEEK_DATA) // ENXIO: there is no data from there on
	atEnd = err == unix.ENXIO
	unwritten, lastUnwritten := unwrittenOf(fd, st.Size)
	return some || unwritten || atEnd, atEnd || lastUnwritten
}

// unwrittenOf reports whether blocks of the first size bytes are reserved but were never written, and whether the last
// one is. SEEK_HOLE finds such blocks on ext4 and xfs only as long as nobody has read there, because what lies in the
// page cache counts as data: a virus scanner reads, and so does the read-ahead of a mapping (8 MB on some disks). The
// extents themselves (FIEMAP) tell the truth once what was written is on the disk. Waiting for the disk costs time, so
// only a file with such blocks is waited for.
func unwrittenOf(fd int, size int64) (some, last bool) {
	const sync = 1 // FIEMAP_FLAG_SYNC
	if some, _ = mapsUnwritten(fd, size, 0); !some {
		return false, false
	}
	return mapsUnwritten(fd, size, sync)
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

// mapsUnwritten reads the extents of the first size bytes. Of a file system that knows no extents it reports none
// unwritten.
func mapsUnwritten(fd int, size int64, flags uint32) (some, atEnd bool) {
	const request, last, unwritten = 0xC020660B, 0x1, 0x800 // FS_IOC_FIEMAP, FIEMAP_EXTENT_*
	for m := (fiemap{flags: flags}); m.start < uint64(size); {
		m.length, m.count = uint64(size)-m.start, uint32(len(m.extents))
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&m)))
		if errno != 0 || m.mapped == 0 {
			return some, atEnd
		}
		for _, e := range m.extents[:m.mapped] {
			if e.flags&unwritten != 0 && e.logical < uint64(size) {
				some, atEnd = true, atEnd || e.logical+e.length >= uint64(size)
			}
			if e.flags&last != 0 {
				return some, atEnd
			}
			m.start = e.logical + e.length
		}
	}
	return some, atEnd
}
