package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// timeLayout has a fixed width, so that texts compare as the times do.
const timeLayout = "2006-01-02T15:04:05.000Z"

func timeText(t time.Time) string { return t.UTC().Format(timeLayout) }

// Uploaded records what the upload gave and the SHA-256 of each file, in the order of Files. After a post that was
// surely refused (because of the resource, say) a new upload may be recorded from posting too.
func (l *Ledger) Uploaded(ctx context.Context, id int64, resource string, sums [][]byte) error {
	values := make([]any, len(sums))
	for i, sum := range sums {
		if len(sum) != sha256.Size {
			return fmt.Errorf("delivery %d: a checksum of %d bytes is not a SHA-256", id, len(sum))
		}
		values[i] = bytes.Clone(sum)
	}
	return l.ask(ctx, func(w *writer) error {
		err := w.step(id, "uploaded", "state = 'uploaded', resource = ?, reason = ''",
			[]State{Claimed, Uploaded, Posting}, resource)
		if err != nil {
			return err
		}
		return w.eachFile(id, "sha256 = ?1", values)
	})
}

// Posting records that the post is about to be sent to group. again says that it was sent before and the answer was
// lost: only then may the delivery be posting already, and MaybeTwice is set for good.
func (l *Ledger) Posting(ctx context.Context, id int64, group, caption string, again bool) error {
	from := []State{Uploaded}
	if again {
		from = append(from, Posting)
	}
	return l.ask(ctx, func(w *writer) error {
		return w.step(id, "posting",
			"state = 'posting', group_id = ?, caption = ?, maybe_twice = max(maybe_twice, ?), reason = '', posting_at = coalesce(posting_at, ?)",
			from, group, caption, again, timeText(time.Now()))
	})
}

// NotPosted records a post that was surely not acted upon, 429 or no connection: the delivery is back at uploaded, so
// that a crash while it waits does not make it look as if it may have been posted. attempts and reason are as in Waits.
func (l *Ledger) NotPosted(ctx context.Context, id int64, attempts int, reason string) error {
	return l.ask(ctx, func(w *writer) error {
		return w.step(id, "not posted", "state = 'uploaded', attempts = ?, reason = ?", []State{Posting}, attempts, reason)
	})
}

// Posted records that the post was made. reference is the service's name for it and may be empty.
func (l *Ledger) Posted(ctx context.Context, id int64, reference string) error {
	return l.ask(ctx, func(w *writer) error {
		return w.step(id, "posted", "state = 'posted', reference = ?, reason = ''", []State{Posting}, reference)
	})
}

// Filed records that the files were moved, and finishes the delivery. dests, in the order of Files, are the paths where
// they lie now, "" for one that was gone.
func (l *Ledger) Filed(ctx context.Context, id int64, dests []string) error {
	return l.ask(ctx, func(w *writer) error {
		err := w.step(id, "filed", "state = 'filed', finished_at = ?, resource = '', reason = ''",
			[]State{Posted}, timeText(time.Now()))
		if err != nil {
			return err
		}
		return w.moved(id, dests)
	})
}

// Failed records the decision to give up and why. The move to failed/ is still to come: the delivery is not finished.
// Asked for again, it replaces the reason. It may be in the group only if it was posting: then it keeps its Resource, which
// any other loses, so that a restart knows.
func (l *Ledger) Failed(ctx context.Context, id int64, reason string) error {
	return l.ask(ctx, func(w *writer) error {
		return w.step(id, "failed", "state = 'failed', reason = ?, resource = iif(state IN ('posting', 'failed'), resource, '')",
			[]State{Claimed, Uploaded, Posting, Failed}, reason)
	})
}

// FailedFiled records that the files of a failed delivery were moved, and finishes it. dests is as in Filed.
func (l *Ledger) FailedFiled(ctx context.Context, id int64, dests []string) error {
	return l.ask(ctx, func(w *writer) error {
		err := w.step(id, "filed as failed", "finished_at = ?", []State{Failed}, timeText(time.Now()))
		if err != nil {
			return err
		}
		return w.moved(id, dests)
	})
}

// Waits records a try that did not work: how many there were so far, and what stands in the way. The state stays; so
// does the reason of a delivery that failed, for it is what its note will say.
func (l *Ledger) Waits(ctx context.Context, id int64, attempts int, reason string) error {
	return l.ask(ctx, func(w *writer) error {
		return w.step(id, "waiting", "attempts = ?, reason = CASE state WHEN 'failed' THEN reason ELSE ? END",
			[]State{Claimed, Uploaded, Posting, Posted, Failed}, attempts, reason)
	})
}

// Withdraw deletes a delivery whose file changed or went away before it was posted. Not from posting: it may be in the
// group already.
func (l *Ledger) Withdraw(ctx context.Context, id int64) error {
	return l.ask(ctx, func(w *writer) error {
		n, err := w.affected(`DELETE FROM delivery WHERE id = ? AND state IN ('claimed', 'uploaded')`, id)
		if err == nil && n == 1 {
			err = w.layDown(id)
		}
		if err != nil || n == 1 {
			return err
		}
		return w.wrongState(id, "withdrawn", []State{Claimed, Uploaded})
	})
}

// pruneAtOnce keeps the steps of deliveries from waiting long behind a large Prune.
const pruneAtOnce = 500

// Prune deletes the finished deliveries that were finished before the given time, and returns how many. One of whose files
// something was asked stays until that was done before the given time, too. It takes
// several transactions for many; an error, or the end of ctx, leaves those already deleted deleted.
//
// It also removes the copy that Open kept of the ledger in an older schema, if it has worked for a day since then: it
// holds a step that was taken 24 hours or more after that by the system's clock, and is checked as by Open.
func (l *Ledger) Prune(ctx context.Context, before time.Time) (int, error) {
	kept := l.dropCopies(ctx) // first, for it asks the history
	n, err := l.pruneHistory(ctx, before)
	return n, errors.Join(err, kept)
}

func (l *Ledger) pruneHistory(ctx context.Context, before time.Time) (int, error) {
	limit := timeText(before)
	for total := 0; ; {
		var n int64
		err := l.ask(ctx, func(w *writer) (err error) {
			n, err = w.affected(`DELETE FROM delivery WHERE id IN
				(SELECT id FROM delivery WHERE finished_at < ?1 AND NOT EXISTS
					(SELECT 1 FROM asked WHERE asked.delivery = delivery.id AND coalesce(done_at, '9') >= ?1) LIMIT ?2)`, limit, pruneAtOnce)
			return err
		})
		if err != nil {
			return total, err // n may still be written to
		}
		total += int(n)
		if n < pruneAtOnce {
			return total, nil
		}
	}
}

// step changes the open delivery id if it is in one of the states from. set is the SET list, whose values are args.
func (w *writer) step(id int64, name, set string, from []State, args ...any) error {
	query := "UPDATE delivery SET " + set + ", updated_at = ? WHERE id = ? AND finished_at IS NULL AND state IN ('" +
		joined(from, "', '") + "')"
	n, err := w.affected(query, append(args, timeText(time.Now()), id)...)
	if err != nil || n == 1 {
		return err
	}
	return w.wrongState(id, name, from)
}

func (w *writer) wrongState(id int64, step string, from []State) error {
	var state string
	err := w.get(&state, "SELECT iif(finished_at IS NULL, '', 'finished, ') || state FROM delivery WHERE id = ?", id)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("delivery %d cannot be %s: %w", id, step, ErrUnknown)
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("delivery %d cannot be %s: %w: it is %s, not %s", id, step, ErrState, state, joined(from, " or "))
}

func joined(states []State, sep string) string {
	texts := make([]string, len(states))
	for i, s := range states {
		texts[i] = string(s)
	}
	return strings.Join(texts, sep)
}

// moved notes where the files lie now.
func (w *writer) moved(id int64, dests []string) error {
	values, bases := make([]any, len(dests)), make([]any, len(dests))
	for i, d := range dests {
		if d != "" {
			values[i], bases[i] = []byte(d), []byte(filepath.Base(d))
		}
	}
	if err := w.eachFile(id, "dest = ?1", values); err != nil {
		return err
	}
	return w.eachFile(id, "dest_base = nullif(?1, base)", bases)
}

// eachFile sets something of every file of the delivery to its value, ?1; there must be as many of one as of the other.
func (w *writer) eachFile(id int64, set string, values []any) error {
	update := "UPDATE file SET " + set + ` WHERE delivery = ?2 AND position = ?3
		AND ?4 = (SELECT count(*) FROM file WHERE delivery = ?2)`
	if len(values) == 0 {
		return fmt.Errorf("delivery %d has files, but no value was given for any", id)
	}
	for i, v := range values {
		n, err := w.affected(update, v, id, i, len(values))
		if err != nil {
			return err
		}
		if n != 1 {
			return fmt.Errorf("delivery %d does not have the %d files that values were given for", id, len(values))
		}
	}
	return nil
}
