package watcher

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"kaizala-drop/internal/beat"
)

// TestMovesWhileTheScoutHangs: a folder that hangs in the kernel, and a consumer that takes nothing, do not keep the loop of the folder
// from moving; and a loop that has ended is not asked.
func TestMovesWhileTheScoutHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		board := &beat.Board{}
		w := newWorld()
		r := &rig{t: t, world: w, events: make(chan fsnotify.Event), errors: make(chan error)}
		l := newLoop(simFolder, false, zerolog.New(&r.log))
		l.beat = board.Join("the loop")
		r.start(l, r.events, r.errors, w.scout)
		w.write("a", 1)
		r.event("a", fsnotify.Create)
		pass(time.Minute) // it has settled, and nobody takes it
		w.do(func() { w.hangs = true })
		for range 60 {
			board.Ask(time.Now())
			pass(time.Minute)
			if still := board.Still(time.Now()); still != nil {
				t.Fatalf("still are %v", still)
			}
		}
		if n := len(w.listings()); n > 3 {
			t.Errorf("%d listings: it does not hang", n)
		}
	})
}
