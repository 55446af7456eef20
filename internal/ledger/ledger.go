// Package ledger turns the steps of deliveries into a durable memory that survives any crash.
//
// Open the ledger, start Run, and call the method named after each step before the next outside step is taken. A step
// that returned nil is on the disk: neither a kill nor a power cut takes it back. A step that returned an error did
// not happen, with two exceptions: a caller whose context ended while it waited (see below), and a disk that failed to
// sync, where a crash right after it may bring the step back at the next Open.
//
// The memory is one SQLite file, ledger.db in state_dir, meant to be read by people too, also while the daemon runs:
//
//	sqlite3 -readonly ledger.db 'SELECT * FROM waiting'
//	sqlite3 -readonly ledger.db "SELECT * FROM history WHERE 'scan.pdf' IN (name, claimed_as)"
//
// A release may change its schema, but only by adding to it: tables, columns and views keep the names and the order that
// they have. See Open for the copy that is kept of the ledger from before.
//
// One goroutine, Run, writes. It puts all steps that are waiting into one transaction, so that many deliveries share
// the cost of one sync of the disk; a step that is refused does not touch the others of its transaction.
//
// Contexts: a context that has ended before a step is asked for means the step does not happen. One that ends while the
// step is queued ends only the wait: the step may still be committed, and its caller does not learn it. What must not
// be forgotten, above all that a post was made, is therefore asked with a context that outlives the shutdown.
package ledger

import (
	"database/sql"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/media"
)

var (
	// ErrLocked is wrapped by Open's error when another process has the ledger.
	ErrLocked = errors.New("in use by another kaizala-drop")
	// ErrClosed is the error of a step asked for after Run has ended or Close was called. It was not committed.
	ErrClosed = errors.New("the ledger is closed")
	// ErrUnknown is wrapped by the error of a step for an id that is not in the ledger: withdrawn, pruned, never given.
	ErrUnknown = errors.New("no such delivery in the ledger")
	// ErrState is wrapped by the error of a step that the delivery's state does not allow.
	ErrState = errors.New("not allowed in this state")
	// ErrFiled is wrapped by Claim's error for a file that lies where a delivery put it: a *FiledError says which.
	ErrFiled = errors.New("dealt with already")
)

// State is how far a delivery has come.
type State string

// The way of a delivery: claimed, uploaded, posting, posted, filed. Failed is the end of the other road.
const (
	Claimed  State = "claimed"  // its files are spoken for, nothing was sent that counts
	Uploaded State = "uploaded" // the service holds the content; Resource names it
	Posting  State = "posting"  // the post is on its way: found after a crash, it may have been posted
	Posted   State = "posted"   // visible in the group; the move to done/ is still to come
	Filed    State = "filed"    // moved to done/
	Failed   State = "failed"   // given up; Finished once it is moved to failed/
)

// File is one file of a delivery.
type File struct {
	Name      string        // relative to the folder; bytes, as the kernel has them
	ClaimedAs string        // name when it was claimed, "" = the same; set by Recognised
	ID        file.Identity // as it was claimed, or last recognised
	SHA256    []byte        // of what was uploaded, 32 bytes; nil before
	Dest      string        // path where it lies now, "" = not moved
}

// Delivery is one post and what the ledger knows of it. Times are kept to the millisecond.
type Delivery struct {
	ID          int64
	Destination string // name of where it goes
	Key         string // its own for ever, by which a destination can know it; "" of one that an older version claimed
	Folder      string // absolute path of the watched folder
	Kind        media.Kind
	State       State
	Finished    bool   // nothing left to do: filed, or failed and moved away
	Group       string // set by Posting
	Caption     string // set by Posting
	Resource    string // set by Uploaded; forgotten when filed, and by what failed and was surely not posted
	Reference   string // set by Posted
	Reason      string // why it waits or why it failed, in plain words
	MaybeTwice  bool   // it was posted again after an answer was lost
	Attempts    int    // as last told by Waits or NotPosted
	SettledAt   time.Time
	ClaimedAt   time.Time
	PostingAt   time.Time // when its post was begun first; zero: never, or by an older version
	UpdatedAt   time.Time // of the last step
	FinishedAt  time.Time // zero: something is left to do
	Files       []File
}

// MayBePosted reports whether it is in failed/ for want of an answer: its post was sent, and nobody knows whether it is in the group.
func (d Delivery) MayBePosted() bool {
	return d.State == Failed && (d.Resource != "" || strings.HasPrefix(d.Reason, MayBePosted))
}

// MayBePosted is how the reason of a delivery begins that failed and may be in the group.
const MayBePosted = "it may have been posted"

// At is when it came to its end, else when its last step was.
func (d Delivery) At() time.Time {
	if d.Finished {
		return d.FinishedAt
	}
	return d.UpdatedAt
}

// Ledger is the durable memory. All methods may be called from many goroutines at once.
type Ledger struct {
	Reader
	lock *os.File
	db   *sql.DB // one connection, which is w's
	w    *writer

	queue   chan change   // never closed: many send, Run receives
	stop    chan struct{} // closed when no further steps are taken
	ended   chan struct{} // closed when the last step has its answer
	running atomic.Bool   // Run was called, or Close took its place
	leaving atomic.Bool   // the lock is left to the end of the process
	kept    string        // the path of the copy that Open made

	stopOnce  sync.Once
	closeOnce sync.Once
	closeErr  error
}
