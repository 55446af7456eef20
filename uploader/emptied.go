package uploader

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// removeEmptied removes the subfolders that the files of d were moved out of, and those they lie in, if nothing is left in
// them. Never the watched folder; and what is left, even a hidden file, keeps its folder: the kernel removes none but an
// empty one. What cannot be removed stays. It reports whether any of them is gone, by now or by an earlier run.
func removeEmptied(d *delivery) (removed bool) {
	var root *os.Root
	tried := map[string]bool{}
	for _, f := range d.Files {
		for dir := filepath.Dir(f.Name); dir != "." && !tried[dir]; dir = filepath.Dir(dir) {
			tried[dir] = true
			if root == nil {
				var err error
				if root, err = os.OpenRoot(d.Folder); err != nil {
					return removed
				}
				defer root.Close()
			}
			if !removeEmpty(root, dir) {
				break
			}
			removed = true
		}
	}
	return removed
}

// removeEmpty removes the empty folder dir, which must lie inside root whatever links there are, and reports whether there
// is none now. unlinkat(2), unlike remove(3), never takes a file that is there in its place.
func removeEmpty(root *os.Root, dir string) bool {
	parent, err := root.OpenFile(filepath.Dir(dir), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0) // never a FIFO, which would block
	if err == nil {
		defer parent.Close()
		err = unix.Unlinkat(int(parent.Fd()), filepath.Base(dir), unix.AT_REMOVEDIR)
	}
	return err == nil || errors.Is(err, fs.ErrNotExist) // an earlier run was broken off after it
}
