// Package view has what the running parts of the daemon show of themselves: values, as of one moment, that nobody changes. They
// are also what the control API sends, so a field keeps its name in JSON and its meaning; new ones may come.
//
// A part answers an Ask between two of its steps and never waits for whoever asked.
package view

import (
	"path"
	"time"
)

// Ask is a question to a part of the daemon. The answer is sent on Answer, which has room for it: nobody waits for its reader.
type Ask[T any] struct {
	// Folder and Name, relative to Folder, narrow the question to one file. Empty: all.
	Folder, Name string
	// Below has Name be the last part of names, wherever they are below Folder.
	Below  bool
	Answer chan<- T
}

// Is reports whether the question is about that folder.
func (a Ask[T]) Is(folder string) bool { return a.Folder == "" || a.Folder == folder }

// IsOf reports whether the question, which is narrowed to one name, is about that one.
func (a Ask[T]) IsOf(name string) bool {
	return name == a.Name || a.Below && path.Base(name) == a.Name
}

// Held is a file, or a name, that is not handed over to be posted.
type Held struct {
	Name   string    `json:"name"` // relative to the folder
	Kind   string    `json:"kind"` // a row of docs/states.md; "settling": nothing but its quiet time is missing
	Reason string    `json:"reason"`
	Advice string    `json:"advice,omitempty"` // what a person can do
	Since  time.Time `json:"since"`
	Next   time.Time `json:"next,omitzero"`  // when it is looked at again; zero: when something happens
	Fails  time.Time `json:"fails,omitzero"` // when it goes to failed/ if it stays as it is; zero: never
	Goes   time.Time `json:"goes,omitzero"`  // when it is handed over if it stays as it is; zero: that is not known
}

// Watched is a folder as its watcher sees it.
type Watched struct {
	Folder  string         `json:"folder"`
	Listed  bool           `json:"listed"`            // it was listed at least once
	Trouble string         `json:"trouble,omitempty"` // why it cannot be listed or watched
	Remote  string         `json:"remote,omitempty"`  // its file system, if changes there bring no event
	Hangs   string         `json:"hangs,omitempty"`   // what on its file system does not answer
	Held    []Held         `json:"held,omitempty"`    // in no order
	Ignored map[string]int `json:"ignored,omitempty"` // how many names each rule is for
	Settled int            `json:"settled,omitempty"` // files that have settled, and that nobody has taken yet
	ListAt  time.Time      `json:"list_at,omitzero"`  // when it is listed again, if nothing happens before
}

// Stage is how far a delivery is.
type Stage string

// The stages of a delivery, in their order. Those from Posted on have nothing left to do but on this machine.
const (
	Pending  Stage = "pending"  // not taken up
	Claimed  Stage = "claimed"  // its upload is next
	Uploaded Stage = "uploaded" // its post is next
	Asking   Stage = "asking"   // it may be posted: the destination is to say whether it is
	HeldBack Stage = "held"     // its uploads fail, and nothing shows why
	Dividing Stage = "dividing" // an album that cannot be posted as it is
	Posted   Stage = "posted"   // its move to done/ is next
	Failing  Stage = "failing"  // its move to failed/ is next
	Leaving  Stage = "leaving"  // its file changed or went away: it is forgotten, and settles anew
)

// Behind is what a delivery waits for.
type Behind string

// What a delivery can wait for.
const (
	BehindNothing     Behind = ""            // its step is under way, or is about to be
	BehindItself      Behind = "itself"      // its last try failed
	BehindOrder       Behind = "order"       // posts of its folder before it
	BehindTurn        Behind = "turn"        // others' uploads, or the calls a minute
	BehindFolder      Behind = "folder"      // files of its folder cannot be moved away, or the folder is not there
	BehindGroup       Behind = "group"       // its group or room refuses
	BehindDestination Behind = "destination" // the destination fails
	BehindDisk        Behind = "disk"        // a file system that does not answer
	BehindOther       Behind = "other"       // a file of it is on its way to another destination
)

// Queued is one post on its way: a file, or the images of an album.
type Queued struct {
	ID      int64     `json:"id,omitempty"` // in the ledger; 0: not there yet
	Name    string    `json:"name"`         // of its first file, relative to the folder
	Names   []string  `json:"names,omitempty"`
	Files   int       `json:"files"`
	Kind    string    `json:"kind"`
	Stage   Stage     `json:"stage"`
	Busy    bool      `json:"busy,omitempty"` // the step of its stage is under way
	Since   time.Time `json:"since"`          // when its files had settled
	Begun   time.Time `json:"begun,omitzero"` // when the step under way began
	Tries   int       `json:"tries,omitempty"`
	Reason  string    `json:"reason,omitempty"`  // why it goes where it goes, or why it waited last
	Trouble string    `json:"trouble,omitempty"` // why its last try failed
	Behind  Behind    `json:"behind,omitempty"`
	Next    time.Time `json:"next,omitzero"`   // when it is tried next at the earliest; zero: as soon as what it is behind is over
	Ahead   int       `json:"ahead,omitempty"` // posts of its folder before it
	Sent    int64     `json:"sent,omitempty"`  // bytes of the upload under way
	Size    int64     `json:"size"`            // bytes
	// MaybePosted says that it may be in the group already: the answer to its post was lost.
	MaybePosted bool `json:"maybe_posted,omitempty"`
	Gone        bool `json:"gone,omitempty"` // nothing lies under its name: it was renamed or deleted meanwhile
}

// Pause says that something is not tried for now.
type Pause struct {
	Reason   string    `json:"reason,omitempty"`
	Advice   string    `json:"advice,omitempty"` // what a person can do
	Since    time.Time `json:"since"`            // the first of the failures
	Failures int       `json:"failures"`
	Until    time.Time `json:"until"`
}

// Lane is a folder as its uploader sees it.
type Lane struct {
	Folder     string   `json:"folder"`
	Target     string   `json:"target"`
	Removed    bool     `json:"removed,omitempty"` // from the configuration: what was claimed is brought to its end
	Group      *Pause   `json:"group,omitempty"`   // its group or room refuses, or the folder is not there
	Filing     *Pause   `json:"filing,omitempty"`  // its files cannot be moved away
	Hangs      string   `json:"hangs,omitempty"`
	Deliveries int      `json:"deliveries"`      // how many there are
	Queue      []Queued `json:"queue,omitempty"` // the first of them: what is only to be moved away, then in the order of its posts
}

// Posting is what one uploader does.
type Posting struct {
	Destination string `json:"destination"`
	Pause       *Pause `json:"pause,omitempty"` // the destination fails
	Lanes       []Lane `json:"lanes"`
	Orphans     int    `json:"orphans,omitempty"` // deliveries whose folder is not there, or not configured
}

// Door is a configured folder, and why it is not served.
type Door struct {
	Folder  string    `json:"folder"`
	Up      bool      `json:"up"`
	Trouble string    `json:"trouble,omitempty"`
	Advice  string    `json:"advice,omitempty"`
	Next    time.Time `json:"next,omitzero"` // when it is tried again
}
