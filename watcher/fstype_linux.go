package watcher

import "golang.org/x/sys/unix"

// RemoteFS names the file system of path if other hosts, or a process behind it, can change files there without this
// kernel seeing it: inotify is blind to that, and so is the lease. "" for a local one. The numbers are those of
// statfs(2) and linux/magic.h.
func RemoteFS(path string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return ""
	}
	switch uint32(st.Type) { //nolint:unconvert // its width differs by architecture
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
	}
	return ""
}
