// Package door brings folders up, and says why while one cannot be.
//
// What a person or a mount can do to a folder is never a mistake of the configuration: a folder may be missing, be a file,
// be read-only, hang, be served by another daemon, or be one directory with another. Each has a door: as long as it cannot
// be served that is said once, with what helps, and it is tried again by itself. The folders that can be served go on to
// who watches them and posts from them. One that is up stays up while it is away, for those can wait for it; that nobody
// else serves it, and that it is the same directory, is looked at again and again.
//
// One loop owns all state. A try does its I/O in a goroutine of its own and may hang in the kernel for ever: nothing waits
// for it.
//
//	configured folders --> loop --try--> look, ask who serves it, try whether files can be filed
//	folders that are up <-- loop <--verdict--
package door

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/view"
)

const (
	retryFirst = 250 * time.Millisecond // doubles up to
	retryMost  = 10 * time.Second       // or rescan, if that is less
	// hangAfter is how long a try may take before that is said, and before a run with Once goes without the folder.
	hangAfter = 10 * time.Second
	// firstWait is how long the first folders wait for each other, so that those who take them begin with all.
	firstWait = time.Second
	// endWait is how long the end waits for tries under way, to tell which of them hang.
	endWait = time.Second
)

// Doors brings folders up.
type Doors struct {
	// Folders brings the folders that are configured from now on. It is read as long as Run runs.
	Folders <-chan []config.Folder
	// Up takes the folders that can be served from now on, in the order of the configuration, whenever that changes. The
	// first are sent when each one has had its answer, or after a second; with Once after ten, and then no more.
	Up chan<- []config.Folder
	// Probe really tries whether files can be filed from a folder to a directory, which it makes.
	Probe func(folder, dir string) error
	// Busy tells whether something that was taken up in a folder is not at its end. A folder that is no longer configured
	// is kept from other daemons as long as it is. May be nil: nothing is.
	Busy func(folder string) bool
	// StateDir is the daemon's own, in which nobody may drop.
	StateDir string
	// Asks brings questions about all folders. They are answered as long as Run runs. May be nil.
	Asks <-chan view.Ask[[]view.Door]
	// Once tries each folder just once.
	Once bool
	Log  zerolog.Logger
}

// Run works until ctx ends, or until Folders is closed. hanging says of each folder that does not answer then what hangs.
// With Once the error is made of one for each folder that was not served.
//
// No other daemon gets a folder before this process ends.
func (d *Doors) Run(ctx context.Context) (hanging []string, err error) {
	return newLoop(d).run(ctx)
}

// door is one folder. Only the loop uses it, but for step.
type door struct {
	folder config.Folder // as it is configured
	served config.Folder // as it was handed on, while it is up
	up     bool
	wasUp  bool     // once, so something may have been taken up in it
	seen   sighting // when it came up
	gone   bool     // no longer configured
	err    error    // why it is not up, said last

	trying   bool
	tried    config.Folder // the settings that are tried
	began    time.Time
	step     atomic.Pointer[string] // of the try
	tryAt    time.Time              // when to try again; zero: never
	pause    time.Duration          // before the last try
	answered bool                   // one try came to its end
	told     bool                   // that it is not up, so it is told that it is
	hangTold bool                   // that this try hangs
}

// at notes what is being done, in case it hangs.
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

// again is the time to the next look at a folder that is up. It is shorter than a file takes to settle, so that a
// directory that was mounted there meanwhile is known not to be another daemon's before a file of it is posted.
func (d *door) again() time.Duration {
	return min(d.folder.Rescan, max(d.folder.Settle, time.Second), retryMost)
}

// nextPause is the time to the next try of a folder that is not up.
func (d *door) nextPause() time.Duration {
	d.pause = min(max(2*d.pause, retryFirst), retryMost, d.folder.Rescan)
	return d.pause
}
