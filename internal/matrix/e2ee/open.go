//go:build goolm

package e2ee

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.mau.fi/util/dbutil"
	"golang.org/x/sys/unix"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/id"
	"modernc.org/sqlite" // registers the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"kaizala-drop/internal/durable"
)

// Built reports whether this program can encrypt.
const Built = true

const (
	storeName = "crypto.db"
	lockName  = "lock"
)

// Machine is one device. It is safe for concurrent use; what it does for one caller, others wait for.
type Machine struct {
	user id.UserID
	o    Options
	turn chan struct{} // holds one value while nobody has his turn

	lock   *os.File
	raw    *sql.DB
	db     *dbutil.Database
	seen   *witness
	client *mautrix.Client
	store  *store
	olm    *crypto.OlmMachine

	stale   bool  // what is in memory may be ahead of the disk: it is read anew before it is used
	started bool  // the device's keys are at the homeserver, and the guard was raised in this run
	copied  error // wraps ErrCopied, once that was found
	closed  bool
}

// Open opens the store of a device, and makes it if it is missing. It makes no call, and starts nothing.
//
// Its errors wrap ErrInUse, ErrWrongStore, ErrDamaged, or are those of the file system.
func Open(o Options) (_ *Machine, err error) {
	o.Settle, o.AskAgain = cmp.Or(o.Settle, 2*time.Second), cmp.Or(o.AskAgain, 10*time.Minute)
	m := &Machine{user: id.UserID(o.User), o: o, turn: make(chan struct{}, 1), seen: &witness{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.closeFiles())
		}
	}()
	if err := makeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("cannot make %q: %w", o.Dir, err)
	}
	if err := m.acquire(); err != nil {
		return nil, err
	}
	if err := m.openStore(); err != nil {
		return nil, legible(fmt.Errorf("cannot open %q: %w", m.path(), err))
	}
	if m.client, err = newClient(o); err != nil {
		return nil, err
	}
	m.stale = true
	m.turn <- struct{}{}
	return m, nil
}

func (m *Machine) path() string { return filepath.Join(m.o.Dir, storeName) }

// makeDir makes dir, and the folder that it is in, for the user of the folder above.
func makeDir(dir string) error {
	for _, one := range []string{filepath.Dir(dir), dir} {
		switch err := os.Mkdir(one, 0o700); {
		case errors.Is(err, fs.ErrExist):
		case err != nil:
			return err
		default:
			if err := errors.Join(inherit(one), durable.SyncFolder(filepath.Dir(one))); err != nil {
				return err
			}
		}
	}
	return nil
}

// inherit gives path the owner of the folder that it is in: what root makes, with "login", is for the daemon.
func inherit(path string) error {
	var of unix.Stat_t
	if err := unix.Stat(filepath.Dir(path), &of); err != nil {
		return err
	}
	if me := os.Geteuid(); me != 0 && int(of.Uid) == me {
		return nil
	}
	return os.Lchown(path, int(of.Uid), int(of.Gid))
}

// acquire takes the lock of the folder. A file system that cannot lock leaves other processes unnoticed here; the guard notices them.
func (m *Machine) acquire() (err error) {
	path := filepath.Join(m.o.Dir, lockName)
	if m.lock, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	if err := inherit(path); err != nil {
		return err
	}
	switch err := unix.Flock(int(m.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return fmt.Errorf("%w: %q", ErrInUse, m.o.Dir)
	case errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS):
		return nil
	default:
		return err
	}
}

func (m *Machine) openStore() error {
	// SQLite gives the -wal and the -shm the mode and the owner of the file.
	f, err := os.OpenFile(m.path(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o600), inherit(m.path()), f.Close(), durable.SyncFolder(m.o.Dir)); err != nil {
		return err
	}
	query := url.Values{
		// Times are compared as texts: they are all of one zone.
		"_time_format": {"sqlite"}, "_timezone": {"UTC"}, "_dqs": {"0"}, "_error_rc": {"1"},
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "foreign_keys(1)", "synchronous(FULL)", "trusted_schema(0)", "secure_delete(1)"},
	}
	dsn := url.URL{Scheme: "file", Path: m.path(), RawQuery: query.Encode()}
	if m.raw, err = sql.Open("sqlite", dsn.String()); err != nil {
		return err
	}
	m.raw.SetMaxOpenConns(1)
	if m.db, err = dbutil.NewWithDB(m.raw, "sqlite3"); err != nil {
		return err
	}
	m.db.Log = m.seen
	ctx := context.Background()
	if err := errors.Join(m.upgrade(ctx), m.seen.take()); err != nil {
		return explain(err)
	}
	return explain(m.claim(ctx))
}

// upgrade brings the tables up to date.
func (m *Machine) upgrade(ctx context.Context) error {
	var sound string
	if err := m.raw.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&sound); err != nil {
		return err
	}
	if sound != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, sound)
	}
	s := crypto.NewSQLCryptoStore(m.db, m.seen, "", "", nil)
	if err := s.DB.Upgrade(ctx); err != nil {
		return err
	}
	_, err := m.db.Exec(ctx, schema)
	return err
}

// claim makes sure that the store is that of this account and device.
func (m *Machine) claim(ctx context.Context) error {
	if _, err := m.db.Exec(ctx, "INSERT INTO own (only, user, device) VALUES (1, ?, ?) ON CONFLICT DO NOTHING", m.o.User, m.o.Device); err != nil {
		return err
	}
	var user, device string
	if err := m.db.QueryRow(ctx, "SELECT user, device FROM own").Scan(&user, &device); err != nil {
		return err
	}
	if user != m.o.User || device != m.o.Device {
		return fmt.Errorf("%w: %s, device %s", ErrWrongStore, user, device)
	}
	return nil
}

// explain marks what says that the file is no store.
func explain(err error) error {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return err
}

// load reads what is on disk into memory.
func (m *Machine) load(ctx context.Context) error {
	m.store = newStore(m.db, m.seen, m.o.Device)
	m.olm = crypto.NewOlmMachine(m.client, nil, m.store, m.store)
	m.olm.DisableDeviceChangeKeyRotation = true // plan decides about that
	m.olm.DisableDecryptKeyFetching = true      // no call is made while a sync is worked through
	m.olm.DontStoreOutboundKeys = true
	m.olm.DisableSharedGroupSessionTracking = true
	m.olm.NeedsUnwedgeCallback = func(context.Context, id.UserID, id.SenderKey) {} // it would start a goroutine, for messages that nobody needs
	if err := m.olm.Load(ctx); err != nil {
		return err
	}
	// A new account is on disk before anybody is told of it.
	if err := m.store.PutAccount(ctx, m.olm.GetAccount()); err != nil {
		return err
	}
	m.stale = false
	return nil
}

// Close closes the store. It waits for what is under way.
func (m *Machine) Close() error {
	<-m.turn
	defer func() { m.turn <- struct{}{} }()
	if m.closed {
		return nil
	}
	m.closed = true
	return m.closeFiles()
}

func (m *Machine) closeFiles() error {
	var err error
	if m.raw != nil {
		err = m.raw.Close()
	}
	if m.lock != nil {
		err = errors.Join(err, m.lock.Close())
	}
	return err
}
