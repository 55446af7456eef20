package ledger

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/text"
)

// acquire takes the lock that keeps a second daemon out of dir. The kernel releases it when the process ends, however
// it ends (flock(2)); the file itself stays, for removing it would let two daemons lock two different files. What is in it
// is a courtesy for the message, nothing relies on it: the pid, and on a second line what the process hangs on.
func acquire(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, unwritable(dir, err)
	}
	err = flock(f)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("state_dir %q is %w%s", dir, ErrLocked, readHolder(f))
	} else if err != nil {
		err = fmt.Errorf("cannot lock %q: %w: put state_dir on a local file system", path, err)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0) // a full disk is no reason to go without the lock
	}
	return f, nil
}

// release gives the lock back. The pid goes first, so that nobody is told to stop a process that is gone.
func release(f *os.File) error {
	_ = f.Truncate(0)
	return f.Close()
}

// Leaving says that this process is about to end while hanging, which is plain text, still hangs in the kernel. What hangs
// may keep the process for as long as it likes, also after SIGKILL, and may yet do what it was asked to. So Close will keep
// the lock, which ends with the process, and whoever comes meanwhile is told on what it hangs.
func (l *Ledger) Leaving(hanging string) {
	l.leaving.Store(true)
	if conn, err := l.lock.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { // one more descriptor, that nothing closes: not Close, not the garbage collector
			_, _ = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		})
	}
	text := fmt.Sprintf("%d\n%s\n", os.Getpid(), text.Printable(hanging))
	_, _ = l.lock.WriteAt([]byte(text[:min(len(text), maxHolder)]), 0)
}

func flock(f *os.File) error {
	conn, err := f.SyscallConn() // not Fd, which would switch the file to blocking mode
	if err != nil {
		return err
	}
	var locked error
	err = conn.Control(func(fd uintptr) {
		for {
			if locked = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB); locked != unix.EINTR {
				return
			}
		}
	})
	return errors.Join(err, locked)
}

// maxHolder is the most of the lock file that is written or read, in bytes.
const maxHolder = 4096

// holder is who has the lock, as far as the file tells.
type holder struct {
	pid     int    // 0: it does not
	hanging string // on what it hangs, if it said so when it ended
	dead    bool   // it has ended, and the kernel has not let go of it
}

func readHolder(f *os.File) (h holder) {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, maxHolder))
	if err != nil {
		return h
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 0 {
		return h
	}
	h.pid, h.hanging = pid, strings.TrimSpace(rest)
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // of others it may be hidden, or not be there at all
	h.dead = isDead(string(status), h.hanging != "")
	return h
}

// isDead reads /proc/PID/status (proc_pid_status(5)): a process that was killed while one of its threads cannot be is a
// zombie, or its first thread is the one, with SIGKILL pending or having said that it leaves.
func isDead(status string, leaving bool) bool {
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch name {
		case "State":
			if strings.HasPrefix(value, "Z") || leaving && strings.HasPrefix(value, "D") {
				return true
			}
			if !strings.HasPrefix(value, "D") {
				return false
			}
		case "SigPnd", "ShdPnd":
			if set, err := strconv.ParseUint(value, 16, 64); err == nil && set&(1<<(unix.SIGKILL-1)) != 0 {
				return true
			}
		}
	}
	return false
}

// String goes on where the message says that the ledger is in use, and ends with what to do.
func (h holder) String() string {
	switch {
	case h.pid == 0:
		return stopIt
	case h.dead && h.hanging != "":
		return fmt.Sprintf(" (pid %d), which has ended, but the kernel does not let go of it: it hangs on %s. Nothing else can "+
			"start here until that file system answers: look at it", h.pid, h.hanging)
	case h.dead:
		return fmt.Sprintf(" (pid %d), which has ended, but the kernel does not let go of it. Nothing else can start here until "+
			"the file system answers on which it hangs: look at those of its folders", h.pid)
	case h.hanging != "":
		return fmt.Sprintf(" (pid %d), which is ending, and hangs on %s", h.pid, h.hanging)
	}
	return fmt.Sprintf(" (pid %d)%s", h.pid, stopIt)
}

const stopIt = ": stop that one. A second one beside it needs a state_dir and folders of its own"
