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
)

// acquire takes the lock that keeps a second daemon out of dir. The kernel releases it when the process ends, however
// it ends (flock(2)); the file itself stays, for removing it would let two daemons lock two different files. The pid in
// it is a courtesy for the message, nothing relies on it.
func acquire(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, unwritable(dir, err)
	}
	err = flock(f)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("state_dir %q is %w%s: stop that one, or give this one a state_dir of its own",
			dir, ErrLocked, holder(f))
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

// holder names the process that has the lock, as far as the file tells.
func holder(f *os.File) string {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	if err != nil {
		return ""
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}
