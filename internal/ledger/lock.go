package ledger

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/text"
)

// acquire takes the lock that keeps a second daemon out of dir. The kernel releases it when the process ends in whatever way
// (flock(2)). The file stays, because after its removal two daemons could lock two different files. Its text serves the error
// message only: the pid and, on a second line, what the process hangs on.
//
// gofrs/flock is not used: it would replace the few lines of flock, and most of this file is about who holds the lock.
func acquire(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, unwritable(dir, err)
	}
	err = flockPatiently(f)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("state_dir %q is %w%s", dir, ErrLocked, readHolder(f))
	} else if err != nil {
		err = fmt.Errorf("cannot lock %q: %w: put state_dir on a local file system", path, err)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0) // the lock holds even if a full disk cannot hold the pid
	}
	return f, nil
}

// unlock gives the lock back. It clears the pid first, so that nobody is told to stop a process that is gone.
func unlock(f *os.File) error {
	_ = f.Truncate(0)
	return f.Close()
}

// Leaving says that this process is about to end while hanging still hangs in the kernel; hanging is plain text for a person.
// Such a call may keep the process alive for any time, even after SIGKILL, and may still do what it was asked to. So Close
// will keep the lock, which ends with the process, and a second daemon is told on what this one hangs.
func (l *Ledger) Leaving(hanging string) {
	l.leaving.Store(true)
	if conn, err := l.lock.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { // neither Close nor the garbage collector closes this second descriptor
			_, _ = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		})
	}
	text := fmt.Sprintf("%d\n%s\n", os.Getpid(), text.Printable(hanging))
	_, _ = l.lock.WriteAt([]byte(text[:min(len(text), maxHolder)]), 0)
}

// InUse reports whether somebody works with the ledger in dir at this moment, as far as can be seen.
func InUse(dir string) bool {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(flock(f, unix.LOCK_SH), unix.EWOULDBLOCK)
}

// A process that was killed holds its lock until the kernel has taken it apart: its memory, and what it was writing. That may last, and
// for a moment nothing shows that it has begun.
const (
	patienceAlive = 250 * time.Millisecond // with a holder that seems to live
	patienceDead  = 5 * time.Second        // with one that is dead, dying, or not there any more
	lookAgain     = 10 * time.Millisecond
)

// flockPatiently is flock, again and again while the holder is about to let go.
func flockPatiently(f *os.File) error {
	for began := time.Now(); ; time.Sleep(lookAgain) {
		err := flock(f, unix.LOCK_EX)
		waited := time.Since(began)
		if !errors.Is(err, unix.EWOULDBLOCK) || waited > patienceDead || waited > patienceAlive && !readHolder(f).dying {
			return err
		}
	}
}

func flock(f *os.File, how int) error {
	conn, err := f.SyscallConn() // Fd would switch the file to blocking mode
	if err != nil {
		return err
	}
	var locked error
	err = conn.Control(func(fd uintptr) {
		for {
			if locked = unix.Flock(int(fd), how|unix.LOCK_NB); locked != unix.EINTR {
				return
			}
		}
	})
	return errors.Join(err, locked)
}

// maxHolder is how many bytes of the lock file are written or read at most.
const maxHolder = 4096

// holder is the process that has the lock, as far as the lock file and /proc tell.
type holder struct {
	pid     int    // 0: unknown
	hanging string // what it hangs on, if it has called Leaving
	dead    bool   // it has ended, but the kernel keeps it and its lock
	dying   bool   // it is dead, will be at once, or is not to be seen
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
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // /proc may hide other users' processes, or be missing
	h.dead = isDead(string(status), h.hanging != "")
	h.dying = h.dead || err != nil || isKilled(string(status))
	return h
}

// isKilled reads in the text of /proc/PID/status whether SIGKILL is pending, or whether the process has lost its memory already.
func isKilled(status string) bool {
	memory := false
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "VmSize":
			memory = true
		case "SigPnd", "ShdPnd":
			if hasKill(strings.TrimSpace(value)) {
				return true
			}
		}
	}
	return !memory
}

// hasKill reports whether SIGKILL is in a set of signals.
func hasKill(set string) bool {
	bits, err := strconv.ParseUint(set, 16, 64)
	return err == nil && bits&(1<<(unix.SIGKILL-1)) != 0
}

// isDead reads the text of /proc/PID/status (proc_pid_status(5)). A process that was killed, while one of its threads cannot
// be, is a zombie; or its first thread is that one, with SIGKILL pending or having said that it leaves.
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
			if hasKill(value) {
				return true
			}
		}
	}
	return false
}

// String continues the message that the ledger is in use, and ends with what to do.
func (h holder) String() string {
	switch {
	case h.pid == 0:
		return stopIt
	case h.dead && h.hanging != "":
		return fmt.Sprintf(" (pid %d), which has ended, but the kernel does not let go of it: it hangs on %s. Nothing else can "+
			"start here until that file system answers: look at it", h.pid, h.hanging)
	case h.dead:
		return fmt.Sprintf(" (pid %d), which has ended, but the kernel does not let go of it. Nothing else can start here until "+
			"the file system on which it hangs answers: look at those of its folders", h.pid)
	case h.hanging != "":
		return fmt.Sprintf(" (pid %d), which is ending, and hangs on %s", h.pid, h.hanging)
	}
	return fmt.Sprintf(" (pid %d)%s", h.pid, stopIt)
}

const stopIt = ": stop that one. A second one beside it needs a state_dir and folders of its own"
