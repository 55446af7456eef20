package ledger

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const damaged = "damaged: put back a backup, or move it aside together with its -wal and " + madeName +
	" to start without a memory (" + without + ")"

// explain adds to an error of SQLite which file it is about and what to do.
func (l *Reader) explain(err error) error {
	if _, ok := errors.AsType[*sqlite.Error](err); !ok {
		return fmt.Errorf("ledger %q: %w", l.path(), err)
	}
	return fmt.Errorf("ledger %q: %s: %w", l.path(), advice(err), err)
}

// advice puts the primary result code in words (https://www.sqlite.org/rescode.html).
func advice(err error) string {
	switch code(err) {
	case sqlite3.SQLITE_FULL:
		return "its disk is full: make room there"
	case sqlite3.SQLITE_IOERR:
		return "its disk cannot be read or written, or is full: look at df and the kernel's log"
	case sqlite3.SQLITE_CORRUPT:
		return damaged
	case sqlite3.SQLITE_NOTADB:
		return "not a ledger, or damaged at its beginning: put back a backup, or move it away"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return "cannot be written: let the daemon's user write in its folder"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "another program holds it: end that program's transaction"
	default:
		return "SQLite reports an error, see its text"
	}
}

func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return sqlite3.SQLITE_OK
}

// unwritable is the error about a file in state_dir that cannot be made or opened.
func unwritable(dir string, err error) error {
	return fmt.Errorf("cannot write in state_dir %q: %w: %s", dir, err, remedy(err))
}

// remedy says what to do about an error of the file system.
func remedy(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "let the daemon's user write there"
	case errors.Is(err, unix.EROFS):
		return "its file system is mounted read-only: remount it, or name another state_dir"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "its disk is full: make room there"
	default:
		return "find out what is in the way there, or name another state_dir"
	}
}
