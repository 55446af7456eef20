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

	"maunium.net/go/mautrix"
)

// room is what is stored of one.
type room struct {
	id         string
	encryption string
	visibility string
	membership string
	tombstone  bool
	successor  string
	complete   bool
	settled    int64
	followed   bool // there is a row of it
}

// The memberships that matter.
const (
	joined  = "join"
	invited = "invite"
	left    = "leave"
)

func (m *Machine) room(ctx context.Context, id string) (r room, err error) {
	r.id = id
	r.followed, err = m.row(ctx, "SELECT encryption, visibility, membership, tombstone, successor, complete, settled FROM room WHERE room = ?", []any{id},
		&r.encryption, &r.visibility, &r.membership, &r.tombstone, &r.successor, &r.complete, &r.settled)
	return r, err
}

// encryption is the content of m.room.encryption.
type encryption struct {
	Algorithm string `json:"algorithm"`
}

const megolm = "m.megolm.v1.aes-sha2"

// isEncrypted reports whether the room is. A state that says nothing, as one that was removed, says so too.
func (r room) isEncrypted() bool { return r.encryption != "" }

// known fails if the room is encrypted in another way.
func (r room) known() error {
	var e encryption
	if err := json.Unmarshal([]byte(r.encryption), &e); err == nil && e.Algorithm != "" && e.Algorithm != megolm {
		return fmt.Errorf("%w: %q", ErrAlgorithm, e.Algorithm)
	}
	return nil
}

// noteRooms works through what a sync brings of the rooms that are posted in.
func (m *Machine) noteRooms(ctx context.Context, got news) error {
	for _, rooms := range []map[string]roomNews{got.Rooms.Join, got.Rooms.Leave} {
		for _, id := range slices.Sorted(maps.Keys(rooms)) {
			r, err := m.room(ctx, id)
			if err != nil {
				return err
			}
			if !r.followed {
				continue
			}
			if err := m.noteRoom(ctx, id, rooms[id]); err != nil {
				return err
			}
		}
	}
	for id := range got.Rooms.Leave {
		if err := m.exec(ctx, "UPDATE room SET membership = ? WHERE room = ? AND membership = ?", left, id, joined); err != nil {
			return err
		}
	}
	return nil
}

func (m *Machine) noteRoom(ctx context.Context, id string, n roomNews) error {
	for _, e := range slices.Concat(n.State.Events, n.Timeline.Events) {
		if e.StateKey == nil {
			continue
		}
		if err := m.noteState(ctx, id, e); err != nil {
			return err
		}
	}
	if n.Timeline.Limited { // something may have been left out
		return m.exec(ctx, "UPDATE room SET complete = 0, settled = 0 WHERE room = ?", id)
	}
	return nil
}

// noteState works through one state of a room.
func (m *Machine) noteState(ctx context.Context, room string, e stateEvent) error {
	switch e.Type {
	case stateMember:
		var said struct {
			Membership string `json:"membership"`
		}
		_ = json.Unmarshal(e.Content, &said) // what is no membership is none
		return m.noteMember(ctx, room, *e.StateKey, said.Membership)
	case stateEncryption:
		return m.noteEncryption(ctx, room, string(e.Content))
	case stateVisibility:
		var said struct {
			Visibility string `json:"history_visibility"`
		}
		_ = json.Unmarshal(e.Content, &said)
		return m.exec(ctx, "UPDATE room SET visibility = ?, settled = 0 WHERE room = ?", said.Visibility, room)
	case stateTombstone:
		var said struct {
			Successor string `json:"replacement_room"`
		}
		_ = json.Unmarshal(e.Content, &said)
		return m.exec(ctx, "UPDATE room SET tombstone = 1, successor = ? WHERE room = ?", said.Successor, room)
	}
	return nil
}

// noteEncryption notes that a room is encrypted, and how. New settings hold for the next session, and the first ones make the members matter.
func (m *Machine) noteEncryption(ctx context.Context, room, content string) error {
	r, err := m.room(ctx, room)
	if err != nil || r.encryption == content {
		return err
	}
	return errors.Join(
		m.exec(ctx, "UPDATE room SET complete = complete AND encryption <> '', encryption = ?, settled = 0 WHERE room = ?", content, room),
		m.endSession(ctx, room))
}

// noteMember notes somebody's membership. Whether the session's key must be changed for it is found out before the next post.
func (m *Machine) noteMember(ctx context.Context, room, user, membership string) error {
	var before string
	if _, err := m.row(ctx, "SELECT membership FROM member WHERE room = ? AND user = ?", []any{room, user}, &before); err != nil {
		return err
	}
	if user == m.o.User {
		// Who was not in the room has not followed it.
		if err := m.exec(ctx, "UPDATE room SET complete = complete AND membership = ?1, membership = ?1 WHERE room = ?2", membership, room); err != nil {
			return err
		}
	}
	if before == membership {
		return nil
	}
	if err := m.exec(ctx, "UPDATE room SET settled = 0 WHERE room = ?", room); err != nil {
		return err
	}
	if membership != joined && membership != invited {
		return m.exec(ctx, "DELETE FROM member WHERE room = ? AND user = ?", room, user)
	}
	return errors.Join(
		m.exec(ctx, "INSERT INTO member (room, user, membership) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET membership = excluded.membership", room, user, membership),
		m.outdate(ctx, user))
}

func (m *Machine) endSession(ctx context.Context, room string) error {
	return errors.Join(
		m.exec(ctx, "DELETE FROM crypto_megolm_outbound_session WHERE room_id = ?", room),
		m.exec(ctx, "DELETE FROM given WHERE room = ?", room))
}

// learn asks for the state of a room that was not followed so far.
func (m *Machine) learn(ctx context.Context, id string) error {
	var states []stateEvent
	empty := ""
	for _, kind := range []string{stateEncryption, stateVisibility, stateTombstone} {
		content, err := m.state(ctx, id, kind, "")
		if err != nil {
			return err
		}
		if content != nil {
			states = append(states, stateEvent{Type: kind, StateKey: &empty, Content: content})
		}
	}
	members, err := m.members(ctx, id)
	if err != nil {
		return err
	}
	return m.inOne(ctx, func(ctx context.Context) error {
		for _, e := range states {
			if err := m.noteState(ctx, id, e); err != nil {
				return err
			}
		}
		return m.replaceMembers(ctx, id, members)
	})
}

// replaceMembers notes who is in a room, and that nobody else is.
func (m *Machine) replaceMembers(ctx context.Context, id string, members map[string]string) error {
	before, err := m.texts(ctx, "SELECT user FROM member WHERE room = ?", id)
	if err != nil {
		return err
	}
	for _, user := range before {
		if members[user] == "" {
			members[user] = left
		}
	}
	if members[m.o.User] == "" {
		members[m.o.User] = left
	}
	for user, membership := range members {
		if err := m.noteMember(ctx, id, user, membership); err != nil {
			return err
		}
	}
	return m.exec(ctx, "UPDATE room SET complete = 1 WHERE room = ?", id)
}

// state asks for a state of a room; nil: it is not set.
func (m *Machine) state(ctx context.Context, room, kind, key string) (content json.RawMessage, err error) {
	address := m.client.BuildClientURL("v3", "rooms", room, "state", kind, key)
	_, err = m.client.MakeRequest(ctx, http.MethodGet, address, nil, &content)
	switch {
	case hasCode(err, mautrix.MNotFound.ErrCode):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("cannot look at the room: %w", err)
	}
	return content, nil
}

// members asks who is in a room, or invited.
func (m *Machine) members(ctx context.Context, room string) (map[string]string, error) {
	var said struct {
		Chunk []stateEvent `json:"chunk"`
	}
	address := m.client.BuildURLWithQuery(mautrix.ClientURLPath{"v3", "rooms", room, "members"}, map[string]string{"not_membership": left})
	if _, err := m.client.MakeRequest(ctx, http.MethodGet, address, nil, &said); err != nil {
		return nil, fmt.Errorf("cannot ask for the members of the room: %w", err)
	}
	all := map[string]string{}
	for _, e := range said.Chunk {
		var content struct {
			Membership string `json:"membership"`
		}
		if e.Type == stateMember && e.StateKey != nil && json.Unmarshal(e.Content, &content) == nil {
			all[*e.StateKey] = content.Membership
		}
	}
	return all, nil
}
