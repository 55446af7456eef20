package door

import (
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/beat"
	"kaizala-drop/internal/config"
)

// TestMovesWhileTriesHang: folders that do not answer do not keep the loop from moving, nor does a stage that takes no folders.
func TestMovesWhileTriesHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board, over := &beat.Board{}, make(chan struct{})
		r := &trial{t: t, beats: board}
		r.begin(false)
		r.set("/dead", func() error { <-over; return nil })
		r.folders <- []config.Folder{folder("/dead"), folder("/well")}
		for range 60 {
			board.Ask(time.Now())
			time.Sleep(time.Minute)
			if still := board.Still(time.Now()); still != nil {
				t.Fatalf("still are %v", still)
			}
		}
		r.wants("/well")
		close(over)
		r.end()
		board.Ask(time.Now())
		if still := board.Still(time.Now()); still != nil {
			t.Errorf("after its end it is asked: %v", still)
		}
	})
}
