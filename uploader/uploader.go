// Package uploader turns settled files into posts: it claims them, uploads them, posts them in the order in which they
// settled, and files them away.
//
// One loop (loop.go) owns all state. The queue, a pure data structure, says which delivery takes its next step (next.go). The
// step gets a job, a copy of what it needs to know, and runs in a goroutine of its own, with all I/O (steps.go, moves.go). Its
// result says what it has learned. One table judges what that means (verdict.go), and one place applies it to the queue
// (apply.go). What follows outside of the queue are effects: the loop and the log (tell.go) carry them out.
//
// An album is one delivery of several images. When it cannot be posted as it is (images change or vanish, the service
// refuses one of them), it is divided (album.go). The image that the service refuses is found by search.go.
//
//	settled --> queue: next ------ job --> step: claim, upload | post | move | forget
//	              ^                          |
//	              +-- apply <-- judge <------+ result
//	released <--    |
//	log      <--    +-- effects
package uploader

import (
	"context"
	"time"

	"kaizala-drop/internal/beat"
	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/text"
	"kaizala-drop/internal/view"

	"github.com/rs/zerolog"
)

// Folder says where the files of one watched folder go.
type Folder struct {
	Path  string // absolute
	Group string // the group or room, as its destination spells it
	// Only are the patterns of the names that are taken (destination.Traits.Only); none: all.
	Only []string
	// Caption makes the text of a post of the files names, one or more, in the order in which they are shown.
	Caption       func(folder string, names []string, at time.Time) (string, error)
	Done          string // absolute
	Failed        string // absolute
	HoldUnknown   bool   // a post whose answer was lost is not made again
	RemoveEmptied bool   // subfolders go when the last file of theirs was moved out of them
}

// Destination is where deliveries go: two calls and one error (*destination.Error). A call that ctx breaks off returns.
type Destination interface {
	// Upload sends the files of one post to be. Nothing is shown yet, so uploading twice is harmless.
	Upload(ctx context.Context, target string, files []destination.File) (ref string, err error)
	Post(ctx context.Context, m destination.Message) (destination.Receipt, error)
}

// Finder is a Destination that can be asked for what was posted. An answer that was lost leaves no doubt then.
type Finder interface {
	// Find tells whether the message, which is known by its Key, is shown in its Target, wholly. Since is when its post was begun
	// first; zero: that is not known. Only an error may leave it open.
	Find(ctx context.Context, m destination.Message, since time.Time) (r destination.Receipt, found bool, err error)
}

// Ledger is the durable memory of deliveries (*ledger.Ledger). Each change is durable when its method returns.
type Ledger interface {
	Unfinished(ctx context.Context, destination string) ([]ledger.Delivery, error)
	Claim(ctx context.Context, d ledger.Delivery) (id int64, err error)
	Uploaded(ctx context.Context, id int64, resource string, sums [][]byte) error
	Posting(ctx context.Context, id int64, group, caption string, again bool) error
	Posted(ctx context.Context, id int64, reference string) error
	Filed(ctx context.Context, id int64, dests []string) error
	Failed(ctx context.Context, id int64, reason string) error
	FailedFiled(ctx context.Context, id int64, dests []string) error
	Waits(ctx context.Context, id int64, attempts int, reason string) error
	NotPosted(ctx context.Context, id int64, attempts int, reason string) error
	Recognised(ctx context.Context, id int64, position int, name string, as file.Identity) error
	Withdraw(ctx context.Context, id int64) error
}

// Budget bounds the calls of the destination (*budget.Budget).
type Budget interface {
	// Take takes one call, or says how long to wait before asking again.
	Take(now time.Time) (wait time.Duration)
}

// Uploader takes settled files to their end.
type Uploader struct {
	Destination Destination
	Name        string             // of the Destination, by which the Ledger knows what goes there
	Traits      destination.Traits // of the Destination
	Ledger      Ledger
	Filer       *filing.Filer

	// Folders brings the folders from now on: first at start, then whenever the configuration changes.
	Folders <-chan []Folder
	// Settled brings the files, each Batch to be one post. When it is closed, Run brings what it has to an end and returns.
	Settled <-chan file.Batch
	// Released takes the files that must settle anew. Nothing waits for its reader.
	Released chan<- file.Release

	// Asks brings questions about what is under way. They are answered as long as Run runs. May be nil.
	Asks <-chan view.Ask[view.Posting]

	// Beats gets a part, by which the loop shows that it moves. May be nil.
	Beats *beat.Board

	// Again says that what kept the destination from taking files may be over, as after a login: it is tried at once. May be nil.
	Again <-chan struct{}

	MaxUploads  int
	MaxAttempts int
	Budget      Budget        // asked for each upload and each post
	Grace       time.Duration // how long steps may go on after ctx has ended
	Log         zerolog.Logger
}

// Summary counts what became of the deliveries of one Run.
type Summary struct {
	Delivered int // posted and moved to done/
	Failed    int // moved to failed/
	Left      int // not brought to an end: they go on with the next run
}

// Run works until ctx ends, or until Settled is closed and all is done that can be done. It waits for all that it
// started, but for steps that hang in the kernel; what it leaves is safe in the ledger and the folder. After ctx has ended
// it returns within Grace and leaveAfter. Its error is a *hang.Error if it left steps behind that hang.
func (u *Uploader) Run(ctx context.Context) (Summary, error) {
	l := newLoop(u)
	l.beat = u.Beats.Join("posting to " + u.Name)
	defer l.beat.Leave()
	if !l.begin(ctx) {
		return Summary{}, nil
	}
	if err := l.restore(ctx); ctx.Err() != nil {
		return Summary{}, nil
	} else if err != nil {
		return Summary{}, err
	}
	return l.run(ctx)
}

// begin waits for the first folders. It reports false if ctx has ended before.
func (l *loop) begin(ctx context.Context) bool {
	for {
		select {
		case folders := <-l.Folders:
			l.setFolders(folders)
			return true
		case <-l.beat.Asked():
			l.beat.Taken()
		case <-ctx.Done():
			return false
		}
	}
}

// logOf is the log with what identifies a delivery.
func (u *Uploader) logOf(f *facts) *zerolog.Logger {
	with := u.Log.With().Str("folder", text.Printable(f.Folder)).Str("file", text.Printable(f.name()))
	if f.isAlbum() {
		album := f.names()
		for i, name := range album {
			album[i] = text.Printable(name)
		}
		with = with.Str("last", album[len(album)-1]).Int("images", len(album)).Strs("album", album)
	}
	if f.ID != 0 {
		with = with.Int64("delivery", f.ID)
	}
	log := with.Logger()
	return &log
}
