// Package inquiry answers what people ask: how things stand, what is known of a file, what became of files. It puts together
// what the configuration says, what the ledger remembers, what the running parts of the daemon show of themselves, and what lies on
// the disk. Where no daemon runs it knows all but the third, and says so.
//
// A question reads, and changes nothing. The parts and the disk are asked with a bound on the time, and what does not answer is told
// as silent: a question neither waits for a folder that hangs nor holds up a part.
package inquiry

import (
	"cmp"
	"context"
	"sync"
	"time"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/view"
)

// Ledger is what a desk reads (*ledger.Ledger, *ledger.Reader).
type Ledger interface {
	Search(ctx context.Context, q ledger.Query) ([]ledger.Delivery, error)
	Unfinished(ctx context.Context, destination string) ([]ledger.Delivery, error)
	Get(ctx context.Context, id int64) (ledger.Delivery, error)
	Asked(ctx context.Context, q ledger.Questions) ([]ledger.Asked, error)
	AskedOf(ctx context.Context, deliveries ...int64) ([]ledger.Asked, error)
	Like(ctx context.Context, f file.Identity, sum []byte) ([]ledger.Delivery, error)
}

// Live is the running daemon. Each method asks a part of it and returns what had answered in time; what is missing was silent.
type Live interface {
	// Watched asks the watcher of a folder; name narrows it to one file, "" is all of them. With below it is narrowed to those
	// files, in subfolders too, whose last part is name.
	Watched(ctx context.Context, folder, name string, below bool) (w view.Watched, ok bool)
	// Posting asks the uploader of a destination.
	Posting(ctx context.Context, destination, folder, name string, below bool) (p view.Posting, ok bool)
	Doors(ctx context.Context) (doors []view.Door, ok bool)
	// Calls tells how many calls a minute may be made now, 0: no limit, and how many of the minute that has begun are left.
	Calls(destination string) (perMinute float64, left int)
	// Notice tells what a person should look at although the destination takes files, and what to do; "": nothing.
	Notice(destination string) (trouble, advice string)
	// Process tells since when which process runs.
	Process() (pid int, started time.Time)
}

// Rules tells what the name of a file means for a folder.
type Rules interface {
	// LeftAlone tells the rule for which name, relative to the folder, is left alone; "": none. own says that it is one of the
	// configuration's.
	LeftAlone(f config.Folder, name string, isDir bool) (rule string, own bool)
	// Refuses says in a sentence why the folder takes no files of that name; "": it takes them.
	Refuses(f config.Folder, name string) string
	// Service is what people call a destination.
	Service(destination string) string
	// Recall tells what helps against what made a delivery fail, as the note beside its file did.
	Recall(d ledger.Delivery) filing.Note
}

// NotRunning is the reason for which no daemon is asked if none runs.
const NotRunning = "no daemon runs"

// Desk answers. It is safe for concurrent use.
type Desk struct {
	Config  func() config.Config // of now: a reload changes it
	Version string
	Ledger  Ledger
	Rules   Rules
	Live    Live   // nil: no daemon is asked
	Unasked string // why none is: NotRunning, or another half sentence; "" stands for NotRunning
	// Options follow the name of each command that is advised: " --config FILE", if the commands would not find it.
	Options string
	// Retries takes failed files back; nil: nobody can here.
	Retries func(ctx context.Context, r control.Retry, by string) ([]control.Retried, error)
	Now     func() time.Time

	kept kept
	disk disk
}

// partsTime is how long all the parts together are waited for with one question: who asks is not to take the daemon for one that hangs.
const partsTime = 3 * time.Second

// unasked says why no daemon is asked; "" if one is.
func (d *Desk) unasked() string {
	if d.Live != nil {
		return ""
	}
	return cmp.Or(d.Unasked, NotRunning)
}

// statusFor is how long a status is given out again: however many ask, the parts and the ledger are asked so often at most.
const statusFor = 200 * time.Millisecond

// kept is the last status. Who asks while one is made waits for that.
type kept struct {
	mu     sync.Mutex
	status control.Status
	until  time.Time
}

// Retry takes failed files back.
func (d *Desk) Retry(ctx context.Context, r control.Retry, by string) ([]control.Retried, error) {
	if d.Retries == nil {
		return nil, &control.Refusal{Text: "failed files cannot be taken back here"}
	}
	return d.Retries(ctx, r, by)
}
