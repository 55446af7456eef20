package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// openBeneath pins the file with O_PATH, which opens nothing, checks what it pinned, and only then reopens that file
// through /proc (open(2), NOTES; openat2(2), RESOLVE_BENEATH). Where there is no /proc, it reopens the file by its
// name.
func openBeneath(folder, name string) (*os.File, Info, error) {
	pin, err := pinBeneath(folder, name)
	if err != nil {
		return nil, Info{}, err
	}
	defer unix.Close(pin)
	info, err := fstat(pin)
	if err != nil {
		return nil, Info{}, err
	}
	if !info.Mode.IsRegular() {
		return nil, Info{}, fmt.Errorf("%w: %s", ErrNotRegular, info.Mode.Type())
	}
	fd, err := openRetry(func() (int, error) {
		return unix.Open(fmt.Sprintf("/proc/self/fd/%d", pin), reading, 0)
	})
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		fd, err = openAgain(folder, name, info)
	}
	if err != nil {
		return nil, Info{}, err
	}
	return os.NewFile(uintptr(fd), filepath.Join(folder, name)), info, nil
}

const reading = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC | unix.O_NOCTTY

// openAgain opens the pinned file by its name, for want of a /proc, as in a chroot. Something else may lie there by
// now, so the opening does not block and what it opened is checked again.
func openAgain(folder, name string, pinned Info) (int, error) {
	fd, err := openNamed(folder, name, reading)
	if err != nil {
		return -1, err
	}
	info, err := fstat(fd)
	if err == nil && (!info.Mode.IsRegular() || !info.SameFile(pinned.Identity)) {
		err = unix.ESTALE
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// pinBeneath holds the file with O_PATH, which does not open it.
func pinBeneath(folder, name string) (int, error) {
	return openNamed(folder, name, unix.O_PATH|unix.O_CLOEXEC)
}

// openNamed opens a name without following any symbolic link below folder.
func openNamed(folder, name string, flags int) (int, error) {
	root, err := openRetry(func() (int, error) {
		return unix.Open(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return -1, err
	}
	defer unix.Close(root)
	flags |= unix.O_NOFOLLOW
	how := unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	fd, err := openRetry(func() (int, error) { return unix.Openat2(root, name, &how) })
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		// A kernel before 5.6 does not know the call, and a seccomp filter that looks at modes, as the unit's, cannot allow it.
		fd, err = openEach(root, name, flags)
	}
	return fd, err
}

// openEach opens a name below root folder by folder, and follows no symbolic link on the way. Each folder is held while the next one is
// opened in it, and none is left upwards, so what is renamed meanwhile leads nowhere else.
func openEach(root int, name string, flags int) (int, error) {
	at := root
	defer func() {
		if at != root {
			_ = unix.Close(at)
		}
	}()
	parts := strings.Split(filepath.Clean(name), "/")
	last := len(parts) - 1
	for _, part := range parts[:last] {
		next, err := openIn(at, part, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC)
		if err != nil {
			return -1, err
		}
		if at != root {
			_ = unix.Close(at)
		}
		at = next
	}
	return openIn(at, parts[last], flags)
}

// openIn opens one name in a folder. What openat2(2) calls a link (ELOOP) is no folder for openat(2), ENOTDIR.
func openIn(folder int, name string, flags int) (int, error) {
	fd, err := openRetry(func() (int, error) { return unix.Openat(folder, name, flags, 0) })
	if errors.Is(err, unix.ENOTDIR) {
		var st unix.Stat_t
		if unix.Fstatat(folder, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
			err = unix.ELOOP
		}
	}
	return fd, err
}

func fstat(fd int) (Info, error) {
	var st unix.Stat_t
	if err := retryEINTR(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return Info{}, err
	}
	return infoOf(&st), nil
}

// openRetry repeats an open that a signal interrupted (EINTR), or that raced with a rename under RESOLVE_BENEATH
// (EAGAIN).
func openRetry(open func() (int, error)) (int, error) {
	for tries := 0; ; tries++ {
		fd, err := open()
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) && tries < 100 {
			continue
		}
		return fd, err
	}
}
