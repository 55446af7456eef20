// Package control is how people ask the running daemon: one JSON API over HTTP on a unix socket, and the client of it. Who may
// open the socket may ask everything; who asked for a change is written down. docs/control.md has the calls.
//
// What is asked is answered by a Desk. There are two: the one of the running daemon, and the Client, which asks that one. A
// command that finds no daemon makes a desk of its own, which knows less.
package control

import (
	"context"
	"time"

	"kaizala-drop/internal/view"
)

// Version of the API: the number in its paths. A field keeps its name and its meaning; new ones may come without another number.
const Version = 1

// Desk answers what people ask. Its errors are for people: a *Refusal says that the question is at fault.
type Desk interface {
	// Status is the whole as of now.
	Status(ctx context.Context) (Status, error)
	// Explain tells what is known of the file at an absolute path, wherever that is, and of a name without a folder what is
	// known of files of that name. Its sentences say times by the clock z.
	Explain(ctx context.Context, path string, z Zone) (Story, error)
	// History lists what became of files, the latest first.
	History(ctx context.Context, f Filter) ([]Entry, error)
	// Retry takes failed files back, or files them as posted. by says who asked. The results are those of the files, in their order.
	Retry(ctx context.Context, r Retry, by string) ([]Retried, error)
}

// Refusal is an error that the question is at fault for.
type Refusal struct{ Text string }

func (r *Refusal) Error() string { return r.Text }

// Status is the whole at one moment.
type Status struct {
	API          int           `json:"api"`
	Running      bool          `json:"running"`           // a daemon answered; else a command looked at the ledger
	Unasked      string        `json:"unasked,omitempty"` // why no daemon answered
	Version      string        `json:"version"`
	PID          int           `json:"pid,omitempty"`
	Started      time.Time     `json:"started,omitzero"`
	At           time.Time     `json:"at"`
	StateDir     string        `json:"state_dir"`
	Destinations []Destination `json:"destinations"`
	Folders      []Folder      `json:"folders"`
	Orphans      []Orphans     `json:"orphans,omitempty"`
}

// Orphans are deliveries of which nobody takes care: their folder or their destination is not configured any more.
type Orphans struct {
	Destination string `json:"destination"`
	Folder      string `json:"folder"`
	Deliveries  int    `json:"deliveries"`
}

// Destination is one destination.
type Destination struct {
	Name           string      `json:"name"`
	Service        string      `json:"service"`          // as people call it
	Silent         bool        `json:"silent,omitempty"` // its part of the daemon did not answer in time
	Pause          *view.Pause `json:"pause,omitempty"`
	Notice         string      `json:"notice,omitempty"`           // what a person should look at although files are taken
	Advice         string      `json:"advice,omitempty"`           // what to do about it
	CallsPerMinute float64     `json:"calls_per_minute,omitempty"` // that may be made now; 0: no limit
	CallsLeft      int         `json:"calls_left,omitempty"`       // in the minute that has begun
	Deliveries     int         `json:"deliveries"`                 // under way, or waiting to be
	Uploading      int         `json:"uploading,omitempty"`
}

// Folder is one configured folder.
type Folder struct {
	Path        string        `json:"path"`
	Destination string        `json:"destination"`
	Target      string        `json:"target"`
	Up          bool          `json:"up"`
	Trouble     string        `json:"trouble,omitempty"` // why it is not served, or not as it should be
	Advice      string        `json:"advice,omitempty"`
	Next        time.Time     `json:"next,omitzero"`          // when that is tried again
	Silent      bool          `json:"silent,omitempty"`       // its part of the daemon did not answer in time
	Held        []Reason      `json:"held,omitempty"`         // what is not taken yet, by kind
	Pause       *view.Pause   `json:"pause,omitempty"`        // its group or room refuses
	Filing      *view.Pause   `json:"filing,omitempty"`       // its files cannot be moved away
	Queue       []view.Queued `json:"queue,omitempty"`        // the first of what is under way
	Deliveries  int           `json:"deliveries"`             // under way, or waiting to be
	Ignored     int           `json:"ignored,omitempty"`      // names that rules leave alone
	Failed      int           `json:"failed"`                 // files that lie in failed/
	FailedNames []string      `json:"failed_names,omitempty"` // of the latest of them
	Last        *Entry        `json:"last,omitempty"`         // delivered last
}

// Reason is why files of a folder are not taken yet.
type Reason struct {
	Kind   string    `json:"kind"`   // a row of docs/states.md, or "settling"
	Reason string    `json:"reason"` // of the oldest
	Files  int       `json:"files"`
	Since  time.Time `json:"since"` // of the oldest
	Next   time.Time `json:"next,omitzero"`
	Names  []string  `json:"names"`          // the oldest of them
	Fails  time.Time `json:"fails,omitzero"` // when the first of them goes to failed/ if it stays as it is
	Goes   time.Time `json:"goes,omitzero"`  // when the first of them is posted if it stays as it is
	Late   bool      `json:"late,omitempty"` // a person should look
}

// Filter says which rows of the history are wanted.
type Filter struct {
	Folder string
	Name   string // a part of a name, without regard to case
	State  string // "delivered", "failed", "waiting"; "": all
	Since  time.Time
	Until  time.Time
	Limit  int // 0: all
}

// Entry is one file in the history.
type Entry struct {
	ID          int64     `json:"id"` // of its delivery
	At          time.Time `json:"at"` // when it came to its end, else of its last step
	Settled     time.Time `json:"settled"`
	Folder      string    `json:"folder"`
	Name        string    `json:"name"`
	ClaimedAs   string    `json:"claimed_as,omitempty"` // its name when it was claimed, if that was another one
	Destination string    `json:"destination"`
	Target      string    `json:"target,omitempty"`
	Kind        string    `json:"kind"`
	State       string    `json:"state"`
	Finished    bool      `json:"finished"`
	Reason      string    `json:"reason,omitempty"`
	Reference   string    `json:"reference,omitempty"`
	MaybeTwice  bool      `json:"maybe_twice,omitempty"`
	MaybePosted bool      `json:"maybe_posted,omitempty"` // it failed, and may be in the group all the same
	Dest        string    `json:"dest,omitempty"`         // where it was moved to
	Size        int64     `json:"size"`
	Of          int       `json:"of,omitempty"`     // files of one post, if there are several
	Asked       []Asked   `json:"asked,omitempty"`  // what people asked of it after it had failed, in their order
	Origin      *Asked    `json:"origin,omitempty"` // it had failed before, and this put it back into its folder
}

// Asked is what somebody asked of a failed file (retry).
type Asked struct {
	Delivery int64     `json:"delivery"` // that failed
	What     string    `json:"what"`     // "retry", "as-it-is", "post-again", "post-again, as-it-is", "was-posted"
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	State    string    `json:"state"`            // "asked", "done", or "void": there was nothing to do it with
	Reason   string    `json:"reason,omitempty"` // why it is void
	From     string    `json:"from"`             // where the file lay
	To       string    `json:"to,omitempty"`     // where it was put
	Became   int64     `json:"became,omitempty"` // the delivery that took it up there; 0: none yet
}

// Story is what is known of one file, in plain words.
type Story struct {
	Path    string       `json:"path"`
	Running bool         `json:"running"`
	Unasked string       `json:"unasked,omitempty"` // why no daemon answered
	State   string       `json:"state"`             // one word for programs: see docs/control.md
	Title   string       `json:"title"`             // one sentence
	Lines   []string     `json:"lines,omitempty"`
	Advice  []string     `json:"advice,omitempty"`
	Held    *view.Held   `json:"held,omitempty"`
	Queued  *view.Queued `json:"queued,omitempty"`
	Entries []Entry      `json:"entries,omitempty"` // the latest first
	Files   []Story      `json:"files,omitempty"`   // of a name that several files have: one of each, the one that needs most care first
}

// Retry says which failed files are to be taken back, and how.
type Retry struct {
	Paths     []string  `json:"paths,omitempty"`  // absolute
	Folder    string    `json:"folder,omitempty"` // all failed files of that folder
	Since     time.Time `json:"since,omitzero"`   // only those that failed since then
	AsItIs    bool      `json:"as_it_is,omitempty"`
	PostAgain bool      `json:"post_again,omitempty"`
	WasPosted bool      `json:"was_posted,omitempty"`
}

// Retried is what became of one of them.
type Retried struct {
	Path     string    `json:"path"`
	To       string    `json:"to,omitempty"`        // where it was put
	What     string    `json:"what,omitempty"`      // was done: "retry", "as-it-is", "post-again", "post-again, as-it-is", "was-posted"
	At       time.Time `json:"at,omitzero"`         // when
	By       string    `json:"by,omitempty"`        // who asked for it
	Already  bool      `json:"already,omitempty"`   // that was an earlier request, and nothing was moved to Path since
	NoteLeft string    `json:"note_left,omitempty"` // its note, if somebody has written in it: it is still there
	Gone     bool      `json:"gone,omitempty"`      // it had failed, and is not in failed/ any more: somebody has moved or deleted it
	Error    string    `json:"error,omitempty"`     // why it stays where it is, and what to do
}
