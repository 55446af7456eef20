package filing

import (
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/acl"
)

// owner is the ownership of a folder, and its permissions.
type owner struct {
	uid, gid int
	mode     fs.FileMode // permissions, set-gid and sticky bit
}

func ownerOf(info fs.FileInfo) owner {
	st := sys(info)
	return owner{int(st.Uid), int(st.Gid), info.Mode() & (fs.ModePerm | fs.ModeSetgid | fs.ModeSticky)}
}

// give sets the owner and the mode of a new file or folder as far as this account may. It reports no error, because a file is
// filed even if others cannot read it.
//
// The group is set before the mode, because chmod(2) drops set-gid for a group that this process is not in. Where chown(2) is forbidden,
// as under the unit, and the group was not inherited, an ACL lets the group in. The user is set last, because after that this account
// may no longer change the file.
func give(f *os.File, o owner, mode fs.FileMode) {
	if info, err := f.Stat(); err == nil && ownerOf(info).gid != o.gid && f.Chown(-1, o.gid) != nil && mode&0o070 != 0 && acl.IsMember(o.gid) {
		_ = acl.Share(f, o.gid, mode)
	}
	if info, err := f.Stat(); err != nil || ownerOf(info).mode != mode {
		setMode(f, mode)
	}
	_ = f.Chown(o.uid, -1)
}

// setMode does without the set-gid bit where that may not be set, as under the unit (RestrictSUIDSGID=). A bit that was inherited stays,
// because without it another mode could be set, and the bit not again.
func setMode(f *os.File, mode fs.FileMode) {
	err := f.Chmod(mode)
	if info, statErr := f.Stat(); errors.Is(err, unix.EPERM) && statErr == nil && info.Mode()&fs.ModeSetgid == 0 {
		_ = f.Chmod(mode &^ fs.ModeSetgid)
	}
}

// makeFolders makes m.Dir and the file's subfolders below it where they are missing, and returns the folder for the file.
func (f *Filer) makeFolders(m Move, o owner) (string, error) {
	dir := filepath.Clean(m.Dir)
	if below, err := filepath.Rel(m.Folder, filepath.Dir(dir)); !m.Back && err == nil && filepath.IsLocal(below) {
		// With a done/ such as "archive/done", archive is made if it is in the watched folder, and nowhere else.
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

// maxPath is how many bytes the path of a folder in the target may have, so that names below it fit into PATH_MAX, which is
// 4096 with the NUL.
const maxPath = 4096 - 1 - 2*maxName

// parts are the subfolders of the file that are kept below dir: as many as fit into a path.
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

// makeSubfolder makes a folder below done/, in the first spelling that the file system accepts. It does not follow a symbolic
// link, which anybody who may write to done/ can make, and which could lead the file anywhere.
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

// makeSpelled makes a folder with the spelling s of its name. A spelling that was changed gets a number if a file has it.
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

// makeFolder makes one folder if it is missing. Other calls for the same folder wait until it has its owner and mode and is on
// disk.
func (f *Filer) makeFolder(path string, o owner, stat statFunc) error {
	_, err, _ := f.making.Do(path, func() (any, error) {
		err := isFolder(path, stat)
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err := makeDir(path, o.mode|0o700); errors.Is(err, fs.ErrExist) {
			err := isFolder(path, stat) // another process was quicker, or a link leads nowhere
			if absent(err) && isLink(path) {
				err = errNowhere(path, err)
			}
			return nil, err
		} else if err != nil {
			return nil, failedTo("make the folder "+quote(path), err)
		}
		return nil, f.finishFolder(path, o)
	})
	return err
}

func isFolder(path string, stat statFunc) error {
	info, err := stat(path)
	switch {
	case err != nil:
		return failedTo("look at the folder "+quote(path), err)
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
		return nil, failedTo("open the folder "+quote(path), err)
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
