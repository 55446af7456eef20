package door

import (
	"errors"
	"fmt"

	"kaizala-drop/internal/file"
)

// Holder is the process that serves a directory already, as far as it tells.
type Holder struct {
	PID, UID int    // 0 and 0 if not known, or if it is root's process in another pid namespace
	StateDir string // fit to print; "" if the process does not answer because it is stopped, or stuck in the kernel
}

func (h Holder) Error() string {
	text := "a process has it that does not answer; it is stopped, or it has ended and hangs in the kernel"
	if h.StateDir != "" {
		text = "another kaizala-drop serves it, with state_dir " + h.StateDir
	}
	if h.PID > 0 {
		text += fmt.Sprintf(" (pid %d of user %d)", h.PID, h.UID)
	}
	return text
}

// errHeld means that another process has the hold; whoHolds tells which.
var errHeld = errors.New("held")

// nameOf is the address of the hold on a directory. The @ stands for the abstract namespace (net.UnixAddr, unix(7)).
func nameOf(id file.Identity) string {
	return fmt.Sprintf("@kaizala-drop/folder/%x:%x", id.Dev, id.Ino)
}
