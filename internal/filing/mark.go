package filing

import (
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Mark is the name of a file that lies in each done/ and failed/ and says what they are: a folder that holds it is known to
// be one of them under whatever name and wherever it was moved. It never expires.
const Mark = ".kaizala-drop-filed"

const markText = `kaizala-drop moves files into this folder when they are posted, or when they cannot be.

As long as this file lies here nothing in this folder is posted, also if the folder is renamed or moved into one that is
watched. To have its files posted again, drag the files themselves out of it.
`

// mark makes sure that the folder dir holds the mark. A disk that is full or a mark that cannot be made keeps no file from
// being filed: the next one tries again.
func (t *trip) mark(dir string) {
	path := filepath.Join(dir, Mark)
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.F_OK, unix.AT_SYMLINK_NOFOLLOW); !absent(err) {
		return
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return
	}
	if _, err = io.WriteString(f, markText); err == nil {
		give(f, t.owner, t.owner.mode.Perm()&^0o111)
	}
	_ = f.Close()
}
