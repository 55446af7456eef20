//go:build goolm

package e2ee

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"maunium.net/go/mautrix"
)

// guardType is the type of the account's data that holds the mark of a device. Each device has its own.
func (m *Machine) guardType() string { return "kaizala-drop.guard." + m.o.Device }

// raiseTries is how often the guard starts over where the homeserver is slow.
const raiseTries = 5

// maxUnderWay is how many marks whose answers were lost are remembered.
const maxUnderWay = 1000

// raise puts a new mark in the place of the homeserver's, if that is one of the store's. Afterwards no older copy of the store can be used
// any more.
//
// There is no compare-and-swap, so that two copies that start at the same time may both see the old mark. So at the start (Fischer's algorithm) a mark is
// written at most Settle after the old one was read, and is read back later than Settle after it was written: what another
// copy wrote on the same reading stands by then, and one of the two sees the other's.
//
// A mark is on disk before it is sent. One whose answer was lost stays there, as it may arrive at any later time.
func (m *Machine) raise(ctx context.Context, starting bool) error {
	for range raiseTries {
		read := time.Now()
		server, err := m.serverMark(ctx)
		if err != nil {
			return err
		}
		known, err := m.marks(ctx)
		if err != nil {
			return err
		}
		if err := known.judge(server); err != nil {
			return err
		}
		next := mark{known.next(server), rand.Text()}
		if err := m.propose(ctx, next, read.Add(m.o.Settle)); err != nil {
			return err
		}
		if passed(read) > m.o.Settle {
			continue
		}
		if starting || server != known.held {
			if err := sleep(ctx, m.o.Settle+m.o.Settle/4); err != nil {
				return err
			}
		}
		got, err := m.serverMark(ctx)
		if err != nil {
			return err
		}
		if got == next {
			return m.hold(ctx, next, starting)
		}
		if err := known.judge(got); err != nil {
			return err
		}
		// A late one of the own came in between, or who answers does not know yet what the homeserver took.
		if err := sleep(ctx, m.o.Settle/4); err != nil {
			return err
		}
	}
	return ErrSlow
}

// propose sends a mark, which is on disk before. It gives up, without an error, at the end.
func (m *Machine) propose(ctx context.Context, next mark, end time.Time) error {
	err := m.inOne(ctx, func(ctx context.Context) error {
		return errors.Join(
			m.exec(ctx, "DELETE FROM guard WHERE NOT held AND epoch < ?", next.Epoch-maxUnderWay),
			m.exec(ctx, "INSERT INTO guard (epoch, id) VALUES (?, ?)", next.Epoch, next.ID))
	})
	if err != nil {
		return err
	}
	bounded, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	if err := m.client.SetAccountData(bounded, m.guardType(), next); err != nil {
		if ctx.Err() == nil && !time.Now().Before(end) {
			return nil
		}
		return fmt.Errorf("cannot mark the keys as in use: %w", err)
	}
	return m.exec(ctx, "UPDATE guard SET arrived = 1 WHERE epoch = ? AND id = ?", next.Epoch, next.ID)
}

// hold notes that a mark stands. At the start all sessions end with it: what an older copy used of them is not known.
func (m *Machine) hold(ctx context.Context, next mark, starting bool) error {
	return m.inOne(ctx, func(ctx context.Context) error {
		err := errors.Join(
			m.exec(ctx, "DELETE FROM guard WHERE held OR arrived"),
			m.exec(ctx, "INSERT INTO guard (epoch, id, held, arrived) VALUES (?, ?, 1, 1)", next.Epoch, next.ID))
		if starting {
			err = errors.Join(err, m.exec(ctx, "DELETE FROM crypto_megolm_outbound_session"), m.exec(ctx, "DELETE FROM given"))
		}
		return err
	})
}

func (m *Machine) marks(ctx context.Context) (all marks, err error) {
	err = m.each(ctx, func(scan func(into ...any) error) error {
		var k mark
		var held bool
		err := scan(&k.Epoch, &k.ID, &held)
		if held {
			all.held = k
		} else {
			all.open = append(all.open, k)
		}
		return err
	}, "SELECT epoch, id, held FROM guard")
	return all, err
}

// serverMark asks for the homeserver's mark; zero: it has none.
func (m *Machine) serverMark(ctx context.Context) (mark, error) {
	var content json.RawMessage
	err := m.client.GetAccountData(ctx, m.guardType(), &content)
	if hasCode(err, mautrix.MNotFound.ErrCode) && statusOf(err) == http.StatusNotFound {
		return mark{}, nil
	}
	if err != nil {
		return mark{}, fmt.Errorf("cannot ask whether the keys are in use elsewhere: %w", err)
	}
	return markIn(content), nil
}

// passed is how much time passed since then, also asleep: the monotonic clock may stand still while a machine does.
func passed(since time.Time) time.Duration {
	return max(time.Since(since), time.Now().Round(0).Sub(since.Round(0)))
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
