package filing

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// CanFile looks for a reason why Move would fail with m, and returns nil if it sees none. It changes nothing and costs a few
// system calls, so it can be called before each post. Probe finds out more.
//
// The error says what happened and what to do. errors.Is finds in it unix.EROFS, unix.EACCES, unix.EPERM, unix.ENOTDIR,
// unix.ENOSPC (a copy to another device would not fit), fs.ErrNotExist (the parent of m.Dir is missing), ErrGone,
// ErrFolderGone, or the error of a system call that failed. It is safe for concurrent use.
func (f *Filer) CanFile(m Move) error {
	err := m.check()
	if err == nil {
		err = m.canFile()
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s cannot be filed in %s: %w%s", quote(m.source()), quote(m.Dir), err, advice(err))
}

// CanFileFrom is CanFile for any file that may come into folder: it looks for what is wrong with folder or with dir, whose
// paths are absolute. It is safe for concurrent use.
func (f *Filer) CanFileFrom(folder, dir string) error {
	m := Move{Folder: folder, Name: "file", Dir: dir}
	from, err := lookAt(folder, true)
	if absent(err) {
		err = ErrFolderGone
	}
	if err == nil {
		err = canLeave(from, entry{uid: os.Geteuid()})
	}
	if err == nil {
		err = m.canArrive()
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("files of %s cannot be filed in %s: %w%s", quote(folder), quote(dir), err, advice(err))
}

// canArrive reports why nothing can be brought into the target or, if that is missing, into the folder in which it would be
// made.
func (m Move) canArrive() error {
	to, err := m.nearest()
	if err != nil {
		return err
	}
	return canEnter(to)
}

func (m Move) canFile() error {
	from, err := lookAt(filepath.Dir(m.source()), true)
	if err == nil {
		var it entry
		if it, err = lookAt(m.source(), false); err == nil {
			err = canLeave(from, it)
		}
	}
	if err != nil {
		if absent(err) {
			return m.reasonOr(err)
		}
		return err
	}
	to, err := m.nearest()
	if err != nil {
		return err
	}
	if err := canEnter(to); err != nil {
		return err
	}
	if to.mount != from.mount {
		return hasRoom(to.path, m.Want.Size)
	}
	return nil
}

// entry is what lies at a path.
type entry struct {
	path       string
	mode       fs.FileMode // type, permissions and the sticky bit
	uid        int
	immutable  bool   // neither its content nor its attributes can be changed (ioctl_iflags(2))
	appendOnly bool   // it cannot be moved, and nothing can be taken out of it (ioctl_iflags(2))
	mount      uint64 // the mount that it is on, or the device where the kernel does not know mounts
}

// canLeave reports why the entry it cannot be taken out of the folder from.
func canLeave(from, it entry) error {
	switch {
	case from.immutable || from.appendOnly:
		return errAttribute(from)
	case it.immutable || it.appendOnly:
		return errAttribute(it)
	}
	if err := writable(from.path); err != nil {
		return err
	}
	if from.mode&fs.ModeSticky != 0 && !ownedByUs(from.uid) && !ownedByUs(it.uid) && !mayMoveForeign() {
		return fmt.Errorf("the folder %s has the sticky bit (chmod -t takes it away), and folder and file belong to other users: %w",
			quote(from.path), error(unix.EPERM))
	}
	return nil
}

// canEnter reports why nothing can be brought into a folder.
func canEnter(to entry) error {
	if to.immutable {
		return errAttribute(to)
	}
	return writable(to.path)
}

func errAttribute(it entry) error {
	which := "a"
	if it.immutable {
		which = "i"
	}
	return fmt.Errorf("%s has the attribute +%s, which forbids it (chattr -%s takes it away): %w",
		quote(it.path), which, which, error(unix.EPERM))
}

func ownedByUs(uid int) bool { return uid == os.Geteuid() }

// writable asks the kernel whether the mount of a folder and this account's rights allow writing in it.
func writable(dir string) error {
	if err := readOnly(dir); err != nil {
		return err
	}
	return failedTo("write in "+quote(dir), mayWrite(dir))
}

// nearest is the target or, if that is missing, the folder in which Move would make it. Symbolic links are followed where
// Move follows them.
func (m Move) nearest() (entry, error) {
	dir := filepath.Clean(m.Dir)
	for path := m.target(); ; path = filepath.Dir(path) {
		within := len(path) > len(dir)
		it, err := lookAt(path, !within)
		switch {
		case absent(err) && !within && isLink(path):
			return it, errNowhere(path, err)
		case err == nil && within && it.mode.Type() == fs.ModeSymlink:
			return it, errLink(path)
		case err == nil && !it.mode.IsDir():
			return it, inTheWay(path)
		case oneOf(err, unix.ENOTDIR), within && oneOf(err, unix.ENAMETOOLONG, unix.EINVAL, unix.EILSEQ): // further up
		case err == nil || !absent(err):
			return it, err
		case !within && !m.mayMake(path):
			return it, failedTo("look for the folder "+quote(path)+", which must be there", err)
		}
	}
}

// mayMake reports whether Move makes the folder path when it is missing; path is m.Dir or a folder above it.
func (m Move) mayMake(path string) bool {
	below, err := filepath.Rel(m.Folder, path)
	inside := err == nil && filepath.IsLocal(below) && below != "."
	return inside || path == filepath.Clean(m.Dir)
}

func errLink(path string) error {
	return fmt.Errorf("%s is a symbolic link, and none is followed here (%w): make it a folder", quote(path), error(unix.ELOOP))
}

func errNowhere(path string, err error) error {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return fmt.Errorf("%s is a symbolic link that leads nowhere (%w): mend it, or remove it", quote(path), err)
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().Type() == fs.ModeSymlink
}

func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
