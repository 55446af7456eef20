// Package watcher turns events and listings of folders into settled files.
//
// Events are hints, the listing is the truth. A folder is watched first and then listed. It is listed again on a timer,
// when the kernel's event queue has overflowed, and whenever something about the folder looks odd. Whatever was missed
// is found by the next listing.
//
// Each folder has two goroutines. The loop owns all state, does no I/O, and never waits for its consumer. The scout
// does all I/O, and may hang on a dead share without harm to other folders. A pure state machine, the settler, decides
// what is settled.
//
//	fsnotify --events--> loop --requests--> scout
//	                     loop <--answers---
//	          settled <--   <-- released
package watcher

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"kaizala-drop/internal/beat"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/hang"
	"kaizala-drop/internal/media"
	"kaizala-drop/internal/text"
	"kaizala-drop/internal/view"
)

// Folder says what to watch and how.
type Folder struct {
	Path           string        // absolute
	Recursive      bool          // its subfolders are watched as well
	Settle         time.Duration // quiet time before a file counts as complete
	SettleRemote   time.Duration // the same where other hosts can write without being seen
	Rescan         time.Duration // time between listings
	AllowHardlinks bool          // hand over files that have more than one name
	VerifyEnding   bool          // hold back files that have holes, or lack the ending of their format
	TruncatedAfter time.Duration // hand a torn file over as torn after so long without a change; 0 = never
	Album          string        // "window": images that settle close together are one Batch; "subfolder": those of each subfolder; "off"
	AlbumWindow    time.Duration // how close together, for "window"
	AlbumMax       int           // images in one Batch, 1 or more
	Exclude        []string      // absolute paths that are never entered: done/ and failed/
	Mark           string        // a subfolder that holds a file of this name is never entered
	Ignore         []string      // patterns of names to leave alone (ignore.Compile), besides the built-in ones
	Only           []string      // what Accepts was made of, so that a folder counts as another one if it changes
	// Accepts gives the type of a file by its name. ok is false for a file that the destination does not take. Two
	// folders that differ only in Accepts count as the same when the configuration changes. nil accepts everything that
	// package media knows.
	Accepts func(name string) (t media.Type, ok bool)
	// AsItIs reports whether a person has asked to send a file with holes or without its ending all the same. It is called
	// at each look into such a file, beside other I/O. Two folders that differ only in AsItIs count as the same when the
	// configuration changes. nil: nobody has asked.
	AsItIs    func(name string, id file.Identity) bool
	WarnAfter time.Duration // how long a file may be held back before that is worth a warning; 0 = never
}

// Watcher watches folders and hands over what has settled in them.
type Watcher struct {
	// Folders brings the folders to watch: first at start, then whenever the configuration changes. A folder whose
	// settings stay the same is not disturbed.
	Folders <-chan []Folder
	// Settled takes each settled file once, in Batches of what belongs together. Run closes it when it returns.
	Settled chan<- file.Batch
	// Released brings back files that were handed over and are to settle anew. It is read as long as Run runs.
	Released <-chan file.Release
	// Asks brings questions about one folder each. They are answered as long as the folder is watched. May be nil.
	Asks <-chan view.Ask[view.Watched]
	// Beats gets a part for Run and one for each folder, whose loops show there that they move. May be nil. Name tells them from those
	// of other watchers.
	Beats *beat.Board
	Name  string
	// Once makes Run return when everything found in the first folders was handed over or is held back. What is
	// released until then settles again.
	Once bool
	Log  zerolog.Logger
}

// Run watches until ctx ends, and returns when everything that it started has ended. A call that hangs in the kernel is
// left behind after leaveAfter, and named by a *hang.Error. Run closes Settled. With Once, its error names the folders
// that could not be listed and the files that are held back.
func (w *Watcher) Run(ctx context.Context) error {
	defer close(w.Settled)
	all := &watches{Watcher: w, byPath: map[string]*watch{}, ends: make(chan error)}
	configured, released := w.Folders, w.Released // nil once closed
	part := w.Beats.Join(w.name())
	defer part.Leave()
	started := false
	for {
		select {
		case <-ctx.Done():
			part.Leave() // what hangs is waited for below
			return errors.Join(ctx.Err(), all.end())
		case <-part.Asked():
			part.Taken()
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

// name is what the part of Run is called.
func (w *Watcher) name() string {
	if w.Name == "" {
		return "the watcher"
	}
	return "the watcher of " + w.Name
}

// eventBuffer is how many events of one folder are buffered before its loop, so that drain sees what is pending.
const eventBuffer = 1024

// watch is one folder that is being watched.
type watch struct {
	folder   Folder
	released chan string
	asks     chan view.Ask[view.Watched]
	stop     context.CancelFunc
	done     chan struct{} // closed when its loop has ended; its scout may still hang
}

// release hands name back to the loop of the folder. It reports false if the watch has ended.
func (f *watch) release(name string) bool {
	select {
	case f.released <- name:
		return true
	case <-f.done:
		return false
	}
}

// watches are the folders that one Run watches. Only the goroutine of Run uses them.
type watches struct {
	*Watcher
	byPath map[string]*watch
	ends   chan error // the error with which each watch ended
	alive  int        // watches that have not reported their end
	errs   []error
}

// isSame reports whether two folders have the same settings.
func isSame(a, b Folder) bool {
	a.Accepts, b.Accepts, a.AsItIs, b.AsItIs = nil, nil, nil, nil
	return reflect.DeepEqual(a, b)
}

func (f Folder) typeOf(name string) (t media.Type, ok bool) {
	if f.Accepts == nil {
		return media.ByName(name)
	}
	return f.Accepts(name)
}

// apply starts and stops watches until exactly the given folders are watched, each with its present settings.
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

// release hands a file back to the watch of its folder. With Once that watch may have ended already; then it is started
// again.
func (w *watches) release(ctx context.Context, r file.Release) {
	if f, ok := w.byPath[r.Folder]; ok && !f.release(r.Name) && ctx.Err() == nil {
		w.start(ctx, f.folder)
	}
}

// end waits for all watches, whose context has ended. Its error names the calls that were left behind.
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

// start starts the goroutines of one folder: its loop, its scout, and those of fsnotify.
func (w *watches) start(ctx context.Context, f Folder) {
	ctx, stop := context.WithCancel(ctx)
	started := &watch{folder: f, released: make(chan string), asks: make(chan view.Ask[view.Watched]), stop: stop, done: make(chan struct{})}
	w.byPath[f.Path] = started
	log := w.Log.With().Str("folder", text.Printable(f.Path)).Logger()

	notify, err := fsnotify.NewBufferedWatcher(eventBuffer)
	requests, answers, scoutEnded := make(chan request), make(chan answer), make(chan struct{})
	s := newScout(f, notify)
	l := newLoop(f, w.Once, log)
	l.settled, l.released, l.asks, l.requests, l.answers, l.calls = w.Settled, started.released, started.asks, requests, answers, s.calls
	l.beat = w.Beats.Join("the watcher of the folder " + text.Printable(f.Path))
	if err != nil {
		log.Warn().Err(watchAdvice(f.Path, err)).Stringer("every", min(f.Rescan, rescanRemote)).Msg("no events: the folder is only listed on the timer")
	} else {
		l.events, l.errors = notify.Events, notify.Errors
	}
	go func() {
		s.run(ctx, requests, answers)
		if notify != nil {
			_ = notify.Close() // closing inotify loses nothing
		}
		close(scoutEnded)
	}()
	w.alive++
	go func() {
		err := l.run(ctx)
		l.beat.Leave()
		stop()
		close(started.done)
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		w.ends <- errors.Join(err, s.leave(notify, scoutEnded))
	}()
}

// leaveAfter is how long the end of a watch waits for its scout. The daemon's time to stop must be longer than
// shutdown_grace and leaveAfter together.
const leaveAfter = 3 * time.Second

// leave waits for the scout to end. Its error is a *hang.Error if the scout is left behind because one of its calls
// hangs.
func (s *scout) leave(notify *fsnotify.Watcher, ended <-chan struct{}) error {
	if notify != nil {
		go func() {
			for range notify.Errors { // fsnotify may hold its lock while it sends an error, and then nothing else goes on, not even Close
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
