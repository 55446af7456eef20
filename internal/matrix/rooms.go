package matrix

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"kaizala-drop/internal/matrix/names"
	"kaizala-drop/internal/wire"
)

// aliasLife is how long the room that an alias leads to is not asked again, unless something fails.
const aliasLife = 5 * time.Minute

// openLife is how long a room that was not replaced by another one is taken to be so, unless it refuses something.
const openLife = time.Minute

// rooms is what is known of where aliases lead, and of rooms. It is safe for concurrent use.
type rooms struct {
	mu      *sync.Mutex
	byAlias map[string]led
	open    map[string]time.Time // when it was seen last that no other room has replaced one, by its id
	entered map[string]time.Time // when one was entered, by its id
}

type led struct {
	to string // id of the room
	at time.Time
}

func newRooms() rooms {
	return rooms{new(sync.Mutex), map[string]led{}, map[string]time.Time{}, map[string]time.Time{}}
}

// isOpen reports whether it was seen just now that no other room has replaced this one.
func (r rooms) isOpen(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.open[id]) < openLife
}

func (r rooms) sawOpen(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[id] = time.Now()
}

// enter notes that a room was entered. first is false where another call has just done so: several files may wait for one room.
func (r rooms) enter(id string) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first = time.Since(r.entered[id]) >= openLife
	r.entered[id] = time.Now()
	return first
}

func (r rooms) get(alias string) led {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byAlias[alias]
}

func (r rooms) set(alias, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byAlias[alias] = led{id, time.Now()}
}

// doubt has the alias, and the room that it leads to, asked again. What it led to stays known, for the time in which nobody can be asked.
func (r rooms) doubt(alias string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, alias) // which may be an id
	if known, ok := r.byAlias[alias]; ok {
		delete(r.open, known.to)
		r.byAlias[alias] = led{to: known.to}
	}
}

// resolve gives the id of the room that target names. Before any other call it makes sure that the token is the configured account's.
func (c *Client) resolve(ctx context.Context, target string) (id string, err error) {
	if err := names.CheckRoom(target); err != nil {
		return "", &Error{Call: callAlias, Fault: ofTarget, Err: err}
	}
	if _, err := c.WhoAmI(ctx); err != nil {
		return "", err
	}
	if strings.HasPrefix(target, "!") {
		return target, nil
	}
	known := c.rooms.get(target)
	if time.Since(known.at) < aliasLife {
		return known.to, nil
	}
	var said struct {
		RoomID string `json:"room_id"`
	}
	k := call{name: callAlias, method: http.MethodGet, path: clientAPI + "/directory/room/" + url.PathEscape(target)}
	_, err = c.result(ctx, k, &said, func() error {
		if !strings.HasPrefix(said.RoomID, "!") || names.CheckRoom(said.RoomID) != nil {
			return errors.New("no room_id in the answer")
		}
		return nil
	})
	answer, _ := errors.AsType[*Error](err)
	switch {
	case err == nil:
		c.rooms.set(target, said.RoomID)
		return said.RoomID, nil
	case answer != nil && answer.Fault == ofDestination && known.to != "" && ctx.Err() == nil: // whoever has the alias does not answer
		return known.to, nil
	case answer != nil && answer.Fault == ofTarget && answer.Spoken:
		return "", answer.inWords("%s leads to no room: correct room, or have somebody give a room this address", target)
	}
	return "", c.elsewhere(ctx, target, err)
}

// state is what a room says of one thing.
type state struct {
	Membership  string         `json:"membership"`
	Reason      string         `json:"reason"`
	Replacement string         `json:"replacement_room"`
	Name        string         `json:"name"`
	Alias       string         `json:"alias"`
	Events      map[string]any `json:"events"`
	Default     any            `json:"events_default"`
	Users       map[string]any `json:"users"`
	UsersWhich  any            `json:"users_default"`
}

// ask gives a state of a room. ok is false if it is not set.
func (c *Client) ask(ctx context.Context, id, kind, key string) (s state, ok bool, err error) {
	k := call{name: callState, method: http.MethodGet, path: roomPath(id) + "/state/" + kind + "/" + url.PathEscape(key), limit: maxAnswer}
	a, err := c.do(ctx, k)
	switch {
	case err != nil:
		return s, false, err
	case a.Status == http.StatusNotFound && a.code == "M_NOT_FOUND":
		return s, false, nil
	case !a.ok():
		return s, false, k.errorOf(a, nil)
	}
	if err := a.JSON(&s); err != nil {
		return s, false, k.errorOf(a, err)
	}
	return s, true, nil
}

func roomPath(id string) string { return clientAPI + "/rooms/" + url.PathEscape(id) }

// admit gives the room that target names, once this account may post there as far as can be seen beforehand: it is in it, and no other
// one has replaced it. sealed says that what is sent there is to be encrypted. since is as in look.
func (c *Client) admit(ctx context.Context, target string, since time.Time) (id string, sealed bool, err error) {
	for try := 0; ; try++ {
		if id, err = c.resolve(ctx, target); err != nil {
			return "", false, err
		}
		sealed, moved, err := c.isOpen(ctx, target, id, since)
		if !moved || try > 0 {
			return id, sealed, err
		}
		c.rooms.doubt(target) // the address may lead to the new room by now
	}
}

// isOpen looks at the room. moved says that its error is about another room that has replaced it, or that this one is gone. Of a room that
// is encrypted that is asked before the post.
func (c *Client) isOpen(ctx context.Context, target, id string, since time.Time) (sealed, moved bool, err error) {
	if sealed, err = c.look(ctx, target, id, since); err != nil {
		answer, _ := errors.AsType[*Error](err)
		return false, answer != nil && answer.Fault == ofTarget, err
	}
	if sealed || c.rooms.isOpen(id) {
		return sealed, false, nil
	}
	s, replaced, err := c.ask(ctx, id, "m.room.tombstone", "")
	if err == nil && !replaced {
		c.rooms.sawOpen(id)
	}
	if err != nil || !replaced {
		return sealed, false, err
	}
	return sealed, true, c.replaced(target, s.Replacement)
}

func (c *Client) replaced(target, by string) error {
	e := &Error{Call: callSend, Fault: ofTarget}
	if names.CheckRoom(by) != nil {
		return e.inWords("%s was closed: name another room", target)
	}
	return e.inWords("%s was replaced by the room %s: write that for room, or have the address moved to it", target, by)
}

// lookNow looks whether this account is in the room, which it enters if it may, and whether the room is encrypted.
func (c *Client) lookNow(ctx context.Context, target, id string) (sealed bool, err error) {
	_, set, err := c.ask(ctx, id, "m.room.encryption", "")
	answer, _ := errors.AsType[*Error](err)
	switch {
	case err == nil && !set:
		return c.howToSend(ctx, target, id, false)
	case err != nil && (answer == nil || answer.Fault != ofTarget):
		return false, err
	}
	// Who is not in the room is refused, or, by some servers, given another state in the place of one that is not set.
	entered, notIn := c.enter(ctx, target, id)
	switch {
	case notIn != nil:
		return false, notIn
	case entered:
		if _, set, err = c.ask(ctx, id, "m.room.encryption", ""); err != nil {
			return false, err
		}
	case err != nil:
		return false, err
	}
	return c.howToSend(ctx, target, id, set)
}

// enter has this account be in the room. entered says that it was not before.
func (c *Client) enter(ctx context.Context, target, id string) (entered bool, err error) {
	s, me, err := c.membership(ctx, id)
	if err != nil {
		return false, err
	}
	mayTry := s.Membership == "invite" || s.Membership == ""
	if mayTry && c.join {
		if err = c.enterNow(ctx, target); err == nil {
			if c.rooms.enter(id) {
				c.log.Info().Str("room", target).Msg("entered the room")
			}
			return true, nil
		}
		if answer, ok := errors.AsType[*Error](err); !ok || answer.Fault != ofTarget {
			return false, c.elsewhere(ctx, target, err)
		}
	}
	return false, c.absent(target, me, s)
}

// membership is what the room says of this account: "join", "invite", "leave", "ban", "knock", or "" if it says nothing.
func (c *Client) membership(ctx context.Context, id string) (s state, me string, err error) {
	if me, err = c.WhoAmI(ctx); err != nil {
		return s, "", err
	}
	s, set, err := c.ask(ctx, id, "m.room.member", me)
	if answer, ok := errors.AsType[*Error](err); ok && answer.Fault == ofTarget {
		return c.banned(ctx, id, me), me, nil
	}
	if !set && err == nil {
		s = state{}
	}
	return s, me, err
}

// banned looks whether an account that may not ask for its membership is banned. What cannot be told is a zero state.
func (c *Client) banned(ctx context.Context, id, me string) state {
	var said struct {
		Chunk []struct {
			Key     string `json:"state_key"`
			Content state  `json:"content"`
		} `json:"chunk"`
	}
	k := call{name: callState, method: http.MethodGet, path: roomPath(id) + "/members", query: "?membership=ban", limit: maxAnswer}
	if _, err := c.result(ctx, k, &said, func() error { return nil }); err != nil {
		return state{}
	}
	for _, member := range said.Chunk {
		if member.Key == me {
			return member.Content
		}
	}
	return state{}
}

// enterNow enters by the name that is configured: an alias tells servers through which the room is reached.
func (c *Client) enterNow(ctx context.Context, target string) error {
	body, err := wire.JSON(struct{}{})
	if err != nil {
		return err
	}
	k := call{name: callJoin, method: http.MethodPost, path: clientAPI + "/join/" + url.PathEscape(target), body: body}
	var said struct{}
	_, err = c.result(ctx, k, &said, func() error { return nil })
	return err
}
