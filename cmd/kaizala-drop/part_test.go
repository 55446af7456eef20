package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/hang"
)

// TestAwait: all parts share one time; what has ended is heard even after that, what a part left behind is named with
// what it is, and a part that has not ended by its name.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leave, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		over := make(chan struct{})
		waits := func() error { <-over; return nil }
		left := &hang.Error{Calls: []hang.Call{{What: "move", Path: "/srv/a.pdf"}}}
		broken := errors.New("broken")
		begun := time.Now()
		hanging, err := await(leave,
			part{"first", start(waits)},
			part{"second", start(func() error { return errors.Join(context.Canceled, left) })},
			part{"third", start(func() error { return context.Canceled })},
			part{"fourth", start(waits)},
			part{"fifth", start(func() error { return errors.Join(broken, left) })},
		)
		if took := time.Since(begun); took != time.Minute {
			t.Errorf("it took %v", took)
		}
		if want := []string{"first", `move "/srv/a.pdf"`, "fourth", `move "/srv/a.pdf"`}; !slices.Equal(hanging, want) {
			t.Errorf("hanging are %q, want %q", hanging, want)
		}
		if !errors.Is(err, broken) || errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		close(over)
	})
}
