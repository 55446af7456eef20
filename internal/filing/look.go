package filing

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/text"
)

// isFile reports whether id is the wanted file and, as far as inode, size and mtime show, nothing was written to it. It ignores
// the ctime, which a rename or a link changes. Move.Want says why these are compared.
func isFile(id, want file.Identity) bool {
	return id.Ino == want.Ino && id.Size == want.Size && id.Mtime == want.Mtime
}

// check finds mistakes in m for which no file system has to be asked.
func (m Move) check() error {
	switch {
	case !filepath.IsAbs(m.Folder):
		return fmt.Errorf("the watched folder %s is not an absolute path", quote(m.Folder))
	case !filepath.IsAbs(m.Dir):
		return fmt.Errorf("the target %s is not an absolute path", quote(m.Dir))
	case !filepath.IsLocal(m.Name) || filepath.Clean(m.Name) == ".":
		return fmt.Errorf("the name %s is not one below the watched folder", quote(m.Name))
	case !filepath.IsLocal(m.wanted()) || filepath.Clean(m.wanted()) == ".":
		return fmt.Errorf("the name %s is not one below the target", quote(m.As))
	}
	return nil
}

// verify returns nil if the wanted file lies in its place, else one of the package's errors or the system's.
func (m Move) verify() error {
	info, err := file.Lstat(m.source())
	if err == nil && isFile(info.Identity, m.Want) {
		if m.isRewritten(info.Identity) {
			return ErrReplaced
		}
		return nil
	}
	if err != nil && !absent(err) {
		return failedTo("look at it", err)
	}
	mounted, folderErr := m.mounted()
	switch {
	case folderErr != nil:
		return failedTo("look at its folder", folderErr)
	case !mounted && m.isTouched(): // the share has another device number now
		return ErrReplaced
	case !mounted:
		return ErrFolderGone
	case err != nil:
		return ErrGone
	default:
		return ErrReplaced
	}
}

// isRewritten reports whether the file in its place, which isFile calls the wanted one, holds other bytes. It reads them only
// if the ctime has changed.
func (m Move) isRewritten(id file.Identity) bool {
	if id.Ctime == m.Want.Ctime || len(m.SHA256) == 0 {
		return false
	}
	same, err := m.isSum(m.Folder, m.Name)
	return err == nil && !same // a file that a chmod made unreadable counts as the same
}

// isSum reports whether the file name in folder has the wanted sum.
func (m Move) isSum(folder, name string) (bool, error) {
	sum, err := sumOf(folder, name)
	return err == nil && bytes.Equal(sum, m.SHA256), err
}

// sumOf is the SHA-256 of the file name in folder.
func sumOf(folder, name string) ([]byte, error) {
	f, _, err := file.Open(folder, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return sum.Sum(nil), err
}

// isInPlace reports whether the wanted file lies in its place with the wanted bytes.
func (m Move) isInPlace() bool {
	info, err := file.Lstat(m.source())
	return err == nil && isFile(info.Identity, m.Want) && !m.isRewritten(info.Identity)
}

// mounted reports whether the folder exists and is on the device on which the file was. It asks the deepest subfolder that is
// left on the way to the file, because a share may be mounted even there. On overlayfs a file may have another device than its
// folder, that of its layer.
func (m Move) mounted() (bool, error) {
	for dir := filepath.Dir(m.source()); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		switch {
		case err == nil && info.IsDir():
			return uint64(sys(info).Dev) == m.Want.Dev || isOverlay(dir), nil //nolint:unconvert // int32 on Darwin
		case err != nil && !absent(err):
			return false, err
		case len(dir) <= len(filepath.Clean(m.Folder)):
			return false, nil
		}
	}
}

// reasonOr returns what verify finds wrong with the file, which then is the reason of err, or else err.
func (m Move) reasonOr(err error) error {
	if reason := m.verify(); reason != nil {
		return reason
	}
	return err
}

// explain adds to err which file could not be moved, that the file is safe, and what would help if that is known.
func (m Move) explain(err error) error {
	for _, sentinel := range []error{ErrGone, ErrFolderGone, ErrReplaced} {
		if errors.Is(err, sentinel) {
			return fmt.Errorf("cannot move %s to %s: %w", quote(m.source()), quote(m.Dir), err)
		}
	}
	return fmt.Errorf("cannot move %s to %s: %w; the file is still where it was%s",
		quote(m.source()), quote(m.Dir), err, advice(err))
}

// failedTo says what failed. It drops the path that err holds, because explain shows that path without control characters.
func failedTo(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, cause(err))
}

func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}

// andThen joins two errors on one line; either may be nil.
func andThen(err, then error) error {
	switch {
	case err == nil:
		return then
	case then == nil:
		return err
	}
	return fmt.Errorf("%w; and then: %w", err, cause(then))
}

func quote(path string) string { return `"` + text.Printable(path) + `"` }

// absent reports whether err says that a path does not exist: ENOENT, or ENOTDIR if a folder on the way is a file.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) }

func sys(info fs.FileInfo) *syscall.Stat_t { return info.Sys().(*syscall.Stat_t) }
