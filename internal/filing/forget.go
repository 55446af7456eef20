package filing

import (
	"os"
	"path/filepath"
)

// Forget removes what tries of a move left in m.Dir that were broken off: a copy, finished or not, a second name, a reserved
// name, and a note without its file. It is for a file that was found under another name or with other looks, from where it is
// to be moved. failed says that it was Fail that moved. What it removed stays so.
func (f *Filer) Forget(m Move, failed bool) error {
	t := &trip{Filer: f, Move: m}
	if failed {
		t.noted = &Note{}
	}
	target := m.target()
	dest, err := t.findTwin(target)
	if dest == "" {
		dest = t.landedAs(target, isThe(m.Want))
	}
	if err == nil && dest != "" {
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

// dropNotes removes the notes that were written for the file, which then did not come.
func (t *trip) dropNotes(target string) error {
	name := filepath.Base(t.Name)
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
	if isAbsent(path+noteSuffix) || !t.reserve(path) {
		return nil
	}
	defer t.release(path)
	if !isAbsent(path) || !isAbandoned(path+noteSuffix) {
		return nil
	}
	return step("remove its note", os.Remove(path+noteSuffix))
}
