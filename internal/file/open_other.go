//go:build unix && !linux

package file

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// openBeneath guards only the last component of the name, because the rest of Linux's means is missing here. The daemon
// is made for Linux; this file lets it build, and its tests run, elsewhere.
func openBeneath(folder, name string) (*os.File, Info, error) {
	path := filepath.Join(folder, name)
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, Info{}, err
	}
	f := os.NewFile(uintptr(fd), path)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		f.Close()
		return nil, Info{}, err
	}
	info := infoOf(&st)
	if !info.Mode.IsRegular() {
		f.Close()
		return nil, Info{}, fmt.Errorf("%w: %s", ErrNotRegular, info.Mode.Type())
	}
	return f, info, nil
}
