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

// trip is one file on its way.
type trip struct {
	filer    *Filer
	move     Move
	from, to *os.File // the folders it leaves and goes to. Open from the start: what is in use is not unmounted
	owner    owner    // of the watched folder
	held     held     // the file itself
	noted    *Note    // to lie beside it; nil for none

	twin   written // the copy on the target's device, from when the two are found to differ
	spare  string  // its second name, or its mark, which stays until the original is gone; "" for none
	note   written
	copied bool // and its content was synced
	landed bool
}

// written is a file that we made ourselves.
type written struct {
	path string // "" before it is there
	id   file.Identity
}

func (w written) same(id file.Identity) bool { return w.id.SameFile(id) }

// begin looks before anything is touched: no folder is made for a file that is not there.
func (f *Filer) begin(m Move) (*trip, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	from, err := openDir(filepath.Dir(m.source()))
	if err != nil {
		return nil, m.because(err)
	}
	t := &trip{filer: f, move: m, from: from, held: hold(m.source())}
	if err = m.look(); err == nil {
		err = step("look at it", t.held.err)
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

func (t *trip) openTarget() (err error) {
	watched := t.move.Folder
	if t.move.Back {
		watched = t.move.Dir
	}
	folder, err := os.Stat(watched)
	if t.move.Back && (absent(err) || err == nil && !folder.IsDir()) {
		return ErrFolderGone
	}
	if err != nil {
		return step("look at the watched folder", err)
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
		return fmt.Errorf("%s is the folder that the file lies in already", quote(dir))
	}
	return err
}

// end clears away what only a file that has landed may leave behind.
func (t *trip) end() {
	if !t.landed {
		t.discard(&t.note) //nolint:errcheck // what is left is told apart by its name, and in nobody's way
		if t.discard(&t.twin) == nil {
			t.dropSpare() //nolint:errcheck // the next try finds it
		}
	}
	t.held.release()
	_ = t.from.Close()
	if t.to != nil {
		_ = t.to.Close()
	}
}

// discard removes what we made, unless somebody else put something in its place.
func (t *trip) discard(w *written) error {
	var err error
	if w.path != "" {
		err = t.filer.unmake(w.path, w.same)
	}
	*w = written{}
	return err
}

// place brings the file under the first free name that the target takes.
func (t *trip) place() (string, error) {
	return t.filer.layIn(t.to.Name(), filepath.Base(t.move.wanted()), t.room(), t.taken, t.put)
}

// room is for the end of the note's name.
func (t *trip) room() int {
	if t.noted == nil {
		return 0
	}
	return len(noteSuffix)
}

// taken reports whether path is somebody's, or the place of its note. A note of ours whose file is not there is
// nobody's: a crash came between, or a person took the file away.
func (t *trip) taken(path string) (bool, error) {
	is, err := exists(path)
	if is || err != nil || t.noted == nil {
		return is, err
	}
	is, err = exists(path + noteSuffix)
	return is && !isAbandoned(path+noteSuffix), err
}

// put brings the file to path, its note first. The error is EEXIST when path is taken.
func (t *trip) put(path string) error {
	if t.noted != nil {
		if !t.filer.reserve(path) {
			return unix.EEXIST
		}
		defer t.filer.release(path)
		if is, err := t.taken(path); is || err != nil { // by another trip, between the look and reserve
			return cmp.Or(err, error(unix.EEXIST))
		}
		if err := t.writeNote(path + noteSuffix); err != nil {
			return err
		}
	}
	err := t.carry(path)
	if err != nil {
		t.discard(&t.note) //nolint:errcheck // told apart by what it holds
	}
	return err
}

func (t *trip) carry(path string) error {
	if t.twin.path == "" {
		err := t.moveTo(path)
		if !errors.Is(err, unix.EXDEV) {
			return err
		}
		if err := t.copyOver(); err != nil {
			return err
		}
	}
	if err := t.nameTwin(path); err != nil {
		return step("name its copy", err)
	}
	return nil
}

// moveTo moves within one device, then looks at what was moved: another file may have come under the name since look.
func (t *trip) moveTo(path string) error {
	err := t.filer.noReplace(t.move.source(), path)
	if err != nil && !t.arrived(path) {
		failed := step("rename it", err)
		if !absent(err) {
			return failed
		}
		if stays(t.to) == nil { // else it is the target that went away
			failed = fmt.Errorf("%w, although it can be seen there: have its file system checked (fsck, chkdsk)", failed)
		}
		return t.move.because(failed)
	}
	info, err := file.Lstat(path)
	if err != nil {
		return nil // where there is nothing to look at, somebody was quick to take it on from there
	}
	if same, err := t.isWanted(info.Identity); same || err != nil {
		return nil //nolint:nilerr // likewise
	}
	return t.putBack(path)
}

// isWanted reports whether what lies in the target is the file itself. Its inode number may have changed with its name.
func (t *trip) isWanted(id file.Identity) (bool, error) {
	if isFile(id, t.move.Want) {
		return true, nil
	}
	return t.held.is(t.move.Want, id)
}

// arrived tells a rename that worked from one that says so: where the answer was lost, NFS asks again, and the second
// answer is an error.
func (t *trip) arrived(path string) bool {
	_, err := file.Lstat(t.move.source())
	info, there := file.Lstat(path)
	if !absent(err) || there != nil {
		return false
	}
	same, _ := t.isWanted(info.Identity)
	return same
}

// putBack returns a file that was not meant to be moved, under its own name or, if that is taken again, a new one.
func (t *trip) putBack(path string) error {
	_, err := t.filer.layIn(t.from.Name(), filepath.Base(t.move.Name), 0, exists, func(back string) error {
		return t.filer.noReplace(path, back)
	})
	if err != nil {
		return fmt.Errorf("%w, and could not be moved back from %s: %w", ErrReplaced, quote(path), cause(err))
	}
	return and(ErrReplaced, and(t.filer.syncs.sync(t.from), t.filer.syncs.sync(t.to)))
}

// settle makes the move durable. An original goes only once its copy is. If another file has come under its name
// meanwhile, that one stays, and the wanted one is filed all the same.
func (t *trip) settle(dest string) (string, error) {
	err := t.syncContent(dest)
	if err == nil {
		err = t.filer.syncs.sync(t.to)
	}
	if t.twin.path != "" {
		if err != nil {
			return "", err
		}
		var left bool
		if left, err = t.removeOriginal(); left { // and end removes the copy: only one may be left
			return "", err
		}
	}
	if err == nil {
		err = t.filer.syncs.sync(t.from)
	}
	if err == nil && t.spare != "" {
		err = and(t.dropSpare(), and(stays(t.to), t.filer.syncs.sync(t.to)))
	}
	if err != nil {
		return dest, fmt.Errorf("moved %s to %s, but cannot be sure that this lasts: %w",
			quote(t.move.source()), quote(dest), cause(err))
	}
	return dest, nil
}

// syncContent makes sure that what was moved is on disk itself: whoever wrote the file hardly ever waits for that, and a
// power cut soon after would leave an empty file in done/ of what the ledger says is safe there.
func (t *trip) syncContent(dest string) error {
	if t.copied {
		return nil
	}
	f, _, err := file.Open(filepath.Dir(dest), filepath.Base(dest))
	if err != nil {
		return nil // taken away already, or not to be read: it was moved all the same
	}
	defer f.Close()
	if err := f.Sync(); oneOf(err, unix.EIO, unix.ENOSPC, unix.EDQUOT) { // any other error: a file system that cannot sync files
		return step("sync it", err)
	}
	return nil
}
