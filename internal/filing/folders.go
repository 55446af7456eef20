package filing

import (
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// owner is whom a folder belongs to, and who else may enter.
type owner struct {
	uid, gid int
	mode     fs.FileMode // permissions, set-gid and sticky bit
}

func ownerOf(info fs.FileInfo) owner {
	st := sys(info)
	return owner{int(st.Uid), int(st.Gid), info.Mode() & (fs.ModePerm | fs.ModeSetgid | fs.ModeSticky)}
}

// give hands over what we made, as far as we may: that others can read it must not decide whether a file is filed.
// The group comes first, for chmod drops set-gid for a group that we are not in; the user last, for then it is no
// longer ours to change.
func give(f *os.File, o owner, mode fs.FileMode) {
	_ = f.Chown(-1, o.gid)
	if info, err := f.Stat(); err != nil || ownerOf(info).mode != mode {
		_ = f.Chmod(mode)
	}
	_ = f.Chown(o.uid, -1)
}

// makeFolders makes what is missing of m.Dir and of the file's subfolders below it, and returns where the file belongs.
func (f *Filer) makeFolders(m Move, o owner) (string, error) {
	dir := filepath.Clean(m.Dir)
	if below, err := filepath.Rel(m.Folder, filepath.Dir(dir)); !m.Back && err == nil && filepath.IsLocal(below) {
		// A done/ such as "archive/done": what belongs to the watched folder may be made, anything else is not ours to make.
		if err := f.makeEach(m.Folder, below, o); err != nil {
			return "", err
		}
	}
	if !m.Back {
		if err := f.makeFolder(dir, o, os.Stat); err != nil {
			return "", err
		}
	}
	for part := range m.parts(dir) {
		var err error
		if dir, err = f.makeSubfolder(dir, part, o); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// maxPath is how long a path may be in the target before the file's own name, in bytes: PATH_MAX is 4096 with the NUL.
const maxPath = 4096 - 1 - 2*maxName

// parts are the subfolders of the file that are kept below dir: as many as a path has room for.
func (m Move) parts(dir string) iter.Seq[string] {
	return func(yield func(string) bool) {
		size := len(dir)
		for part := range strings.SplitSeq(filepath.Dir(filepath.Clean(m.wanted())), "/") {
			if size += len("/") + len(part); part != "." && (size > maxPath || !yield(part)) {
				return
			}
		}
	}
}

// makeSubfolder makes a folder below done/, in the first spelling that is taken there. A link is not followed: it could lead
// the file anywhere, with the daemon's rights, and whoever may write to done/ can make one.
func (f *Filer) makeSubfolder(dir, part string, o owner) (string, error) {
	asked := nameLimit(dir)
	for s := firstSpelling(part, asked); ; {
		path, err := f.makeSpelled(dir, part, s, o)
		next, ok := s.after(err, 1, dir, part, asked, 0)
		if !ok {
			return path, err
		}
		s = next
	}
}

// makeSpelled makes a folder of this spelling. A changed one may be a file's by chance, and gets a number then.
func (f *Filer) makeSpelled(dir, part string, s spelling, o owner) (string, error) {
	for n := 1; ; n++ {
		path := filepath.Join(dir, s.numbered(part, n, 0))
		err := f.makeFolder(path, o, os.Lstat)
		if !errors.Is(err, unix.ENOTDIR) || s.numbered(part, 1, 0) == part || n > maxLost {
			return path, err
		}
	}
}

func (f *Filer) makeEach(dir, below string, o owner) error {
	for part := range strings.SplitSeq(filepath.Clean(below), "/") {
		if part == "." {
			continue
		}
		dir = filepath.Join(dir, part)
		if err := f.makeFolder(dir, o, os.Stat); err != nil {
			return err
		}
	}
	return nil
}

type statFunc func(string) (fs.FileInfo, error)

// makeFolder makes one folder if it is missing. Whoever asks meanwhile waits until it is complete and on disk.
func (f *Filer) makeFolder(path string, o owner, stat statFunc) error {
	_, err, _ := f.making.Do(path, func() (any, error) {
		err := isFolder(path, stat)
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err := os.Mkdir(path, o.mode.Perm()|0o700); errors.Is(err, fs.ErrExist) {
			err := isFolder(path, stat) // another process was quicker, or a link leads nowhere
			if absent(err) && isLink(path) {
				err = errNowhere(path, err)
			}
			return nil, err
		} else if err != nil {
			return nil, step("make the folder "+quote(path), err)
		}
		return nil, f.finishFolder(path, o)
	})
	return err
}

func isFolder(path string, stat statFunc) error {
	info, err := stat(path)
	switch {
	case err != nil:
		return step("look at the folder "+quote(path), err)
	case info.Mode().Type() == fs.ModeSymlink:
		return errLink(path)
	case !info.IsDir():
		return inTheWay(path)
	}
	return nil
}

func (f *Filer) finishFolder(path string, o owner) error {
	made, err := openDir(path)
	if err != nil {
		return err
	}
	defer made.Close()
	give(made, o, o.mode)
	parent, err := openDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer parent.Close()
	return f.syncs.sync(parent)
}

// openDir opens a folder, and never a FIFO in its place, which would block.
func openDir(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, step("open the folder "+quote(path), err)
	}
	return f, nil
}

func sameDir(a, b *os.File) (bool, error) {
	ia, err := a.Stat()
	if err != nil {
		return false, err
	}
	ib, err := b.Stat()
	return err == nil && os.SameFile(ia, ib), err
}
