// Package watcher turns events and listings of folders into settled files.
//
// Events are hints, the listing is the truth: a folder is watched first and then listed, and listed again on a timer,
// when the kernel's event queue overflowed, and whenever something about the folder looks odd. Whatever was missed is
// found by the next listing.
//
// Each folder has two goroutines. The loop owns all state, never does I/O, and never waits for its consumer; the scout
// does all I/O and may hang on a dead share without harm to other folders. What is settled is decided by a pure state
// machine, the Settler.
//
//	fsnotify --events--> loop --requests--> scout
//	                     loop <--answers---
//	           settled <--   --> (again) released
package watcher

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"kaizala-drop/internal/file"
)

// Folder says what to watch and how.
type Folder struct {
	Path           string        // absolute
	Recursive      bool          // subfolders too
	Settle         time.Duration // quiet time before a file counts as complete
	SettleRemote   time.Duration // the same where other hosts can write unseen
	Rescan         time.Duration // time between listings
	AllowHardlinks bool          // let files pass that have more than one name
	VerifyEnding   bool          // hold back files that have holes, or lack the ending of their format
	TruncatedAfter time.Duration // hand over as torn what stays so without a change; 0 = never
	Album          string        // "window": images that settle close together go in one Batch; "subfolder": those of each subfolder; "off"
	AlbumWindow    time.Duration // how close together
	AlbumMax       int           // images in one Batch, 1 or more
	Exclude        []string      // absolute paths never entered: done/ and failed/
	Ignore         []string      // globs of names left alone, added to BuiltinIgnore
}

// Watcher watches folders and hands over what has settled in them.
type Watcher struct {
	// Folders brings the folders to watch from now on: first at start, then whenever the configuration changes. A folder
	// whose settings stay the same is not disturbed.
	Folders <-chan []Folder
	// Settled takes each settled file once, in Batches of what belongs together. The Watcher closes it when Run returns.
	Settled chan<- file.Batch
	// Released brings back handed-over files that are to settle anew. It is read as long as Run runs.
	Released <-chan file.Release
	// Once makes Run return when everything found in the first folders was handed over or is held back. What is released
	// until then is taken up again.
	Once bool
	Log  zerolog.Logger
}

// Run watches until ctx ends, and returns when all that it started has ended. It closes Settled. With Once its error
// names the folders that could not be listed, and the files that are held back.
func (w *Watcher) Run(ctx context.Context) error {
	defer close(w.Settled)
	var all group
	defer all.wait()
	running := map[string]*watch{}
	configured, released := w.Folders, w.Released // nil once closed: nothing more will come
	var ended <-chan struct{}                     // closed when all watches have ended, in a run with Once
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case folders, ok := <-configured:
			if !ok {
				configured = nil
				continue
			}
			w.apply(ctx, &all, running, folders)
			if w.Once && ended == nil {
				ended = all.ended()
			}
		case r, ok := <-released:
			if !ok {
				released = nil
				continue
			}
			if f, ok := running[r.Folder]; ok && !f.release(r.Name) && ctx.Err() == nil {
				running[r.Folder] = w.start(ctx, &all, f.folder) // with Once: it had come to its end, and has not now
			}
		case <-ended:
			return all.wait()
		}
	}
}

// eventBuffer is how many events of one folder are read ahead of its loop, so that it can see what is there.
const eventBuffer = 1024

// watch is one folder being watched.
type watch struct {
	folder   Folder
	released chan string
	stop     context.CancelFunc
	done     chan struct{} // closed when its loop has ended; its scout may still hang
}

// release reports false if the watch has ended.
func (f *watch) release(name string) bool {
	select {
	case f.released <- name:
		return true
	case <-f.done:
		return false
	}
}

// apply starts and stops watches so that just folders are watched, each with its present settings.
func (w *Watcher) apply(ctx context.Context, all *group, running map[string]*watch, folders []Folder) {
	wanted := map[string]Folder{}
	for _, f := range folders {
		wanted[f.Path] = f
	}
	for path, f := range running {
		if now, ok := wanted[path]; !ok || !reflect.DeepEqual(now, f.folder) {
			f.stop()
			<-f.done
			delete(running, path)
		}
	}
	for _, f := range folders {
		if _, ok := running[f.Path]; !ok {
			running[f.Path] = w.start(ctx, all, f)
		}
	}
}

// start starts the goroutines of one folder: its loop, its scout, and what fsnotify starts.
func (w *Watcher) start(ctx context.Context, all *group, f Folder) *watch {
	ctx, stop := context.WithCancel(ctx)
	started := &watch{folder: f, released: make(chan string), stop: stop, done: make(chan struct{})}
	log := w.Log.With().Str("folder", file.Printable(f.Path)).Logger()

	notify, err := fsnotify.NewBufferedWatcher(eventBuffer)
	requests, answers := make(chan request), make(chan answer)
	l := newLoop(f, w.Once, log)
	l.settled, l.released, l.requests, l.answers = w.Settled, started.released, requests, answers
	if err != nil {
		log.Warn().Err(watchAdvice(f.Path, err)).Stringer("every", min(f.Rescan, rescanRemote)).Msg("no events: the folder is only listed on the timer")
	} else {
		l.events, l.errors = notify.Events, notify.Errors
	}
	s := newScout(f, notify)
	all.start(func() error {
		s.run(ctx, requests, answers)
		if notify != nil {
			return notify.Close()
		}
		return nil
	})
	all.start(func() error {
		err := l.run(ctx)
		stop()
		close(started.done)
		if notify != nil {
			for range notify.Errors { // fsnotify can hold its lock while it sends one: nothing else, Close included, would go on
			}
		}
		return err
	})
	return started
}

// group is the goroutines that a Run has started, and what they ended with.
type group struct {
	running sync.WaitGroup
	mu      sync.Mutex
	errs    []error
}

func (g *group) start(f func() error) {
	g.running.Go(func() {
		if err := f(); err != nil && !errors.Is(err, context.Canceled) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.errs = append(g.errs, err)
		}
	})
}

func (g *group) wait() error {
	g.running.Wait()
	return errors.Join(g.errs...)
}

// ended is closed when all have ended that were started before.
func (g *group) ended() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		g.running.Wait()
		close(ended)
	}()
	return ended
}
