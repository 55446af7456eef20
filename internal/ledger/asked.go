package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"kaizala-drop/internal/file"
)

// What is what a person can ask of a failed file.
type What string

// What can be asked. All but WasPosted have the file put back into its folder.
const (
	Retry           What = "retry"
	AsItIs          What = "as-it-is"             // it is sent this once without the check of its ending
	PostAgain       What = "post-again"           // although it may have been posted
	PostAgainAsItIs What = "post-again, as-it-is" // both
	WasPosted       What = "was-posted"           // it is moved to done/ instead
)

// IsAsItIs reports whether the file is to be sent without the check of its ending.
func (w What) IsAsItIs() bool { return w == AsItIs || w == PostAgainAsItIs }

// AskState is what became of a question.
type AskState string

// A question is Done, or Void: there was nothing to do it with.
const (
	Pending AskState = "asked"
	Done    AskState = "done"
	Void    AskState = "void"
)

// Asked is what a person asked of a failed file.
type Asked struct {
	ID       int64
	Delivery int64 // which failed
	Position int   // of the file in it
	What     What
	By       string
	At       time.Time
	State    AskState
	Reason   string        // why it is Void
	Path     string        // where the file lay
	File     file.Identity // which one it was there and, once it is Done, where it was put; Ctime is 0
	Dest     string        // where it was put; "" = nowhere yet
	DoneAt   time.Time     // zero: not yet
	Became   int64         // the delivery that took it up where it was put; 0 = none yet

	Folder string // the watched folder
	Name   string // of the file, relative to Folder
}

// AskedError is Ask's error about a file of which something is asked already and not done.
type AskedError struct{ Already int64 }

func (e *AskedError) Error() string {
	return fmt.Sprintf("question %d about this file is not done yet", e.Already)
}

// Ask records, before anything is done, what a.By asks of a file of a delivery that failed and was moved to failed/. Of a it
// takes Delivery, Position, What, By, Path and File. The error wraps ErrState for a delivery that is not at this end, and is an
// *AskedError if there is a question that is not done yet.
func (l *Ledger) Ask(ctx context.Context, a Asked) (int64, error) {
	var id int64
	err := l.ask(ctx, func(w *writer) (err error) {
		id, err = w.askOf(a)
		return err
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

func (w *writer) askOf(a Asked) (int64, error) {
	var state string
	err := w.get(&state, `SELECT iif(finished_at IS NULL, 'not finished', state) FROM delivery JOIN file ON delivery = id
		WHERE id = ? AND position = ?`, a.Delivery, a.Position)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, fmt.Errorf("nothing can be asked of file %d of delivery %d: %w", a.Position, a.Delivery, ErrUnknown)
	case err != nil:
		return 0, err
	case state != string(Failed):
		return 0, fmt.Errorf("nothing can be asked of delivery %d: %w: it is %s, not failed", a.Delivery, ErrState, state)
	}
	var open int64
	err = w.get(&open, "SELECT coalesce(max(id), 0) FROM asked WHERE delivery = ? AND position = ? AND state = 'asked'", a.Delivery, a.Position)
	if err != nil {
		return 0, err
	}
	if open != 0 {
		return 0, &AskedError{open}
	}
	result, err := w.result(`INSERT INTO asked (delivery, position, what, asked_by, asked_at, state, path, dev, ino, size, mtime_ns)
		VALUES (?, ?, ?, ?, ?, 'asked', ?, ?, ?, ?, ?)`, a.Delivery, a.Position, string(a.What), a.By, timeText(time.Now()),
		[]byte(a.Path), int64(a.File.Dev), int64(a.File.Ino), a.File.Size, a.File.Mtime)
	if err != nil {
		return 0, err
	}
	return result.LastInsertId()
}

// AskDone records that what was asked is done: the file lies at dest, an absolute path, and is as there. What was put back into its
// folder has no Dest in the delivery that failed any more. A delivery of which each file was said to be posted is filed, and came to
// its end then.
func (l *Ledger) AskDone(ctx context.Context, id int64, dest string, as file.Identity) error {
	return l.ask(ctx, func(w *writer) error {
		err := w.endAsk(id, "state = 'done', done_at = ?, dest = ?, dev = ?, ino = ?, size = ?, mtime_ns = ?",
			timeText(time.Now()), []byte(dest), int64(as.Dev), int64(as.Ino), as.Size, as.Mtime)
		if err != nil {
			return err
		}
		err = w.exec(`UPDATE file SET dest = iif(a.what = 'was-posted', ?2, NULL), dest_base = iif(a.what = 'was-posted', nullif(?3, base), NULL)
			FROM asked a WHERE a.id = ?1 AND file.delivery = a.delivery AND file.position = a.position`, id, []byte(dest), []byte(filepath.Base(dest)))
		if err != nil {
			return err
		}
		return w.exec(`UPDATE delivery SET state = 'filed', resource = '', reason = 'was posted, says ' || a.asked_by, updated_at = ?2, finished_at = ?2
			FROM asked a WHERE a.id = ?1 AND a.what = 'was-posted' AND delivery.id = a.delivery AND delivery.state = 'failed'
			AND NOT EXISTS (SELECT 1 FROM file f WHERE f.delivery = a.delivery AND NOT EXISTS (SELECT 1 FROM asked b
				WHERE b.delivery = f.delivery AND b.position = f.position AND b.what = 'was-posted' AND b.state = 'done'))`,
			id, timeText(time.Now()))
	})
}

// AskVoid records that what was asked cannot be done, and why.
func (l *Ledger) AskVoid(ctx context.Context, id int64, reason string) error {
	return l.ask(ctx, func(w *writer) error {
		return w.endAsk(id, "state = 'void', done_at = ?, reason = ?", timeText(time.Now()), reason)
	})
}

// endAsk ends a question that is open.
func (w *writer) endAsk(id int64, set string, args ...any) error {
	n, err := w.affected("UPDATE asked SET "+set+" WHERE id = ? AND state = 'asked'", append(args, id)...)
	if err == nil && n == 0 {
		err = fmt.Errorf("question %d is not open: %w", id, ErrState)
	}
	return err
}

// Questions says which are asked for. What is zero does not count.
type Questions struct {
	ID       int64
	Delivery int64  // that failed
	Became   int64  // delivery that took the file up
	Path     string // where the file lay
	To       string // where it was put
	Pending  bool   // only what is not done yet
}

// Asked finds questions, in the order in which they were asked.
func (l *Reader) Asked(ctx context.Context, q Questions) (all []Asked, err error) {
	where, args := []string{"true"}, []any(nil)
	add := func(is bool, condition string, value any) {
		if is {
			where, args = append(where, condition), append(args, value)
		}
	}
	add(q.ID != 0, "a.id = ?", q.ID)
	add(q.Delivery != 0, "a.delivery = ?", q.Delivery)
	add(q.Became != 0, "a.became = ?", q.Became)
	add(q.Path != "", "a.path = ?", []byte(q.Path))
	add(q.To != "", "a.dest = ?", []byte(q.To))
	add(q.Pending, "a.state = ?", string(Pending))
	return l.askedWhere(ctx, strings.Join(where, " AND "), args...)
}

// askedWhere reads the questions a that meet a condition.
func (l *Reader) askedWhere(ctx context.Context, where string, args ...any) (all []Asked, err error) {
	err = l.reading(ctx, func(tx *sql.Tx) (err error) {
		all, err = collect(ctx, tx, scanAsked, `SELECT a.id, a.delivery, a.position, a.what, a.asked_by, a.asked_at, a.state, a.reason, a.path,
			a.dev, a.ino, a.size, a.mtime_ns, a.dest, coalesce(a.done_at, ''), coalesce(a.became, 0), d.folder, f.name
			FROM asked a JOIN delivery d ON d.id = a.delivery JOIN file f ON f.delivery = a.delivery AND f.position = a.position
			WHERE `+where+" ORDER BY a.id", args...)
		return err
	})
	return all, err
}

func scanAsked(rows *sql.Rows) (a Asked, err error) {
	var path, dest, folder, name []byte
	var asked, done string
	var dev, ino int64
	err = rows.Scan(&a.ID, &a.Delivery, &a.Position, &a.What, &a.By, &asked, &a.State, &a.Reason, &path,
		&dev, &ino, &a.File.Size, &a.File.Mtime, &dest, &done, &a.Became, &folder, &name)
	if err != nil {
		return a, err
	}
	a.Path, a.Dest, a.Folder, a.Name = string(path), string(dest), string(folder), string(name)
	a.File.Dev, a.File.Ino = uint64(dev), uint64(ino)
	if a.At, err = timeOf(asked); err == nil {
		a.DoneAt, err = timeOf(done)
	}
	return a, err
}
