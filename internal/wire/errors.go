package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// ErrContent is wrapped by the error of a call that was broken off because a file of its body could not be read or did not
// have its size. The error of the reader is wrapped beside it. It is never the network's fault.
var ErrContent = errors.New("cannot read the content")

// ErrStalled is wrapped by the error of a call that was broken off because no byte of it moved for the stall timeout.
var ErrStalled = errors.New("stalled")

func errStalledFor(d time.Duration) error {
	return fmt.Errorf("%w: no byte moved for %s", ErrStalled, d)
}

// Error is the error of a call without an answer. Its text is safe to print, and shows no secret of the call.
type Error struct {
	BodySent     bool  // bytes of the body left, so that the call cost something; always false with ErrContent
	MayHaveActed bool  // the server may have got the whole request, and so may have done what it asks for
	Err          error // wraps ErrContent, ErrStalled, the context's error and cause, the budget's error, or the network's
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// cause says why a call was broken off: because of the caller, the watchdog, the budget or the network.
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

// Canceled returns why ctx has ended: context.Canceled or context.DeadlineExceeded, joined with the caller's own cause if
// there is one.
func Canceled(ctx context.Context) error {
	if err, why := ctx.Err(), context.Cause(ctx); !errors.Is(why, err) {
		return fmt.Errorf("%w: %w", err, why)
	}
	return ctx.Err()
}

// cleanError is an error with a clean text that wraps another one, whose text may come from the network.
type cleanError struct {
	text string
	err  error
}

func (e *cleanError) Error() string { return e.text }
func (e *cleanError) Unwrap() error { return e.err }
