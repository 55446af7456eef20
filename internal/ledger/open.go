package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite" // also the driver "sqlite"
)

const fileName = "ledger.db"

// Open takes state_dir dir, which it makes (mode 0700) if it is missing, and opens the ledger in it, making it or
// bringing its schema up to date as needed. It starts no goroutine: call Run for that. The caller closes the ledger.
//
// Before the schema of a ledger changes, it is copied to ledger.db.vN, N being its schema until then: Prune removes that.
//
// A second opener, in whatever process, gets an error that wraps ErrLocked. Whatever is found in the ledger's place,
// damaged, foreign or newer, is left as it is and named in the error. A ledger that was made and is missing or empty is
// an error too, and not made anew: who wants that removes ledger.made.
func Open(dir string) (*Ledger, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("state_dir %q: %w", dir, err)
	}
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	lock, err := acquire(dir)
	if err != nil {
		return nil, err
	}
	l := &Ledger{
		Reader: Reader{dir: dir}, lock: lock,
		queue: make(chan change, maxBatch), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	if err := l.open(); err != nil {
		return nil, errors.Join(err, l.closeFiles())
	}
	return l, nil
}

// makeDir makes dir and what is missing above it, and syncs the folders that name them: a power cut must not take away
// a new state_dir with everything in it.
func makeDir(dir string) error {
	var missing []string
	for p := dir; ; p = filepath.Dir(p) {
		info, err := os.Stat(p)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("cannot use state_dir %q: %q is not a directory: move it away or name another state_dir", dir, p)
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) || p == filepath.Dir(p) {
			break
		}
		missing = append(missing, p)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make state_dir %q: %w: %s", dir, err, remedy(err))
	}
	for _, p := range slices.Backward(missing) {
		if err := syncDir(filepath.Dir(p)); err != nil {
			return fmt.Errorf("cannot make state_dir %q: syncing the folder above: %w", dir, err)
		}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) {
		return nil // a file system that has no such thing
	}
	return err
}

func (l *Ledger) open() error {
	// fdatasync(2) leaves out nothing that is needed to read the data back; fsync(2) would write the file's times too.
	_, _ = sqlite.Fdatasync(true) // where there is none, fsync does
	if err := l.prepareFile(); err != nil {
		return err
	}
	var err error
	if l.db, err = openDB(l.path(), 1, url.Values{}); err != nil {
		return l.explain(err)
	}
	conn, err := l.db.Conn(context.Background())
	if err != nil {
		return l.explain(err)
	}
	l.w = &writer{conn: conn, stmts: map[string]*sql.Stmt{}}
	if err := l.bringUpToDate(); err != nil {
		return l.explain(err)
	}
	if l.read, err = openDB(l.path(), maxReaders, url.Values{"mode": {"ro"}}); err != nil {
		return l.explain(err)
	}
	return l.markMade()
}

// prepareFile makes the file for the owner's eyes only (SQLite gives its -wal and -shm the same mode), and finds out
// what SQLite says in riddles or not at all: a file that was there and is gone, a folder in its place, a file it may
// only read, a -wal left alone, which it would delete, a damaged one. It opens the file before SQLite does and never
// beside it: closing a second descriptor would drop SQLite's locks (fcntl_locking(2)).
func (l *Ledger) prepareFile() error {
	wal, err := os.Stat(l.path() + "-wal")
	if err := l.missing(err == nil && wal.Size() > 0); err != nil {
		return err
	}
	if err := l.checkWAL(); err != nil {
		return l.explain(err)
	}
	f, err := os.OpenFile(l.path(), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, unix.EISDIR) {
		return fmt.Errorf("%q is a directory, and the ledger belongs in its place: move it away", l.path())
	}
	if err != nil {
		return unwritable(l.dir, err)
	}
	return f.Close()
}

func (l *Ledger) checkWAL() error {
	f, err := os.Open(l.path() + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return checkWAL(f)
}

// missing refuses to make a new ledger where there must be an old one.
func (l *Ledger) missing(wal bool) error {
	info, err := os.Stat(l.path())
	if err == nil && (info.Size() > 0 || !info.Mode().IsRegular()) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil // whatever is wrong with it shows when it is opened
	}
	if wal {
		return fmt.Errorf("ledger %q is missing or empty, but its %s-wal with the latest steps is there: put the file "+
			"back, or move the -wal away too, and %s if it is there, to start without a memory (%s)",
			l.path(), fileName, madeName, without)
	}
	if err := l.refuseNew(); err != nil {
		return l.explain(err)
	}
	return nil
}

// openDB opens a pool of at most conns connections, each with the same settings. SQLite decodes %XX in the path, so
// every name of state_dir works (https://www.sqlite.org/uri.html).
func openDB(path string, conns int, query url.Values) (*sql.DB, error) {
	for _, pragma := range []string{"busy_timeout(10000)", "foreign_keys(1)", "synchronous(FULL)", "trusted_schema(0)", "secure_delete(1)"} {
		query.Add("_pragma", pragma)
	}
	query.Set("_dqs", "0")      // "misspelt" is an unknown column, not a text
	query.Set("_error_rc", "1") // no message left over from an earlier call
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// bringUpToDate looks before it writes: a file that is damaged, foreign or newer is not touched.
func (l *Ledger) bringUpToDate() error {
	version, err := l.version()
	if err == nil && version == 0 { // a database without anything in it
		err = l.refuseNew()
	}
	if err != nil {
		return err
	}
	if err := l.check(); err != nil {
		return err
	}
	if 0 < version && version < len(migrations()) {
		if err := l.keepCopy(version); err != nil {
			return err
		}
		l.kept = l.copyPath(version)
	}
	var mode string // kept in the file, so the readers' connections need not ask for it
	if err := l.w.get(&mode, "PRAGMA journal_mode = WAL"); err != nil {
		return err
	}
	if mode != "wal" {
		return errors.New("its file system cannot share memory between programs: put state_dir on a local one")
	}
	return l.migrate(version)
}

// version tells the schema's version, 0 for an empty file, and refuses what is not this program's.
func (l *Ledger) version() (int, error) {
	var app, version, objects int
	err := errors.Join(
		l.w.get(&app, "PRAGMA application_id"),
		l.w.get(&version, "PRAGMA user_version"),
		l.w.get(&objects, "SELECT count(*) FROM sqlite_schema"))
	switch known := len(migrations()); {
	case err != nil:
		return 0, err
	case app != applicationID && (app != 0 || version != 0 || objects != 0):
		return 0, errors.New("a database, but of another program: move it away or name another state_dir")
	case version > known:
		return 0, l.newer(version, known)
	}
	return version, nil
}

// check reads the whole file and compares each table with its indexes, on which the guards of the steps and the list of
// what is unfinished rest (quick_check does not). It takes about 0.5 s for 100,000 deliveries. What it cannot find is a
// value that was changed and is in no index: a name, a size, a checksum.
func (l *Ledger) check() error {
	var found string
	if err := l.w.get(&found, "PRAGMA integrity_check(1)"); err != nil {
		return err
	}
	return sound(found)
}

// sound judges the answer of integrity_check.
func sound(found string) error {
	if found != "ok" {
		return fmt.Errorf("%s: %s", damaged, strings.Join(strings.Fields(found), " "))
	}
	return nil
}

// migrate makes one transaction of all steps, the version number included: a crash leaves the schema that there was, of
// which there is a copy, or the present one.
func (l *Ledger) migrate(version int) error {
	known := len(migrations())
	if version == known {
		return nil
	}
	text := fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		strings.Join(migrations()[version:], ""), applicationID, known)
	if _, err := l.w.conn.ExecContext(context.Background(), text); err != nil {
		return fmt.Errorf("cannot bring the schema from version %d to %d: %w", version, known, err)
	}
	return nil
}
