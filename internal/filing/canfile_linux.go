package filing

import (
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

func lookAt(path string, follow bool) (entry, error) {
	flags := unix.AT_NO_AUTOMOUNT
	if !follow {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	var st unix.Statx_t
	const wanted = unix.STATX_TYPE | unix.STATX_MODE | unix.STATX_UID | unix.STATX_MNT_ID
	if err := retry(func() error { return unix.Statx(unix.AT_FDCWD, path, flags, wanted, &st) }); err != nil {
		return entry{}, failedTo("look at "+quote(path), err)
	}
	it := entry{
		path: path, uid: int(st.Uid), mode: typeOf(st.Mode), mount: st.Mnt_id,
		immutable:  st.Attributes&unix.STATX_ATTR_IMMUTABLE != 0,
		appendOnly: st.Attributes&unix.STATX_ATTR_APPEND != 0,
	}
	if st.Mask&unix.STATX_MNT_ID == 0 { // before Linux 5.8
		it.mount = unix.Mkdev(st.Dev_major, st.Dev_minor)
	}
	return it, nil
}

func typeOf(mode uint16) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		m |= fs.ModeDir
	case unix.S_IFLNK:
		m |= fs.ModeSymlink
	case unix.S_IFREG:
	default:
		m |= fs.ModeIrregular
	}
	if mode&unix.S_ISVTX != 0 {
		m |= fs.ModeSticky
	}
	return m
}

// mayWrite asks the kernel whether this thread's rights allow making and removing names in dir.
func mayWrite(dir string) error {
	return retry(func() error { return unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS) })
}

// readOnly fails if the mount of dir is read-only. access(2) does not say so everywhere: a FUSE program may answer that root
// may write.
func readOnly(dir string) error {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Statfs(dir, &st) }); err != nil {
		return failedTo("look at the file system of "+quote(dir), err)
	}
	if st.Flags&unix.ST_RDONLY != 0 {
		return failedTo("write in "+quote(dir), unix.EROFS)
	}
	return nil
}

// mayMoveForeign reports whether this thread has CAP_FOWNER, for which the sticky bit does not count (capabilities(7)).
func mayMoveForeign() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_FOWNER) != 0
}

// hasRoom fails if the file system of dir reports its free space, and size bytes do not fit into it.
func hasRoom(dir string, size int64) error {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Statfs(dir, &st) }); err != nil || st.Blocks == 0 || st.Frsize <= 0 {
		return nil //nolint:nilerr // the move itself will fail if there is no room
	}
	free := st.Bavail
	if os.Geteuid() == 0 {
		free = st.Bfree // including the blocks that are reserved for root
	}
	if size > 0 && uint64(size-1)/uint64(st.Frsize) >= free {
		return fmt.Errorf("%d bytes do not fit on the disk of %s: %w", size, quote(dir), error(unix.ENOSPC))
	}
	return nil
}
