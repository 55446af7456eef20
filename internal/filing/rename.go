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

// noReplace renames without replacing anything. It fails with EEXIST when to is taken, and with EXDEV when to is on another
// device.
func (f *Filer) noReplace(from, to string) error {
	err := f.calls.rename(from, to)
	if !oneOf(err, unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP) {
		return err
	}
	if inventsInodes(filepath.Dir(from)) {
		return f.renameOverReserved(from, to)
	}
	return f.relink(from, to)
}

// relink gives the file its new name with link(2), which never replaces anything, then removes the old name. A file must not
// keep two names, because a writer who opens the old one would write into the filed file. So relink first checks whether the
// old name can be removed, and removes the new name if removing the old one fails all the same.
func (f *Filer) relink(from, to string) error {
	before, err := file.Lstat(from)
	if err != nil {
		return err
	}
	if err := checkRemovable(from); err != nil {
		return err
	}
	free := isAbsent(to)
	err = f.calls.link(from, to)
	// link(2) also fails with EPERM when fs.protected_hardlinks forbids links to files of other users (proc_sys_fs(5)).
	if oneOf(err, unix.EPERM, unix.ENOSYS, unix.EOPNOTSUPP, unix.EMLINK) {
		return f.renameOverReserved(from, to)
	}
	now, lookErr := file.Lstat(to)
	// After a lost answer NFS repeats the call, and the second call fails because the first one succeeded.
	answerLost := free && errors.Is(err, unix.EEXIST) && lookErr == nil && now.SameFile(before.Identity)
	if err != nil && !answerLost {
		return err
	}
	if lookErr != nil {
		return andThen(lookErr, os.Remove(to))
	}
	_, err = f.remove(from, now.SameFile)
	switch {
	case isAbsent(to): // the share was taken away, and the old name may come back with it
		return unix.ENOENT
	case err == nil || !isAt(from, now.SameFile):
		return nil // whatever the error says, the old name is gone, so the new one must stay
	}
	return andThen(err, f.removeOwn(to, now.SameFile))
}

// checkRemovable looks for a reason why the file at path cannot be taken out of its folder.
func checkRemovable(path string) error {
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

// isAt reports whether a file that satisfies wanted lies at path.
func isAt(path string, wanted func(file.Identity) bool) bool {
	info, err := file.Lstat(path)
	return err == nil && wanted(info.Identity)
}

// removeOwn is remove for a file of this package's own in the target: one that cannot be set aside is removed as it is.
func (f *Filer) removeOwn(path string, wanted func(file.Identity) bool) error {
	_, err := f.remove(path, wanted)
	if err != nil && isAt(path, wanted) {
		err = os.Remove(path)
	}
	return err
}

// remove removes the file at path if it satisfies wanted, and reports whether it did. It is no error when nothing, or another
// file, lies there.
//
// unlink(2) takes a name and not a file, so another file that comes under the name just before it would be lost. So remove
// first renames path to a name that nobody else knows, then checks the file, and moves it back if it is not the wanted one.
func (f *Filer) remove(path string, wanted func(file.Identity) bool) (removed bool, err error) {
	info, err := file.Lstat(path)
	if absent(err) || err == nil && !wanted(info.Identity) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	h := openHandle(path)
	if h.err != nil {
		return false, h.err
	}
	defer h.close()
	aside := hidden(path, info.Identity)
	err = f.calls.replace(path, aside)
	switch {
	case absent(err) && isAbsent(aside): // if aside is there, the rename succeeded and its answer was lost
		return false, nil
	case oneOf(err, unix.ENOSPC, unix.EDQUOT, unix.ENAMETOOLONG):
		err = os.Remove(path) // the short race with another file is better than a disk that stays full
		return err == nil, err
	case err != nil && !absent(err):
		return false, err
	}
	now, err := file.Lstat(aside)
	same := err == nil && wanted(now.Identity)
	if err == nil && !same {
		same, err = h.is(info.Identity, now.Identity)
	}
	if same {
		if err = os.Remove(aside); err == nil || absent(err) {
			return true, nil
		}
	}
	return false, andThen(err, f.restore(aside, path))
}

// restore moves a file that was set aside back to path, or to a new name if path is taken meanwhile.
func (f *Filer) restore(aside, path string) error {
	_, err := f.tryNames(filepath.Dir(path), filepath.Base(path), 0, exists, func(back string) error {
		return f.noReplace(aside, back)
	})
	if err != nil {
		return fmt.Errorf("a file was set aside as %s and could not be moved back (move it by hand if it stays there): %w",
			quote(aside), cause(err))
	}
	return nil
}

const (
	hiddenTag = ".kaizala-drop-" // begins each hidden name
	hiddenEnd = ".tmp"           // ends each hidden name
	tagLength = 12               // bytes between the two that tell one file from another
)

// hidden is a path beside path whose name nobody else uses, no watcher takes for a file to post, and every file system
// accepts. It is always the same for one file, so that a file which a crash leaves there is found again.
func hidden(path string, id file.Identity) string {
	dir, name := filepath.Split(path)
	if strings.HasPrefix(name, probeTag) { // the next probe finds it by the beginning of its name
		return dir + strings.TrimSuffix(name, hiddenEnd) + "-" + tagOf(name, id) + hiddenEnd
	}
	return dir + hiddenTag + tagOf(name, id) + hiddenEnd
}

// tagOf is what tells the hidden files of one file from those of others.
func tagOf(name string, id file.Identity) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %s", id.Ino, id.Size, id.Mtime, name))
	return hex.EncodeToString(sum[:])[:tagLength]
}

// hiddenByFirstVersion is the hidden path that the first version of this program used, and may have left after a crash. File
// systems whose names are short, or cannot have every character, do not accept that name.
func hiddenByFirstVersion(path string, id file.Identity) string {
	dir, name := filepath.Split(path)
	short := text.Cut(name, maxName-len(".")-len(hiddenTag)-tagLength-len(hiddenEnd))
	return dir + "." + short + hiddenTag + tagOf(name, id) + hiddenEnd
}

// leftHidden is the hidden path at which a crash may have left a file: the one of this version, unless only the one of the
// first version exists.
func leftHidden(path string, id file.Identity) string {
	if before := hiddenByFirstVersion(path, id); !isAbsent(before) && isAbsent(hidden(path, id)) {
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
