// Package acl gives a group what chown(2) would give it, where that call is not allowed, as under the systemd unit.
package acl

import (
	"os"
	"slices"
)

// IsMember reports whether this process may give files to the group.
func IsMember(gid int) bool {
	groups, err := os.Getgroups()
	return os.Getegid() == gid || err == nil && slices.Contains(groups, gid)
}
