package e2ee

import (
	"encoding/json"
	"fmt"
	"slices"
)

// mark is what the guard raises: a number that grows, and an id that tells apart who chose the same number.
type mark struct {
	Epoch int64  `json:"epoch"`
	ID    string `json:"id"`
}

// marks is what the store knows of the guard.
type marks struct {
	held mark // the last one that was seen to stand at the homeserver; zero: none yet
	// open are those that were sent to the homeserver, or may have been, and of which it is not known that they have arrived: they may
	// still do.
	open []mark
}

// judge tells what the homeserver's mark, zero if it has none, says about the store.
func (m marks) judge(server mark) error {
	switch {
	case server == m.held: // also that there is none yet
		return nil
	case slices.Contains(m.open, server):
		return nil
	case m.held == mark{} && len(m.open) == 0:
		return fmt.Errorf("%w: the homeserver's mark is %d, and the store has none", ErrStoreLost, server.Epoch)
	}
	return fmt.Errorf("%w: the homeserver's mark is %d, and that of the store %d", ErrCopied, server.Epoch, m.held.Epoch)
}

// told judges a mark that a sync brought, which may be an older one of the own: the homeserver may tell late.
func (m marks) told(server mark) error {
	if server.Epoch < m.held.Epoch {
		return nil
	}
	return m.judge(server)
}

// next is the number of a new mark, above all that are known.
func (m marks) next(server mark) int64 {
	epoch := max(m.held.Epoch, server.Epoch)
	for _, o := range m.open {
		epoch = max(epoch, o.Epoch)
	}
	return epoch + 1
}

// markIn reads a mark. What is none is one that no store knows.
func markIn(content json.RawMessage) mark {
	var k mark
	if json.Unmarshal(content, &k) != nil || k.ID == "" {
		return mark{Epoch: 1 << 62, ID: "unreadable"}
	}
	return k
}
