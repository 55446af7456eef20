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

// isFile reports whether id is the wanted file with nothing written to it since, as far as can be seen from outside, and
// also after a rename or a link, which change the ctime. Move.Want says what is compared and why.
func isFile(id, want file.Identity) bool {
	return id.Ino == want.Ino && id.Size == want.Size && id.Mtime == want.Mtime
}

// check finds what no file system has to be asked for.
func (m Move) check() error {
	switch {
	case !filepath.IsAbs(m.Folder):
		return fmt.Errorf("the watched folder %s is not an absolute path", quote(m.Folder))
	case !filepath.IsAbs(m.Dir):
		return fmt.Errorf("the target %s is not an absolute path", quote(m.Dir))
	case !filepath.IsLocal(m.Name) || filepath.Clean(m.Name) == ".":
		return fmt.Errorf("the name %s is not one below the watched folder", quote(m.Name))
	}
	return nil
}

// look tells whether the wanted file lies at its place: nil, one of the package's errors, or what the system said.
func (m Move) look() error {
	info, err := file.Lstat(m.source())
	if err == nil && isFile(info.Identity, m.Want) {
		if m.isRewritten(info.Identity) {
			return ErrReplaced
		}
		return nil
	}
	if err != nil && !absent(err) {
		return step("look at it", err)
	}
	mounted, folderErr := m.mounted()
	switch {
	case folderErr != nil:
		return step("look at its folder", folderErr)
	case !mounted && m.liesChanged(): // the share has another device number now
		return ErrReplaced
	case !mounted:
		return ErrFolderGone
	case err != nil:
		return ErrGone
	default:
		return ErrReplaced
	}
}

// isRewritten reports whether the file at its place, which is the wanted one as far as isFile can tell, holds other bytes.
// They are read only where the ctime says that something happened.
func (m Move) isRewritten(id file.Identity) bool {
	if id.Ctime == m.Want.Ctime || len(m.SHA256) == 0 {
		return false
	}
	same, err := m.isSum(m.Folder, m.Name)
	return err == nil && !same // a chmod can have taken the right to read it
}

// isSum reports whether a file below a folder holds the bytes that were wanted.
func (m Move) isSum(folder, name string) (bool, error) {
	sum, err := sumOf(folder, name)
	return err == nil && bytes.Equal(sum, m.SHA256), err
}

// sumOf reads a file below a folder.
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

// original reports whether the wanted file lies at its place, with the bytes that were wanted.
func (m Move) original() bool {
	info, err := file.Lstat(m.source())
	return err == nil && isFile(info.Identity, m.Want) && !m.isRewritten(info.Identity)
}

// mounted reports whether the folder is there, and is on the device the file was on. What is asked is the deepest
// subfolder on the way to the file that is left: a share may be mounted there too. On overlayfs a file may have the device of
// the layer that it lies on.
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

// because puts what became of the file before err, where that is the reason of it.
func (m Move) because(err error) error {
	if reason := m.look(); reason != nil {
		return reason
	}
	return err
}

// explain says which file could not be moved, that it is safe, and, where one can tell, what would help.
func (m Move) explain(err error) error {
	for _, sentinel := range []error{ErrGone, ErrFolderGone, ErrReplaced} {
		if errors.Is(err, sentinel) {
			return fmt.Errorf("cannot move %s to %s: %w", quote(m.source()), quote(m.Dir), err)
		}
	}
	return fmt.Errorf("cannot move %s to %s: %w; the file is still where it was%s",
		quote(m.source()), quote(m.Dir), err, advice(err))
}

// step says what failed. The path within err is dropped: explain says it, and fit to be shown.
func step(what string, err error) error {
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

// and is errors.Join on one line.
func and(err, then error) error {
	switch {
	case err == nil:
		return then
	case then == nil:
		return err
	}
	return fmt.Errorf("%w; and then: %w", err, cause(then))
}

func quote(path string) string { return `"` + text.Printable(path) + `"` }

// absent reports whether err says that there is no such path: ENOENT, or ENOTDIR when a folder on the way is a file now.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) }

func sys(info fs.FileInfo) *syscall.Stat_t { return info.Sys().(*syscall.Stat_t) }
