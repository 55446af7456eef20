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
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/hang"
	"kaizala-drop/internal/media"
	"kaizala-drop/internal/view"
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
	Mark           string        // the name of a file: a subfolder that holds it is never entered
	Ignore         []string      // patterns of names left alone (ignore.Compile), added to BuiltinIgnore
	// Accepts tells the type of a file by its name. ok is false for what its destination does not take. It is not compared when
	// the configuration changes. nil: all that package media knows is taken.
	Accepts   func(name string) (t media.Type, ok bool)
	WarnAfter time.Duration // how long a file may be held back before that is worth a warning; 0 = never
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
	// Asks brings questions about one folder each. They are answered as long as the folder is watched. May be nil.
	Asks <-chan view.Ask[view.Watched]
	// Once makes Run return when everything found in the first folders was handed over or is held back. What is released
	// until then is taken up again.
	Once bool
	Log  zerolog.Logger
}

// Run watches until ctx ends, and returns when all that it started has ended; what hangs in the kernel is left behind
// after leaveAfter, and named by a *hang.Error. It closes Settled. With Once its error names the folders that could not be
// listed, and the files that are held back.
func (w *Watcher) Run(ctx context.Context) error {
	defer close(w.Settled)
	all := &watches{Watcher: w, byPath: map[string]*watch{}, ends: make(chan error)}
	configured, released := w.Folders, w.Released // nil once closed: nothing more will come
	started := false
	for {
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), all.end())
		case folders, ok := <-configured:
			if !ok {
				configured = nil
				continue
			}
			all.apply(ctx, folders)
			started = true
		case r, ok := <-released:
			if !ok {
				released = nil
				continue
			}
			all.release(ctx, r)
		case ask := <-w.Asks:
			all.answer(ctx, ask)
		case err := <-all.ends:
			all.ended(err)
		}
		if w.Once && started && all.alive == 0 {
			return errors.Join(all.errs...)
		}
	}
}

// eventBuffer is how many events of one folder are buffered before its loop, so that drain sees what is pending.
const eventBuffer = 1024

// watch is one folder being watched.
type watch struct {
	folder   Folder
	released chan string
	asks     chan view.Ask[view.Watched]
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

// watches are the folders that a Run watches. Its loop owns them.
type watches struct {
	*Watcher
	byPath map[string]*watch
	ends   chan error // what each watch ended with
	alive  int        // watches of which no end was heard yet
	errs   []error
}

// isSame reports whether two folders have the same settings.
func isSame(a, b Folder) bool {
	a.Accepts, b.Accepts = nil, nil
	return reflect.DeepEqual(a, b)
}

func (f Folder) typeOf(name string) (t media.Type, ok bool) {
	if f.Accepts == nil {
		return media.ByName(name)
	}
	return f.Accepts(name)
}

// apply starts and stops watches so that just folders are watched, each with its present settings.
func (w *watches) apply(ctx context.Context, folders []Folder) {
	wanted := map[string]Folder{}
	for _, f := range folders {
		wanted[f.Path] = f
	}
	for path, f := range w.byPath {
		if now, ok := wanted[path]; !ok || !isSame(now, f.folder) {
			f.stop()
			<-f.done
			delete(w.byPath, path)
		}
	}
	for _, f := range folders {
		if _, ok := w.byPath[f.Path]; !ok {
			w.start(ctx, f)
		}
	}
}

// release hands a file back to the watch of its folder. With Once that may have come to its end, and is started anew.
func (w *watches) release(ctx context.Context, r file.Release) {
	if f, ok := w.byPath[r.Folder]; ok && !f.release(r.Name) && ctx.Err() == nil {
		w.start(ctx, f.folder)
	}
}

// end waits for all watches, whose context has ended. Its error says what was left behind.
func (w *watches) end() error {
	for w.alive > 0 {
		w.ended(<-w.ends)
	}
	left := &hang.Error{}
	for _, err := range w.errs {
		if one, ok := errors.AsType[*hang.Error](err); ok {
			left.Calls = append(left.Calls, one.Calls...)
		}
	}
	if left.Calls == nil {
		return nil
	}
	return left
}

func (w *watches) ended(err error) {
	w.alive--
	if err != nil {
		w.errs = append(w.errs, err)
	}
}

// start starts the goroutines of one folder: its loop, its scout, and what fsnotify starts.
func (w *watches) start(ctx context.Context, f Folder) {
	ctx, stop := context.WithCancel(ctx)
	started := &watch{folder: f, released: make(chan string), asks: make(chan view.Ask[view.Watched]), stop: stop, done: make(chan struct{})}
	w.byPath[f.Path] = started
	log := w.Log.With().Str("folder", file.Printable(f.Path)).Logger()

	notify, err := fsnotify.NewBufferedWatcher(eventBuffer)
	requests, answers, scoutEnded := make(chan request), make(chan answer), make(chan struct{})
	s := newScout(f, notify)
	l := newLoop(f, w.Once, log)
	l.settled, l.released, l.asks, l.requests, l.answers, l.calls = w.Settled, started.released, started.asks, requests, answers, s.calls
	if err != nil {
		log.Warn().Err(watchAdvice(f.Path, err)).Stringer("every", min(f.Rescan, rescanRemote)).Msg("no events: the folder is only listed on the timer")
	} else {
		l.events, l.errors = notify.Events, notify.Errors
	}
	go func() {
		s.run(ctx, requests, answers)
		if notify != nil {
			_ = notify.Close() // of inotify alone, which has nothing to lose
		}
		close(scoutEnded)
	}()
	w.alive++
	go func() {
		err := l.run(ctx)
		stop()
		close(started.done)
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		w.ends <- errors.Join(err, s.leave(notify, scoutEnded))
	}()
}

// leaveAfter is how long the end of a watch waits for its scout. With shutdown_grace, the stop of the daemon must hold it.
const leaveAfter = 3 * time.Second

// leave waits for the scout to end. Its error is a *hang.Error if it does not: what it does hangs, and is left behind.
func (s *scout) leave(notify *fsnotify.Watcher, ended <-chan struct{}) error {
	if notify != nil {
		go func() {
			for range notify.Errors { // fsnotify can hold its lock while it sends one: nothing else, Close included, would go on
			}
		}()
	}
	select {
	case <-ended:
		return nil
	case <-time.After(leaveAfter):
	}
	if call, ok := s.calls.First(); ok {
		return &hang.Error{Calls: []hang.Call{call}}
	}
	return nil
}
