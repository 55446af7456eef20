// Package ledger records the steps of deliveries in a durable memory that survives any crash.
//
// A caller opens the ledger, starts Run, and calls the method that is named after a step before it takes the next outside
// step. When a method returns nil, its step is on disk: neither a kill nor a power cut takes it back. When a method returns an
// error, its step did not happen, with two exceptions: the caller's context ended while it waited (see below), or the disk
// failed to sync, and a crash right after that brings the step back at the next Open.
//
// The memory is one SQLite file, ledger.db in state_dir. People may read it, even while the daemon runs:
//
//	sqlite3 -readonly ledger.db 'SELECT * FROM waiting'
//	sqlite3 -readonly ledger.db "SELECT * FROM history WHERE 'scan.pdf' IN (name, claimed_as)"
//
// A release may add to the schema, but tables, columns and views keep their names and their order. Open keeps a copy of the
// ledger before it changes the schema.
//
// One goroutine, Run, writes. It puts all waiting steps into one transaction, so that many deliveries share the cost of one
// sync of the disk. A step that is refused does not affect the other steps of its transaction.
//
// If a context has ended before its step is asked for, the step does not happen. If it ends while the step is queued, only the
// wait ends: the step may still be committed, and its caller does not learn that. So a step that must not be forgotten, above
// all Posted, is called with a context that outlives the shutdown.
package ledger

import (
	"database/sql"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kaizala-drop/internal/beat"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/media"
)

var (
	// ErrLocked is wrapped by Open's error when another process has the ledger.
	ErrLocked = errors.New("in use by another kaizala-drop")
	// ErrClosed is the error of a step that was asked for after Run had ended or Close was called. It was not committed.
	ErrClosed = errors.New("the ledger is closed")
	// ErrUnknown is wrapped by the error of a step whose id is not in the ledger: it was withdrawn, pruned or never given.
	ErrUnknown = errors.New("no such delivery in the ledger")
	// ErrState is wrapped by the error of a step that the state of the delivery does not allow.
	ErrState = errors.New("not allowed in this state")
	// ErrFiled is wrapped by the *FiledError of Claim for a file that lies where a delivery has put it.
	ErrFiled = errors.New("dealt with already")
)

// State is how far a delivery has come.
type State string

// A delivery that succeeds is claimed, uploaded, posting, posted and filed, in this order. Failed is the end of any other.
const (
	Claimed  State = "claimed"  // its files belong to it; nothing is uploaded yet
	Uploaded State = "uploaded" // the service holds the content; Resource names it
	Posting  State = "posting"  // the post was begun, and after a crash may have been made
	Posted   State = "posted"   // visible in the group; the move to done/ is still to come
	Filed    State = "filed"    // moved to done/
	Failed   State = "failed"   // given up; Finished once its files are moved to failed/
)

// File is one file of a delivery.
type File struct {
	Name      string        // relative to the folder; the bytes that the kernel gives
	ClaimedAs string        // its name when it was claimed, "" = Name; set by Recognised
	ID        file.Identity // when it was claimed, or last recognised
	SHA256    []byte        // of the uploaded content, 32 bytes; nil before the upload
	Dest      string        // path at which it lies now, "" = not moved
}

// Delivery is one post and what the ledger knows of it. Times are kept to the millisecond.
type Delivery struct {
	ID          int64
	Destination string // name of the destination
	Key         string // never changes, so that a destination can know the delivery by it; "" if an older version claimed it
	Folder      string // absolute path of the watched folder
	Kind        media.Kind
	State       State
	Finished    bool   // nothing left to do: filed, or failed and moved away
	Group       string // set by Posting
	Caption     string // set by Posting
	Resource    string // set by Uploaded; cleared by Filed, and by Failed if the post was surely not made
	Reference   string // set by Posted
	Reason      string // why it waits or why it failed, in plain words
	MaybeTwice  bool   // it was posted again after an answer was lost
	Attempts    int    // set by Waits and NotPosted
	SettledAt   time.Time
	ClaimedAt   time.Time
	PostingAt   time.Time // when the post was begun first; zero: never, or by an older version
	UpdatedAt   time.Time // of the last step
	FinishedAt  time.Time // zero: something is left to do
	Files       []File
}

// MayBePosted reports whether the delivery is in failed/ for want of an answer: its post was sent, and nobody knows whether it is
// in the group.
func (d Delivery) MayBePosted() bool {
	return d.State == Failed && (d.Resource != "" || strings.HasPrefix(d.Reason, MayBePosted))
}

// MayBePosted begins the reason of each delivery that failed and may be in the group.
const MayBePosted = "it may have been posted"

// At is when the delivery came to its end, else when its last step was.
func (d Delivery) At() time.Time {
	if d.Finished {
		return d.FinishedAt
	}
	return d.UpdatedAt
}

// Ledger is the durable memory of deliveries. It is safe for concurrent use.
type Ledger struct {
	Reader
	// Beats gets a part, by which the writer shows that it moves: a step that was asked for comes to its end, even if it fails. It is
	// set before Run. May be nil.
	Beats *beat.Board

	lock *os.File
	db   *sql.DB // has one connection, that of w
	w    *writer

	queue   chan change   // never closed, because many send; Run receives
	stop    chan struct{} // closed when no further steps are taken
	ended   chan struct{} // closed when the last step has its answer
	running atomic.Bool   // Run was called, or Close instead of it
	leaving atomic.Bool   // the lock is kept until the process ends
	kept    string        // path of the copy that Open made

	stopOnce  sync.Once
	closeOnce sync.Once
	closeErr  error
}
