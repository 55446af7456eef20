package filing

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

func realCalls() calls {
	return calls{
		rename:  renameNoReplace,
		link:    os.Link,
		replace: os.Rename,
		copy:    func(to, from *os.File) (int64, error) { return io.Copy(to, from) },
		fsync:   (*os.File).Sync,
	}
}

// noReplace renames without replacing: EEXIST when to is taken, EXDEV when it is on another device.
func (f *Filer) noReplace(from, to string) error {
	err := f.calls.rename(from, to)
	if oneOf(err, unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP) {
		err = f.relink(from, to)
	}
	return err
}

// relink gives the file its new name with link(2), which never replaces either, then takes the old one away.
func (f *Filer) relink(from, to string) error {
	before, err := file.Lstat(from)
	if err != nil {
		return err
	}
	err = f.calls.link(from, to)
	// EPERM also when fs.protected_hardlinks forbids the link because the file is somebody else's (proc_sys_fs(5)).
	if oneOf(err, unix.EPERM, unix.ENOSYS, unix.EOPNOTSUPP, unix.EMLINK) {
		return f.renameReserved(from, to)
	}
	now, lookErr := file.Lstat(to)
	lost := errors.Is(err, unix.EEXIST) && before.Links == 1 && lookErr == nil && now.SameFile(before.Identity)
	if err != nil && !lost { // lost: NFS asked twice, and the second answer was about the first's success
		return err
	}
	if lookErr != nil {
		return lookErr
	}
	err = f.remove(from, now.SameFile)
	if err == nil || !lies(from, now.SameFile) {
		return nil // an error about what is done: the new name is the one that is left, and must stay
	}
	return and(err, f.remove(to, now.SameFile))
}

// lies reports whether the wanted file can be seen at path.
func lies(path string, wanted func(file.Identity) bool) bool {
	info, err := file.Lstat(path)
	return err == nil && wanted(info.Identity)
}

// renameReserved takes the name with an empty file of our own, then renames over that.
func (f *Filer) renameReserved(from, to string) error {
	place, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	place.Close()
	ours, err := file.Lstat(to)
	if err != nil {
		return err
	}
	if err := f.calls.replace(from, to); err != nil {
		empty := func(id file.Identity) bool { return isFile(id, ours.Identity) }
		return and(err, f.remove(to, empty))
	}
	return nil
}

// remove removes path if what lies there is the wanted file. unlink(2) takes a name and not a file, so between a look
// and an unlink another file could come under the name and be lost. So path is first renamed to a name that nobody
// else knows, then looked at, and goes back if it is not the one. No error when there is nothing, or another file.
func (f *Filer) remove(path string, wanted func(file.Identity) bool) error {
	info, err := file.Lstat(path)
	if absent(err) || err == nil && !wanted(info.Identity) {
		return nil
	}
	if err != nil {
		return err
	}
	aside := hidden(path, info.Identity)
	err = f.calls.replace(path, aside)
	switch {
	case absent(err):
		return nil
	case oneOf(err, unix.ENOSPC, unix.EDQUOT):
		return os.Remove(path) // not even room for a longer name: better the narrow race than a disk that stays full
	case err != nil:
		return err
	}
	info, err = file.Lstat(aside)
	if err == nil && wanted(info.Identity) {
		if err = os.Remove(aside); err == nil || absent(err) {
			return nil
		}
	}
	return and(err, f.restore(aside, path))
}

// restore moves a file that was set aside back, under a new name if its own is taken meanwhile.
func (f *Filer) restore(aside, path string) error {
	_, err := lay(filepath.Dir(path), filepath.Base(path), maxName, exists, func(back string) error {
		return f.noReplace(aside, back)
	})
	if err != nil {
		return fmt.Errorf("a file was set aside as %s and could not be moved back: %w", quote(aside), cause(err))
	}
	return nil
}

// hidden is a name beside path that nobody else uses, and that no watcher takes for a file. It is always the same for
// one file, so that what a crash leaves under it is found again.
func hidden(path string, id file.Identity) string {
	const tag, ext, length = ".kaizala-drop-", ".tmp", 12
	dir, name := filepath.Split(path)
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %s", id.Ino, id.Size, id.Mtime, name))
	name = shorten(name, maxName-len(".")-len(tag)-length-len(ext))
	return dir + "." + name + tag + hex.EncodeToString(sum[:])[:length] + ext
}

func oneOf(err error, errnos ...unix.Errno) bool {
	for _, errno := range errnos {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
