package filing

import (
	"errors"
	"fmt"
	"os"

	"kaizala-drop/internal/file"
)

// touchedMost is how often an original that is touched again and again is looked at to be removed.
const touchedMost = 4

// errCopyGoes says that the original stays, so that end removes the copy: only one may be left.
var errCopyGoes = errors.New("its copy is removed")

// removeOriginal removes what was copied, if it still is what was copied. One that was renamed meanwhile is left to those who
// renamed it, to be filed under that name; one that was removed or replaced is filed.
func (t *trip) removeOriginal() error {
	if lies(t.source(), t.isRewritten) {
		return nil
	}
	var took bool
	var err error
	wanted := isThe(t.asItLooks())
	for try := 0; try < touchedMost && err == nil && !took && lies(t.source(), wanted); try++ {
		took, err = t.take(t.source(), wanted)
		wanted = isThe(t.asItLooks())
	}
	if err != nil && lies(t.source(), wanted) {
		return fmt.Errorf("%w: %w", step("remove the original of its copy", err), errCopyGoes)
	}
	if err == nil {
		err = stays(t.from)
	}
	writtenTo := lies(t.source(), func(id file.Identity) bool { return id.Ino == t.Want.Ino })
	if err == nil && !took && !writtenTo && t.held.hasName() {
		return fmt.Errorf("%w: %w", ErrGone, errCopyGoes)
	}
	return err
}

// stays makes sure that the path of a folder still leads to it. Where a share is taken away in the midst of a move (umount -l),
// whatever is to be removed there is absent, and will be back with it: only the same move with Again can remove it then.
func stays(dir *os.File) error {
	was, err := dir.Stat()
	if err != nil {
		return err
	}
	if now, err := os.Stat(dir.Name()); err != nil && !absent(err) {
		return err
	} else if err != nil || !os.SameFile(was, now) {
		return fmt.Errorf("%w (%s was taken away meanwhile)", ErrFolderGone, quote(dir.Name()))
	}
	return nil
}
