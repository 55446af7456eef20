package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownerOf are the user and the group of a file; -1, -1: not known.
func ownerOf(info fs.FileInfo) (uid, gid int) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), int(st.Gid)
	}
	return -1, -1
}

// asUser makes a command the daemon's user's.
func asUser(h host) *syscall.SysProcAttr {
	if !h.root || h.uid == 0 {
		return nil
	}
	id := &syscall.Credential{Uid: uint32(h.uid), Gid: uint32(h.gid)}
	for _, gid := range h.groups {
		id.Groups = append(id.Groups, uint32(gid))
	}
	return &syscall.SysProcAttr{Credential: id}
}

// mayUse asks the kernel, access control lists and all, whether the daemon's user may list a folder and move files out of it. Those above
// it are another matter.
func mayUse(ctx context.Context, h host, path string) bool {
	dir, err := os.Open(path)
	if err != nil {
		return false
	}
	defer dir.Close()
	const opened = "/proc/self/fd/3"
	return testAs(ctx, h, dir, "-r", opened, "-a", "-w", opened, "-a", "-x", opened)
}

// blockedAbove is the first folder above a path that the daemon's user may not enter; "": none.
func blockedAbove(ctx context.Context, h host, path string) (blocked string) {
	for above := filepath.Dir(path); ; above = filepath.Dir(above) {
		if _, err := os.Stat(above); err == nil && !testAs(ctx, h, nil, "-x", above) {
			blocked = above
		}
		if above == filepath.Dir(above) {
			return blocked
		}
	}
}

// testAs is test(1) as the daemon's user.
func testAs(ctx context.Context, h host, opened *os.File, args ...string) bool {
	cmd := exec.CommandContext(ctx, "test", args...)
	cmd.Dir, cmd.SysProcAttr = "/", asUser(h)
	if opened != nil {
		cmd.ExtraFiles = []*os.File{opened}
	}
	return cmd.Run() == nil
}

// copyAttributes gives a file the extended attributes of another one, access control lists among them (acl(5), xattr(7)). Those that the
// kernel keeps for itself are not to be had.
func copyAttributes(from string, to *os.File) error {
	names := make([]byte, 64<<10)
	n, err := unix.Listxattr(from, names)
	if errors.Is(err, unix.ENOTSUP) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read its extended attributes: %w", err)
	}
	value := make([]byte, 64<<10)
	for name := range strings.SplitSeq(strings.TrimRight(string(names[:n]), "\x00"), "\x00") {
		if name != "system.posix_acl_access" && name != "security.selinux" && !strings.HasPrefix(name, "user.") {
			continue
		}
		n, err := unix.Getxattr(from, name, value)
		if err == nil {
			err = unix.Fsetxattr(int(to.Fd()), name, value[:n], 0)
		}
		if err != nil {
			return fmt.Errorf("cannot keep its extended attribute %s: %w", name, err)
		}
	}
	return nil
}
