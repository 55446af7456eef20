package filing

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"kaizala-drop/internal/file"
)

// target is the folder that the file went to: its subfolders may have other names there.
func (m Move) target() string {
	dir := filepath.Clean(m.Dir)
	for part := range m.parts(dir) {
		dir = subfolder(dir, part)
	}
	return dir
}

// subfolder is where a subfolder is found, or else would be looked for.
func subfolder(dir, part string) string {
	asked := nameLimit(dir)
	for _, s := range spellings(part, asked, 0) {
		for n := 1; n <= maxLost; n++ {
			path := filepath.Join(dir, s.numbered(part, n, 0))
			info, err := file.Lstat(path)
			if err == nil && info.Mode.IsDir() {
				return path
			}
			if err != nil || n == 1 && filepath.Base(path) == part {
				break
			}
		}
	}
	return filepath.Join(dir, part)
}

// resume finishes a move that was broken off, by a crash at whatever moment. Without a dest and an error there is nothing
// to finish, and what stood in the way is gone: the move is to be made from its beginning.
//
//	left behind                                        was before
//	a copy under its hidden name alone                 it got its name: it is removed, and made again
//	a copy with two names                              the original was removed and the hidden name, too
//	the file under a second name in the target         the first name was removed (where there is no renameat2)
//	the original set aside under a hidden name         it was removed
//	the file in the target, and nowhere else           the caller heard of it, or its emptied folder was removed
func (f *Filer) resume(m Move, note *Note) (dest string, err error) {
	t := &trip{filer: f, move: m, held: hold(m.source()), noted: note}
	defer t.held.release()
	target := m.target()
	if dest, err = t.findTwin(target); err != nil {
		return "", m.explain(err)
	}
	if t.spare != "" && len(t.move.SHA256) == 0 { // its copy is whole
		t.move.SHA256, _ = sumOf(filepath.Dir(dest), filepath.Base(dest))
	}
	aside := m.aside()
	setAside, original := lies(aside, isSetAside(m.Want)), m.original()
	if dest == "" {
		dest = t.landedAs(target, isThe(m.Want))
	}
	if dest == "" && !setAside && !original {
		dest = t.landedAs(target, isLike(m.Want))
		if dest != "" && m.isOther(dest) {
			dest = ""
		}
	}
	switch {
	case dest == "" && setAside: // what it became is not there any more: it is the only one
		return "", f.restore(aside, m.source())
	case dest == "":
		return "", nil
	case m.Sought && t.spare != "" && !setAside && !t.move.liesChanged():
		if reason := m.look(); reason != nil { // a copy, and its original was renamed, or removed at the last moment
			return "", m.explain(fmt.Errorf("%w; %w", reason, Copied{t.move.SHA256}))
		}
	}
	return t.conclude(dest, aside)
}

// findTwin finds the copy under its hidden name, and the name that it has beside. One that has no other is removed.
func (t *trip) findTwin(target string) (dest string, err error) {
	path := leftHidden(filepath.Join(target, filepath.Base(t.move.Name)), t.move.Want)
	twin, err := file.Lstat(path)
	if err != nil {
		return t.findMarked(target), nil
	}
	if dest = t.landedAs(target, twin.SameFile); dest != "" {
		t.spare = path
		return dest, nil
	}
	if err := os.Remove(t.move.markPath(target)); err != nil && !absent(err) { // of a name that it did not get
		return "", step("remove the mark of an unfinished copy", err)
	}
	return "", step("remove an unfinished copy", os.Remove(path))
}

// findMarked finds the copy where it could have no second name: its name was written down before it got it.
func (t *trip) findMarked(target string) (dest string) {
	mark := t.move.markPath(target)
	name, err := os.ReadFile(mark)
	if err != nil || !filepath.IsLocal(string(name)) || filepath.Base(string(name)) != string(name) {
		return ""
	}
	dest = filepath.Join(target, string(name))
	if !lies(dest, isLike(t.move.Want)) {
		_ = os.Remove(mark)
		return ""
	}
	t.spare = mark
	return dest
}

// isThe matches one file in one state.
func isThe(want file.Identity) func(file.Identity) bool {
	return func(id file.Identity) bool { return isFile(id, want) }
}

// isSetAside matches what lies under a hidden name that is made of the file's own identity: where inode numbers are made up, it
// may have got another with that name.
func isSetAside(want file.Identity) func(file.Identity) bool {
	return func(id file.Identity) bool { return id.Size == want.Size && id.Mtime == want.Mtime }
}

// coarsest is how far apart the times of a file system are: those of FAT.
const coarsest = 2 * time.Second

// isLike matches what may be a copy of the file on whatever file system: its size, and its mtime as far as that is kept.
func isLike(want file.Identity) func(file.Identity) bool {
	return func(id file.Identity) bool {
		return id.Size == want.Size && time.Duration(id.Mtime-want.Mtime).Abs() <= coarsest
	}
}

// isOther reports whether what looks like a copy of the file holds other bytes: another file of its name, its size and its time.
func (m Move) isOther(dest string) bool {
	if len(m.SHA256) == 0 {
		return false
	}
	same, err := m.isSum(filepath.Dir(dest), filepath.Base(dest))
	return err == nil && !same
}

// gap is how many numbers may be missing before those that are looked at: a person takes files away.
const gap = 4

// landedAs finds the file among those of its name in the target, in whichever spelling: the last one that may be it. A name
// that was reserved for it, and never taken, is free again.
func (t *trip) landedAs(target string, mine func(file.Identity) bool) (found string) {
	name, own := filepath.Base(t.move.wanted()), filepath.Base(t.move.Name)
	for _, s := range spellings(name, nameLimit(target), t.room()) {
		for n, missing := 1, 0; missing < gap; n++ {
			path := filepath.Join(target, s.numbered(name, n, t.room()))
			info, err := file.Lstat(path)
			switch {
			case err != nil:
				missing++
			case info.Mode.IsRegular() && mine(info.Identity):
				found = path
			case t.filer.isPlace(path, tagOf(own, t.move.Want)):
				if os.Remove(path) == nil {
					t.filer.notePlace(path, "")
				}
			}
		}
		if found != "" {
			return found
		}
	}
	return ""
}

// conclude makes the last steps of a move whose file lies at dest.
func (t *trip) conclude(dest, aside string) (string, error) {
	var err error
	if t.to, err = openDir(filepath.Dir(dest)); err != nil {
		return "", t.move.explain(err)
	}
	defer t.to.Close()
	t.from, err = openDir(filepath.Dir(t.move.source()))
	switch {
	case absent(err):
		return t.concludeHere(dest, aside)
	case err != nil:
		return "", t.move.explain(err)
	}
	defer t.from.Close()
	if isAbsent(t.move.source()) && isAbsent(aside) && t.looksAway(dest) {
		return "", t.move.explain(ErrFolderGone)
	}
	if err := t.dropAside(dest, aside); err != nil {
		return "", t.move.explain(err)
	}
	t.twin.path = dest // so that the original goes, and only when this one is on disk
	return t.settle(dest)
}

// looksAway reports whether the folder may be a bare mount point, so that an original which is not seen there may be back with
// its share: it is empty, on another device than the file was on, and nothing is mounted there. What lies below it, or was
// moved and not copied, has no original elsewhere.
func (t *trip) looksAway(dest string) bool {
	below, err := filepath.Rel(t.move.Folder, dest)
	if err == nil && filepath.IsLocal(below) || lies(dest, isThe(t.move.Want)) {
		return false
	}
	folder, err := file.Stat(t.move.Folder)
	if err != nil || folder.Dev == t.move.Want.Dev {
		return err != nil
	}
	above, err := file.Stat(filepath.Dir(t.move.Folder))
	if err == nil && above.Dev != folder.Dev {
		return false
	}
	entries, err := os.ReadDir(t.move.Folder)
	return err == nil && len(entries) == 0
}

// dropAside removes the original that was set aside, once what it became is on disk. That must come before the copy's
// second name goes: after it, nothing would tell that the original is not the only one.
func (t *trip) dropAside(dest, aside string) error {
	if !lies(aside, isSetAside(t.move.Want)) {
		return nil
	}
	if err := and(t.syncContent(dest), t.filer.syncs.sync(t.to)); err != nil {
		return err
	}
	return step("remove its original, which was set aside", os.Remove(aside))
}

// concludeHere is conclude where the folder that the file lay in is not there. If it was moved, it is where it was wanted.
// If it was copied, its original may be there still, on a share that is away.
func (t *trip) concludeHere(dest, aside string) (string, error) {
	if !lies(dest, isThe(t.move.Want)) {
		switch mounted, err := t.move.mounted(); {
		case err != nil:
			return "", t.move.explain(step("look at its folder", err))
		case !mounted:
			return "", t.move.explain(ErrFolderGone)
		}
	}
	err := t.dropAside(dest, aside)
	if err == nil && filepath.Dir(aside) != filepath.Dir(t.move.source()) {
		err = t.syncFolder(filepath.Dir(aside))
	}
	if err != nil {
		return "", t.move.explain(err)
	}
	return dest, and(t.syncContent(dest), and(t.dropSpare(), t.filer.syncs.sync(t.to)))
}

func (t *trip) syncFolder(path string) error {
	dir, err := openDir(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return t.filer.syncs.sync(dir)
}

// aside is where the original would have been set aside, or was: its folder may have been renamed with it.
func (m Move) aside() string {
	aside := leftHidden(m.source(), m.Want)
	if m.source() == filepath.Join(m.Folder, filepath.Base(m.Name)) || !isAbsent(filepath.Dir(m.source())) {
		return aside
	}
	_ = filepath.WalkDir(m.Folder, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || path == filepath.Clean(m.Dir):
			return fs.SkipDir
		case e.Name() == filepath.Base(aside):
			aside = path
			return fs.SkipAll
		}
		return nil
	})
	return aside
}

// liesChanged reports whether the file lies at its place with other looks.
func (m Move) liesChanged() bool {
	_, is := m.changed()
	return is
}

// changed gives the looks of what lies at the file's place, if they are others than the wanted ones and the bytes are not.
func (m Move) changed() (file.Identity, bool) {
	info, err := file.Lstat(m.source())
	if err != nil || isFile(info.Identity, m.Want) || info.Size != m.Want.Size || len(m.SHA256) == 0 {
		return file.Identity{}, false
	}
	same, err := m.isSum(m.Folder, m.Name)
	return info.Identity, err == nil && same
}
