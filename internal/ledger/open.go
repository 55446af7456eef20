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
	"time"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite" // registers the driver "sqlite"

	"kaizala-drop/internal/durable"
)

const fileName = "ledger.db"

// IsIn reports whether a ledger is in a state_dir, as far as that can be seen.
func IsIn(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, fileName))
	return err == nil
}

// Open opens the ledger in the folder dir, which is state_dir. It makes the folder (mode 0700) and the ledger if they are
// missing, and brings an older schema up to date. It starts no goroutine: the caller calls Run, and closes the ledger in the
// end.
//
// Before it changes the schema, Open copies the ledger to ledger.db.vN, where N is the older schema; Prune removes that copy.
//
// If another opener in any process has the ledger, the error wraps ErrLocked. Open leaves a file in the ledger's place alone
// if it is damaged, foreign or of a newer schema, and its error names the file. A ledger that was made before and is missing
// or empty is an error too; somebody who wants a new one removes ledger.made.
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

// makeDir makes dir and the missing folders above it, and syncs their parents, so that a power cut does not take a new
// state_dir away.
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
		if err := durable.SyncFolder(filepath.Dir(p)); err != nil {
			return fmt.Errorf("cannot make state_dir %q: syncing the folder above: %w", dir, err)
		}
	}
	return nil
}

func (l *Ledger) open() error {
	// fdatasync(2) writes all that is needed to read the data back, without the file's times. Where it is missing, SQLite uses
	// fsync(2).
	_, _ = sqlite.Fdatasync(true)
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

// prepareFile makes the ledger's file readable for its owner only; SQLite gives the -wal and -shm the same mode. It reports
// what SQLite would report unclearly or not at all: a file that is gone, a folder in its place, a file that may not be
// written, damage in the -wal, or a -wal without its file, which SQLite would delete.
//
// It opens the file before SQLite does, and never at the same time, because closing a second descriptor drops SQLite's locks
// (F_SETLK in fcntl(2)).
func (l *Ledger) prepareFile() error {
	wal, err := os.Stat(l.path() + "-wal")
	if err := l.requireExisting(err == nil && wal.Size() > 0); err != nil {
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

// requireExisting fails if the ledger is missing although there must be one. wal reports whether its -wal holds anything.
func (l *Ledger) requireExisting(wal bool) error {
	info, err := os.Stat(l.path())
	if err == nil && (info.Size() > 0 || !info.Mode().IsRegular()) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil // other faults show when the file is opened
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

// openDB opens a pool of at most conns connections with the same settings each. SQLite decodes %XX in the path, so every name
// of state_dir works (https://www.sqlite.org/uri.html).
func openDB(path string, conns int, query url.Values) (*sql.DB, error) {
	for _, pragma := range []string{"busy_timeout(10000)", "foreign_keys(1)", "synchronous(FULL)", "trusted_schema(0)", "secure_delete(1)"} {
		query.Add("_pragma", pragma)
	}
	query.Set("_dqs", "0")      // a text in double quotes is a column and never a string
	query.Set("_error_rc", "1") // an error never shows the message of an earlier call
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// bringUpToDate brings the schema up to date. It checks the file before it writes, so that a damaged, foreign or newer one
// stays as it is.
func (l *Ledger) bringUpToDate() error {
	version, err := l.version()
	if err == nil && version == 0 { // the database is empty
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
	var mode string // the file keeps it, so the readers need not ask for it
	if err := l.w.get(&mode, "PRAGMA journal_mode = WAL"); err != nil {
		return err
	}
	if mode != "wal" {
		return errors.New("its file system cannot share memory between programs: put state_dir on a local one")
	}
	return l.migrate(version)
}

// version returns the version of the schema, or 0 for an empty file. It fails for a file of another program or of a newer
// version of this one.
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
		return 0, l.errNewer(version, known)
	}
	return version, nil
}

// check reads the whole file and compares each table with its indexes, because the guards of the steps and Unfinished rely on
// the indexes (quick_check does not compare them). It takes about 0.5 s for 100,000 deliveries. It cannot find a changed value
// that is in no index: a name, a size, a checksum.
func (l *Ledger) check() error {
	var found string
	if err := l.w.get(&found, "PRAGMA integrity_check(1)"); err != nil {
		return err
	}
	return damageFound(found)
}

// damageFound turns the answer of integrity_check into an error, or nil.
func damageFound(found string) error {
	if found != "ok" {
		return fmt.Errorf("%s: %s", damaged, strings.Join(strings.Fields(found), " "))
	}
	return nil
}

// migrate makes all changes of the schema in one transaction, with the version number, so that a crash leaves either the old
// schema or the new one.
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

// slowDisk is what a disk that is old and busy still reads, in bytes a second, while pages are read here and there.
const slowDisk = 256 << 10

// Patience is how long Open of the ledger in dir may take on a slow disk before it must be taken for stuck: the file is read to be
// checked, and with an older schema copied and changed.
func Patience(dir string) time.Duration {
	const passes, least = 3, 2 * time.Minute
	var bytes int64
	for _, name := range []string{fileName, fileName + "-wal"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			bytes += info.Size()
		}
	}
	return least + time.Duration(bytes/slowDisk)*passes*time.Second
}
