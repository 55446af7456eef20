package door

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/text"
)

// hold keeps every other daemon on this machine out of one directory. It is a socket in the abstract namespace
// (unix(7)) whose name is made of the device and the inode of the directory. So it follows symbolic links and bind
// mounts, it pins no mount (a stick can be taken out), and it ends with the process, however that ends. A process with
// a thread that is stuck in the kernel keeps the hold until the kernel lets go of the thread.
//
// A hold is not seen from another host, from another network namespace (a container), or through a FUSE mount of the
// directory, which has a device of its own. The names are free to everyone: a local user can take one first, and is
// named then.
type hold struct {
	id     file.Identity // of the directory
	socket *net.UnixListener
}

// take takes the hold on the directory id without waiting. Everyone who asks is told stateDir. The error is errHeld if
// another process has the hold.
func take(id file.Identity, stateDir string) (*hold, error) {
	socket, err := net.ListenUnix("unix", &net.UnixAddr{Name: nameOf(id), Net: "unix"})
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, errHeld
	}
	if err != nil {
		return nil, fmt.Errorf("cannot make sure that no other daemon serves it: %w", err)
	}
	h := &hold{id, socket}
	go h.answer(stateDir)
	return h, nil
}

// answer tells stateDir to everyone who asks, until letGo.
func (h *hold) answer(stateDir string) {
	for {
		conn, err := h.socket.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // such as no descriptors left
			time.Sleep(asking)
		default:
			_ = conn.SetDeadline(time.Now().Add(asking))
			fmt.Fprintln(conn, text.Printable(stateDir))
			_ = conn.Close()
		}
	}
}

func (h *hold) letGo() { _ = h.socket.Close() }

// asking is how long the process at the other end has to answer.
const asking = time.Second

// whoHolds asks which process has the hold on the directory id. ok is false if none has.
func whoHolds(id file.Identity) (who Holder, ok bool) {
	conn, err := net.DialTimeout("unix", nameOf(id), asking)
	if err != nil {
		return Holder{}, !errors.Is(err, unix.ECONNREFUSED)
	}
	defer conn.Close()
	who.PID, who.UID = peer(conn.(*net.UnixConn))
	_ = conn.SetDeadline(time.Now().Add(asking))
	line, _ := bufio.NewReader(io.LimitReader(conn, 4*unix.PathMax)).ReadString('\n')
	who.StateDir = strings.ReplaceAll(text.Printable(strings.TrimSpace(line)), `\\`, `\`) // the other process has made it printable already
	return who, true
}

// peer is the process that listens at the other end of c (SO_PEERCRED, unix(7)).
func peer(c *net.UnixConn) (pid, uid int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, 0
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid, uid = int(cred.Pid), int(cred.Uid)
		}
	})
	return pid, uid
}
