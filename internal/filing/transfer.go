package filing

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

// transfer is the state of one move that is under way.
type transfer struct {
	filer    *Filer
	move     Move
	from, to *os.File // the folders that the file leaves and goes to; open all the time, so that neither can be unmounted
	owner    owner    // of the watched folder
	handle   handle   // of the file
	noted    *Note    // the note to write beside the file; nil: none

	copy       written // the copy, once source and target turn out to be on different devices
	secondName string  // a second name of the copy, or its pointer, which stays until the original is gone; "": none
	note       written
	copied     bool // the copy has its content, and that was synced
	landed     bool // the file lies in the target
}

// written is a file that this transfer made.
type written struct {
	path string // "": not made yet
	id   file.Identity
}

func (w written) same(id file.Identity) bool { return w.id.SameFile(id) }

// begin verifies the file before it changes anything, so that no folder is made for a file that is not there.
func (f *Filer) begin(m Move) (*transfer, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	from, err := openDir(filepath.Dir(m.source()))
	if err != nil {
		return nil, m.reasonOr(err)
	}
	t := &transfer{filer: f, move: m, from: from, handle: openHandle(m.source())}
	if err = m.verify(); err == nil {
		err = failedTo("look at it", t.handle.err)
	}
	if err == nil {
		err = t.openTarget()
	}
	if err != nil {
		t.end()
		return nil, err
	}
	return t, nil
}

func (t *transfer) openTarget() (err error) {
	watched := t.move.Folder
	if t.move.Back {
		watched = t.move.Dir
	}
	folder, err := os.Stat(watched)
	if t.move.Back && (absent(err) || err == nil && !folder.IsDir()) {
		return ErrFolderGone
	}
	if err != nil {
		return failedTo("look at the watched folder", err)
	}
	t.owner = ownerOf(folder)
	dir, err := t.filer.makeFolders(t.move, t.owner)
	if err != nil {
		return err
	}
	if t.to, err = openDir(dir); err != nil {
		return err
	}
	same, err := sameDir(t.from, t.to)
	if same {
		return fmt.Errorf("%s is the folder that the file lies in already: choose another one as the target", quote(dir))
	}
	return err
}

// end closes the transfer. If the file has not landed, end removes its note and its copy.
func (t *transfer) end() {
	if !t.landed {
		t.discard(&t.note) //nolint:errcheck // a note that stays is known by its text, and does not take the file's name
		if t.discard(&t.copy) == nil {
			t.dropSecondName() //nolint:errcheck // the next try finds it
		}
	}
	t.handle.close()
	_ = t.from.Close()
	if t.to != nil {
		_ = t.to.Close()
	}
}

// discard removes a file that this transfer made, unless somebody has put another file in its place.
func (t *transfer) discard(w *written) error {
	var err error
	if w.path != "" {
		err = t.filer.removeOwn(w.path, w.same)
	}
	*w = written{}
	return err
}

// place brings the file under the first free name that the target takes.
func (t *transfer) place() (string, error) {
	return t.filer.tryNames(t.to.Name(), filepath.Base(t.move.wanted()), t.room(), t.taken, t.put)
}

// room is how many bytes a name must leave for the ending of its note's name.
func (t *transfer) room() int {
	if t.noted == nil {
		return 0
	}
	return len(noteSuffix)
}

// taken reports whether something lies at path, or where its note would be. An abandoned note does not count: a crash came
// before its file, or a person took the file away.
func (t *transfer) taken(path string) (bool, error) {
	is, err := exists(path)
	if is || err != nil || t.noted == nil {
		return is, err
	}
	is, err = exists(path + noteSuffix)
	return is && !isAbandoned(path+noteSuffix), err
}

// put writes the note, then brings the file to path. The error is EEXIST when path is taken.
func (t *transfer) put(path string) error {
	if t.noted != nil {
		if !t.filer.reserveNote(path) {
			return unix.EEXIST
		}
		defer t.filer.unreserveNote(path)
		if is, err := t.taken(path); is || err != nil { // by another transfer, before the reservation
			return cmp.Or(err, error(unix.EEXIST))
		}
		if err := t.writeNote(path + noteSuffix); err != nil {
			return err
		}
	}
	err := t.carry(path)
	if err != nil {
		t.discard(&t.note) //nolint:errcheck // a note that stays is known by its text
	}
	return err
}

// carry brings the file itself to path, by a rename or by a copy.
func (t *transfer) carry(path string) error {
	if t.copy.path == "" {
		err := t.moveTo(path)
		if !errors.Is(err, unix.EXDEV) {
			return err
		}
		if err := t.copyOver(); err != nil {
			return err
		}
	}
	if err := t.nameCopy(path); err != nil {
		return failedTo("name its copy", err)
	}
	return nil
}

// moveTo renames the file within one device. Then it checks what was renamed, because another file may have come under the
// name since the file was verified.
func (t *transfer) moveTo(path string) error {
	err := t.filer.noReplace(t.move.source(), path)
	if err != nil && !t.arrived(path) {
		failed := failedTo("rename it", err)
		if !absent(err) {
			return failed
		}
		if checkStillThere(t.to) == nil { // otherwise the target has gone away
			failed = fmt.Errorf("%w, although it can be seen there: have its file system checked (fsck, chkdsk)", failed)
		}
		return t.move.reasonOr(failed)
	}
	info, err := file.Lstat(path)
	if err != nil {
		return nil // somebody has taken the file away from the target already
	}
	if same, err := t.isWanted(info.Identity); same || err != nil {
		return nil //nolint:nilerr // as above
	}
	return t.putBack(path)
}

// isWanted reports whether id is of the wanted file, whose inode number may have changed with its name.
func (t *transfer) isWanted(id file.Identity) (bool, error) {
	if isFile(id, t.move.Want) {
		return true, nil
	}
	return t.handle.is(t.move.Want, id)
}

// arrived reports whether a rename that failed has moved the file all the same. NFS repeats a call whose answer was lost, and
// the answer to the second call is an error.
func (t *transfer) arrived(path string) bool {
	_, err := file.Lstat(t.move.source())
	info, there := file.Lstat(path)
	if !absent(err) || there != nil {
		return false
	}
	same, _ := t.isWanted(info.Identity)
	return same
}

// putBack moves a file back that should not have been moved, under its own name or, if that is taken again, under a new one.
func (t *transfer) putBack(path string) error {
	_, err := t.filer.tryNames(t.from.Name(), filepath.Base(t.move.Name), 0, exists, func(back string) error {
		return t.filer.noReplace(path, back)
	})
	if err != nil {
		return fmt.Errorf("%w, and could not be moved back from %s: %w", ErrReplaced, quote(path), cause(err))
	}
	return andThen(ErrReplaced, andThen(t.filer.syncs.sync(t.from), t.filer.syncs.sync(t.to)))
}

// makeDurable syncs the move to disk, and removes the original of a copy once the copy is on disk. If another file has come
// under the original's name meanwhile, makeDurable leaves that file alone and finishes the move.
func (t *transfer) makeDurable(dest string) (string, error) {
	err := t.syncContent(dest)
	if err == nil {
		err = t.filer.syncs.sync(t.to)
	}
	if t.copy.path != "" {
		if err != nil {
			return "", err
		}
		var left bool
		if left, err = t.removeOriginal(); left { // end removes the copy, so that only the original is left
			return "", err
		}
	}
	if err == nil {
		err = t.filer.syncs.sync(t.from)
	}
	if err == nil && t.secondName != "" {
		err = andThen(t.dropSecondName(), andThen(checkStillThere(t.to), t.filer.syncs.sync(t.to)))
	}
	if err != nil {
		return dest, fmt.Errorf("moved %s to %s, but cannot be sure that this lasts: %w",
			quote(t.move.source()), quote(dest), cause(err))
	}
	return dest, nil
}

// syncContent syncs the content of the moved file. Programs hardly ever sync what they write, and a power cut soon after
// would leave an empty file in done/, which the ledger calls safe.
func (t *transfer) syncContent(dest string) error {
	if t.copied {
		return nil
	}
	f, _, err := file.Open(filepath.Dir(dest), filepath.Base(dest))
	if err != nil {
		return nil // somebody has taken the file away, or it is unreadable: it was moved all the same
	}
	defer f.Close()
	if err := f.Sync(); oneOf(err, unix.EIO, unix.ENOSPC, unix.EDQUOT) { // any other error is of a file system that cannot sync files
		return failedTo("sync it", err)
	}
	return nil
}
