package main

import (
	"context"
	"errors"
	"time"
)

// part is something at work in a goroutine of its own.
type part struct {
	name  string
	ended <-chan error
}

// start runs f in a goroutine and gives what it returned. That a context ended is no error.
func start(f func() error) <-chan error {
	result := make(chan error, 1)
	go func() {
		err := f()
		if errors.Is(err, context.Canceled) {
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
		select {
		case ended := <-p.ended:
			err = errors.Join(err, ended)
			continue
		default:
		}
		select {
		case ended := <-p.ended:
			err = errors.Join(err, ended)
		case <-leave.Done():
			hanging = append(hanging, p.name)
		}
	}
	return hanging, err
}
