//go:build goolm

package e2ee

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

func (d device) compare(e device) int {
	return cmp.Or(cmp.Compare(d.user, e.user), cmp.Compare(d.id, e.id))
}

// devicesInCall is how many devices are given a key in one call, so that no server finds it too large.
const devicesInCall = 200

// share makes sure that the room has a session, and that all who may read have its key, and nobody else.
func (m *Machine) share(ctx context.Context, r room) (*crypto.OutboundGroupSession, error) {
	session, err := m.store.GetOutboundGroupSession(ctx, id.RoomID(r.id))
	if err != nil {
		return nil, err
	}
	usable := session != nil && !session.Expired()
	if usable && session.Shared && r.settled > seconds(time.Now()) {
		return session, nil
	}
	if !usable { // changes that were not told, as those of who is invited, are lost for no longer than a session
		if err := m.outdateAll(ctx, r.id); err != nil {
			return nil, err
		}
	}
	if err := m.ask(ctx, r.id); err != nil {
		return nil, err
	}
	now, err := m.readers(ctx, r)
	if err != nil {
		return nil, err
	}
	before, err := m.given(ctx, r.id)
	if err != nil {
		return nil, err
	}
	todo := plan(now, before)
	if !usable || todo.rotate {
		todo = planAnew(now)
	}
	if todo.rotate || len(todo.give) > 0 {
		if err := m.raise(ctx, false); err != nil {
			return nil, err
		}
	}
	if todo.rotate {
		if session, err = m.begin(ctx, r); err != nil {
			return nil, err
		}
	}
	if err := m.giveAll(ctx, r.id, session, now, todo); err != nil {
		return nil, err
	}
	return session, m.settle(ctx, r.id, session)
}

// outdateAll has the devices of all in a room asked for; of who was asked for in vain lately, not before the pause is over.
func (m *Machine) outdateAll(ctx context.Context, room string) error {
	return m.exec(ctx, "INSERT INTO outdated (user) SELECT user FROM member WHERE room = ? ON CONFLICT DO NOTHING", room)
}

func (m *Machine) given(ctx context.Context, room string) (map[device]given, error) {
	all := map[device]given{}
	err := m.each(ctx, func(scan func(into ...any) error) error {
		var d device
		var g given
		err := scan(&d.user, &d.id, &g.identity, &g.how)
		all[d] = g
		return err
	}, "SELECT user, device, identity, how FROM given WHERE room = ?", room)
	return all, err
}

// begin makes a session of the room's settings, in the place of the one before.
func (m *Machine) begin(ctx context.Context, r room) (*crypto.OutboundGroupSession, error) {
	var settings event.EncryptionEventContent
	_ = json.Unmarshal([]byte(r.encryption), &settings) // what cannot be read is as if it were not there
	visibility := &event.HistoryVisibilityEventContent{HistoryVisibility: event.HistoryVisibility(r.visibility)}
	if r.visibility == "" {
		visibility.HistoryVisibility = event.HistoryVisibilityShared
	}
	session, err := crypto.NewOutboundGroupSession(id.RoomID(r.id), &settings, visibility)
	if err != nil {
		return nil, err
	}
	return session, m.inOne(ctx, func(ctx context.Context) error {
		if err := m.endSession(ctx, r.id); err != nil {
			return err
		}
		return m.store.AddOutboundGroupSession(ctx, session)
	})
}

// giveAll gives the key of a session to devices, and the word that there is none to others. Who has been given it is on disk once the
// homeserver has it.
func (m *Machine) giveAll(ctx context.Context, room string, session *crypto.OutboundGroupSession, now map[device]reader, todo sharing) error {
	withheld := map[device]event.RoomKeyWithheldCode{}
	for _, d := range todo.withhold {
		withheld[d] = event.RoomKeyWithheldUnverified
	}
	slices.SortFunc(todo.give, device.compare)
	for some := range slices.Chunk(todo.give, devicesInCall) {
		without, err := m.give(ctx, room, session, now, some)
		if err != nil {
			return err
		}
		for _, d := range without {
			withheld[d] = event.RoomKeyWithheldNoOlmSession
		}
	}
	devices := slices.SortedFunc(maps.Keys(withheld), device.compare)
	for some := range slices.Chunk(devices, devicesInCall) {
		if err := m.withhold(ctx, room, session, now, some, withheld); err != nil {
			return err
		}
	}
	return nil
}

// give gives the key to devices, and returns those that it could not be encrypted for.
func (m *Machine) give(ctx context.Context, room string, session *crypto.OutboundGroupSession, now map[device]reader, devices []device) (without []device, err error) {
	content := session.ShareContent()
	request := &mautrix.ReqSendToDevice{Messages: map[id.UserID]map[id.DeviceID]*event.Content{}}
	for _, d := range devices {
		put(request, d, &content)
	}
	// What is encrypted is on disk before it leaves: no state of these channels is used twice.
	err = m.inOne(ctx, func(ctx context.Context) (err error) {
		request, err = m.olm.EncryptToDevices(ctx, event.ToDeviceRoomKey, request)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot encrypt for the devices of the members: %w", err)
	}
	var with []device
	for _, d := range devices {
		if request.Messages[id.UserID(d.user)][id.DeviceID(d.id)] == nil {
			without = append(without, d)
		} else {
			with = append(with, d)
		}
	}
	if len(with) == 0 {
		return without, nil
	}
	if _, err := m.client.SendToDevice(ctx, event.ToDeviceEncrypted, request); err != nil {
		return nil, fmt.Errorf("cannot give the key to the devices of the members: %w", err)
	}
	return without, m.noteGiven(ctx, room, now, with, func(device) how { return givenKey })
}

// withhold tells devices that they are given no key, and why.
func (m *Machine) withhold(ctx context.Context, room string, session *crypto.OutboundGroupSession, now map[device]reader, devices []device, codes map[device]event.RoomKeyWithheldCode) error {
	request := &mautrix.ReqSendToDevice{Messages: map[id.UserID]map[id.DeviceID]*event.Content{}}
	for _, d := range devices {
		content := &event.RoomKeyWithheldEventContent{
			RoomID: id.RoomID(room), Algorithm: id.AlgorithmMegolmV1, SessionID: session.ID(), SenderKey: m.olm.GetAccount().IdentityKey(), Code: codes[d],
			Reason: "This device does not encrypt messages for unverified devices",
		}
		if codes[d] == event.RoomKeyWithheldNoOlmSession {
			content.RoomID, content.SessionID, content.Reason = "", "", "No one-time key was left"
		}
		put(request, d, &event.Content{Parsed: content})
	}
	if _, err := m.client.SendToDevice(ctx, event.ToDeviceRoomKeyWithheld, request); err != nil {
		return fmt.Errorf("cannot tell devices that they are given no key: %w", err)
	}
	return m.noteGiven(ctx, room, now, devices, func(d device) how {
		if codes[d] == event.RoomKeyWithheldNoOlmSession {
			return givenNothing
		}
		return givenWithheld
	})
}

func put(request *mautrix.ReqSendToDevice, d device, content *event.Content) {
	of := request.Messages[id.UserID(d.user)]
	if of == nil {
		of = map[id.DeviceID]*event.Content{}
		request.Messages[id.UserID(d.user)] = of
	}
	of[id.DeviceID(d.id)] = content
}

func (m *Machine) noteGiven(ctx context.Context, room string, now map[device]reader, devices []device, what func(device) how) error {
	return m.inOne(ctx, func(ctx context.Context) error {
		for _, d := range devices {
			if err := m.exec(ctx, `INSERT INTO given (room, user, device, identity, how) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT DO UPDATE SET identity = excluded.identity, how = excluded.how`, room, d.user, d.id, now[d].identity, what(d)); err != nil {
				return err
			}
		}
		return nil
	})
}

// settle notes that the session may be used, and until when it need not be looked at who may read: for good, unless somebody could
// not be asked for or given the key.
func (m *Machine) settle(ctx context.Context, room string, session *crypto.OutboundGroupSession) error {
	return m.inOne(ctx, func(ctx context.Context) error {
		var lacking int
		if _, err := m.row(ctx, `SELECT (SELECT count(*) FROM given WHERE room = ?1 AND how = ?2) +
			(SELECT count(*) FROM outdated WHERE user IN (SELECT user FROM member WHERE room = ?1))`, []any{room, givenNothing}, &lacking); err != nil {
			return err
		}
		until := int64(math.MaxInt64)
		if lacking > 0 {
			until = seconds(time.Now().Add(m.o.AskAgain))
		}
		session.Shared = true
		return errors.Join(
			m.store.AddOutboundGroupSession(ctx, session),
			m.exec(ctx, "UPDATE room SET settled = ? WHERE room = ?", until, room))
	})
}
