package filing

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Mark is the name of a file in each done/ and failed/. A folder that holds it is known as such a folder, even if it was
// renamed or moved. It never expires.
const Mark = ".kaizala-drop-filed"

// IsOwnName reports whether a file of that name is this package's: a mark, or what a move needs for a while.
func IsOwnName(name string) bool { return strings.HasPrefix(name, hiddenTag) }

const markText = `kaizala-drop moves files into this folder when they are posted, or when they cannot be.

As long as this file lies here nothing in this folder is posted, even if the folder is renamed or moved into one that is
watched. To have its files posted again, drag the files themselves out of it.
`

// mark writes the mark into the folder dir if it is missing. A mark that cannot be written keeps no file from being filed; the
// next move tries again.
func (t *transfer) mark(dir string) {
	path := filepath.Join(dir, Mark)
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.F_OK, unix.AT_SYMLINK_NOFOLLOW); !absent(err) {
		return
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return
	}
	if _, err = io.WriteString(f, markText); err == nil {
		give(f, t.owner, t.owner.mode.Perm()&^0o111)
	}
	_ = f.Close()
}
