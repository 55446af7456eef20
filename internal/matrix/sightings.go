package matrix

import (
	"context"
	"sync"
	"time"

	"kaizala-drop/internal/wire"
)

// sightingLife is how old the look at a room may be that an upload relies on, if its file was taken up before that look. A post relies on
// a look that began after it.
const sightingLife = 10 * time.Second

// sighting is one look at whether a room can be posted to, and how.
type sighting struct {
	began time.Time
	ended chan struct{} // closed once it has
	// Once it has:
	good   bool // this account is in the room, and may send there what sealed says
	sealed bool // the room is encrypted
}

// sightings are the last looks at rooms, for all calls that a look serves. They are safe for concurrent use.
type sightings struct {
	mu     *sync.Mutex
	byRoom map[string]*sighting // the last one that began, by the room's id
}

func newSightings() sightings { return sightings{new(sync.Mutex), map[string]*sighting{}} }

// after gives a look that began after since, and is under way or good. If there is none, it is one that the caller is to make.
func (s sightings) after(room string, since time.Time) (_ *sighting, toMake bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := s.byRoom[room]; last != nil && last.began.After(since) && time.Since(last.began) < sightingLife && last.mayServe() {
		return last, false
	}
	made := &sighting{began: time.Now(), ended: make(chan struct{})}
	s.byRoom[room] = made
	return made, true
}

func (s *sighting) mayServe() bool {
	select {
	case <-s.ended:
		return s.good
	default:
		return true
	}
}

func (s *sighting) end(sealed, good bool) {
	s.sealed, s.good = sealed, good
	close(s.ended)
}

// forget has the room looked at again, as after a refusal.
func (s sightings) forget(room string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byRoom, room)
}

// look makes sure that this account is in the room, and tells whether what it sends there is to be encrypted. That is asked after since, not
// longer ago than sightingLife: once on, encryption is on for ever, and the server takes plain text all the same. One look serves all calls
// that it began after. Of a room that is known to be encrypted nothing is asked: who is in it is known before each post (machine.Prepare).
//
// A sync would tell it of all rooms at once, but it tells of what a server has come to show, which may be seconds behind what it took
// (seen on Dendrite); the state of a room is what the server goes by itself.
func (c *Client) look(ctx context.Context, target, id string, since time.Time) (sealed bool, err error) {
	if c.keys.knows(id) {
		return true, nil
	}
	s, toMake := c.sightings.after(id, since)
	if !toMake {
		select {
		case <-s.ended:
		case <-ctx.Done():
			return false, &Error{Call: callState, Err: wire.Canceled(ctx)}
		}
		if s.good {
			return s.sealed, nil
		}
		return c.lookNow(ctx, target, id) // why not may be the other call's own end
	}
	good := false
	defer func() { s.end(sealed, good) }()
	sealed, err = c.lookNow(ctx, target, id)
	good = err == nil
	return sealed, err
}
