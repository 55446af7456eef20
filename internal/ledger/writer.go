package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
)

// maxBatch bounds how many steps share a transaction, and with it what one failed commit can fail.
const maxBatch = 256

// change is one step on its way to the writer.
type change struct {
	apply func(*writer) error // may be called twice; what it did before an error is undone
	done  chan error          // buffered: the writer waits for nobody
}

// Run is the writer. It blocks until ctx ends or Close is called, commits what is queued by then, and returns. Steps
// asked for before Run wait for it; those asked for after it get ErrClosed. It runs once in the life of a ledger, and
// no failure of the disk ends it: that fails the steps of one transaction, and the next ones are tried anew.
func (l *Ledger) Run(ctx context.Context) error {
	if l.running.Swap(true) {
		return fmt.Errorf("cannot run the ledger twice: %w", ErrClosed)
	}
	defer close(l.ended)
	for {
		select {
		case c := <-l.queue:
			l.commit(l.gather(c))
			continue
		case <-ctx.Done():
		case <-l.stop:
		}
		break
	}
	l.closeQueue()
	for {
		select {
		case c := <-l.queue:
			l.commit(l.gather(c))
		default:
			return nil
		}
	}
}

// refuse lets no further step into the queue, so that emptying it comes to an end.
func (l *Ledger) closeQueue() { l.stopOnce.Do(func() { close(l.stop) }) }

// gather takes what is queued behind first, without waiting for more: while a transaction is synced, the next fills.
// Callers that are just about to ask get to run first: a sync keeps its processor for as long as it takes.
func (l *Ledger) gather(first change) []change {
	runtime.Gosched()
	batch := []change{first}
	for len(batch) < l.w.limit() {
		select {
		case c := <-l.queue:
			batch = append(batch, c)
		default:
			return batch
		}
	}
	return batch
}

// commit gives every change of the batch its answer: its own when the transaction was committed, the same for all when
// it was not. A refusal is not told then: it was judged by what the others did, and that did not happen.
func (l *Ledger) commit(batch []change) {
	answers, err := l.w.transact(batch)
	for i, c := range batch {
		if err != nil {
			c.done <- l.explain(err)
		} else if code(answers[i]) != 0 {
			c.done <- l.explain(answers[i])
		} else {
			c.done <- answers[i]
		}
	}
}

// ask hands a step to the writer and waits for its answer.
func (l *Ledger) ask(ctx context.Context, apply func(*writer) error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("not recorded in the ledger: %w", context.Cause(ctx))
	}
	select {
	case <-l.stop: // first of all, for the select below chooses by chance
		return ErrClosed
	default:
	}
	c := change{apply, make(chan error, 1)}
	select {
	case l.queue <- c:
		return l.await(ctx, c)
	case <-l.stop:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("not recorded in the ledger: %w", context.Cause(ctx))
	}
}

func (l *Ledger) await(ctx context.Context, c change) error {
	var otherwise error
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		otherwise = fmt.Errorf("not waited for the ledger, which may still record it: %w", context.Cause(ctx))
	case <-l.ended:
		otherwise = ErrClosed
	}
	select {
	case err := <-c.done: // both at once: the answer counts
		return err
	default:
		return otherwise
	}
}

// writer is the one connection that writes. Only Run's goroutine uses it, and Open and Close when Run does not.
//
// It speaks BEGIN and COMMIT itself: with sql.Tx every statement would be looked up anew in each transaction. No call
// is given a context that can end, for an interrupted transaction is a lost one.
type writer struct {
	conn       *sql.Conn
	stmts      map[string]*sql.Stmt
	commits    atomic.Int64 // transactions committed
	batchLimit int          // changes in one transaction, if not maxBatch
}

func (w *writer) limit() int {
	if w.batchLimit > 0 {
		return w.batchLimit
	}
	return maxBatch
}

// transact puts the changes into one transaction. answers holds what each came to: a change that is refused leaves no
// trace. With err nothing of any of them was committed.
//
// Savepoints, which keep the others' work when one is refused, cost as much as the work itself. A refusal is rare, so
// they are made only in a second try, after one.
func (w *writer) transact(batch []change) (answers []error, err error) {
	answers, err = w.try(batch, w.plain)
	if errors.Is(err, errRefused) {
		answers, err = w.try(batch, w.guarded)
	}
	return answers, err
}

var errRefused = errors.New("a change was refused")

// try puts the changes into one transaction, if attempt has no error for any of them.
func (w *writer) try(batch []change, attempt func(change) (refused, err error)) (answers []error, err error) {
	defer func() {
		if err != nil {
			_ = w.exec("ROLLBACK") // fails when SQLite has done it already
		}
	}()
	if err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	answers = make([]error, len(batch))
	for i, c := range batch {
		if answers[i], err = attempt(c); err != nil {
			return nil, err
		}
	}
	if err := w.exec("COMMIT"); err != nil {
		return nil, err
	}
	w.commits.Add(1)
	return answers, nil
}

// plain makes a change that must not be refused.
func (w *writer) plain(c change) (refused, err error) {
	if c.apply(w) != nil {
		return nil, errRefused
	}
	return nil, nil
}

// guarded makes all of one change or nothing of it. err means that the transaction is gone: a full disk or an I/O error
// can end it in the middle of a statement, and then there is no savepoint to go back to.
func (w *writer) guarded(c change) (refused, err error) {
	if err := w.exec("SAVEPOINT change"); err != nil {
		return nil, err
	}
	if refused = c.apply(w); refused != nil {
		if w.exec("ROLLBACK TO change") != nil {
			return nil, refused
		}
	}
	return refused, w.exec("RELEASE change")
}

// prepared keeps a statement for the next time. There are no more of them than texts in this package.
func (w *writer) prepared(query string) (*sql.Stmt, error) {
	if s := w.stmts[query]; s != nil {
		return s, nil
	}
	s, err := w.conn.PrepareContext(context.Background(), query)
	if err == nil {
		w.stmts[query] = s
	}
	return s, err
}

func (w *writer) exec(query string, args ...any) error {
	_, err := w.affected(query, args...)
	return err
}

// affected runs a statement and tells how many rows it changed.
func (w *writer) affected(query string, args ...any) (int64, error) {
	result, err := w.result(query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (w *writer) result(query string, args ...any) (sql.Result, error) {
	s, err := w.prepared(query)
	if err != nil {
		return nil, err
	}
	return s.Exec(args...)
}

// get reads the one value of a query's one row into dest. No row is sql.ErrNoRows.
func (w *writer) get(dest any, query string, args ...any) error {
	return w.row([]any{dest}, query, args...)
}

// row reads the values of a query's one row.
func (w *writer) row(dests []any, query string, args ...any) error {
	s, err := w.prepared(query)
	if err != nil {
		return err
	}
	return s.QueryRow(args...).Scan(dests...)
}

// close gives the connection back. Its statements go first: SQLite keeps a file open, and its -wal in place, for as
// long as one of them is left (https://www.sqlite.org/c3ref/close.html, sqlite3_close_v2).
func (w *writer) close() error {
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}
