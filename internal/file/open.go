package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrNotRegular is in the error of Open for everything that is not a regular file. Such a file was not opened for
// reading.
var ErrNotRegular = errors.New("not a regular file")

// Open opens the regular file name below folder for reading, and says what was opened. The caller closes the file.
//
// No symbolic link below folder is followed. A FIFO or a device is never opened: a FIFO would block for ever, and some
// devices act on open(2). The descriptor is checked, not the path, so nothing can be put in its place between the check
// and the opening.
//
// The errors are *fs.PathError; errors.Is finds fs.ErrNotExist and ErrNotRegular in them.
func Open(folder, name string) (*os.File, Info, error) {
	path := filepath.Join(folder, name)
	if !filepath.IsLocal(name) {
		return nil, Info{}, &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("%q leads out of its folder", name)}
	}
	f, info, err := openBeneath(folder, name)
	if err != nil {
		return nil, Info{}, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return f, info, nil
}
