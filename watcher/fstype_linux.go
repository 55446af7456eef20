package watcher

import "golang.org/x/sys/unix"

// RemoteFS names the file system of path if other hosts, or a process behind it, can change files there without this
// kernel's knowledge. inotify does not see such changes, and a lease does not see such writers. "" is a local file
// system.
func RemoteFS(path string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return ""
	}
	return remoteName(uint32(st.Type)) //nolint:unconvert // its width differs by architecture
}

// remoteName names a file system by its number. The numbers are from statfs(2), from linux/magic.h or, for file systems
// with modules of their own (gpfs, beegfs, lustre), from their sources.
func remoteName(number uint32) string {
	switch number {
	case 0x6969:
		return "nfs"
	case 0xff534d42, 0xfe534d42, 0x517b:
		return "smb"
	case 0x65735546:
		return "fuse"
	case 0x01021997:
		return "9p"
	case 0x00c36400:
		return "ceph"
	case 0x5346414f, 0x6b414653:
		return "afs"
	case 0x0bd00bd0:
		return "lustre"
	case 0x01161970:
		return "gfs2"
	case 0x7461636f:
		return "ocfs2"
	case 0x47504653:
		return "gpfs"
	case 0x19830326:
		return "beegfs"
	case 0x786f4256:
		return "vboxsf"
	}
	return ""
}

// countsLinks reports whether a link count of two means that a file at path has two names.
func countsLinks(path string) bool {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return true
	}
	switch uint32(st.Type) { //nolint:unconvert // its width differs by architecture
	case 0x7366746e, 0x5346544e, unix.MSDOS_SUPER_MAGIC, unix.EXFAT_SUPER_MAGIC: // ntfs3, ntfs: they count the short name
		return false
	}
	return true
}
