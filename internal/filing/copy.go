package filing

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

// copyOver copies the file beside its target, under a hidden name, to be renamed from there. Bytes, permissions, mtime
// and, where allowed, the owner are kept; set-uid bits, ACLs and extended attributes are not.
func (t *trip) copyOver() error {
	src, info, err := file.Open(t.move.Folder, t.move.Name)
	if err != nil {
		return t.move.because(step("open it", err))
	}
	defer src.Close()
	if !isFile(info.Identity, t.move.Want) {
		return ErrReplaced
	}
	dst, err := t.create(&t.twin, t.move.twinPath(t.to.Name()))
	if err != nil {
		return step("make a copy of it", err)
	}
	err = t.fill(dst, src, info.Mode)
	if closeErr := dst.Close(); err == nil && closeErr != nil {
		err = step("copy it", closeErr)
	}
	if err == nil {
		err = t.move.look() // unchanged all the while
	}
	if err != nil {
		t.discard(&t.twin) //nolint:errcheck // the next try finds it
	}
	return err
}

func (t *trip) fill(dst, src *os.File, mode os.FileMode) error {
	n, err := t.filer.calls.copy(dst, src)
	if err != nil {
		return step("copy it", err)
	}
	if n != t.move.Want.Size {
		return t.move.because(fmt.Errorf("%d bytes were copied instead of %d", n, t.move.Want.Size))
	}
	// A zero atime is left as it is. What a file system cannot keep, it need not.
	_ = os.Chtimes(dst.Name(), time.Time{}, time.Unix(0, t.move.Want.Mtime))
	if info, err := src.Stat(); err == nil {
		give(dst, ownerOf(info), mode.Perm())
	}
	if err := dst.Sync(); err != nil {
		return step("copy it", err)
	}
	t.copied = true
	return nil
}

// twinPath is where the copy is made in the target: the same path at each try.
func (m Move) twinPath(target string) string {
	return hidden(filepath.Join(target, filepath.Base(m.Name)), m.Want)
}

// markPath is where the copy's last name is written down where it cannot have two.
func (m Move) markPath(target string) string {
	return strings.TrimSuffix(m.twinPath(target), hiddenEnd) + ".at" + hiddenEnd
}

// create makes a new file and notes that it is ours. The caller closes it.
func (t *trip) create(w *written, path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := file.Lstat(path)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	*w = written{path, info.Identity}
	return f, nil
}

// nameTwin gives the copy its name. Its first one stays until the original is gone: a copy with two names is what tells,
// after a crash, that only the end of the move is left.
func (t *trip) nameTwin(path string) error {
	err := t.twoNames(path)
	if oneOf(err, unix.EPERM, unix.ENOSYS, unix.EOPNOTSUPP, unix.EMLINK) {
		err = t.nameMarked(path)
	}
	if err != nil {
		return err
	}
	t.twin.path = path
	if info, err := file.Lstat(path); err == nil { // where the inode number changes with the name
		t.twin.id = info.Identity
	}
	return nil
}

// twoNames gives the copy a second name. EOPNOTSUPP where two names cannot be told for one.
func (t *trip) twoNames(path string) error {
	if isMadeUp(t.to.Name()) {
		return unix.EOPNOTSUPP
	}
	if err := t.filer.calls.link(t.twin.path, path); err != nil {
		return err
	}
	if lies(path, t.twin.same) {
		t.spare = t.twin.path
		return nil
	}
	if err := os.Remove(path); err != nil {
		return and(err, os.Remove(path)) // what stays would be taken for somebody else's
	}
	return unix.EOPNOTSUPP
}

// nameMarked is nameTwin where it cannot have two names: a hidden file that holds the name tells the same.
func (t *trip) nameMarked(path string) error {
	mark := t.move.markPath(t.to.Name())
	_ = os.WriteFile(mark, []byte(filepath.Base(path)), 0o600) // on a full disk it goes without
	if err := t.filer.noReplace(t.twin.path, path); err != nil {
		_ = os.Remove(mark)
		return err
	}
	t.spare = mark
	return nil
}

func (t *trip) dropSpare() error {
	if t.spare == "" {
		return nil
	}
	err := os.Remove(t.spare)
	if absent(err) {
		err = nil
	}
	t.spare = ""
	return err
}
