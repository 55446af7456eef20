package matrix

import (
	"context"
	"fmt"
	"strings"
	"time"

	"kaizala-drop/internal/destination"
)

const (
	// findMargin is how much earlier than its upload an event of a delivery may be dated: the answer to the upload and the event may
	// be dated by two clocks, of a proxy and of the homeserver.
	findMargin = 10 * time.Minute
	pagesMost  = 1000 // of one look
	pageEvents = 100
	catchUp    = 20 * time.Second // how long the server may take to show what it has taken, before it counts as failing
)

// beaconType is the type of an event that no client shows. It is sent where a lost post is not found, once for all that is looked for
// there: a server may show an event only some time after it has taken it, and shows this one only after all that it had taken before,
// unless it was killed meanwhile.
const beaconType = "kaizala-drop.beacon"

// Find tells whether the events of a message are in the room for which it was uploaded. It pages back to the time of the upload, or
// of since if that is earlier, by the server's clock. It looks at all events itself: what a server filters, it may lose.
//
// That something is not there is said only ShownWithin after a beacon was sent; until then the error is Later. What was never tried can
// be there only if it was sent long ago, in a life that the ledger has forgotten: then no beacon is sent.
//
// A message of several files that is there in part is not found, and Receipt.Shown has what is. Where an own event of that time was
// redacted, its key is gone with it, and the error is Unknowable; so it is where the history ends before that time, and where the room
// cannot be read any more, unless it is the one to post to: that is waited for.
//
// Its errors are *destination.Error, each of which wraps an *Error.
func (c *Client) Find(ctx context.Context, m destination.Message, since time.Time) (r destination.Receipt, found bool, err error) {
	up, err := readRef(m.Ref)
	if err != nil || m.Key == "" {
		return r, false, c.destinationError(unknowable("nothing is known of what it was to look like"))
	}
	ids, err := c.find(ctx, up, m, since)
	switch {
	case err != nil:
		return r, false, c.destinationError(err)
	case len(ids) < len(up.Files):
		c.doubts.settle(m.Key)
		return destination.Receipt{Shown: ids}, false, nil
	}
	c.doubts.settle(m.Key)
	return destination.Receipt{ID: strings.Join(ids, " ")}, true, nil
}

func unknowable(format string, args ...any) *Error {
	return &Error{Call: callFind, Unknowable: true, Err: fmt.Errorf(format, args...)}
}

func (c *Client) find(ctx context.Context, up ref, m destination.Message, since time.Time) (ids []string, err error) {
	if err := c.mayRead(ctx, m.Target, up.Room); err != nil {
		return nil, err
	}
	h, err := c.newHunt(ctx, up, m.Key, since)
	if err != nil {
		return nil, err
	}
	if !m.Tried {
		return c.findOld(ctx, h)
	}
	copy(h.ids, m.Shown) // they were there, also if somebody has removed them since
	if err := h.look(ctx); err != nil || h.all() {
		return h.ids, err
	}
	sent, err := h.awaitBeacon(ctx, m)
	if err != nil || h.all() {
		return h.ids, err
	}
	if err := h.late(sent); err != nil {
		return nil, err
	}
	return h.conclude()
}

// mayRead makes sure that this account is in the room: what others can read of it may be nothing.
func (c *Client) mayRead(ctx context.Context, target, room string) error {
	s, me, err := c.membership(ctx, room)
	if err != nil || s.Membership == "join" {
		return err
	}
	if now, err := c.resolve(ctx, target); err == nil && now != room {
		return unknowable("%s leads to another room by now, and the one that it was posted to cannot be read: %w", target, c.absent(target, me, s))
	}
	_, err = c.enter(ctx, target, room)
	return err
}
