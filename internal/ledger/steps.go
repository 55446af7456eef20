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

// timeLayout has a fixed width, so that texts sort as their times do.
const timeLayout = "2006-01-02T15:04:05.000Z"

func timeText(t time.Time) string { return t.UTC().Format(timeLayout) }

// Uploaded records the resource that the upload returned, and the SHA-256 of each file in the order of Files. It may follow
// Posting too: after a post that surely did not happen, a new upload may be needed.
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

// Posting records that the post is about to be sent to group. again says that it was sent before and the answer was lost: only
// then may the delivery be posting already, and MaybeTwice is set for good.
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

// NotPosted records that a post surely did not happen, as after 429 or without a connection. The delivery is uploaded again,
// so that a crash while it waits does not make it look as if it may have been posted. attempts and reason are as in Waits.
func (l *Ledger) NotPosted(ctx context.Context, id int64, attempts int, reason string) error {
	return l.ask(ctx, func(w *writer) error {
		return w.step(id, "not posted", "state = 'uploaded', attempts = ?, reason = ?", []State{Posting}, attempts, reason)
	})
}

// Posted records that the post was made. reference is the service's name for the post and may be empty.
func (l *Ledger) Posted(ctx context.Context, id int64, reference string) error {
	return l.ask(ctx, func(w *writer) error {
		return w.step(id, "posted", "state = 'posted', reference = ?, reason = ''", []State{Posting}, reference)
	})
}

// Filed records that the files were moved, and finishes the delivery. dests are the paths at which they lie now, in the order
// of Files; "" stands for a file that was gone.
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

// Failed records the decision to give the delivery up, and why. It is not finished, because the move to failed/ is still to
// come. Another call replaces the reason. A delivery that was posting keeps its Resource, any other loses it, so that a
// restart knows which may be in the group.
func (l *Ledger) Failed(ctx context.Context, id int64, reason string) error {
	return l.ask(ctx, func(w *writer) error {
		return w.step(id, "failed", "state = 'failed', reason = ?, resource = iif(state IN ('posting', 'failed'), resource, '')",
			[]State{Claimed, Uploaded, Posting, Failed}, reason)
	})
}

// FailedFiled records that the files of a failed delivery were moved, and finishes it. dests are as in Filed.
func (l *Ledger) FailedFiled(ctx context.Context, id int64, dests []string) error {
	return l.ask(ctx, func(w *writer) error {
		err := w.step(id, "filed as failed", "finished_at = ?", []State{Failed}, timeText(time.Now()))
		if err != nil {
			return err
		}
		return w.moved(id, dests)
	})
}

// Waits records a try that did not succeed: the number of tries so far, and the reason. The state stays. A failed delivery
// keeps its reason, because its note will show that.
func (l *Ledger) Waits(ctx context.Context, id int64, attempts int, reason string) error {
	return l.ask(ctx, func(w *writer) error {
		return w.step(id, "waiting", "attempts = ?, reason = CASE state WHEN 'failed' THEN reason ELSE ? END",
			[]State{Claimed, Uploaded, Posting, Posted, Failed}, attempts, reason)
	})
}

// Withdraw deletes a delivery whose file changed or went away before it was posted. A delivery that is posting cannot be
// withdrawn, because it may be in the group already.
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

// pruneAtOnce is how many deliveries one transaction of Prune deletes, so that the steps of others do not wait long.
const pruneAtOnce = 500

// Prune deletes the deliveries that were finished before a time, and returns how many it deleted. A delivery of whose files
// something was asked stays until that was done before this time, too. Many deliveries take several transactions: after an
// error, or the end of ctx, the deliveries that were deleted by then stay deleted.
//
// Prune removes as well the copy that Open kept of the ledger in an older schema, if the ledger has worked for a day since
// then. It must hold a step that was taken 24 hours or more after the copy, by the system's clock, and pass the check of Open.
func (l *Ledger) Prune(ctx context.Context, before time.Time) (int, error) {
	kept := l.dropCopies(ctx) // before the history is deleted, which it reads
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
			return total, err // the writer may still set n
		}
		total += int(n)
		if n < pruneAtOnce {
			return total, nil
		}
	}
}

// step changes an unfinished delivery that is in one of the states from. set is the SET list of the statement, and args are
// its values.
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

// eachFile sets something of each file of the delivery to its value, ?1. It fails unless there are as many values as files.
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
