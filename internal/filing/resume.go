package filing

import (
	"os"
	"path/filepath"
	"time"

	"kaizala-drop/internal/file"
)

// target is the folder that the file goes to.
func (m Move) target() string { return filepath.Join(m.Dir, filepath.Dir(m.Name)) }

// resume finishes a move that was broken off, by a crash at whatever moment. Without a dest and an error there is nothing
// to finish, and what stood in the way is gone: the move is to be made from its beginning.
//
//	left behind                                        was before
//	a copy under its hidden name alone                 it got its name: it is removed, and made again
//	a copy with two names                              the original was removed and the hidden name, too
//	the file under a second name in the target         the first name was removed (where there is no renameat2)
//	the original set aside under a hidden name         it was removed
//	the file in the target, and nowhere else           the caller heard of it, or its emptied folder was removed
func (f *Filer) resume(m Move, limit int) (dest string, err error) {
	t := &trip{Filer: f, Move: m}
	mine := isThe(m.Want)
	if twin, err := file.Lstat(m.twinPath()); err == nil && twin.Links == 1 {
		if err := os.Remove(m.twinPath()); err != nil {
			return "", m.explain(step("remove an unfinished copy", err))
		}
	} else if err == nil {
		t.spare, mine = m.twinPath(), twin.SameFile
	}
	aside := hidden(m.source(), m.Want)
	setAside, original := lies(aside, isThe(m.Want)), m.original()
	dest = t.landedAs(limit, mine)
	if dest == "" && t.spare == "" && !setAside && !original {
		dest = t.landedAs(limit, isLike(m.Want))
	}
	switch {
	case dest == "" && setAside: // what it became is not there any more: it is the only one
		return "", f.restore(aside, m.source())
	case dest == "":
		return "", t.dropSpare()
	}
	return t.conclude(dest, aside)
}

// isThe matches one file in one state.
func isThe(want file.Identity) func(file.Identity) bool {
	return func(id file.Identity) bool { return isFile(id, want) }
}

// coarsest is how far apart the times of a file system are: those of FAT.
const coarsest = 2 * time.Second

// isLike matches what may be a copy of the file on whatever file system: its size, and its mtime as far as that is kept.
func isLike(want file.Identity) func(file.Identity) bool {
	return func(id file.Identity) bool {
		return id.Size == want.Size && time.Duration(id.Mtime-want.Mtime).Abs() <= coarsest
	}
}

// landedAs finds the file among those of its name in the target: the last one that may be it.
func (t *trip) landedAs(limit int, mine func(file.Identity) bool) string {
	for n, found := 1, ""; ; n++ {
		path := filepath.Join(t.target(), numbered(filepath.Base(t.Name), n, limit))
		info, err := file.Lstat(path)
		if err != nil {
			return found
		}
		if info.Mode.IsRegular() && mine(info.Identity) {
			found = path
		}
	}
}

// conclude makes the last steps of a move whose file lies at dest.
func (t *trip) conclude(dest, aside string) (string, error) {
	var err error
	if t.to, err = openDir(t.target()); err != nil {
		return "", t.explain(err)
	}
	defer t.to.Close()
	t.from, err = openDir(filepath.Dir(t.source()))
	switch {
	case absent(err):
		return t.concludeHere(dest)
	case err != nil:
		return "", t.explain(err)
	}
	defer t.from.Close()
	if err := t.dropAside(dest, aside); err != nil {
		return "", t.explain(err)
	}
	t.twin.path = dest // so that the original goes, and only when this one is on disk
	return t.settle(dest)
}

// dropAside removes the original that was set aside, once what it became is on disk. That must come before the copy's
// second name goes: after it, nothing would tell that the original is not the only one.
func (t *trip) dropAside(dest, aside string) error {
	if !lies(aside, isThe(t.Want)) {
		return nil
	}
	if err := and(t.syncContent(dest), t.syncs.sync(t.to)); err != nil {
		return err
	}
	return step("remove its original, which was set aside", os.Remove(aside))
}

// concludeHere is conclude where the folder that the file lay in is not there. If it was moved, it is where it was wanted.
// If it was copied, its original may be there still, on a share that is away.
func (t *trip) concludeHere(dest string) (string, error) {
	if !lies(dest, isThe(t.Want)) {
		switch mounted, err := t.mounted(); {
		case err != nil:
			return "", t.explain(step("look at its folder", err))
		case !mounted:
			return "", t.explain(ErrFolderGone)
		}
	}
	return dest, and(t.syncContent(dest), and(t.dropSpare(), t.syncs.sync(t.to)))
}
