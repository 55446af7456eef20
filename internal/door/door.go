// Package door opens each configured folder for the other stages as soon as the folder can be served, and says why
// while it cannot.
//
// What a person or a mount can do to a folder is never a mistake of the configuration. A folder may be missing, be a
// file, be read-only, hang, be served by another daemon, or be the same directory as another folder. Each folder has a
// door. As long as the folder cannot be served, that is said once, with what helps, and the folder is tried again
// without anybody's doing. The folders that can be served are handed on to those who watch them and post from them.
//
// A folder that is up stays up while it is away, because the other stages can wait for it. Whether it is still the same
// directory, and whether nobody else serves it, is checked again and again.
//
// One loop owns all state. A try does its I/O in a goroutine of its own, which may hang in the kernel for ever: nothing
// waits for it.
//
//	configured folders --> loop --try--> look, ask who serves it, try whether files can be filed
//	folders that are up <-- loop <--verdict--
package door

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/beat"
	"kaizala-drop/internal/config"
	"kaizala-drop/internal/view"
)

const (
	retryFirst = 250 * time.Millisecond // the pause after the first failed try; it doubles
	retryMost  = 10 * time.Second       // the longest pause, unless rescan is less
	// hangAfter is how long a try may take before that is said, and before a run with Once goes on without the folder.
	hangAfter = 10 * time.Second
	// firstWait is how long the first folders wait for each other, so that the other stages begin with all of them.
	firstWait = time.Second
	// endWait is how long the end waits for tries that are under way, to tell which of them hang.
	endWait = time.Second
)

// Doors opens folders, and closes them again.
type Doors struct {
	// Folders brings the configured folders: first at start, then whenever the configuration changes. It is read as
	// long as Run runs.
	Folders <-chan []config.Folder
	// Up takes the folders that can be served, in the order of the configuration, whenever that changes. The first are
	// sent when each folder has had its answer, but after a second at the latest. With Once they are sent after ten
	// seconds at the latest, and only once.
	Up chan<- []config.Folder
	// Probe tries whether files can be filed from folder to dir by filing one.
	Probe func(folder, dir string) error
	// Busy reports whether anything that was taken up in a folder has not come to its end. A folder that is no longer
	// configured is kept from other daemons until then. Busy may be nil, which stands for a function that always
	// reports false.
	Busy func(folder string) bool
	// StateDir is the daemon's own directory, in which nobody may drop files.
	StateDir string
	// Files are those that the daemon reads, the configuration and secrets, which must lie in no folder.
	Files []string
	// Asks brings questions about all folders. They are answered as long as Run runs. May be nil.
	Asks <-chan view.Ask[[]view.Door]
	// Beats gets a part, by which the loop shows that it moves. May be nil.
	Beats *beat.Board
	// Once makes Run try each folder only once.
	Once bool
	Log  zerolog.Logger
}

// Run works until ctx ends or Folders is closed. hanging says of each folder that does not answer then which step
// hangs. With Once, the error is made of one error for each folder that was not served.
//
// No other daemon gets a folder before this process ends.
func (d *Doors) Run(ctx context.Context) (hanging []string, err error) {
	return newLoop(d).run(ctx)
}

// door is one folder. Everything but step belongs to the loop.
type door struct {
	folder config.Folder // its configuration now
	served config.Folder // the configuration with which it was handed on, while it is up
	up     bool
	wasUp  bool     // it was up at some time, so something may have been taken up in it
	seen   sighting // what was seen when it came up
	gone   bool     // no longer configured
	err    error    // why it is not up, as it was said last

	trying   bool
	tried    config.Folder // the configuration that is being tried
	began    time.Time
	step     atomic.Pointer[string] // the step that the try is at
	tryAt    time.Time              // when to try again; zero: never
	pause    time.Duration          // before the last try
	answered bool                   // at least one try has ended
	told     bool                   // it was said that the folder is not up, so it will be said when it is
	hangTold bool                   // it was said that this try hangs
}

// at notes the step that is about to be taken, in case it hangs.
func (d *door) at(step string) { d.step.Store(&step) }

func (d *door) doing() string {
	if step := d.step.Load(); step != nil {
		return *step
	}
	return "looking at the folder"
}

// sameDoor reports whether b needs no other try than a.
func sameDoor(a, b config.Folder) bool {
	return a.Path == b.Path && a.Done == b.Done && a.Failed == b.Failed && a.Recursive == b.Recursive
}

// recheckPause is the time to the next check of a folder that is up. It is shorter than a file takes to settle, so that
// a directory which was mounted there meanwhile is known not to be another daemon's before a file of it is posted.
func (d *door) recheckPause() time.Duration {
	return min(d.folder.Rescan, max(d.folder.Settle, time.Second), retryMost)
}

// nextPause is the time to the next try of a folder that is not up.
func (d *door) nextPause() time.Duration {
	d.pause = min(max(2*d.pause, retryFirst), retryMost, d.folder.Rescan)
	return d.pause
}
