package filing

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"kaizala-drop/internal/file"
)

// touchedMost is how often an original that is touched again and again is looked at to be removed.
const touchedMost = 4

var errStays = errors.New("it is there still, although the file system says otherwise")

// removeOriginal removes what was copied, if it still is what was copied. left says that it is there still. One that was renamed
// meanwhile is left to those who renamed it, to be filed under that name; one that was removed or replaced is filed.
func (t *trip) removeOriginal() (left bool, err error) {
	if lies(t.move.source(), t.move.isRewritten) {
		return false, nil
	}
	took, wanted := false, t.asItLooks()
	for try := 0; try < touchedMost && err == nil && !took && lies(t.move.source(), wanted); try++ {
		took, err = t.filer.take(t.move.source(), wanted)
		wanted = t.asItLooks()
	}
	if !took && lies(t.move.source(), wanted) {
		return true, step("remove the original of its copy", cmp.Or(err, errStays))
	}
	if err == nil && !took {
		err = stays(t.from)
	}
	writtenTo := lies(t.move.source(), func(id file.Identity) bool { return id.Ino == t.move.Want.Ino })
	if err == nil && !took && !writtenTo && t.held.isLinked() {
		return true, ErrGone
	}
	return false, err
}

// asItLooks matches the wanted file, also where somebody has touched it or saved it again meanwhile.
func (t *trip) asItLooks() func(file.Identity) bool {
	if now, is := t.move.changed(); is {
		return isThe(now)
	}
	return isThe(t.move.Want)
}

// stays makes sure that the path of a folder still leads to it. Where a share is taken away in the midst of a move (umount -l),
// whatever is to be removed there is absent, and will be back with it: only the same move with Again can remove it then.
func stays(dir *os.File) error {
	was, err := dir.Stat()
	if err != nil {
		return err
	}
	now, err := os.Stat(dir.Name())
	if err != nil && !absent(err) {
		return err
	}
	if err != nil || !os.SameFile(was, now) {
		return fmt.Errorf("%w (%s was taken away meanwhile)", ErrFolderGone, quote(dir.Name()))
	}
	return nil
}
