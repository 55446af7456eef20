package filing

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"kaizala-drop/internal/file"
)

// maxTouches is how often the removal of an original is tried while somebody touches it again and again.
const maxTouches = 4

var errNotRemoved = errors.New("it is still there, although the file system says that it was removed")

// removeOriginal removes the file that was copied, unless it has changed since. left reports that the original still exists and
// the copy must be removed: the original could not be removed, or somebody has renamed it, so that it will be filed under that
// name. If somebody has removed or replaced the original, the copy is the file.
func (t *transfer) removeOriginal() (left bool, err error) {
	if isAt(t.move.source(), t.move.isRewritten) {
		return false, nil
	}
	removed, wanted := false, t.asItIsNow()
	for try := 0; try < maxTouches && err == nil && !removed && isAt(t.move.source(), wanted); try++ {
		removed, err = t.filer.remove(t.move.source(), wanted)
		wanted = t.asItIsNow()
	}
	if !removed && isAt(t.move.source(), wanted) {
		return true, failedTo("remove the original of its copy", cmp.Or(err, errNotRemoved))
	}
	if err == nil && !removed {
		err = checkStillThere(t.from)
	}
	writtenTo := isAt(t.move.source(), func(id file.Identity) bool { return id.Ino == t.move.Want.Ino })
	if err == nil && !removed && !writtenTo && t.handle.isLinked() {
		return true, ErrGone
	}
	return false, err
}

// asItIsNow matches the wanted file, even if somebody has touched it or saved the same bytes again meanwhile.
func (t *transfer) asItIsNow() func(file.Identity) bool {
	if now, is := t.move.touched(); is {
		return isExactly(now)
	}
	return isExactly(t.move.Want)
}

// checkStillThere fails if the path of the open folder dir no longer leads to it. When a share is taken away during a move
// (umount -l), a file that is to be removed there seems to be absent but will come back with the share: only the same move with
// Again can remove it then.
func checkStillThere(dir *os.File) error {
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
