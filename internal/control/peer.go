package control

import (
	"os/user"
	"strconv"
)

// Peer is the process at the other end of a connection, as the kernel knows it.
type Peer struct {
	UID, PID int
}

// String names the user, for the ledger and the log: "root (uid 0)".
func (p Peer) String() string {
	id := strconv.Itoa(p.UID)
	if u, err := user.LookupId(id); err == nil {
		return u.Username + " (uid " + id + ")"
	}
	return "uid " + id
}
