package filing

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/text"
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
	if !oneOf(err, unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP) {
		return err
	}
	if isMadeUp(filepath.Dir(from)) {
		return f.renameReserved(from, to)
	}
	return f.relink(from, to)
}

// relink gives the file its new name with link(2), which never replaces either, then takes the old one away. Two names for
// one file are a danger, for a writer who opens the old one writes into what was filed: so it is asked first whether the
// old name can be taken away, and if that fails all the same, the new one goes.
func (f *Filer) relink(from, to string) error {
	before, err := file.Lstat(from)
	if err != nil {
		return err
	}
	if err := leavable(from); err != nil {
		return err
	}
	free := isAbsent(to)
	err = f.calls.link(from, to)
	// EPERM also when fs.protected_hardlinks forbids the link because the file is somebody else's (proc_sys_fs(5)).
	if oneOf(err, unix.EPERM, unix.ENOSYS, unix.EOPNOTSUPP, unix.EMLINK) {
		return f.renameReserved(from, to)
	}
	now, lookErr := file.Lstat(to)
	lost := free && errors.Is(err, unix.EEXIST) && lookErr == nil && now.SameFile(before.Identity)
	if err != nil && !lost { // lost: NFS asked twice, and the second answer was about the first's success
		return err
	}
	if lookErr != nil {
		return and(lookErr, os.Remove(to))
	}
	err = f.remove(from, now.SameFile)
	switch {
	case isAbsent(to): // the share was taken away: the old name may be there still
		return unix.ENOENT
	case err == nil || !lies(from, now.SameFile):
		return nil // an error about what is done: the new name is the one that is left, and must stay
	}
	return and(err, f.unmake(to, now.SameFile))
}

// leavable tells, by looking, whether the file can be taken out of its folder.
func leavable(path string) error {
	it, err := lookAt(path, false)
	if err != nil {
		return cause(err)
	}
	from, err := lookAt(filepath.Dir(path), true)
	if err != nil {
		return cause(err)
	}
	return canLeave(from, it)
}

func isAbsent(path string) bool {
	_, err := file.Lstat(path)
	return absent(err)
}

// lies reports whether the wanted file can be seen at path.
func lies(path string, wanted func(file.Identity) bool) bool {
	info, err := file.Lstat(path)
	return err == nil && wanted(info.Identity)
}

// unmake is remove for what we made ourselves in the target: where it cannot be set aside it is removed as it is.
func (f *Filer) unmake(path string, wanted func(file.Identity) bool) error {
	err := f.remove(path, wanted)
	if err != nil && lies(path, wanted) {
		err = os.Remove(path)
	}
	return err
}

// remove removes path if what lies there is the wanted file. unlink(2) takes a name and not a file, so between a look
// and an unlink another file could come under the name and be lost. So path is first renamed to a name that nobody
// else knows, then looked at, and goes back if it is not the one. No error when there is nothing, or another file.
func (f *Filer) remove(path string, wanted func(file.Identity) bool) error {
	_, err := f.take(path, wanted)
	return err
}

// take is remove, and tells whether it removed the file.
func (f *Filer) take(path string, wanted func(file.Identity) bool) (took bool, err error) {
	info, err := file.Lstat(path)
	if absent(err) || err == nil && !wanted(info.Identity) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	it := hold(path)
	if it.err != nil {
		return false, it.err
	}
	defer it.release()
	aside := hidden(path, info.Identity)
	err = f.calls.replace(path, aside)
	switch {
	case absent(err) && isAbsent(aside): // else it worked, and the answer was lost
		return false, nil
	case oneOf(err, unix.ENOSPC, unix.EDQUOT, unix.ENAMETOOLONG):
		err = os.Remove(path) // not even room for a longer name: better the narrow race than a disk that stays full
		return err == nil, err
	case err != nil && !absent(err):
		return false, err
	}
	now, err := file.Lstat(aside)
	same := err == nil && wanted(now.Identity)
	if err == nil && !same {
		same, err = it.is(info.Identity, now.Identity)
	}
	if same {
		if err = os.Remove(aside); err == nil || absent(err) {
			return true, nil
		}
	}
	return false, and(err, f.restore(aside, path))
}

// restore moves a file that was set aside back, under a new name if its own is taken meanwhile.
func (f *Filer) restore(aside, path string) error {
	_, err := f.layIn(filepath.Dir(path), filepath.Base(path), 0, exists, func(back string) error {
		return f.noReplace(aside, back)
	})
	if err != nil {
		return fmt.Errorf("a file was set aside as %s and could not be moved back: %w", quote(aside), cause(err))
	}
	return nil
}

const hiddenTag, hiddenEnd = ".kaizala-drop-", ".tmp"

// hidden is a name beside path that nobody else uses, that no watcher takes for a file, and that every file system takes. It
// is always the same for one file, so that what a crash leaves under it is found again.
func hidden(path string, id file.Identity) string {
	dir, name := filepath.Split(path)
	if strings.HasPrefix(name, probeTag) { // so that the next probe finds it
		return dir + strings.TrimSuffix(name, hiddenEnd) + "-" + tagOf(name, id) + hiddenEnd
	}
	return dir + hiddenTag + tagOf(name, id) + hiddenEnd
}

func tagOf(name string, id file.Identity) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %s", id.Ino, id.Size, id.Mtime, name))
	return hex.EncodeToString(sum[:])[:length]
}

// hiddenBefore is the name that the first version gave, after which a crash can have come, too. It found no place where
// names are short, or cannot have every character.
func hiddenBefore(path string, id file.Identity) string {
	dir, name := filepath.Split(path)
	short := text.Cut(name, maxName-len(".")-len(hiddenTag)-length-len(hiddenEnd))
	return dir + "." + short + hiddenTag + tagOf(name, id) + hiddenEnd
}

// leftHidden is the hidden name under which something was left.
func leftHidden(path string, id file.Identity) string {
	if before := hiddenBefore(path, id); !isAbsent(before) && isAbsent(hidden(path, id)) {
		return before
	}
	return hidden(path, id)
}

func oneOf(err error, errnos ...unix.Errno) bool {
	for _, errno := range errnos {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
