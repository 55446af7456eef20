//go:build goolm

package e2ee

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"go.mau.fi/util/dbutil"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// pickleKey encrypts what the library stores. It stands here, so it hides nothing: the file's mode does.
var pickleKey = []byte("kaizala-drop")

// store is the library's own, but for what must not be kept, and what the library gets wrong.
type store struct {
	*crypto.SQLCryptoStore
	seen *witness
}

func newStore(db *dbutil.Database, seen *witness, device string) *store {
	return &store{crypto.NewSQLCryptoStore(db, seen, "", id.DeviceID(device), pickleKey), seen}
}

// HasSession is as the library's, which takes an error for a no.
func (s *store) HasSession(ctx context.Context, key id.SenderKey) bool {
	session, err := s.GetLatestSession(ctx, key)
	s.seen.note(err)
	return session != nil
}

// PutDevices is as the library's, which leaves the old signing key of a device that was removed and made again with the same id.
func (s *store) PutDevices(ctx context.Context, user id.UserID, devices map[id.DeviceID]*id.Device) error {
	if _, err := s.DB.Exec(ctx, "DELETE FROM crypto_device WHERE user_id = $1 AND deleted", user); err != nil {
		return err
	}
	return s.SQLCryptoStore.PutDevices(ctx, user, devices)
}

// IncrementTrackedUsersErrorCount does nothing: the table outdated knows who is to be asked for again. The library forgets them in the end.
func (*store) IncrementTrackedUsersErrorCount(context.Context, []id.UserID) error { return nil }

// PutGroupSession keeps nothing: this device reads no messages.
func (*store) PutGroupSession(context.Context, *crypto.InboundGroupSession) error { return nil }

// GetGroupSession finds nothing.
func (*store) GetGroupSession(context.Context, id.RoomID, id.SessionID) (*crypto.InboundGroupSession, error) {
	return nil, nil
}

// PutWithheldGroupSession keeps nothing.
func (*store) PutWithheldGroupSession(context.Context, event.RoomKeyWithheldEventContent) error {
	return nil
}

// The rest is what the library asks of rooms. It is never asked about sending, which package e2ee decides by itself.

func (*store) IsEncrypted(context.Context, id.RoomID) (bool, error) { return true, nil }

func (*store) GetEncryptionEvent(context.Context, id.RoomID) (*event.EncryptionEventContent, error) {
	return nil, nil
}

func (*store) GetHistoryVisibility(context.Context, id.RoomID) (*event.HistoryVisibilityEventContent, error) {
	return nil, nil
}

func (*store) FindSharedRooms(context.Context, id.UserID) ([]id.RoomID, error) { return nil, nil }

// witness sees the first failure of the store. The library logs many of them, and goes on as if they had not been.
type witness struct {
	mu  sync.Mutex
	err error
}

func (w *witness) note(err error) {
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// take gives the failure, and forgets it.
func (w *witness) take() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.err
	w.err = nil
	return err
}

// QueryTiming is called by the library for each statement.
func (w *witness) QueryTiming(_ context.Context, _, _ string, _ []any, _ int, _ time.Duration, err error) {
	w.note(err)
}

func (*witness) WarnUnsupportedVersion(_, _, _ int)             {}
func (*witness) PrepareUpgrade(_, _, _ int)                     {}
func (*witness) DoUpgrade(_, _ int, _ string, _ dbutil.TxnMode) {}
func (*witness) Warn(string, ...any)                            {}

// schema are the tables beside those of the library.
const schema = `
CREATE TABLE IF NOT EXISTS own (
	only       INTEGER PRIMARY KEY CHECK (only = 1),
	user       TEXT NOT NULL,
	device     TEXT NOT NULL,
	next_batch TEXT NOT NULL DEFAULT '', -- of the last sync that was worked through
	making     TEXT NOT NULL DEFAULT ''  -- the id of the recovery key that is being made; '': none
) STRICT;
CREATE TABLE IF NOT EXISTS guard (
	epoch   INTEGER NOT NULL,
	id      TEXT NOT NULL,
	held    INTEGER NOT NULL DEFAULT 0, -- it was seen to stand at the homeserver
	arrived INTEGER NOT NULL DEFAULT 0, -- the homeserver answered for it
	PRIMARY KEY (epoch, id)
) STRICT;
CREATE TABLE IF NOT EXISTS room (
	room       TEXT PRIMARY KEY,
	encryption TEXT NOT NULL DEFAULT '', -- content of m.room.encryption; '': never seen
	visibility TEXT NOT NULL DEFAULT '', -- history_visibility
	membership TEXT NOT NULL DEFAULT '', -- of the own account
	tombstone  INTEGER NOT NULL DEFAULT 0,
	successor  TEXT NOT NULL DEFAULT '',
	known      INTEGER NOT NULL DEFAULT 0, -- how much of it was asked for since it changed last: nothingKnown and so on
	settled    INTEGER NOT NULL DEFAULT 0  -- until when its session needs no look at members and devices: epoch seconds
) STRICT;
CREATE TABLE IF NOT EXISTS member (
	room       TEXT NOT NULL,
	user       TEXT NOT NULL,
	membership TEXT NOT NULL, -- join or invite
	PRIMARY KEY (room, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS member_user ON member (user);
CREATE TABLE IF NOT EXISTS outdated ( -- whose devices are to be asked for
	user  TEXT PRIMARY KEY,
	tried INTEGER NOT NULL DEFAULT 0 -- when that was done in vain last: epoch seconds
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS given ( -- what each device was given of the present session of a room
	room     TEXT NOT NULL,
	user     TEXT NOT NULL,
	device   TEXT NOT NULL,
	identity TEXT NOT NULL,
	how      INTEGER NOT NULL,
	PRIMARY KEY (room, user, device)
) STRICT, WITHOUT ROWID;
`
