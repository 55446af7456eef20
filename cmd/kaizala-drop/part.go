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

// start runs f in a goroutine and gives what it returned. That a context ended is no error, what was left behind then is.
func start(f func() error) <-chan error {
	result := make(chan error, 1)
	go func() {
		ended := f()
		err := ended
		if errors.Is(ended, context.Canceled) {
			err = nil
			if left, ok := errors.AsType[*hang.Error](ended); ok {
				err = left
			}
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

// await waits for parts until leave ends. It names what hangs: in those that have ended, and those that have not.
func await(leave context.Context, parts ...part) (hanging []string, err error) {
	for _, p := range parts {
		ended, ok := p.end(leave)
		if !ok {
			hanging = append(hanging, p.name)
			continue
		}
		if left, ok := errors.AsType[*hang.Error](ended); ok {
			for _, call := range left.Calls {
				hanging = append(hanging, call.String())
			}
		}
		if _, only := ended.(*hang.Error); !only { //nolint:errorlint // what is joined with it is an error all the same
			err = errors.Join(err, ended)
		}
	}
	return hanging, err
}

// end waits until the part has ended, or leave has.
func (p part) end(leave context.Context) (ended error, ok bool) {
	select {
	case err := <-p.ended:
		return err, true
	default:
	}
	select {
	case err := <-p.ended:
		return err, true
	case <-leave.Done():
		return nil, false
	}
}
