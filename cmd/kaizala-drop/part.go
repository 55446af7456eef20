package main

import (
	"context"
	"errors"
	"time"

	"kaizala-drop/internal/hang"
)

// part is something at work in a goroutine of its own.
type part struct {
	name  string
	ended <-chan error
}

// start runs f in a goroutine and gives what it returned. That a context ended is no error; that something hangs is told.
func start(f func() error) <-chan error {
	result := make(chan error, 1)
	go func() {
		err := f()
		if left, hangs := errors.AsType[*hang.Error](err); hangs {
			err = left
		} else if errors.Is(err, context.Canceled) {
			err = nil
		}
		result <- err
	}()
	return result
}

const (
	// leaveAfter is how long the stages may take after shutdown_grace: what still hangs in the kernel then is left behind.
	// With shutdown_grace, the unit's TimeoutStopSec= must hold it.
	leaveAfter = 5 * time.Second
	// leaveMargin lets a stage that gives up at the last moment say what hangs.
	leaveMargin = 500 * time.Millisecond
)

// await waits for parts until leave ends, and names those that have not ended.
func await(leave context.Context, parts ...part) (hanging []string, err error) {
	for _, p := range parts {
		ended, ok := p.await(leave)
		left, hangs := errors.AsType[*hang.Error](ended)
		switch {
		case !ok:
			hanging = append(hanging, p.name)
		case hangs:
			for _, call := range left.Calls {
				hanging = append(hanging, call.String())
			}
		default:
			err = errors.Join(err, ended)
		}
	}
	return hanging, err
}

// await gives what the part ended with. It is not ok if it has not when leave ends.
func (p part) await(leave context.Context) (ended error, ok bool) {
	select {
	case ended = <-p.ended:
		return ended, true
	default:
	}
	select {
	case ended = <-p.ended:
		return ended, true
	case <-leave.Done():
		return nil, false
	}
}
