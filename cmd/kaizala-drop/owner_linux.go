package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// becomeOwner makes this process, if it is root's, one of the user and the groups that state_dir belongs to. SQLite makes files
// beside the ledger, which the daemon's user must be able to open.
func becomeOwner(stateDir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // whoever opens it says so
	} else if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return nil
	}
	err = errors.Join(syscall.Setgroups(groupsOf(owner.Uid)), unix.Setresgid(int(owner.Gid), int(owner.Gid), int(owner.Gid)),
		unix.Setresuid(int(owner.Uid), int(owner.Uid), int(owner.Uid)))
	if err != nil {
		return fmt.Errorf("cannot become the owner of %q, uid %d: %w", stateDir, owner.Uid, err)
	}
	return nil
}

// groupsOf are the supplementary groups of a user.
func groupsOf(uid uint32) (groups []int) {
	u, err := user.LookupId(strconv.Itoa(int(uid)))
	if err != nil {
		return nil
	}
	ids, _ := u.GroupIds() // without them it may do less, which shows
	for _, id := range ids {
		if gid, err := strconv.Atoi(id); err == nil {
			groups = append(groups, gid)
		}
	}
	return groups
}
