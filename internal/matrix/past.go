package matrix

import (
	"context"
	"sync"
	"time"
)

// past is what a room showed of this account's when this process began to look, for the many deliveries that an earlier run may have left.
// It is safe for concurrent use.
type past struct {
	mu    sync.Mutex // held while the room is looked through
	first time.Time  // by the server's clock: since when all is known; zero: nothing is
	ids   map[string]string
	gone  string    // the last event that was redacted, or ""
	sent  time.Time // when that was, by the server's clock
}

// pastMost is how many events of a room are remembered.
const pastMost = 20_000

// pasts are those of all rooms. It is safe for concurrent use.
type pasts struct {
	mu     sync.Mutex
	byRoom map[string]*past
}

func newPasts() *pasts { return &pasts{byRoom: map[string]*past{}} }

func (p *pasts) of(room string) *past {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byRoom[room] == nil {
		p.byRoom[room] = &past{}
	}
	return p.byRoom[room]
}

// findOld looks for what this process has not sent. One look through a room does for all that are not older.
func (c *Client) findOld(ctx context.Context, h *hunt) ([]string, error) {
	p := c.pasts.of(h.room)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.first.IsZero() || h.first.Before(p.first) {
		h.others = map[string]string{}
		if err := h.look(ctx); err != nil {
			return nil, err
		}
		if h.whole && len(h.others) <= pastMost {
			p.first, p.ids, p.gone, p.sent = h.first, h.others, h.redacted, h.removed
		}
	} else {
		h.whole = true
		if h.mayBe(p.sent) {
			h.redacted = p.gone
		}
		for key, i := range h.keys {
			h.ids[i] = p.ids[key]
		}
	}
	if h.all() {
		return h.ids, nil
	}
	return h.conclude()
}
