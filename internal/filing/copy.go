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

// copyOver copies the file into the target's folder under a hidden name. The copy has the content, permissions, mtime and,
// where allowed, owner of the original, but no set-uid bits, ACLs or extended attributes; give says what stands for its group.
func (t *transfer) copyOver() error {
	src, info, err := file.Open(t.move.Folder, t.move.Name)
	if err != nil {
		return t.move.reasonOr(failedTo("open it", err))
	}
	defer src.Close()
	if !isFile(info.Identity, t.move.Want) {
		return ErrReplaced
	}
	dst, err := t.create(&t.copy, t.move.copyPath(t.to.Name()))
	if err != nil {
		return failedTo("make a copy of it", err)
	}
	err = t.fill(dst, src, info.Mode)
	if closeErr := dst.Close(); err == nil && closeErr != nil {
		err = failedTo("copy it", closeErr)
	}
	if err == nil {
		err = t.move.verify() // the file may have changed while it was copied
	}
	if err != nil {
		t.discard(&t.copy) //nolint:errcheck // the next try finds it
	}
	return err
}

func (t *transfer) fill(dst, src *os.File, mode os.FileMode) error {
	n, err := t.filer.calls.copy(dst, src)
	if err != nil {
		return failedTo("copy it", err)
	}
	if n != t.move.Want.Size {
		return t.move.reasonOr(fmt.Errorf("%d bytes were copied instead of %d", n, t.move.Want.Size))
	}
	// The zero time leaves the atime as it is. A file system that keeps no mtime must not prevent the copy.
	_ = os.Chtimes(dst.Name(), time.Time{}, time.Unix(0, t.move.Want.Mtime))
	if info, err := src.Stat(); err == nil {
		give(dst, ownerOf(info), mode.Perm())
	}
	if err := dst.Sync(); err != nil {
		return failedTo("copy it", err)
	}
	t.copied = true
	return nil
}

// copyPath is the hidden path at which the copy is made in the folder target. It is the same for each try.
func (m Move) copyPath(target string) string {
	return hidden(filepath.Join(target, filepath.Base(m.Name)), m.Want)
}

// pointerPath is the path of the copy's pointer: a hidden file that holds the final name of the copy, where the file system
// does not allow the copy a second name.
func (m Move) pointerPath(target string) string {
	return strings.TrimSuffix(m.copyPath(target), hiddenEnd) + ".at" + hiddenEnd
}

// create makes a new file and notes in w that this transfer made it. The caller closes the file.
func (t *transfer) create(w *written, path string) (*os.File, error) {
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

// nameCopy gives the copy its final name. The copy keeps its hidden name until the original is removed: after a crash, a copy
// with two names shows that only the end of the move is missing.
func (t *transfer) nameCopy(path string) error {
	err := t.twoNames(path)
	if oneOf(err, unix.EPERM, unix.ENOSYS, unix.EOPNOTSUPP, unix.EMLINK) {
		err = t.nameWithPointer(path)
	}
	if err != nil {
		return err
	}
	t.copy.path = path
	if info, err := file.Lstat(path); err == nil {
		t.copy.id = info.Identity // the inode number may have changed with the name
	}
	return nil
}

// twoNames gives the copy a second name. It fails with EOPNOTSUPP where two names of one file cannot be recognised.
func (t *transfer) twoNames(path string) error {
	if inventsInodes(t.to.Name()) {
		return unix.EOPNOTSUPP
	}
	if err := t.filer.calls.link(t.copy.path, path); err != nil {
		return err
	}
	if isAt(path, t.copy.same) {
		t.secondName = t.copy.path
		return nil
	}
	if err := os.Remove(path); err != nil {
		return andThen(err, os.Remove(path)) // a name that stayed would be taken for another file
	}
	return unix.EOPNOTSUPP
}

// nameWithPointer is nameCopy for a copy that cannot have two names: the copy gets a pointer instead.
func (t *transfer) nameWithPointer(path string) error {
	pointer := t.move.pointerPath(t.to.Name())
	_ = os.WriteFile(pointer, []byte(filepath.Base(path)), 0o600) // on a full disk the move goes on without it
	if err := t.filer.noReplace(t.copy.path, path); err != nil {
		_ = os.Remove(pointer)
		return err
	}
	t.secondName = pointer
	return nil
}

func (t *transfer) dropSecondName() error {
	if t.secondName == "" {
		return nil
	}
	err := os.Remove(t.secondName)
	if absent(err) {
		err = nil
	}
	t.secondName = ""
	return err
}
