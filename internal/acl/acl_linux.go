package acl

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// ErrAlready says that a file has an ACL of more than its mode, which was left as it is.
var ErrAlready = errors.New("it has an ACL already")

const attribute = "system.posix_acl_access"

// Entries of an ACL as the kernel takes them (linux/posix_acl_xattr.h).
const (
	version  = 2
	ofOwner  = 0x01
	ofOwning = 0x04 // the group that the file belongs to
	ofGroup  = 0x08
	mask     = 0x10
	ofOthers = 0x20
	nobody   = 0xffffffff // the id in an entry that needs none
)

// Share gives an open file an ACL by which the permissions of mode are those of its owner, of the group and of others. The group that it
// belongs to gets none. Its set-gid and sticky bits stay.
func Share(f *os.File, gid int, mode fs.FileMode) error {
	n, err := retry(func() (int, error) { return unix.Fgetxattr(int(f.Fd()), attribute, nil) })
	if err == nil && n > 0 {
		return ErrAlready
	}
	_, err = retry(func() (int, error) { return 0, unix.Fsetxattr(int(f.Fd()), attribute, entries(gid, mode), 0) })
	return err
}

// SharePath is Share for what lies at path and cannot be opened, such as a socket. It follows no link there.
func SharePath(path string, gid int, mode fs.FileMode) error {
	_, err := retry(func() (int, error) { return 0, unix.Lsetxattr(path, attribute, entries(gid, mode), 0) })
	return err
}

func entries(gid int, mode fs.FileMode) []byte {
	perm := uint16(mode.Perm()) //nolint:gosec // nine bits
	b := binary.LittleEndian.AppendUint32(nil, version)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{
		{ofOwner, perm >> 6 & 7, nobody}, {ofOwning, 0, nobody}, {ofGroup, perm >> 3 & 7, uint32(gid)}, //nolint:gosec // a gid has 32 bits
		{mask, perm >> 3 & 7, nobody}, {ofOthers, perm & 7, nobody},
	} {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

func retry(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
