// Package retry does with failed files what people ask: a file goes back from failed/ into its watched folder, from where it is sent as
// a new one, or, if somebody knows that it was posted, on to done/.
//
// What is asked is in the ledger before the first move. After a crash at any moment the same request, or Finish, brings it to its
// end: no file is lost, none is in two places, and none that may have been posted is sent again unless somebody said so. Nothing is
// overwritten, and nothing is sent from here.
package retry

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/text"
)

// Why a request is refused. Nothing was moved or written down.
var (
	// ErrNotFailed means that the path is not that of a failed file which the ledger knows. The text says what it is, and what to do.
	ErrNotFailed = errors.New("not a failed file")
	// ErrNote means that the path is that of the note beside a failed file: whoever names all files of failed/ can pass over it.
	ErrNote = errors.New("the note beside a failed file")
	// ErrMayBePosted means that the file may have been posted, and that it has to be said what is to become of it.
	ErrMayBePosted = errors.New("it may have been posted")
	// ErrNotInDoubt means that WasPosted was said of a file that was surely not posted.
	ErrNotInDoubt = errors.New("it was surely not posted")
	// ErrBusy means that another request about the same file is under way.
	ErrBusy = errors.New("it is being put back just now")
	// ErrNotSent means that a file of that name or size would only come back, or would be left alone: its destination does not take it.
	ErrNotSent = errors.New("it would not be sent")
	// ErrNoFolder means that its watched folder is not configured any more.
	ErrNoFolder = errors.New("its folder is not in the configuration any more")
)

// Folder is a watched folder.
type Folder struct {
	Path         string // absolute
	Done, Failed string // absolute
	Recursive    bool
}

// Retrier does what is asked. It is safe for concurrent use; there is one for a ledger.
type Retrier struct {
	Ledger  *ledger.Ledger // whose Run is running
	Filer   *filing.Filer  // the one that the uploader has, if there is one
	Folders func() []Folder
	// Takes is an error, with what helps, about a file that would not be sent from the watched folder at path, where it is to be called
	// name, relative to it. nil: all are taken.
	Takes   func(path, name string, size int64) error
	Options string // of the commands that errors name (text.Options)
	Log     zerolog.Logger

	mu   sync.Mutex
	busy map[place]bool

	passed func(point string) // for tests: each point that was passed
}

// place is a file of a delivery.
type place struct {
	delivery int64
	position int
}

// Request asks for one failed file.
type Request struct {
	Path      string // absolute, where it lies in failed/
	AsItIs    bool   // it is sent this once without the check of its ending
	PostAgain bool   // although it may have been posted
	WasPosted bool   // it was posted: it goes to done/, and nothing is sent
	By        string // who asks, for the ledger and the log: "root (uid 0)"
}

// Result is what became of a request.
type Result struct {
	Delivery int64       // that had failed
	What     ledger.What // was done
	By       string      // who asked for it: an earlier request, perhaps
	From, To string      // absolute paths
	Already  bool        // an earlier request has done it
	At       time.Time   // when it was done
	NoteLeft string      // path of its note, if that was changed by somebody, and so is still there
}

// Retry does with one failed file what is asked, and returns when that is on disk. In its folder the file has its own name, or the one
// that somebody gave it in failed/, with a number if that is taken. An image of an album goes by itself.
//
// Asked again after a crash, it goes on where it was; if all is done, it says so, as long as nothing else was moved to the path since.
// With an error that is none of this package's the file could not be moved, or a step could not be written down: asked again, it goes
// on. Once the move has begun the context does not count any more.
func (r *Retrier) Retry(ctx context.Context, q Request) (Result, error) {
	q.Path = filepath.Clean(q.Path)
	result, err := r.retry(ctx, q)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", quote(q.Path), err)
	}
	return result, nil
}

func (r *Retrier) retry(ctx context.Context, q Request) (Result, error) {
	if err := q.check(); err != nil {
		return Result{}, err
	}
	f, err := r.find(ctx, q.Path)
	if err != nil || f.already != nil {
		return f.done(q, err)
	}
	at := f.place
	if !r.enter(at) {
		return Result{}, ErrBusy
	}
	defer r.leave(at)
	if f, err = r.find(ctx, q.Path); err != nil || f.already != nil { // as it is now
		return f.done(q, err)
	}
	if f.place != at {
		return Result{}, ErrBusy
	}
	if result, done, err := r.goOn(ctx, q, f); done || err != nil {
		return result, err
	}
	what, err := q.what(f.delivery)
	if err == nil {
		err = r.canMove(f, what)
	}
	if err != nil {
		return Result{}, err
	}
	return r.begin(ctx, q, f, what)
}

// done is the result where all is done already, as it was asked now, too.
func (f found) done(q Request, err error) (Result, error) {
	if err != nil {
		return Result{}, err
	}
	return asAsked(q, resultOf(*f.already, true))
}

// asAsked refuses what an earlier request has done in another way than it is asked now.
func asAsked(q Request, got Result) (Result, error) {
	if q.isMet(got.What) {
		return got, nil
	}
	return Result{}, fmt.Errorf("%w: nothing lies there any more; it was moved to %s on %s already, as %s asked (%s)",
		ErrNotFailed, quote(got.To), day(got.At), text.Printable(got.By), got.What)
}

// canMove looks what stands against the move before anything is written down.
func (r *Retrier) canMove(f found, what ledger.What) error {
	folder, err := r.folderOf(f.delivery.Folder)
	if err == nil {
		err = isPlain(folder, f.path)
	}
	if err == nil && !f.info.Mode.IsRegular() {
		err = fmt.Errorf("%w: it is no regular file, and nothing else is sent", ErrNotFailed)
	}
	if err == nil && what != ledger.WasPosted {
		err = isMounted(folder, f)
	}
	if err == nil && what != ledger.WasPosted && r.Takes != nil {
		err = r.Takes(folder.Path, folder.nameFor(f.delivery.Files[f.place.position], f.path), f.info.Size)
	}
	return err
}

// begin writes down what is asked, and does it.
func (r *Retrier) begin(ctx context.Context, q Request, f found, what ledger.What) (Result, error) {
	r.pass("before it is asked")
	id, err := r.Ledger.Ask(ctx, ledger.Asked{
		Delivery: f.place.delivery, Position: f.place.position, What: what, By: q.By, Path: q.Path, File: f.info.Identity,
	})
	if err != nil {
		return Result{}, err
	}
	r.pass("asked")
	a, err := r.question(ctx, ledger.Questions{ID: id})
	if err != nil {
		return Result{}, err
	}
	return r.carry(context.WithoutCancel(ctx), a, false)
}

func (q Request) check() error {
	switch {
	case !filepath.IsAbs(q.Path):
		return errors.New("it takes the absolute path of a file in failed/")
	case q.WasPosted && (q.PostAgain || q.AsItIs):
		return errors.New("what was posted is not sent: say either that it was, or how it is to be sent")
	}
	return nil
}

// isMet reports whether what was done is what is asked.
func (q Request) isMet(was ledger.What) bool {
	again := was == ledger.PostAgain || was == ledger.PostAgainAsItIs
	return q.WasPosted == (was == ledger.WasPosted) && q.AsItIs == was.IsAsItIs() && (q.PostAgain || !again)
}

// what tells what is asked of a file of d.
func (q Request) what(d ledger.Delivery) (ledger.What, error) {
	doubt := d.MayBePosted()
	switch {
	case doubt && !q.PostAgain && !q.WasPosted:
		why := strings.TrimPrefix(strings.TrimPrefix(d.Reason, ledger.MayBePosted), ": ")
		return "", fmt.Errorf("%w (%s): look in the group first. If the message is not there, have it sent with --post-again; "+
			"if it is, have the file moved to done/ with --was-posted", ErrMayBePosted, text.Printable(why))
	case q.WasPosted && !doubt:
		return "", fmt.Errorf("%w (%s): leave out --was-posted to have it sent, or move it away yourself", ErrNotInDoubt, text.Printable(d.Reason))
	case q.WasPosted:
		return ledger.WasPosted, nil
	case doubt && q.AsItIs:
		return ledger.PostAgainAsItIs, nil
	case doubt:
		return ledger.PostAgain, nil
	case q.AsItIs:
		return ledger.AsItIs, nil
	}
	return ledger.Retry, nil
}

// enter has nobody else work on a file, and reports false if somebody does.
func (r *Retrier) enter(at place) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[at] {
		return false
	}
	if r.busy == nil {
		r.busy = map[place]bool{}
	}
	r.busy[at] = true
	return true
}

func (r *Retrier) leave(at place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.busy, at)
}

func (r *Retrier) folderOf(path string) (Folder, error) {
	for _, f := range r.Folders() {
		if f.Path == path {
			return f, nil
		}
	}
	return Folder{}, fmt.Errorf("%w: %s; move the file into another one yourself", ErrNoFolder, quote(path))
}

func (r *Retrier) pass(point string) {
	if r.passed != nil {
		r.passed(point)
	}
}

func quote(path string) string { return `"` + text.Printable(path) + `"` }

// AsItIs tells a watcher of a folder which of its files are to be sent without the check of their ending (watcher.Folder.AsItIs). What
// the ledger cannot tell is held back.
func (r *Retrier) AsItIs(folder string) func(name string, id file.Identity) bool {
	return func(name string, id file.Identity) bool {
		is, err := r.Ledger.SentAsItIs(context.Background(), folder, id)
		if err != nil {
			r.Log.Warn().Err(err).Str("folder", text.Printable(folder)).Str("file", text.Printable(name)).
				Msg("the ledger cannot tell whether it was asked to send this file as it is: it is held back")
		}
		return is && err == nil
	}
}
