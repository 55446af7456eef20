package watcher

import "testing"

// TestRemoteName shows that the file systems of other hosts are known by their numbers, and local ones are not among
// them. The numbers are written out, so that no constant is compared with itself.
func TestRemoteName(t *testing.T) {
	for _, c := range []struct {
		number uint32
		name   string
	}{
		{0x6969, "nfs"},
		{0xff534d42, "smb"}, // CIFS
		{0xfe534d42, "smb"}, // SMB2
		{0x517b, "smb"},     // smbfs, before Linux 2.6.37
		{0x65735546, "fuse"},
		{0x01021997, "9p"},
		{0x00c36400, "ceph"},
		{0x5346414f, "afs"}, // OpenAFS and the kernel's
		{0x6b414653, "afs"}, // the kernel's, dynamic root
		{0x0bd00bd0, "lustre"},
		{0x01161970, "gfs2"},
		{0x7461636f, "ocfs2"},
		{0x47504653, "gpfs"},
		{0x19830326, "beegfs"},
		{0x786f4256, "vboxsf"},

		{0xef53, ""},     // ext2, ext3, ext4
		{0x58465342, ""}, // xfs
		{0x9123683e, ""}, // btrfs
		{0x2fc12fc1, ""}, // zfs
		{0xf2f52010, ""}, // f2fs
		{0x01021994, ""}, // tmpfs
		{0x794c7630, ""}, // overlayfs
		{0x4d44, ""},     // FAT
		{0x2011bab0, ""}, // exFAT
		{0x5346544e, ""}, // NTFS, the kernel's
		{0, ""},
	} {
		if name := remoteName(c.number); name != c.name {
			t.Errorf("%#x: %q, want %q", c.number, name, c.name)
		}
	}
}
