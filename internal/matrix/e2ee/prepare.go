//go:build goolm

package e2ee

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// Prepare brings what is known of a room up to date, and, if it is encrypted and the account is in it, gives all who may read what is posted
// next the key for it. Where nothing changed, that is one call.
//
// Its errors wrap ErrCopied, ErrStoreLost, ErrDeviceGone, ErrUploadRefused, ErrAlgorithm, ErrSlow or ErrDamaged, or are those of the calls.
func (m *Machine) Prepare(ctx context.Context, id string) (told Room, err error) {
	err = m.use(ctx, func(ctx context.Context) error {
		if err := m.follow(ctx, id); err != nil {
			return err
		}
		r, err := m.room(ctx, id)
		if err != nil {
			return err
		}
		if r.isEncrypted() && r.membership == joined {
			if err := r.checkAlgorithm(); err != nil {
				return err
			}
			if _, err := m.share(ctx, r); err != nil {
				return err
			}
		}
		told, err = m.tell(ctx, r)
		return err
	})
	return told, err
}

// follow brings what is known of a room up to date.
func (m *Machine) follow(ctx context.Context, id string) error {
	if err := m.exec(ctx, "INSERT INTO room (room) VALUES (?) ON CONFLICT DO NOTHING", id); err != nil {
		return err
	}
	if _, err := m.sync(ctx); err != nil {
		return err
	}
	r, err := m.room(ctx, id)
	if err != nil {
		return err
	}
	if r.known == allKnown {
		if r.known, err = m.stillKnown(ctx, r); err != nil {
			return err
		}
	}
	if r.known == allKnown {
		return nil
	}
	err = m.learn(ctx, r)
	if statusOf(err) == http.StatusForbidden { // the account is not in it, or not any more
		return m.exec(ctx, "UPDATE room SET membership = ? WHERE room = ? AND membership <> ''", left, id)
	}
	return err
}

// stillKnown says what is known of a room of which no sync told that it changed. A sync may tell too late that it became encrypted, and what it
// does not tell at all is lost for no longer than a session.
func (m *Machine) stillKnown(ctx context.Context, r room) (int, error) {
	if r.isEncrypted() {
		session, err := m.store.GetOutboundGroupSession(ctx, id.RoomID(r.id))
		if session == nil || session.Expired() {
			return nothingKnown, err
		}
		return allKnown, err
	}
	content, err := m.state(ctx, r.id, stateEncryption, "")
	if content != nil {
		return nothingKnown, err
	}
	return allKnown, err
}

func (m *Machine) tell(ctx context.Context, r room) (Room, error) {
	told := Room{Encrypted: r.isEncrypted(), Membership: r.membership, Tombstone: r.tombstone, Successor: r.successor}
	all, err := m.given(ctx, r.id)
	if err != nil {
		return told, err
	}
	reads := map[string]bool{} // by account: whether a device of it does
	for _, d := range slices.SortedFunc(maps.Keys(all), device.compare) {
		why := NoKeysLeft
		switch all[d].how {
		case givenKey:
			told.Readers++
			reads[d.user] = true
			continue
		case givenWithheld:
			known, err := m.store.GetDevice(ctx, id.UserID(d.user), id.DeviceID(d.id))
			if err != nil {
				return told, err
			}
			if known == nil || known.Deleted {
				continue
			}
			if why, err = m.refuses(ctx, known); err != nil {
				return told, err
			}
		}
		told.Excluded = append(told.Excluded, Excluded{d.user, d.id, why})
		reads[d.user] = reads[d.user] || d.user == m.o.User
	}
	for _, user := range slices.Sorted(maps.Keys(reads)) {
		if !reads[user] {
			told.Blind = append(told.Blind, user)
		}
	}
	return told, nil
}

// Encrypt encrypts the content of an event of a kind, as "m.room.message", for a room that Prepare found encrypted. What it gives is the
// content of an event of the kind "m.room.encrypted", for one try: another one encrypts anew. What was used for it is on disk.
//
// Its errors wrap ErrNotEncrypted, ErrNotMember, and those of Prepare.
func (m *Machine) Encrypt(ctx context.Context, room, kind string, content json.RawMessage) (encrypted json.RawMessage, err error) {
	err = m.use(ctx, func(ctx context.Context) error {
		r, err := m.room(ctx, room)
		switch {
		case err != nil:
			return err
		case !r.isEncrypted():
			return ErrNotEncrypted
		case r.membership != joined:
			return ErrNotMember
		}
		if err := r.checkAlgorithm(); err != nil {
			return err
		}
		session, err := m.share(ctx, r)
		if err != nil {
			return err
		}
		made, err := m.olm.EncryptMegolmEvent(ctx, id.RoomID(room), event.Type{Type: kind, Class: event.MessageEventType}, content)
		if err != nil {
			return fmt.Errorf("cannot encrypt: %w", err)
		}
		if err := m.checkUsed(ctx, room, string(session.ID()), session.MessageCount+1); err != nil {
			return err
		}
		encrypted, err = json.Marshal(made)
		return err
	})
	return encrypted, err
}

// checkUsed makes sure that the store counts a message: the library does not notice an update that finds no row.
func (m *Machine) checkUsed(ctx context.Context, room, session string, count int) error {
	var stored int
	_, err := m.row(ctx, "SELECT message_count FROM crypto_megolm_outbound_session WHERE room_id = ? AND session_id = ?", []any{room, session}, &stored)
	if err == nil && stored != count {
		err = fmt.Errorf("%w: the store counts %d messages, and not %d", ErrLibrary, stored, count)
	}
	return err
}

// IsEncrypted reports whether a room is known to be encrypted, without a call.
func (m *Machine) IsEncrypted(ctx context.Context, room string) (encrypted bool, err error) {
	err = m.do(ctx, func(ctx context.Context) error {
		r, err := m.room(ctx, room)
		encrypted = r.isEncrypted()
		return err
	})
	return encrypted, err
}

// Standing asks the homeserver how the device stands with others.
func (m *Machine) Standing(ctx context.Context) (s Standing, err error) {
	err = m.do(ctx, func(ctx context.Context) error {
		if err := m.query(ctx, []string{m.o.User}); err != nil {
			return err
		}
		account := m.olm.GetAccount()
		s.Device, s.Fingerprint = m.o.Device, account.SigningKey().Fingerprint()
		identity, err := m.identity(ctx)
		if err != nil {
			return err
		}
		s.HasIdentity = identity.master != ""
		if s.HasIdentity {
			s.Verified, err = m.store.IsKeySignedBy(ctx, m.user, account.SigningKey(), m.user, identity.signing)
		}
		server, problem := m.serverMark(ctx)
		known, trouble := m.marks(ctx)
		if err := errors.Join(err, problem, trouble); err != nil {
			return err
		}
		s.Copied = errors.Is(known.judge(server), ErrCopied)
		return nil
	})
	return s, err
}
