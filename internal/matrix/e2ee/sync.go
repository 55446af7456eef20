//go:build goolm

package e2ee

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// news is what is read of an answer to /sync.
type news struct {
	NextBatch   string `json:"next_batch"`
	AccountData struct {
		Events []stateEvent `json:"events"`
	} `json:"account_data"`
	ToDevice struct {
		Events []json.RawMessage `json:"events"`
	} `json:"to_device"`
	DeviceLists struct {
		Changed []string `json:"changed"`
		Left    []string `json:"left"`
	} `json:"device_lists"`
	KeysLeft map[string]int `json:"device_one_time_keys_count"`
	Rooms    struct {
		Join  map[string]roomNews `json:"join"`
		Leave map[string]roomNews `json:"leave"`
	} `json:"rooms"`
}

type roomNews struct {
	State struct {
		Events []stateEvent `json:"events"`
	} `json:"state"`
	Timeline struct {
		Events  []stateEvent `json:"events"`
		Limited bool         `json:"limited"`
	} `json:"timeline"`
}

type stateEvent struct {
	Type     string          `json:"type"`
	StateKey *string         `json:"state_key"`
	Content  json.RawMessage `json:"content"`
}

// The states that are followed.
const (
	stateMember     = "m.room.member"
	stateEncryption = "m.room.encryption"
	stateVisibility = "m.room.history_visibility"
	stateTombstone  = "m.room.tombstone"
)

// roomsInFilter is how many rooms the address of a sync may name: proxies take some 8 KB.
const roomsInFilter = 40

// sync asks once for what is new, and works through it. It gives how many one-time keys the homeserver has left; below 0: it does not say.
//
// What is new and the place up to which it was read are on disk together. Whose devices changed is only noted: a crash, or a call that
// fails, leaves them to be asked for.
func (m *Machine) sync(ctx context.Context) (left int, err error) {
	got, err := m.fetch(ctx)
	if statusOf(err) == http.StatusBadRequest { // it does not know any more up to where it told what was new
		if err := m.beginAnew(ctx); err != nil {
			return 0, err
		}
		got, err = m.fetch(ctx)
	}
	if err != nil {
		return 0, err
	}
	heardAll := true
	err = m.inOne(ctx, func(ctx context.Context) error {
		if err := m.checkNews(ctx, got); err != nil {
			return err
		}
		for _, e := range got.ToDevice.Events {
			heard, err := m.hear(ctx, e)
			if err != nil {
				return err
			}
			heardAll = heardAll && heard
		}
		if err := errors.Join(m.noteDevices(ctx, got), m.noteRooms(ctx, got)); err != nil {
			return err
		}
		return m.exec(ctx, "UPDATE own SET next_batch = ?", got.NextBatch)
	})
	if err != nil {
		return 0, err
	}
	m.olm.MarkOlmHashSavePoint(ctx)
	if !heardAll {
		err = m.load(ctx)
	}
	left, said := got.KeysLeft[string(id.KeyAlgorithmSignedCurve25519)]
	if !said {
		left = -1
	}
	return left, err
}

// beginAnew forgets up to where what was new was read: everything is asked for again.
func (m *Machine) beginAnew(ctx context.Context) error {
	return m.inOne(ctx, func(ctx context.Context) error {
		return errors.Join(
			m.exec(ctx, "UPDATE own SET next_batch = ''"),
			m.exec(ctx, "UPDATE room SET known = ?, settled = 0", nothingKnown),
			m.exec(ctx, "INSERT INTO outdated (user) SELECT DISTINCT user FROM member WHERE true ON CONFLICT DO UPDATE SET tried = 0"))
	})
}

// fetch asks for what is new since the last time.
func (m *Machine) fetch(ctx context.Context) (got news, err error) {
	var since string
	if _, err := m.row(ctx, "SELECT next_batch FROM own", nil, &since); err != nil {
		return got, err
	}
	filter, err := m.filter(ctx, since)
	if err != nil {
		return got, err
	}
	query := map[string]string{"timeout": "0", "set_presence": "offline", "filter": filter}
	if since != "" {
		query["since"] = since
	}
	address := m.client.BuildURLWithQuery(mautrix.ClientURLPath{"v3", "sync"}, query)
	if _, err = m.client.MakeRequest(ctx, http.MethodGet, address, nil, &got); err == nil && got.NextBatch == "" {
		err = errors.New("the answer has no next_batch")
	}
	if err != nil {
		err = fmt.Errorf("cannot ask for what is new: %w", err)
	}
	return got, err
}

// filter is what is asked for. The first answer is for its next_batch alone: what a room was before is asked when it is used.
func (m *Machine) filter(ctx context.Context, since string) (string, error) {
	types := []string{stateMember, stateEncryption, stateVisibility, stateTombstone}
	none := map[string]any{"types": []string{}, "not_types": []string{"*"}, "limit": 1}
	room := map[string]any{"ephemeral": none, "account_data": none}
	if since == "" {
		room["state"], room["timeline"] = none, none
	} else {
		room["state"], room["timeline"] = map[string]any{"types": types}, map[string]any{"types": types, "limit": 100}
		rooms, err := m.texts(ctx, "SELECT room FROM room")
		if err != nil {
			return "", err
		}
		if len(rooms) <= roomsInFilter {
			room["rooms"] = append([]string{}, rooms...)
		}
	}
	text, err := json.Marshal(map[string]any{
		"room": room, "presence": none, "account_data": map[string]any{"types": []string{m.guardType()}},
	})
	return string(text), err
}

// checkNews compares the guard with what the sync brings of it.
func (m *Machine) checkNews(ctx context.Context, got news) error {
	for _, e := range got.AccountData.Events {
		if e.Type != m.guardType() {
			continue
		}
		known, err := m.marks(ctx)
		if err != nil {
			return err
		}
		if err := known.told(markIn(e.Content)); err != nil {
			return err
		}
	}
	return nil
}

// hear works through a message to this device. Anybody can send one: what cannot be understood is no failure, and what the library panics at
// is left out, with heard as false. Requests for keys are not answered.
func (m *Machine) hear(ctx context.Context, text json.RawMessage) (heard bool, err error) {
	var e event.Event
	if json.Unmarshal(text, &e) != nil || e.Type.Type != event.ToDeviceEncrypted.Type {
		return true, nil
	}
	e.Type.Class = event.ToDeviceEventType
	if e.Content.ParseRaw(e.Type) != nil {
		return true, nil
	}
	heard = m.safely(func() error { m.olm.HandleEncryptedEvent(ctx, &e); return nil }) == nil
	err = m.seen.take()
	if broken, ok := errors.AsType[*sqlite.Error](err); ok && broken.Code()&0xff == sqlite3.SQLITE_CONSTRAINT {
		return false, nil // what was sent contradicts what is stored
	}
	return heard, err
}

// noteDevices notes whose devices are to be asked for.
func (m *Machine) noteDevices(ctx context.Context, got news) error {
	for _, users := range [][]string{got.DeviceLists.Changed, got.DeviceLists.Left} {
		for _, user := range users {
			if err := m.outdate(ctx, user); err != nil {
				return err
			}
		}
	}
	return nil
}

// outdate has a user's devices asked for before the next post in a room with that user.
func (m *Machine) outdate(ctx context.Context, user string) error {
	return errors.Join(
		m.exec(ctx, "INSERT INTO outdated (user) VALUES (?) ON CONFLICT DO UPDATE SET tried = 0", user),
		m.exec(ctx, "UPDATE room SET settled = 0 WHERE room IN (SELECT room FROM member WHERE user = ?)", user))
}
