package filing

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"kaizala-drop/internal/file"
)

// target is the folder to which an earlier try moved the file. Subfolders may have other names there than in the watched folder.
func (m Move) target() string {
	dir := filepath.Clean(m.Dir)
	for part := range m.parts(dir) {
		dir = subfolder(dir, part)
	}
	return dir
}

// subfolder is the path at which the subfolder part exists in dir, in whichever spelling, or else its path under its own name.
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

// resume finishes a move that a crash broke off. If it returns neither a dest nor an error, nothing was left to finish, what
// the crash left is cleared away, and the caller makes the move from its beginning.
//
//	what the crash left                            the crash came before
//	a copy under its hidden name alone             the copy got its final name: it is removed, to be made again
//	a copy with two names                          the original and the hidden name were removed
//	the file under a second name in the target     the first name was removed (where there is no renameat2)
//	the original set aside under a hidden name     the original was removed
//	the file in the target, and nowhere else       the caller heard of the move, or the emptied folder was removed
func (f *Filer) resume(m Move, note *Note) (dest string, err error) {
	t := &transfer{filer: f, move: m, handle: openHandle(m.source()), noted: note}
	defer t.handle.close()
	target := m.target()
	if dest, err = t.findCopy(target); err != nil {
		return "", m.explain(err)
	}
	if t.secondName != "" && len(t.move.SHA256) == 0 { // the copy is whole
		t.move.SHA256, _ = sumOf(filepath.Dir(dest), filepath.Base(dest))
	}
	aside := m.aside()
	setAside, inPlace := isAt(aside, isSetAside(m.Want)), m.isInPlace()
	if dest == "" {
		dest = t.landedAs(target, isExactly(m.Want))
	}
	if dest == "" && !setAside && !inPlace {
		dest = t.landedAs(target, looksLike(m.Want))
		if dest != "" && m.isOther(dest) {
			dest = ""
		}
	}
	switch {
	case dest == "" && setAside: // nothing is in the target, so the original that was set aside is the only one
		return "", f.restore(aside, m.source())
	case dest == "":
		return "", nil
	case m.Sought && t.secondName != "" && !setAside && !t.move.isTouched():
		if reason := m.verify(); reason != nil { // somebody has renamed or removed the original of the copy
			return "", m.explain(fmt.Errorf("%w; %w", reason, Copied{t.move.SHA256}))
		}
	}
	return t.finish(dest, aside)
}

// findCopy returns the final path of the copy of an earlier try. It removes a copy that has its hidden name only.
func (t *transfer) findCopy(target string) (dest string, err error) {
	path := leftHidden(filepath.Join(target, filepath.Base(t.move.Name)), t.move.Want)
	found, err := file.Lstat(path)
	if err != nil {
		return t.findByPointer(target), nil
	}
	if dest = t.landedAs(target, found.SameFile); dest != "" {
		t.secondName = path
		return dest, nil
	}
	if err := os.Remove(t.move.pointerPath(target)); err != nil && !absent(err) { // it holds a name that the copy did not get
		return "", failedTo("remove the pointer to an unfinished copy", err)
	}
	return "", failedTo("remove an unfinished copy", os.Remove(path))
}

// findByPointer returns the final path of a copy that could not have two names. It removes the pointer to a copy that did not
// get its name.
func (t *transfer) findByPointer(target string) (dest string) {
	pointer := t.move.pointerPath(target)
	name, err := os.ReadFile(pointer)
	if err != nil || !filepath.IsLocal(string(name)) || filepath.Base(string(name)) != string(name) {
		return ""
	}
	dest = filepath.Join(target, string(name))
	if !isAt(dest, looksLike(t.move.Want)) {
		_ = os.Remove(pointer)
		return ""
	}
	t.secondName = pointer
	return dest
}

// isExactly matches one file in one state.
func isExactly(want file.Identity) func(file.Identity) bool {
	return func(id file.Identity) bool { return isFile(id, want) }
}

// isSetAside matches the file under the hidden name that is made of want. It ignores the inode number, which some file systems
// change with the name.
func isSetAside(want file.Identity) func(file.Identity) bool {
	return func(id file.Identity) bool { return id.Size == want.Size && id.Mtime == want.Mtime }
}

// coarsestTime is the coarsest step of mtimes among file systems, that of FAT.
const coarsestTime = 2 * time.Second

// looksLike matches what may be a copy of the file on any file system: its size is equal, and its mtime up to coarsestTime.
func looksLike(want file.Identity) func(file.Identity) bool {
	return func(id file.Identity) bool {
		return id.Size == want.Size && time.Duration(id.Mtime-want.Mtime).Abs() <= coarsestTime
	}
}

// isOther reports whether the file at dest, which has the name, size and mtime of the wanted one, holds other bytes.
func (m Move) isOther(dest string) bool {
	if len(m.SHA256) == 0 {
		return false
	}
	same, err := m.isSum(filepath.Dir(dest), filepath.Base(dest))
	return err == nil && !same
}

// maxMissing is how many numbers of a name may be missing before the search for higher ones ends. Numbers are missing where a
// person took files away.
const maxMissing = 4

// landedAs returns the last path in the target, among all spellings and numbers of the file's name, whose file satisfies mine. It
// removes reservations for the file that a crash left.
func (t *transfer) landedAs(target string, mine func(file.Identity) bool) (found string) {
	name, own := filepath.Base(t.move.wanted()), filepath.Base(t.move.Name)
	for _, s := range spellings(name, nameLimit(target), t.room()) {
		for n, missing := 1, 0; missing < maxMissing; n++ {
			path := filepath.Join(target, s.numbered(name, n, t.room()))
			info, err := file.Lstat(path)
			switch {
			case err != nil:
				missing++
			case info.Mode.IsRegular() && mine(info.Identity):
				found = path
			case t.filer.isReservation(path, tagOf(own, t.move.Want)):
				if os.Remove(path) == nil {
					t.filer.rememberReservation(path, "")
				}
			}
		}
		if found != "" {
			return found
		}
	}
	return ""
}

// finish makes the last steps of a move whose file lies at dest already.
func (t *transfer) finish(dest, aside string) (string, error) {
	var err error
	if t.to, err = openDir(filepath.Dir(dest)); err != nil {
		return "", t.move.explain(err)
	}
	defer t.to.Close()
	t.from, err = openDir(filepath.Dir(t.move.source()))
	switch {
	case absent(err):
		return t.finishWithoutFolder(dest, aside)
	case err != nil:
		return "", t.move.explain(err)
	}
	defer t.from.Close()
	if isAbsent(t.move.source()) && isAbsent(aside) && t.mayBeUnmounted(dest) {
		return "", t.move.explain(ErrFolderGone)
	}
	if err := t.removeAside(dest, aside); err != nil {
		return "", t.move.explain(err)
	}
	t.copy.path = dest // makeDurable then removes the original, once dest is on disk
	return t.makeDurable(dest)
}

// mayBeUnmounted reports whether the folder may be a bare mount point, so that the original may come back with its share: the
// folder is empty, on another device than the file was on, and nothing is mounted there. If dest lies below the folder, or was
// renamed and not copied, there is no original elsewhere.
func (t *transfer) mayBeUnmounted(dest string) bool {
	below, err := filepath.Rel(t.move.Folder, dest)
	if err == nil && filepath.IsLocal(below) || isAt(dest, isExactly(t.move.Want)) {
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

// removeAside syncs the file at dest, then removes the original that was set aside. This must come before the copy's second name
// is removed, because without that name nothing would show that the original is not the only one.
func (t *transfer) removeAside(dest, aside string) error {
	if !isAt(aside, isSetAside(t.move.Want)) {
		return nil
	}
	if err := andThen(t.syncContent(dest), t.filer.syncs.sync(t.to)); err != nil {
		return err
	}
	return failedTo("remove its original, which was set aside", os.Remove(aside))
}

// finishWithoutFolder is finish when the folder in which the file lay is missing. A file that was renamed is where it should be.
// A file that was copied may still have its original, on a share that is not mounted.
func (t *transfer) finishWithoutFolder(dest, aside string) (string, error) {
	if !isAt(dest, isExactly(t.move.Want)) {
		switch mounted, err := t.move.mounted(); {
		case err != nil:
			return "", t.move.explain(failedTo("look at its folder", err))
		case !mounted:
			return "", t.move.explain(ErrFolderGone)
		}
	}
	err := t.removeAside(dest, aside)
	if err == nil && filepath.Dir(aside) != filepath.Dir(t.move.source()) {
		err = t.syncFolder(filepath.Dir(aside))
	}
	if err != nil {
		return "", t.move.explain(err)
	}
	return dest, andThen(t.syncContent(dest), andThen(t.dropSecondName(), t.filer.syncs.sync(t.to)))
}

func (t *transfer) syncFolder(path string) error {
	dir, err := openDir(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return t.filer.syncs.sync(dir)
}

// aside is the path at which the original was or would have been set aside. If the file's subfolder is missing, aside searches
// the whole watched folder, because somebody may have renamed the subfolder.
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

// isTouched reports whether the file in its place has the wanted bytes but another identity.
func (m Move) isTouched() bool {
	_, is := m.touched()
	return is
}

// touched returns the identity of the file in its place, if that is not the wanted one but the bytes are.
func (m Move) touched() (file.Identity, bool) {
	info, err := file.Lstat(m.source())
	if err != nil || isFile(info.Identity, m.Want) || info.Size != m.Want.Size || len(m.SHA256) == 0 {
		return file.Identity{}, false
	}
	same, err := m.isSum(m.Folder, m.Name)
	return info.Identity, err == nil && same
}
