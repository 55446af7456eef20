package matrix

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// gapPatience is how long after a beacon a gap is waited for. What an event names as coming before it may never be shown: it may be an event
// of another server that this one has rejected.
const gapPatience = 2 * time.Minute

// gapEvents is how many of the last events are looked at.
const gapEvents = 100

// named is an event as servers give it to one another (specification, "event_format": "federation").
type named struct {
	ID     string `json:"event_id"`
	Sender string `json:"sender"`
	Time   int64  `json:"origin_server_ts"`
	Before []any  `json:"prev_events"` // ids, or in old rooms pairs of an id and a hash
}

// hasGap reports whether the history that was seen lacks an event which a later one names as coming before it, although a beacon is shown.
// A Dendrite that was killed after it had taken an event shows what came later first, and that one after half a minute (seen).
func (h *hunt) hasGap(ctx context.Context, b beacon) (bool, error) {
	if time.Since(b.sent) > gapPatience {
		return false, nil
	}
	events, err := h.lastNamed(ctx)
	if err != nil {
		return false, err
	}
	for _, e := range events {
		if time.UnixMilli(e.Time).Before(h.first) {
			continue
		}
		if e.Sender == h.me && !h.known[e.ID] { // it came since
			return true, nil
		}
		for _, before := range e.Before {
			if id, ok := before.(string); ok && !h.known[id] && !holds(events, id) {
				return true, nil
			}
		}
	}
	return false, nil
}

func holds(events []named, id string) bool {
	for _, e := range events {
		if e.ID == id {
			return true
		}
	}
	return false
}

// lastNamed gives the last events of the room. A server that does not know the format gives none that name others.
func (h *hunt) lastNamed(ctx context.Context) ([]named, error) {
	none := map[string]any{"types": []string{}}
	filter, err := json.Marshal(map[string]any{
		"event_format": "federation", "presence": none, "account_data": none,
		"room": map[string]any{
			"rooms": []string{h.room}, "account_data": none, "ephemeral": none, "state": none, "timeline": map[string]any{"limit": gapEvents},
		},
	})
	if err != nil {
		return nil, err
	}
	var said struct {
		Rooms struct {
			Join map[string]struct {
				Timeline struct {
					Events []named `json:"events"`
				} `json:"timeline"`
			} `json:"join"`
		} `json:"rooms"`
	}
	k := call{name: callFind, method: http.MethodGet, path: clientAPI + "/sync", limit: maxAnswer,
		query: "?timeout=0&set_presence=offline&filter=" + url.QueryEscape(string(filter))}
	if _, err := h.c.result(ctx, k, &said, func() error { return nil }); err != nil {
		return nil, err
	}
	return said.Rooms.Join[h.room].Timeline.Events, nil
}
