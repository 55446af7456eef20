package filing

import (
	"os"
	"path/filepath"

	"kaizala-drop/internal/file"
)

// Forget removes from m.Dir what broken-off tries of a move left there: an unfinished or finished copy, a second name, a
// reserved name, and a note without its file. found is the absolute path at which the file lies now, renamed or changed, or ""
// if that is not known. failed says that the tries were by Fail. When Forget returns without an error, the removal is on disk.
//
// A file with a final name in m.Dir is removed only if it is surplus: a copy of the file at found, a second name of that file,
// or a file that was linked before the same bytes got another inode. Any other file may be the last one that is left.
//
// The error says what could not be removed; errors.Is finds the system's error. Forget is safe for concurrent use.
func (f *Filer) Forget(m Move, found string, failed bool) error {
	t := &transfer{filer: f, move: m}
	if failed {
		t.noted = &Note{}
	}
	target := m.target()
	dest, err := t.findCopy(target)
	isCopy := dest != ""
	if !isCopy {
		dest = t.landedAs(target, isExactly(m.Want))
	}
	if err == nil && dest != "" && m.isSurplus(dest, found, isCopy) {
		err = failedTo("remove the copy that was made of it under its old name", os.Remove(dest))
	}
	if err == nil {
		err = t.dropSecondName()
	}
	if err == nil && failed {
		err = t.dropNotes(target)
	}
	if err == nil && !isAbsent(target) {
		err = failedTo("sync "+quote(target), t.syncFolder(target))
	}
	if err != nil {
		return m.explain(err)
	}
	return nil
}

// isSurplus reports whether dest may be removed because the file lies at found.
func (m Move) isSurplus(dest, found string, isCopy bool) bool {
	if found == "" {
		return false
	}
	there, err := file.Lstat(found)
	if err != nil || !there.Mode.IsRegular() || there.Size != m.Want.Size {
		return false
	}
	if here, err := file.Lstat(dest); isCopy || err == nil && here.SameFile(there.Identity) {
		return true
	}
	same, err := m.isSum(filepath.Dir(found), filepath.Base(found))
	return err == nil && same
}

// dropNotes removes the notes of the file that have no file beside them.
func (t *transfer) dropNotes(target string) error {
	name := filepath.Base(t.move.Name)
	for _, s := range spellings(name, nameLimit(target), t.room()) {
		for n, missing := 1, 0; missing < maxMissing; n++ {
			path := filepath.Join(target, s.numbered(name, n, t.room()))
			if !isAbsent(path) {
				continue
			}
			missing++
			if err := t.dropNote(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropNote removes the note of the file at path, unless the file lies there or a transfer is about to bring it.
func (t *transfer) dropNote(path string) error {
	if isAbsent(path+noteSuffix) || !t.filer.reserveNote(path) {
		return nil
	}
	defer t.filer.unreserveNote(path)
	if !isAbsent(path) || !isAbandoned(path+noteSuffix) {
		return nil
	}
	return failedTo("remove its note", os.Remove(path+noteSuffix))
}
