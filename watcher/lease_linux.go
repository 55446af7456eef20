package watcher

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openForWriting asks the kernel whether any process of this host has f open for writing, or mapped for it. A read
// lease is granted only if none has (fcntl(2), F_SETLEASE). The lease is given back at once, because a writer that
// opens without blocking would be turned away while it is held. f must be open for reading only.
//
// The error is errCannotTell if the kernel does not answer: the file is another user's and CAP_LEASE is missing, or its
// file system knows no leases.
func openForWriting(f *os.File) (bool, error) { return lease(f, unix.F_RDLCK) }

// openAtAll asks the kernel whether any other descriptor of f is open, even for reading only: a write lease is granted
// only if there is none.
func openAtAll(f *os.File) (bool, error) { return lease(f, unix.F_WRLCK) }

func lease(f *os.File, kind int) (refused bool, err error) {
	raw, err := f.SyscallConn() // not Fd, which would make the descriptor blocking
	if err != nil {
		return false, err
	}
	var lease error
	err = raw.Control(func(fd uintptr) {
		if _, lease = unix.FcntlInt(fd, unix.F_SETLEASE, kind); lease == nil {
			_, lease = unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK)
		}
	})
	switch {
	case err != nil:
		return false, err
	case errors.Is(lease, unix.EAGAIN):
		return true, nil
	case lease != nil:
		return false, fmt.Errorf("%w: %w", errCannotTell, lease)
	}
	return false, nil
}
