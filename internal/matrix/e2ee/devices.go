//go:build goolm

package e2ee

import (
	"context"
	"fmt"
	"slices"
	"time"

	"maunium.net/go/mautrix/id"
)

// usersInQuery is how many users are asked for in one call.
const usersInQuery = 200

// ask asks for the devices of those in a room of whom they are not known as they are now. It fails if the own homeserver does not answer;
// who is missing in its answer, for want of an answer of another server, is asked for again after a pause, and is taken as known before
// until then.
func (m *Machine) ask(ctx context.Context, room string) error {
	due := seconds(time.Now().Add(-m.o.AskAgain))
	users, err := m.texts(ctx, "SELECT user FROM outdated WHERE tried <= ? AND user IN (SELECT user FROM member WHERE room = ?)", due, room)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(users, usersInQuery) {
		if err := m.query(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// query asks for the devices of users. What comes of it is stored as a whole, or not at all.
func (m *Machine) query(ctx context.Context, users []string) error {
	err := m.inOne(ctx, func(ctx context.Context) error {
		var ids []id.UserID
		for _, user := range users {
			ids = append(ids, id.UserID(user))
		}
		got, err := m.olm.FetchKeys(ctx, ids, true)
		if err != nil {
			return fmt.Errorf("cannot ask for the devices of the members: %w", err)
		}
		for _, user := range users {
			statement, values := "UPDATE outdated SET tried = ? WHERE user = ?", []any{seconds(time.Now()), user}
			if _, known := got[id.UserID(user)]; known {
				statement, values = "DELETE FROM outdated WHERE user = ?", values[1:]
			}
			if err := m.exec(ctx, statement, values...); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && slices.Contains(users, m.o.User) {
		// The library does not notice an identity of the own account that was made since it looked last.
		err = m.load(ctx)
	}
	return err
}

// readers gives the devices of those in a room, but this one.
func (m *Machine) readers(ctx context.Context, r room) (map[device]reader, error) {
	wanted := "SELECT user FROM member WHERE room = ?"
	if r.visibility == "joined" { // who is invited may not read what was said before joining
		wanted += " AND membership = 'join'"
	}
	users, err := m.texts(ctx, wanted, r.id)
	if err != nil {
		return nil, err
	}
	all := map[device]reader{}
	for _, user := range users {
		devices, err := m.store.GetDevices(ctx, id.UserID(user))
		if err != nil {
			return nil, err
		}
		for _, d := range devices {
			if user == m.o.User && d.DeviceID == m.client.DeviceID {
				continue
			}
			why, err := m.refuses(ctx, d)
			if err != nil {
				return nil, err
			}
			all[device{user, string(d.DeviceID)}] = reader{string(d.IdentityKey), why}
		}
	}
	return all, nil
}

// refuses says why a device may not read; "": it may.
func (m *Machine) refuses(ctx context.Context, d *id.Device) (Reason, error) {
	trust, err := m.olm.ResolveTrustContext(ctx, d)
	switch {
	case err != nil:
		return "", err
	case d.Trust == id.TrustStateBlacklisted, d.Trust == id.TrustStateDeviceKeyMismatch:
		return Unsigned, nil
	case m.o.ShareWith == All, trust >= id.TrustStateCrossSignedTOFU:
		return "", nil
	case trust == id.TrustStateCrossSignedUntrusted:
		return NewIdentity, nil
	}
	return Unsigned, nil
}
