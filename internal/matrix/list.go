package matrix

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"kaizala-drop/internal/text"
)

// Room is a room as this account sees it. Its texts come from the network: show them with care.
type Room struct {
	ID        string
	Alias     string // its main address, or ""
	Name      string // "": it has none
	Invited   bool   // this account is, and has not entered
	Encrypted bool
	Trouble   string // why nothing can be posted there, in plain words, safe to print; "": nothing is known against it
}

// Look looks at the room that target names, and enters nothing. That it cannot be posted to is no error, but Room.Trouble.
//
// Its errors are *Error.
func (c *Client) Look(ctx context.Context, target string) (Room, error) {
	id, err := c.resolve(ctx, target)
	if trouble := troubleOf(err); trouble != "" {
		return Room{Trouble: trouble}, nil
	}
	if err != nil {
		return Room{}, err
	}
	return c.lookAt(ctx, target, id)
}

// troubleOf gives the words of an error that says what is wrong with a room, or "".
func troubleOf(err error) string {
	if answer, ok := errors.AsType[*Error](err); ok && answer.Fault == ofTarget {
		return text.Printable(answer.Err.Error())
	}
	return ""
}

func (c *Client) lookAt(ctx context.Context, target, id string) (r Room, err error) {
	r.ID = id
	s, me, err := c.membership(ctx, id)
	if err != nil {
		return r, err
	}
	if s.Membership != "join" {
		if r.Invited = s.Membership == "invite"; r.Invited && c.join {
			return c.lookInto(ctx, target, r)
		}
		r.Trouble = troubleOf(c.absent(target, me, s))
		return r, nil
	}
	named, _, err := c.ask(ctx, id, "m.room.name", "")
	if err != nil {
		return r, err
	}
	addressed, _, err := c.ask(ctx, id, "m.room.canonical_alias", "")
	if err != nil {
		return r, err
	}
	_, r.Encrypted, err = c.ask(ctx, id, "m.room.encryption", "")
	if err != nil {
		return r, err
	}
	r.Name, r.Alias = named.Name, addressed.Alias
	kind := plainKind
	if r.Encrypted {
		kind = sealedKind
	}
	if err = c.why(ctx, target, id, kind); err == nil {
		err = c.mayBe(target, r.Encrypted)
	}
	if r.Trouble = troubleOf(err); r.Trouble != "" {
		return r, nil
	}
	return r, err
}

// lookInto adds what the invitation into r tells against a post there.
func (c *Client) lookInto(ctx context.Context, target string, r Room) (Room, error) {
	all, err := c.invites(ctx)
	if err != nil {
		return r, err
	}
	for _, invited := range all {
		if invited.ID == r.ID {
			r.Encrypted, r.Trouble = invited.Encrypted, troubleOf(c.mayBe(target, invited.Encrypted))
		}
	}
	return r, nil
}

// Rooms lists the rooms that this account is in or invited to, by name.
//
// Its errors are *Error.
func (c *Client) Rooms(ctx context.Context) ([]Room, error) {
	var said struct {
		Joined []string `json:"joined_rooms"`
	}
	k := call{name: callRooms, method: http.MethodGet, path: clientAPI + "/joined_rooms", limit: maxAnswer}
	_, err := c.result(ctx, k, &said, func() error { return nil })
	if err != nil {
		return nil, err
	}
	all, err := c.invites(ctx)
	if err != nil {
		return nil, err
	}
	for _, id := range said.Joined {
		r, err := c.lookAt(ctx, id, id)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b Room) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return all, nil
}

// nothingElse is a filter that leaves nothing of a sync but invitations.
const nothingElse = `{"presence":{"types":[]},"account_data":{"types":[]},"room":{"account_data":{"types":[]},"ephemeral":{"types":[]},` +
	`"state":{"types":[]},"timeline":{"limit":1,"types":[]}}}`

// invites lists the rooms that this account is invited to, with what an invitation tells of them.
func (c *Client) invites(ctx context.Context) (all []Room, err error) {
	var said struct {
		Rooms struct {
			Invite map[string]struct {
				State struct {
					Events []struct {
						Type    string          `json:"type"`
						Content json.RawMessage `json:"content"`
					} `json:"events"`
				} `json:"invite_state"`
			} `json:"invite"`
		} `json:"rooms"`
	}
	k := call{name: callRooms, method: http.MethodGet, path: clientAPI + "/sync", limit: maxAnswer,
		query: "?timeout=0&set_presence=offline&filter=" + url.QueryEscape(nothingElse)}
	if _, err := c.result(ctx, k, &said, func() error { return nil }); err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(said.Rooms.Invite)) {
		r := Room{ID: id, Invited: true}
		for _, e := range said.Rooms.Invite[id].State.Events {
			var s state
			if json.Unmarshal(e.Content, &s) != nil {
				continue // it tells nothing
			}
			switch e.Type {
			case "m.room.name":
				r.Name = s.Name
			case "m.room.canonical_alias":
				r.Alias = s.Alias
			case "m.room.encryption":
				r.Encrypted = true
			}
		}
		all = append(all, r)
	}
	return all, nil
}
