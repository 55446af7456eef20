package acl

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// as runs a command as a user of nothing, who is in the group.
func as(t *testing.T, gid uint32, words ...string) error {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	const nobody = 65534
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, Groups: []uint32{gid}}}
	return cmd.Run()
}

// TestShare: by the ACL the group, and nobody else, has the rights that the mode gives to a group. The mode, the set-gid bit too, stays as
// it is said, and an ACL of somebody else is left alone.
func TestShare(t *testing.T) {
	dir, err := os.MkdirTemp("", "acl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "shared")
	if err := errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o770|os.ModeSetgid)); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const group, other = 23456, 23457
	switch err := Share(f, group, 0o750); {
	case errors.Is(err, syscall.EOPNOTSUPP):
		t.Skip("the file system of the temporary folder has no ACLs")
	case err != nil:
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != os.ModeDir|os.ModeSetgid|0o750 {
		t.Errorf("the mode became %v, %v", info.Mode(), err)
	}
	if err := Share(f, other, 0o770); !errors.Is(err, ErrAlready) {
		t.Errorf("once more: %v", err)
	}
	if os.Geteuid() != 0 {
		return
	}
	for gid, may := range map[uint32]bool{group: true, other: false, uint32(os.Getegid()): false} {
		if err := as(t, gid, "ls", path); (err == nil) != may {
			t.Errorf("listed by group %d: %v", gid, err)
		}
	}
	if err := as(t, group, "touch", path+"/x"); err == nil {
		t.Error("the group has more rights than the mode says")
	}
	if err := errors.Join(SharePath(path, other, 0o770), as(t, other, "touch", path+"/x")); err != nil {
		t.Error(err)
	}
	if !IsMember(os.Getegid()) || IsMember(other) {
		t.Error("which groups this process has is not known")
	}
}
