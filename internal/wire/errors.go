package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrContent is wrapped by the error of a call that was broken off because a file of its body could not be read, or did
// not have its size. What the reader said is wrapped beside it. It is never the network's fault.
var ErrContent = errors.New("cannot read the content")

// ErrStalled is wrapped by the error of a call that was broken off because no byte of it moved for the stall timeout.
var ErrStalled = errors.New("stalled")

func errStalledFor(d time.Duration) error {
	return fmt.Errorf("%w: no byte moved for %s", ErrStalled, d)
}

// Error is what a call without an answer comes back as. Its text is safe to print, and holds no secret of the call.
type Error struct {
	BodySent     bool  // bytes of the body had left, so that the call cost something; not told with ErrContent
	MayHaveActed bool  // the server may have got the whole request, and so may have done what it asks
	Err          error // ErrContent, ErrStalled, that of the context with its cause, that of the budget, or the network's
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives Err.
func (e *Error) Unwrap() error { return e.Err }

// cause says what broke a call off: the caller, the watchdog or the budget, or else the network.
func cause(ctx, watched context.Context, err error, hidden secrets) error {
	if ctx.Err() != nil {
		return Canceled(ctx)
	}
	if why := context.Cause(watched); why != nil {
		return why
	}
	text := hidden.clean(err.Error())
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		text = "the connection was closed before the answer ended"
	}
	return &cleanError{text: text, err: err}
}

// Canceled is why ctx has ended: context.Canceled or context.DeadlineExceeded, and beside it a cause of the caller's own.
func Canceled(ctx context.Context) error {
	if err, why := ctx.Err(), context.Cause(ctx); !errors.Is(why, err) {
		return fmt.Errorf("%w: %w", err, why)
	}
	return ctx.Err()
}

// cleanError shows a clean text for an error that may quote the network, and still unwraps to it.
type cleanError struct {
	text string
	err  error
}

func (e *cleanError) Error() string { return e.text }
func (e *cleanError) Unwrap() error { return e.err }
