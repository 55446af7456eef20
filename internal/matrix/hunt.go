package matrix

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/wire"
)

// hunt looks for the events of one delivery.
type hunt struct {
	c        *Client
	room, me string
	keys     map[string]int // to the number of the file
	begun    time.Time      // by this machine's clock
	first    time.Time      // by the server's clock: it was not posted before

	ids      []string          // by file; "": not found
	beacon   string            // the event to see; "": none
	lit      bool              // it was seen
	redacted string            // the last own event that may have been one of them; "": none
	removed  time.Time         // when that was sent, by the server's clock
	others   map[string]string // ids of own events by their keys; nil: they are not noted
	whole    bool              // everything since first was seen
}

func (c *Client) newHunt(ctx context.Context, up ref, key string, since time.Time) (*hunt, error) {
	me, err := c.WhoAmI(ctx)
	if err != nil {
		return nil, err
	}
	h := &hunt{c: c, begun: time.Now(), room: up.Room, me: me, keys: map[string]int{}, ids: make([]string, len(up.Files)), first: time.UnixMilli(up.At)}
	for i := range up.Files {
		h.keys[partKey(key, i)] = i
	}
	if !since.IsZero() {
		now, err := c.serverTime(ctx)
		if err != nil {
			return nil, err
		}
		if first := now.Add(-max(0, time.Since(since))); first.Before(h.first) {
			h.first = first
		}
	}
	return h, nil
}

// serverTime is the time by the server's clock.
func (c *Client) serverTime(ctx context.Context) (time.Time, error) {
	k := call{name: callFind, method: http.MethodGet, path: clientAPI + "/account/whoami"}
	a, err := c.do(ctx, k)
	if err != nil {
		return time.Time{}, err
	}
	if !a.ok() {
		return time.Time{}, k.errorOf(a, nil)
	}
	return a.ServerTime(), nil
}

func (h *hunt) all() bool {
	return !slices.Contains(h.ids, "")
}

// conclude says what is there, from the first file on, or that it cannot be told.
func (h *hunt) conclude() ([]string, error) {
	shown := 0
	for shown < len(h.ids) && h.ids[shown] != "" {
		shown++
	}
	for _, id := range h.ids[shown:] {
		if id != "" {
			return nil, unknowable("of its events the one of file %d is missing, and a later one is there", shown+1)
		}
	}
	switch {
	case h.redacted != "":
		return nil, unknowable("the event %s of this account was removed by somebody, and may have been it", h.redacted)
	case !h.whole:
		return nil, unknowable("the room's history cannot be read back to the time of the post")
	}
	return h.ids[:shown], nil
}

// awaitBeacon looks again until a beacon is seen that was sent after the last post of m, and sends one if there is none. It gives when
// the beacon was sent.
func (h *hunt) awaitBeacon(ctx context.Context, m destination.Message) (sent time.Time, err error) {
	last, ok := h.c.doubts.after(m.Key, h.room)
	switch {
	case ok && last.seen:
		return last.sent, nil
	case !ok:
		last = beacon{sent: time.Now()}
		if last.id, err = h.c.sendBeacon(ctx, h.room); err != nil {
			return last.sent, h.c.refused(ctx, m.Target, h.room, err)
		}
		h.c.doubts.put(h.room, last)
	}
	h.beacon = last.id
	end := time.Now().Add(catchUp)
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		if err := h.look(ctx); err != nil || h.all() {
			return last.sent, err
		}
		if h.lit {
			last.seen = true
			h.c.doubts.put(h.room, last)
			return last.sent, nil
		}
		if time.Now().After(end) {
			return last.sent, &Error{Call: callFind, Err: errors.New("the homeserver does not show yet what it has taken: it is catching up, or is to be restarted")}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return last.sent, &Error{Call: callFind, Err: wire.Canceled(ctx)}
		}
	}
}

// late says that a post may still be shown, as of a beacon that was sent then, after which this hunt looked. A Dendrite that is killed while
// it works on an event takes it up again only after 5 minutes and 10 seconds, and shows meanwhile what comes later (AckWait in
// roomserver/internal/input/input.go of v0.13.8).
func (h *hunt) late(sent time.Time) error {
	wait := h.c.shownWithin - max(0, h.begun.Sub(sent))
	if wait <= 0 {
		return nil
	}
	return &Error{Call: callFind, Later: true, RetryAfter: max(wait, time.Second), Err: fmt.Errorf("a homeserver that was killed shows late what it had taken: it is posted again if it is not shown %s from now (shown_within)",
		wait.Round(time.Second))}
}

func (c *Client) sendBeacon(ctx context.Context, room string) (id string, err error) {
	body, err := wire.JSON(struct{}{})
	if err != nil {
		return "", err
	}
	k := call{name: callBeacon, method: http.MethodPut, path: roomPath(room) + "/send/" + beaconType + "/" + rand.Text(), body: body}
	var said struct {
		EventID string `json:"event_id"`
	}
	_, err = c.result(ctx, k, &said, func() error {
		if said.EventID == "" {
			return errors.New("no event_id in the answer")
		}
		return nil
	})
	return said.EventID, err
}

// look pages back once.
func (h *hunt) look(ctx context.Context) error {
	h.redacted, h.lit, h.whole = "", false, false
	from := ""
	for range pagesMost {
		var page struct {
			Chunk []event `json:"chunk"`
			End   string  `json:"end"`
		}
		k := call{name: callFind, method: http.MethodGet, path: roomPath(h.room) + "/messages", limit: maxAnswer,
			query: fmt.Sprintf("?dir=b&limit=%d%s", pageEvents, from)}
		if _, err := h.c.result(ctx, k, &page, func() error { return nil }); err != nil {
			return err
		}
		for _, e := range page.Chunk {
			h.see(e)
		}
		next := "&from=" + url.QueryEscape(page.End)
		if h.whole || h.others == nil && h.all() || page.End == "" || next == from {
			return nil
		}
		from = next
	}
	return nil
}

// event is one of a room's history.
type event struct {
	ID      string  `json:"event_id"`
	Type    string  `json:"type"`
	Sender  string  `json:"sender"`
	Subject *string `json:"state_key"`
	Time    int64   `json:"origin_server_ts"`
	Content struct {
		Key        any `json:"kaizala-drop.key"`
		Kind       any `json:"msgtype"`
		Algorithm  any `json:"algorithm"`
		Membership any `json:"membership"`
	} `json:"content"`
	Unsigned struct {
		Transaction string `json:"transaction_id"`
	} `json:"unsigned"`
}

// see takes in one event, on the way back.
func (h *hunt) see(e event) {
	at := time.UnixMilli(e.Time)
	switch {
	case e.ID == h.beacon && e.ID != "":
		h.lit = true
	case e.Type == "m.room.create":
		h.whole = true
	case serverOf(e.Sender) == serverOf(h.me) && at.Before(h.first.Add(-findMargin)): // another server's clock proves nothing
		h.whole = true
	case e.Type == "m.room.member" && e.Subject != nil && *e.Subject == h.me && e.Content.Membership == "join" && !at.After(h.first):
		h.whole = true // it was posted from within the room
	}
	if e.Sender != h.me || e.Type != "m.room.message" && e.Type != "m.room.encrypted" {
		return
	}
	key, _ := e.Content.Key.(string)
	key = cmp.Or(key, keyOf(e.Unsigned.Transaction))
	if h.others != nil && key != "" {
		h.others[key] = e.ID
	}
	if i, ours := h.keys[key]; ours {
		h.ids[i] = e.ID
		return
	}
	isRedacted := e.Content.Kind == nil && e.Content.Algorithm == nil && e.Unsigned.Transaction == ""
	if isRedacted && h.redacted == "" && h.mayBe(at) {
		h.redacted, h.removed = e.ID, at
	}
}

// mayBe reports whether an own event of that time may be one of the delivery's.
func (h *hunt) mayBe(at time.Time) bool { return !at.Before(h.first.Add(-findMargin)) }

func serverOf(user string) string {
	_, server, _ := strings.Cut(user, ":")
	return server
}
