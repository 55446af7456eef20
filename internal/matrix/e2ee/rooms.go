//go:build goolm

package e2ee

import (
	"cmp"
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
	known      int
	settled    int64
}

// The memberships that matter.
const (
	joined  = "join"
	invited = "invite"
	left    = "leave"
)

func (m *Machine) room(ctx context.Context, id string) (r room, err error) {
	r.id = id
	_, err = m.row(ctx, "SELECT encryption, visibility, membership, tombstone, successor, known, settled FROM room WHERE room = ?", []any{id},
		&r.encryption, &r.visibility, &r.membership, &r.tombstone, &r.successor, &r.known, &r.settled)
	return r, err
}

// encryption is the content of m.room.encryption.
type encryption struct {
	Algorithm string `json:"algorithm"`
}

const megolm = "m.megolm.v1.aes-sha2"

// isEncrypted reports whether the room is. A state that says nothing, as one that was removed, says so too.
func (r room) isEncrypted() bool { return r.encryption != "" }

// checkAlgorithm fails if the room is encrypted in another way.
func (r room) checkAlgorithm() error {
	var e encryption
	if err := json.Unmarshal([]byte(r.encryption), &e); err == nil && e.Algorithm != "" && e.Algorithm != megolm {
		return fmt.Errorf("%w: %q", ErrAlgorithm, e.Algorithm)
	}
	return nil
}

// noteRooms notes which rooms are to be asked for anew. What a sync brings of them is a hint and no more: where a member left and came
// back, a Dendrite gives the two in the wrong order.
func (m *Machine) noteRooms(ctx context.Context, got news) error {
	for _, rooms := range []map[string]roomNews{got.Rooms.Join, got.Rooms.Leave} {
		for _, id := range slices.Sorted(maps.Keys(rooms)) {
			if err := m.noteRoom(ctx, id, rooms[id]); err != nil {
				return err
			}
		}
	}
	for id := range got.Rooms.Leave {
		if err := m.mistrust(ctx, id, stateKnown); err != nil {
			return err
		}
	}
	return nil
}

func (m *Machine) noteRoom(ctx context.Context, id string, n roomNews) error {
	if n.Timeline.Limited { // something may have been left out
		return m.mistrust(ctx, id, nothingKnown)
	}
	for _, e := range slices.Concat(n.State.Events, n.Timeline.Events) {
		left := stateKnown
		switch e.Type {
		case stateMember:
		case stateEncryption, stateVisibility, stateTombstone:
			left = nothingKnown
		default:
			continue
		}
		if err := m.mistrust(ctx, id, left); err != nil {
			return err
		}
	}
	return nil
}

// What is known of a room.
const (
	nothingKnown = iota // all is to be asked for
	stateKnown          // its members are to be asked for
	allKnown
)

// mistrust notes that no more than left is known of a room any longer.
func (m *Machine) mistrust(ctx context.Context, room string, left int) error {
	return m.exec(ctx, "UPDATE room SET known = min(known, ?), settled = 0 WHERE room = ?", left, room)
}

// noteState notes a state of a room.
func (m *Machine) noteState(ctx context.Context, r room, kind string, content json.RawMessage) error {
	switch kind {
	case stateEncryption:
		if r.encryption == string(content) {
			return nil
		}
		// Its settings hold for the next session.
		return errors.Join(m.exec(ctx, "UPDATE room SET encryption = ? WHERE room = ?", string(content), r.id), m.endSession(ctx, r.id))
	case stateVisibility:
		var said struct {
			Visibility string `json:"history_visibility"`
		}
		_ = json.Unmarshal(content, &said) // what is none is as if it were not set
		return m.exec(ctx, "UPDATE room SET visibility = ? WHERE room = ?", said.Visibility, r.id)
	}
	var said struct {
		Successor string `json:"replacement_room"`
	}
	_ = json.Unmarshal(content, &said)
	return m.exec(ctx, "UPDATE room SET tombstone = 1, successor = ? WHERE room = ?", said.Successor, r.id)
}

// noteMember notes somebody's membership.
func (m *Machine) noteMember(ctx context.Context, room, user, membership string) error {
	var before string
	if _, err := m.row(ctx, "SELECT membership FROM member WHERE room = ? AND user = ?", []any{room, user}, &before); err != nil {
		return err
	}
	if before == membership {
		return nil
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

// learn asks for what is not known of a room.
func (m *Machine) learn(ctx context.Context, r room) error {
	states := map[string]json.RawMessage{}
	for _, kind := range []string{stateEncryption, stateVisibility, stateTombstone} {
		if r.known > nothingKnown {
			break
		}
		content, err := m.state(ctx, r.id, kind, "")
		if err != nil {
			return err
		}
		if content != nil {
			states[kind] = content
		}
	}
	members, err := m.members(ctx, r, r.isEncrypted() || states[stateEncryption] != nil)
	if err != nil {
		return err
	}
	return m.inOne(ctx, func(ctx context.Context) error {
		for kind, content := range states {
			if err := m.noteState(ctx, r, kind, content); err != nil {
				return err
			}
		}
		return m.replaceMembers(ctx, r.id, members)
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
	for user, membership := range members {
		if err := m.noteMember(ctx, id, user, membership); err != nil {
			return err
		}
	}
	return m.exec(ctx, "UPDATE room SET known = ?, membership = ?, settled = 0 WHERE room = ?", allKnown, cmp.Or(members[m.o.User], left), id)
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

// members asks who is in a room, or invited; in one that is not encrypted, for the own membership alone.
func (m *Machine) members(ctx context.Context, r room, all bool) (map[string]string, error) {
	var said struct {
		Chunk []stateEvent `json:"chunk"`
	}
	if all {
		address := m.client.BuildURLWithQuery(mautrix.ClientURLPath{"v3", "rooms", r.id, "members"}, map[string]string{"not_membership": left})
		if _, err := m.client.MakeRequest(ctx, http.MethodGet, address, nil, &said); err != nil {
			return nil, fmt.Errorf("cannot ask for the members of the room: %w", err)
		}
	} else {
		content, err := m.state(ctx, r.id, stateMember, m.o.User)
		if err != nil {
			return nil, err
		}
		said.Chunk = []stateEvent{{Type: stateMember, StateKey: &m.o.User, Content: content}}
	}
	found := map[string]string{}
	for _, e := range said.Chunk {
		var content struct {
			Membership string `json:"membership"`
		}
		if e.Type == stateMember && e.StateKey != nil && json.Unmarshal(e.Content, &content) == nil {
			found[*e.StateKey] = content.Membership
		}
	}
	return found, nil
}
