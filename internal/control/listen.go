package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"kaizala-drop/internal/acl"
)

// AdminGroup is the group whose members may ask. It is not the group of those who drop files.
const AdminGroup = "kaizala-drop-admin"

// dialTimeout bounds how long it is tried whether somebody answers at a socket.
const dialTimeout = 2 * time.Second

// listen makes the socket at path, for its owner and, where it is there and may be used, the admin group: without says why it is
// not. It is made in a directory of its own, where nobody can reach it before its mode is right, and takes the place of one that
// nobody answers at any more.
func listen(ctx context.Context, path string) (l *net.UnixListener, without error, err error) {
	if conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", path); err == nil {
		_ = conn.Close()
		return nil, nil, fmt.Errorf("another program answers at %q: give each daemon a socket of its own", path)
	}
	if err := mayReplace(path); err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".kz*")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // an empty folder may stay
	made := filepath.Join(dir, "s")
	l, err = net.ListenUnix("unix", &net.UnixAddr{Name: made, Net: "unix"})
	if err != nil {
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false) // it is not there any more: Run removes it from where it is
	without = admit(made)
	mode := fs.FileMode(0o660)
	if without != nil {
		mode = 0o600
	}
	if err := errors.Join(os.Chmod(made, mode), os.Rename(made, path)); err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	return l, without, nil
}

// mayReplace says why what lies at path is not to be replaced by a socket.
func mayReplace(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%q is there and no socket: name another one in [control]", path)
	}
	return nil
}

// admit lets the admin group use the socket: as its group, or where chown(2) is forbidden, as under the unit, by an ACL.
func admit(path string) error {
	group, err := user.LookupGroup(AdminGroup)
	if err != nil {
		return fmt.Errorf("there is no group %s", AdminGroup)
	}
	gid, err := strconv.Atoi(group.Gid)
	if err != nil {
		return err
	}
	err = os.Chown(path, -1, gid)
	if err == nil {
		return nil
	}
	if !acl.IsMember(gid) {
		return fmt.Errorf("the daemon's user is not in the group %s", AdminGroup)
	}
	if aclErr := acl.SharePath(path, gid, 0o660); aclErr != nil {
		return fmt.Errorf("the socket can be given to the group %s neither by its mode (%w) nor by an ACL (%w)", AdminGroup, err, aclErr)
	}
	return nil
}
