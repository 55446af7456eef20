package uploader

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/beat"
	"kaizala-drop/internal/destination"
)

// TestMovesWhileNothingIsSent: without folders, with uploads that never end, and with a destination that answers after hours with errors,
// the loop moves, also while it stops; and once it has ended it is not asked.
func TestMovesWhileNothingIsSent(t *testing.T) {
	bubble(t, func(w *world, _ *memory) {
		t, board := w.t, &beat.Board{} // of the bubble
		w.u.Beats = board
		moves := func(times int) {
			t.Helper()
			for range times {
				board.Ask(time.Now())
				time.Sleep(time.Second)
				if still := board.Still(time.Now()); still != nil {
					t.Fatalf("still are %v", still)
				}
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			sum, err := w.u.Run(ctx)
			w.err = err
			w.result <- sum
		}()
		synctest.Wait()
		moves(60)
		hangs := make(chan bool)
		w.service.onUpload = func(context.Context, string, int) error {
			<-hangs
			return &destination.Error{Fault: destination.OfDestination, Err: context.DeadlineExceeded}
		}
		w.folders <- []Folder{w.folder()}
		for _, name := range []string{"a.pdf", "b.pdf", "c.pdf", "d.pdf", "e.pdf"} {
			w.drop(name, name)
		}
		moves(3600)
		close(hangs)
		moves(3600)
		hangs = make(chan bool)
		stop()
		moves(5)
		close(hangs)
		<-w.result
		w.must(w.err)
		board.Ask(time.Now())
		if still := board.Still(time.Now()); still != nil {
			t.Errorf("after its end it is asked: %v", still)
		}
	})
}
