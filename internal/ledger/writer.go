package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"kaizala-drop/internal/text"
)

// maxBatch is how many steps share a transaction at most, and so how many a failed commit can fail.
const maxBatch = 256

// change is one step on its way to the writer.
type change struct {
	apply func(*writer) error // may be called twice; an error undoes what it did
	done  chan error          // buffered, so that the writer does not wait
}

// Run is the writer. It blocks until ctx ends or Close is called, commits what is queued by then, and returns nil. Steps asked
// for before Run wait for it; steps asked for after its end get ErrClosed. It runs once in the life of a ledger; a second call
// returns an error that wraps ErrClosed.
//
// A failure of the disk does not end Run: it fails the steps of one transaction, and the next transaction is tried anew.
func (l *Ledger) Run(ctx context.Context) error {
	if l.running.Swap(true) {
		return fmt.Errorf("cannot run the ledger twice: %w", ErrClosed)
	}
	defer close(l.ended)
	part := l.Beats.Join("writing the ledger in " + text.Printable(l.dir))
	defer part.Leave()
	for {
		select {
		case c := <-l.queue:
			l.commit(l.gather(c))
			continue
		case <-part.Asked():
			part.Taken()
			continue
		case <-ctx.Done():
		case <-l.stop:
		}
		break
	}
	l.closeQueue()
	part.Leave() // who ends the ledger waits for it no longer than for the rest
	for {
		select {
		case c := <-l.queue:
			l.commit(l.gather(c))
		default:
			return nil
		}
	}
}

// closeQueue lets no further step into the queue, so that Run can empty it.
func (l *Ledger) closeQueue() { l.stopOnce.Do(func() { close(l.stop) }) }

// gather takes the steps that are queued behind first, without waiting for more: the queue fills again while a transaction is
// synced. Callers that are just about to ask run first, because a sync occupies its processor until it returns.
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

// commit answers every change of the batch: with the change's own answer if the transaction was committed, else with the error
// of the transaction. A refusal is not reported then, because it depends on changes that were not committed.
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
	case <-l.stop: // asked first, because the select below chooses at random
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
	case err := <-c.done: // if both happened, the answer counts
		return err
	default:
		return otherwise
	}
}

// writer is the one connection that writes. Only the goroutine of Run uses it, and Open and Close while Run does not.
//
// It sends BEGIN and COMMIT itself, because sql.Tx would prepare every statement anew in each transaction. It gives no call a
// context that can end, because an interrupted transaction is lost.
type writer struct {
	conn       *sql.Conn
	stmts      map[string]*sql.Stmt
	commits    atomic.Int64 // transactions committed; for tests
	batchLimit int          // changes in one transaction, 0 = maxBatch; for benchmarks
}

func (w *writer) limit() int {
	if w.batchLimit > 0 {
		return w.batchLimit
	}
	return maxBatch
}

// transact puts the changes into one transaction. answers holds the result of each: a change that was refused leaves no trace.
// With err, none of the changes was committed.
//
// Savepoints, which keep the other changes when one is refused, cost as much as the changes themselves. A refusal is rare, so
// transact uses savepoints only in a second try, after a refusal.
func (w *writer) transact(batch []change) (answers []error, err error) {
	answers, err = w.try(batch, w.plain)
	if errors.Is(err, errRefused) {
		answers, err = w.try(batch, w.guarded)
	}
	return answers, err
}

var errRefused = errors.New("a change was refused")

// try puts the changes into one transaction, and commits it if attempt returns no err for any of them.
func (w *writer) try(batch []change, attempt func(change) (refused, err error)) (answers []error, err error) {
	defer func() {
		if err != nil {
			_ = w.exec("ROLLBACK") // fails if SQLite has rolled back already
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

// guarded makes the whole of a change or nothing of it. err means that the transaction is lost: a full disk or an I/O error
// can end it in the middle of a statement, together with its savepoint.
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

// prepared prepares a statement once and keeps it. There are only as many as texts in this package.
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

// affected runs a statement and returns how many rows it changed.
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

// query runs a query. The caller closes the rows before it asks for anything else.
func (w *writer) query(query string, args ...any) (*sql.Rows, error) {
	s, err := w.prepared(query)
	if err != nil {
		return nil, err
	}
	return s.Query(args...)
}

// get reads the one value of the one row of a query into dest. Without a row it fails with sql.ErrNoRows.
func (w *writer) get(dest any, query string, args ...any) error {
	return w.row([]any{dest}, query, args...)
}

// row reads the values of the one row of a query into dests. Without a row it fails with sql.ErrNoRows.
func (w *writer) row(dests []any, query string, args ...any) error {
	s, err := w.prepared(query)
	if err != nil {
		return err
	}
	return s.QueryRow(args...).Scan(dests...)
}

// close closes the connection. It closes the statements first, because SQLite keeps the file open and its -wal in place while
// one of them is left (https://www.sqlite.org/c3ref/close.html, sqlite3_close_v2).
func (w *writer) close() error {
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}
