package journal

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// sealed makes a file in memory that nobody can change any more: the journal takes no other from who is not root (memfd_create(2)).
func sealed(content io.Reader) (*os.File, error) {
	fd, err := unix.MemfdCreate("kaizala-drop", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "memfd:kaizala-drop")
	_, err = io.Copy(file, content)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE|unix.F_SEAL_SEAL)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
