package door

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/beat"
	"kaizala-drop/internal/config"
	"kaizala-drop/internal/overlap"
)

// trial is a Run whose tries do what the test says, in a synctest bubble.
type trial struct {
	t       *testing.T
	folders chan []config.Folder
	up      chan []config.Folder
	log     bytes.Buffer
	stop    context.CancelFunc
	ended   chan struct{}
	hanging []string
	err     error
	loop    *loop
	beats   *beat.Board // may be nil

	mu    sync.Mutex
	tries map[string]int
	say   map[string]func() error // what a try of the folder finds; nil: the folder can be served
	busy  map[string]bool
}

func (r *trial) begin(once bool) {
	r.folders, r.up, r.ended = make(chan []config.Folder), make(chan []config.Folder), make(chan struct{})
	r.tries, r.say, r.busy = map[string]int{}, map[string]func() error{}, map[string]bool{}
	r.loop = newLoop(&Doors{Folders: r.folders, Up: r.up, Beats: r.beats, Once: once, Log: zerolog.New(&r.log), Busy: func(folder string) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.busy[folder]
	}})
	r.loop.try = r.try
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() {
		r.hanging, r.err = r.loop.run(ctx)
		close(r.ended)
	}()
}

func (r *trial) try(d *door, f config.Folder, _ *sighting) verdict {
	d.at("stat")
	r.mu.Lock()
	r.tries[f.Path]++
	say := r.say[f.Path]
	r.mu.Unlock()
	v := verdict{seen: sighting{claim: overlap.ClaimOf(f.Path, f.Done, f.Failed, f.Recursive, overlap.Named)}}
	if say != nil {
		v.err = say()
	}
	if v.err == nil {
		v.others, v.err = r.loop.registry.enter(d, v.seen.claim)
	}
	return v
}

func (r *trial) set(path string, say func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.say[path] = say
}

func (r *trial) count(path string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries[path]
}

// wants takes the folders that are handed on next, and compares their paths.
func (r *trial) wants(paths ...string) {
	r.t.Helper()
	var got []string
	for _, f := range r.next() {
		got = append(got, f.Path)
	}
	if !slices.Equal(got, paths) {
		r.t.Errorf("up are %q, want %q", got, paths)
	}
}

// next takes the folders that are handed on next.
func (r *trial) next() []config.Folder {
	r.t.Helper()
	select {
	case up := <-r.up:
		return up
	case <-time.After(24 * time.Hour):
		r.stop()
		r.t.Fatal("nothing was handed on")
		return nil
	}
}

// quiet fails the test if anything is handed on within d.
func (r *trial) quiet(d time.Duration) {
	r.t.Helper()
	select {
	case up := <-r.up:
		r.t.Errorf("handed on %v, want nothing", up)
	case <-time.After(d):
	}
}

func (r *trial) end() {
	r.stop()
	<-r.ended
}

func (r *trial) said(text string) int { return strings.Count(r.log.String(), text) }

func folder(path string) config.Folder {
	return config.Folder{Path: path, Done: path + "/done", Failed: path + "/failed", Settle: 5 * time.Second, Rescan: time.Minute}
}

func sick(text string) func() error { return func() error { return errors.New(text) } }

// TestSickFolderWaitsAlone shows that a folder which cannot be served delays no other folder, that each new reason is
// said once, and that the folder is tried again, later and later, until it can be served.
func TestSickFolderWaitsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &trial{t: t}
		r.begin(false)
		r.set("/b", sick("ill"))
		begun := time.Now()
		r.folders <- []config.Folder{folder("/a"), folder("/b")}
		r.wants("/a")
		if took := time.Since(begun); took != 0 {
			t.Errorf("the well one waited %v for the sick one", took)
		}
		r.quiet(time.Hour)
		if n := r.count("/b"); n < 360 || n > 370 { // every 10 s, and a few times at first
			t.Errorf("%d tries in an hour", n)
		}
		r.set("/b", sick("worse"))
		r.quiet(time.Hour)
		r.set("/b", nil)
		r.wants("/a", "/b")
		r.quiet(time.Hour)
		r.end()
		for text, want := range map[string]int{`"reason":"ill"`: 1, `"reason":"worse"`: 1, "can be served now: going on": 1, `"level":"warn"`: 2} {
			if got := r.said(text); got != want {
				t.Errorf("%s was said %d times, want %d", text, got, want)
			}
		}
	})
}

// TestHangingFolderHoldsNobody shows that neither the first folders nor a reload wait for a folder that hangs, that the
// hanging step is said once, that the folder is served when it answers, and that the end names it if it does not.
func TestHangingFolderHoldsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &trial{t: t}
		r.begin(false)
		hang := make(chan struct{})
		r.set("/b", func() error { <-hang; return nil })
		begun := time.Now()
		r.folders <- []config.Folder{folder("/a"), folder("/b")}
		r.wants("/a")
		if took := time.Since(begun); took != firstWait {
			t.Errorf("the first folders came after %v", took)
		}
		r.folders <- []config.Folder{folder("/a"), folder("/b"), folder("/c")}
		r.wants("/a", "/c")
		r.quiet(time.Hour)
		if r.said(`"hangs":"stat"`) != 1 || r.count("/b") != 1 {
			t.Errorf("said %d times, tried %d times: %s", r.said(`"hangs":"stat"`), r.count("/b"), r.log.String())
		}
		close(hang)
		r.wants("/a", "/b", "/c")
		forEver := make(chan struct{})
		r.set("/c", func() error { <-forEver; return nil })
		r.quiet(time.Minute) // it is up, and stays so
		r.folders <- []config.Folder{folder("/a"), folder("/c")}
		r.wants("/a", "/c")
		r.end()
		if len(r.hanging) != 1 || r.hanging[0] != "folder /c: stat" {
			t.Errorf("hanging are %q", r.hanging)
		}
		if r.said(`"folder":"/b","message":"the folder can be served now`) != 1 {
			t.Error("it was not said that the folder is there")
		}
		close(forEver)
	})
}

// TestOnce shows that with Once each folder has one try and ten seconds, and that the error names the folders that were
// not served.
func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &trial{t: t}
		r.begin(true)
		hang := make(chan struct{})
		r.set("/b", sick("ill"))
		r.set("/c", func() error { <-hang; return nil })
		begun := time.Now()
		r.folders <- []config.Folder{folder("/a"), folder("/b"), folder("/c")}
		r.wants("/a")
		if took := time.Since(begun); took != hangAfter {
			t.Errorf("the folders came after %v", took)
		}
		close(hang)
		r.quiet(time.Hour)
		r.end()
		if r.err == nil || !strings.Contains(r.err.Error(), `folder "/b": ill`) || strings.Contains(r.err.Error(), "/a") {
			t.Errorf("got %v", r.err)
		}
		if r.count("/a") != 1 || r.count("/b") != 1 {
			t.Errorf("%d and %d tries", r.count("/a"), r.count("/b"))
		}
	})
}

// TestOnceWithoutFolders shows that a run with Once ends even if no folder can be served.
func TestOnceWithoutFolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &trial{t: t}
		r.begin(true)
		r.set("/a", sick("ill"))
		r.folders <- []config.Folder{folder("/a")}
		r.wants()
		r.end()
		if r.err == nil {
			t.Error("no error")
		}
	})
}

// TestAwayStaysUp shows that a folder which is not there for a while stays up, and that one which can no longer be
// served goes down and comes back.
func TestAwayStaysUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &trial{t: t}
		r.begin(false)
		r.folders <- []config.Folder{folder("/a")}
		r.wants("/a")
		r.set("/a", func() error { return away(errNoFolder) })
		r.quiet(time.Hour)
		r.set("/a", func() error { return Holder{PID: 7} })
		r.wants()
		r.set("/a", nil)
		r.wants("/a")
		r.end()
		if r.said(`"level":"warn"`) != 1 || r.said("(pid 7 of user 0)") != 1 || r.said("stop that one") != 1 {
			t.Errorf("said: %s", r.log.String())
		}
	})
}

// TestChangedSettings shows that a setting which needs no other try is handed on at once, and that a folder whose done
// changed stays up as it was until the new done was tried.
func TestChangedSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &trial{t: t}
		r.begin(false)
		r.folders <- []config.Folder{folder("/a")}
		r.wants("/a")
		f := folder("/a")
		f.GroupID = "other"
		r.folders <- []config.Folder{f}
		if up := r.next(); len(up) != 1 || up[0].GroupID != "other" {
			t.Errorf("got %v", up)
		}
		hang := make(chan struct{})
		r.set("/a", func() error { <-hang; return nil })
		moved := f
		moved.Done = "/elsewhere"
		r.folders <- []config.Folder{moved}
		r.quiet(time.Hour)
		close(hang)
		if up := r.next(); len(up) != 1 || up[0].Done != "/elsewhere" {
			t.Errorf("got %v", up)
		}
		r.end()
	})
}

// TestFirstConfiguredWins shows that of two folders that cannot both be served the first one is served, whichever comes
// up first, and the other one when the first is gone.
func TestFirstConfiguredWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &trial{t: t}
		r.begin(false)
		hang := make(chan struct{})
		r.set("/a", func() error { <-hang; return nil })
		inner := folder("/a/sub")
		outer := folder("/a")
		outer.Recursive = true
		r.folders <- []config.Folder{outer, inner}
		r.wants("/a/sub")
		close(hang)
		r.wants("/a")
		r.quiet(time.Hour)
		if r.said(`"level":"warn"`) != 1 || r.said("which takes files of directories inside it") != 1 {
			t.Errorf("said: %s", r.log.String())
		}
		r.folders <- []config.Folder{inner}
		r.wants()
		r.wants("/a/sub")
		r.end()
	})
}

// TestNoLongerConfigured shows that a folder which is no longer configured goes at once, is kept from other daemons
// until nothing is under way in it, and comes up again if it is configured again.
func TestNoLongerConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &trial{t: t}
		r.begin(false)
		r.folders <- []config.Folder{folder("/a"), folder("/b")}
		r.wants("/a", "/b")
		r.mu.Lock()
		r.busy["/b"] = true
		r.mu.Unlock()
		r.folders <- []config.Folder{folder("/a")}
		r.wants("/a")
		places := func() int {
			r.loop.registry.mu.Lock()
			defer r.loop.registry.mu.Unlock()
			return len(r.loop.registry.places)
		}
		r.quiet(time.Hour)
		if n := places(); n != 2 {
			t.Errorf("%d folders are kept, want 2 while something is under way", n)
		}
		r.folders <- []config.Folder{folder("/a"), folder("/b")}
		r.wants("/a", "/b")
		r.folders <- []config.Folder{folder("/a")}
		r.wants("/a")
		r.mu.Lock()
		r.busy["/b"] = false
		r.mu.Unlock()
		r.quiet(time.Minute)
		if n := places(); n != 1 {
			t.Errorf("%d folders are kept, want 1", n)
		}
		r.end()
	})
}
