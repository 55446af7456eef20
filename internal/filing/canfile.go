package filing

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// CanFile tells, by looking only, what stands against m: nil if nothing is to be seen. It is meant to be asked before
// each post, and costs a few system calls: Probe finds out more.
//
// The error says what happened and what to do; errors.Is finds unix.EROFS, unix.EACCES, unix.EPERM, unix.ENOTDIR, unix.ENOSPC
// (a copy to another device would not fit), fs.ErrNotExist (dir's parent is missing), ErrGone, ErrFolderGone, or what the
// system said of a look that failed. It is safe for concurrent use.
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

// CanFileFrom is CanFile for whatever may come to lie in folder itself: what it finds is wrong with folder or with dir, not
// with one file.
func (f *Filer) CanFileFrom(folder, dir string) error {
	m := Move{Folder: folder, Name: "file", Dir: dir}
	from, err := lookAt(folder, true)
	if absent(err) {
		err = ErrFolderGone
	}
	if err == nil {
		err = canLeave(from, looked{uid: os.Geteuid()})
	}
	if err == nil {
		err = m.canArrive()
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("files of %s cannot be filed in %s: %w%s", quote(folder), quote(dir), err, advice(err))
}

// canArrive tells whether something can be brought into the target, or the folder in which it would be made.
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
		var it looked
		if it, err = lookAt(m.source(), false); err == nil {
			err = canLeave(from, it)
		}
	}
	if err != nil {
		if absent(err) {
			return m.because(err)
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

// looked is what lies at a path.
type looked struct {
	path   string
	mode   fs.FileMode // type, permissions and the sticky bit
	uid    int
	fixed  bool   // immutable: nothing in it, or about it, can be changed
	append bool   // append-only: nothing can be taken out of it, nor can it be moved
	mount  uint64 // which of the mounts it is on; the device where the kernel does not tell
}

// canLeave tells whether it can be taken out of its folder.
func canLeave(from, it looked) error {
	switch {
	case from.fixed || from.append:
		return attribute(from)
	case it.fixed || it.append:
		return attribute(it)
	}
	if err := writable(from.path); err != nil {
		return err
	}
	if from.mode&fs.ModeSticky != 0 && !ownedByUs(from.uid) && !ownedByUs(it.uid) && !mayMoveForeign() {
		return fmt.Errorf("the folder %s has the sticky bit (chmod -t takes it away), and it and the file are of other users: %w",
			quote(from.path), error(unix.EPERM))
	}
	return nil
}

// canEnter tells whether something can be brought into a folder.
func canEnter(to looked) error {
	if to.fixed {
		return attribute(to)
	}
	return writable(to.path)
}

func attribute(it looked) error {
	which := "a"
	if it.fixed {
		which = "i"
	}
	return fmt.Errorf("%s has the attribute +%s, which forbids it (chattr -%s takes it away): %w",
		quote(it.path), which, which, error(unix.EPERM))
}

func ownedByUs(uid int) bool { return uid == os.Geteuid() }

// writable asks the kernel about a folder: its mount, and this account's rights.
func writable(dir string) error {
	if err := readOnly(dir); err != nil {
		return err
	}
	return step("write in "+quote(dir), mayWrite(dir))
}

// nearest is the target or, of what is not there yet, the folder that it would be made in. Links are followed as Move does.
func (m Move) nearest() (looked, error) {
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
			return it, step("look for the folder "+quote(path)+", which must be there", err)
		}
	}
}

// mayMake reports whether Move makes this folder, which is dir or one above it, when it is missing.
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
