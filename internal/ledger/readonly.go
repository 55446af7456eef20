package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/text"
)

var (
	// ErrNone is wrapped by OpenReadOnly's error where no ledger was ever made.
	ErrNone = errors.New("there is no ledger yet")
	// ErrOlder is wrapped by OpenReadOnly's error about a ledger that the daemon has to bring up to date first.
	ErrOlder = errors.New("written by an older kaizala-drop")
	// ErrMeanwhile is wrapped by the error of a question during which a daemon has begun to write: ask again.
	ErrMeanwhile = errors.New("the daemon has started meanwhile: ask again")
)

// OpenReadOnly opens the ledger in state_dir dir for questions, with or without a daemon that works with it: of its files none is
// made, changed or removed. The caller closes it, soon: a daemon that starts after it is seen by the next question, not waited for.
//
// The error says whether the ledger was never made (ErrNone), is missing, is older than this program (ErrOlder) or newer, is no
// ledger, or is damaged as far as its first pages show; that others are is an error of the question that reads them.
//
// A daemon has its -wal and its -shm as long as it runs. So has one that was killed, and then SQLite reads both without the help
// of locks; where the -shm was lost, it reads a copy, which Close removes. Where there is no -wal, all is in the file itself.
func OpenReadOnly(dir string) (*ReadOnly, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("state_dir %q: %w", text.Printable(dir), err)
	}
	l := &ReadOnly{Reader: Reader{dir: dir}}
	if err := l.isThere(); err != nil {
		return nil, err
	}
	if err := l.open(); err != nil {
		return nil, errors.Join(l.explain(err), l.Close())
	}
	return l, nil
}

// ReadOnly is a ledger that is opened for questions alone.
type ReadOnly struct {
	Reader
	copied string // the folder of the copy that is read, "" for none
}

// Close ends it. It waits for questions that are under way.
func (l *ReadOnly) Close() error {
	var errs []error
	if l.read != nil {
		errs = append(errs, l.read.Close())
	}
	if l.copied != "" {
		errs = append(errs, os.RemoveAll(l.copied))
	}
	return errors.Join(errs...)
}

// isThere says in words why there is nothing to open.
func (l *ReadOnly) isThere() error {
	info, err := os.Stat(l.path())
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("%q is a directory, and the ledger belongs in its place: move it away", l.path())
	case err == nil && info.Size() > 0:
		err = unix.Faccessat(unix.AT_FDCWD, l.path(), unix.R_OK, unix.AT_EACCESS) // not opened: that would drop SQLite's locks
	}
	if err == nil && info.Size() > 0 {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot read ledger %q: %w: ask as root, or as the daemon's user", l.path(), cmp.Or(errors.Unwrap(err), err))
	}
	made := (&Ledger{Reader: l.Reader}).refuseNew()
	if made != nil {
		return l.explain(made)
	}
	return fmt.Errorf("ledger %q: %w: the daemon makes it when it starts first; is this its state_dir?", l.path(), ErrNone)
}

func (l *ReadOnly) open() error {
	now := l.looks()
	switch {
	case now.wal < 0, now.wal == 0 && now.shm < 0:
		l.same = func() error { return l.isStill(now) }
		return l.openAs(l.path(), url.Values{"mode": {"ro"}, "immutable": {"1"}})
	case now.shm >= 0:
		return l.openAs(l.path(), url.Values{"mode": {"ro"}, "readonly_shm": {"1"}})
	}
	return l.openCopy()
}

// size is that of a file in bytes, -1 if there is none.
func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return -1
	}
	return info.Size()
}

// looks are those of the ledger's files.
type looks struct {
	id       file.Identity
	wal, shm int64
}

func (l *ReadOnly) looks() looks {
	info, _ := file.Stat(l.path()) // without one it cannot be read either
	return looks{info.Identity, size(l.path() + "-wal"), size(l.path() + "-shm")}
}

// isStill is an error if a daemon may have written while the file was read as if nobody did.
func (l *ReadOnly) isStill(was looks) error {
	if l.looks() == was {
		return nil
	}
	return fmt.Errorf("ledger %q: %w", l.path(), ErrMeanwhile)
}

func (l *ReadOnly) openAs(path string, query url.Values) (err error) {
	if l.read, err = openDB(path, maxReaders, query); err != nil {
		return err
	}
	return l.fits()
}

// fits refuses what is not a ledger of this program's schema.
func (l *ReadOnly) fits() error {
	var app, version int
	err := l.read.QueryRowContext(context.Background(), "SELECT application_id, user_version FROM pragma_application_id, pragma_user_version").Scan(&app, &version)
	switch known := len(migrations()); {
	case err != nil:
		return err
	case app != applicationID:
		return errors.New("a database, but of another program: is this the daemon's state_dir?")
	case version > known:
		return (&Ledger{Reader: l.Reader}).errNewer(version, known)
	case version < known:
		return fmt.Errorf("%w (schema %d, this one reads %d): start the daemon, which brings it up to date", ErrOlder, version, known)
	}
	return nil
}

// openCopy reads a copy, which only this process can find: its -shm cannot be made beside the ledger itself.
func (l *ReadOnly) openCopy() error {
	if f, err := os.Open(l.path() + "-wal"); err == nil {
		damage := checkWAL(f)
		_ = f.Close()
		if damage != nil {
			return damage
		}
	}
	dir, err := os.MkdirTemp("", "kaizala-drop-")
	if err != nil {
		return fmt.Errorf("cannot make a copy of it to read: %w", err)
	}
	l.copied = dir
	to := filepath.Join(dir, fileName)
	for _, end := range []string{"", "-wal"} {
		if err := copyFile(to+end, l.path()+end); err != nil {
			return fmt.Errorf("cannot make a copy of it to read: %w", err)
		}
	}
	return l.openAs(to, url.Values{})
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
