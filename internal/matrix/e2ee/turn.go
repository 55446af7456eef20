//go:build goolm

package e2ee

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"time"

	"maunium.net/go/mautrix"

	"kaizala-drop/internal/text"
)

// do calls act while nobody else has his turn, with what is on disk in memory. Whatever act leaves half done in memory is read anew
// by the next one, and failures of the store that the library passed over are errors here.
func (m *Machine) do(ctx context.Context, act func(ctx context.Context) error) error {
	select {
	case <-m.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { m.turn <- struct{}{} }()
	if m.closed {
		return os.ErrClosed
	}
	// Rows that the library left open after a failure are closed with it.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	_ = m.seen.take() // of nobody: the store is looked at within turns only
	if m.stale {
		if err := m.load(ctx); err != nil {
			return fmt.Errorf("cannot read the keys: %w", explain(err))
		}
	}
	err := m.witnessed(func() error { return act(ctx) })
	if err != nil {
		m.stale = true
	}
	if errors.Is(err, ErrCopied) {
		m.copied = err
	}
	return legible(explain(err))
}

// told is an error whose text is fit to be shown: what the library says repeats whole answers.
type told struct {
	text string
	err  error
}

func (t *told) Error() string { return t.text }
func (t *told) Unwrap() error { return t.err }

// maxText is how many characters an error's text has at most.
const maxText = 500

func legible(err error) error {
	if err == nil {
		return nil
	}
	return &told{text.Line(err.Error(), maxText), err}
}

// witnessed calls act, and makes errors of a panic and of what the store failed at.
func (m *Machine) witnessed(act func() error) error {
	err := m.safely(act)
	if failed := m.seen.take(); failed != nil && !errors.Is(err, failed) {
		err = errors.Join(err, fmt.Errorf("the store of the keys: %w", failed))
	}
	return err
}

// safely makes an error of a panic: the library has some for what a server answers.
func (m *Machine) safely(act func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			m.stale = true
			m.o.Log.Error().Bytes("stack", debug.Stack()).Msgf("the encryption library panicked: %v", p)
			err = fmt.Errorf("%w: %v", ErrLibrary, p)
		}
	}()
	return act()
}

// use is do for what encrypts: not with a store that was copied, and not before the device is there.
func (m *Machine) use(ctx context.Context, act func(ctx context.Context) error) error {
	return m.do(ctx, func(ctx context.Context) error {
		if m.copied != nil {
			return m.copied
		}
		if err := m.start(ctx); err != nil {
			return err
		}
		return act(ctx)
	})
}

// inOne calls act within one transaction: all that it stores is on disk when inOne returns nil, and else nothing is.
func (m *Machine) inOne(ctx context.Context, act func(ctx context.Context) error) error {
	err := m.db.DoTxn(ctx, nil, func(ctx context.Context) error {
		return m.witnessed(func() error { return act(ctx) })
	})
	if err != nil {
		m.stale = true
	}
	return err
}

func (m *Machine) exec(ctx context.Context, statement string, values ...any) error {
	_, err := m.db.Exec(ctx, statement, values...)
	return err
}

// row reads one row, and reports whether there is one.
func (m *Machine) row(ctx context.Context, query string, values []any, into ...any) (found bool, err error) {
	err = m.db.QueryRow(ctx, query, values...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// each calls next for each row of a query, to scan it.
func (m *Machine) each(ctx context.Context, next func(scan func(into ...any) error) error, query string, values ...any) error {
	rows, err := m.db.Query(ctx, query, values...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := next(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// texts reads the first column of a query.
func (m *Machine) texts(ctx context.Context, query string, values ...any) (all []string, err error) {
	err = m.each(ctx, func(scan func(into ...any) error) error {
		var text string
		err := scan(&text)
		all = append(all, text)
		return err
	}, query, values...)
	return all, err
}

// hasCode reports whether the homeserver itself refused a call with one of the codes.
func hasCode(err error, codes ...string) bool {
	refusal, ok := errors.AsType[mautrix.RespError](err)
	if !ok {
		return false
	}
	return slices.Contains(codes, refusal.ErrCode)
}

// statusOf is the status of a refusal, and 0 of another error.
func statusOf(err error) int {
	if e, ok := errors.AsType[mautrix.HTTPError](err); ok && e.Response != nil {
		return e.Response.StatusCode
	}
	return 0
}

func seconds(t time.Time) int64 { return t.Unix() }
