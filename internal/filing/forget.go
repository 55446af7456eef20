package filing

import (
	"os"
	"path/filepath"

	"kaizala-drop/internal/file"
)

// Forget removes what tries of a move left in m.Dir that were broken off: a copy, finished or not, a second name, a reserved
// name, and a note without its file. found is the absolute path where the file lies now, under another name or with other
// looks; "" says that nobody knows. failed says that it was Fail that moved. What it removed stays so.
//
// What has a final name in m.Dir goes only if it is one too many: a copy of what lies at found, a second name of it, or what was
// linked before the same bytes got another inode. Anything else may be all that is left.
func (f *Filer) Forget(m Move, found string, failed bool) error {
	t := &trip{filer: f, move: m}
	if failed {
		t.noted = &Note{}
	}
	target := m.target()
	dest, err := t.findTwin(target)
	isCopy := dest != ""
	if !isCopy {
		dest = t.landedAs(target, isThe(m.Want))
	}
	if err == nil && dest != "" && m.isTooMany(dest, found, isCopy) {
		err = step("remove the copy that was made of it under its old name", os.Remove(dest))
	}
	if err == nil {
		err = t.dropSpare()
	}
	if err == nil && failed {
		err = t.dropNotes(target)
	}
	if err == nil && !isAbsent(target) {
		err = step("sync "+quote(target), t.syncFolder(target))
	}
	if err != nil {
		return m.explain(err)
	}
	return nil
}

// isTooMany reports whether dest may go because the file lies at found.
func (m Move) isTooMany(dest, found string, isCopy bool) bool {
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

// dropNotes removes the notes that were written for the file, which then did not come.
func (t *trip) dropNotes(target string) error {
	name := filepath.Base(t.move.Name)
	for _, s := range spellings(name, nameLimit(target), t.room()) {
		for n, missing := 1, 0; missing < gap; n++ {
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

// dropNote removes the note of a file that does not lie at path, and is not about to.
func (t *trip) dropNote(path string) error {
	if isAbsent(path+noteSuffix) || !t.filer.reserve(path) {
		return nil
	}
	defer t.filer.release(path)
	if !isAbsent(path) || !isAbandoned(path+noteSuffix) {
		return nil
	}
	return step("remove its note", os.Remove(path+noteSuffix))
}
