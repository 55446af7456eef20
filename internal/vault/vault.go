// Package vault keeps a secret in a file of state_dir, for the eyes of the daemon's user alone. Several processes use the file at a
// time: the daemon, "login", "logout" and "check --online". Who writes holds the lock of the directory (flock(2)) meanwhile, and a
// crash leaves the old content or the new.
package vault

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/durable"
)

// MaxSize is how many bytes are read of a file, and one less may be written.
const MaxSize = 64 << 10

// File is where a secret is kept. It is safe for concurrent use.
type File struct {
	Dir  string // state_dir; "": there is no file
	Name string
}

// Path is that of the file.
func (f File) Path() string { return filepath.Join(f.Dir, f.Name) }

// Read gives what is kept, and nil where nothing is. That Dir is missing is an error. Its errors show nothing of the content.
func (f File) Read() ([]byte, error) {
	if f.Dir == "" {
		return nil, nil
	}
	root, err := os.OpenRoot(f.Dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return f.readIn(root)
}

func (f File) readIn(root *os.Root) ([]byte, error) {
	before, err := root.Lstat(f.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file: move it away")
	}
	file, err := root.OpenFile(f.Name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) { // it was removed meanwhile
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, MaxSize))
	if err == nil && content == nil {
		content = []byte{}
	}
	return content, err
}

// Change puts what next gives for the present content, which is nil if nothing is kept, in its place, while no other process changes
// it. An error of next is returned, and nothing is changed. When it returns nil, the new content is on disk.
func (f File) Change(next func(now []byte, err error) ([]byte, error)) error {
	return f.locked(func(root *os.Root, dir *os.File) error {
		content, err := next(f.readIn(root))
		if err != nil {
			return err
		}
		return f.write(root, dir, content)
	})
}

// Put keeps content in the place of whatever is there.
func (f File) Put(content []byte) error {
	return f.Change(func([]byte, error) ([]byte, error) { return content, nil })
}

// Try does all that Put does but the last step, to find out beforehand whether that will work.
func (f File) Try() error {
	return f.locked(func(root *os.Root, dir *os.File) error {
		return errors.Join(f.writeNew(root, dir, make([]byte, 4096)), removeIn(root, f.newName()))
	})
}

// Remove removes what is kept, also what a crash left of a writing, and reports whether there was something.
func (f File) Remove() (was bool, err error) {
	err = f.locked(func(root *os.Root, dir *os.File) error {
		_, err := root.Lstat(f.Name)
		was = err == nil
		return errors.Join(removeIn(root, f.Name), removeIn(root, f.newName()), syncFolder(dir))
	})
	return was, err
}

// locked calls change while no other process changes what is kept in Dir.
func (f File) locked(change func(root *os.Root, dir *os.File) error) error {
	root, err := os.OpenRoot(f.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close() // and so give the lock back
	if err := lock(dir); err != nil {
		return fmt.Errorf("cannot lock the folder: %w", err)
	}
	return change(root, dir)
}

// lock waits for the lock of dir. A file system that locks no directories (NFS takes the lock for one of writing, for which
// none can be open) leaves but the moment between reading and renaming unguarded.
func lock(dir *os.File) error {
	for {
		switch err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EBADF), errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS):
			return nil
		default:
			return err
		}
	}
}

func (f File) newName() string { return f.Name + ".new" }

// write writes a second file and renames it over the first.
func (f File) write(root *os.Root, dir *os.File, content []byte) error {
	if len(content) >= MaxSize {
		return fmt.Errorf("%d bytes are no token", len(content))
	}
	err := f.writeNew(root, dir, content)
	if err == nil {
		err = root.Rename(f.newName(), f.Name)
	}
	if err != nil {
		return errors.Join(err, removeIn(root, f.newName()))
	}
	return syncFolder(dir)
}

func syncFolder(dir *os.File) error {
	if err := dir.Sync(); !durable.CannotSyncFolders(err) {
		return err
	}
	return nil
}

func (f File) writeNew(root *os.Root, dir *os.File, content []byte) error {
	if err := removeIn(root, f.newName()); err != nil {
		return err
	}
	out, err := root.OpenFile(f.newName(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(content)
	return errors.Join(err, out.Chmod(0o600), inherit(out, dir), out.Sync(), out.Close())
}

func removeIn(root *os.Root, name string) error {
	if err := root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// inherit gives out the owner and the group of dir: what root writes, with "login" or "check --online", is for the daemon to read.
func inherit(out, dir *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return err
	}
	if me := os.Geteuid(); me != 0 && int(st.Uid) == me {
		return nil
	}
	return unix.Fchown(int(out.Fd()), int(st.Uid), int(st.Gid))
}
