package hang_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/hang"
)

// TestCallsThatDoNotReturn shows that of several calls the one that is overdue first is named, and no call that has
// returned.
func TestCallsThatDoNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls hang.Calls
		if _, ok := calls.First(); ok {
			t.Error("a call is under way although none was made")
		}
		long, short := make(chan bool), make(chan bool)
		go calls.DoLong("move", "/srv/film\n.mp4", time.Minute, func() error { <-long; return nil }) //nolint:errcheck // nil
		synctest.Wait()
		time.Sleep(time.Second)
		failed := errors.New("input/output error")
		result := make(chan error, 1)
		go func() { result <- calls.Do("read", "/srv/a.pdf", func() error { <-short; return failed }) }()
		synctest.Wait()

		call, ok := calls.First()
		if !ok || call.String() != `read "/srv/a.pdf"` {
			t.Errorf("first is %v, %v", call, ok)
		}
		if _, ok := calls.Hanging(time.Now()); ok {
			t.Error("a call hangs that has just begun")
		}
		time.Sleep(hang.Bound)
		if call, ok := calls.Hanging(time.Now()); !ok || call.What != "read" {
			t.Errorf("hanging is %v, %v", call, ok)
		}
		short <- true
		if err := <-result; !errors.Is(err, failed) {
			t.Errorf("the call gave %v", err)
		}
		if call, ok := calls.Hanging(time.Now()); ok {
			t.Errorf("%v hangs before its time", call)
		}
		time.Sleep(time.Minute)
		if call, ok := calls.Hanging(time.Now()); !ok || call.String() != `move "/srv/film\\n.mp4"` {
			t.Errorf("hanging is %v, %v", call, ok)
		}
		long <- true
		synctest.Wait()
		if call, ok := calls.First(); ok {
			t.Errorf("%v is under way although it has returned", call)
		}
	})
}
