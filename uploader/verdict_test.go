package uploader

import (
	"errors"
	"fmt"
	"testing"
)

// TestWhatMayBePosted is the whole table of the one decision: what a step has learned, and whether its delivery may be in the
// group although no answer says so.
func TestWhatMayBePosted(t *testing.T) {
	local := errors.New("permission denied")
	for _, c := range []struct {
		unknown bool // before
		r       result
		want    bool
	}{
		{false, result{}, false},
		{true, result{}, true},
		{false, result{sent: true, posted: true}, false},
		{true, result{sent: true, posted: true}, false},

		{false, result{sent: true, err: doubtful(0)}, true},
		{false, result{sent: true, err: doubtful(504)}, true},
		{false, result{sent: true, err: fmt.Errorf("no answer at all: %w", local)}, true},
		{false, result{sent: true, err: ofFile(400)}, false},
		{false, result{sent: true, err: ofDestination(503)}, false},
		{false, result{sent: true, err: broken()}, false},  // it says that nothing was sent yet
		{true, result{sent: true, err: ofFile(400)}, true}, // that answers the second try, not the first
		{true, result{sent: true, err: ofDestination(503)}, true},

		{false, result{err: local}, false},
		{false, result{err: local, ledgerPosting: true}, false}, // what the ledger could not take back was refused all the same
		{false, result{err: errChanged}, false},
		{false, result{err: ledgerError{local}}, false},
		{false, result{err: ofDestination(503)}, false}, // of an upload
		{true, result{err: errChanged}, true},
		{true, result{err: errUnknown}, true},
		{true, result{err: ofDestination(503)}, true},
	} {
		t.Run(fmt.Sprintf("%v/%t/%v", c.unknown, c.r.sent, c.r.err), func(t *testing.T) {
			d := &delivery{facts: facts{unknown: c.unknown, stage: toPost}}
			d.learn(c.r)
			if d.unknown != c.want {
				t.Errorf("it may be posted: %t, want %t", d.unknown, c.want)
			}
		})
	}
}
