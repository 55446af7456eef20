package uploader

import (
	"context"
	"sync/atomic"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/hang"
	"kaizala-drop/internal/ledger"
)

// stage is the step of a delivery that is under way, or else the next one. The step's work is in steps.go; what its result leads to is in apply.go.
type stage int

const (
	toClaim    stage = iota // enter it into the ledger
	toUpload                // it is claimed
	toKeep                  // it is uploaded: write the resource down
	toPost                  // its resource is kept
	toFind                  // it may be posted: ask the destination whether it is
	toConfirm               // it is posted: write that down
	toFile                  // it is known to be posted: move it to done/
	toFail                  // it is rejected: move it to failed/
	toWithdraw              // its file changed or went away before it was posted: forget it
	toDivide                // an album that cannot be posted as it is: forget it, for what it is divided into
	toHold                  // its uploads fail, and nothing shows whose fault it is: write that down, and wait
)

// isCall reports whether the step is a call of the destination.
func (s stage) isCall() bool { return s == toUpload || s.isPostsTurn() }

// isPostsTurn reports whether the step is taken in the turn of a post: what was asked for may have to be posted then.
func (s stage) isPostsTurn() bool { return s == toPost || s == toFind }

// isEnd reports whether the calls of the delivery are over: what is left is local.
func (s stage) isEnd() bool {
	switch s {
	case toConfirm, toFile, toFail, toWithdraw:
		return true
	}
	return false
}

// isDecided reports whether it is decided what becomes of the delivery, for a reason that no later trouble replaces.
func (s stage) isDecided() bool {
	switch s {
	case toFail, toWithdraw, toDivide, toHold:
		return true
	}
	return false
}

// isLedgers reports whether the step is one of the ledger alone.
func (s stage) isLedgers() bool {
	switch s {
	case toKeep, toConfirm, toWithdraw, toDivide:
		return true
	}
	return false
}

// facts is what is known of a delivery and needed by its steps, which get a copy. Only the loop's goroutine changes a delivery's.
type facts struct {
	// Its row in the ledger. State, Finished and UpdatedAt stay zero, because stage says how far the delivery is.
	ledger.Delivery
	stage         stage
	known         bool     // to the ledger since an earlier run
	ledgerPosting bool     // the ledger has it as being posted
	ledgerFailed  bool     // the ledger knows that it failed
	unknown       bool     // it may have been posted: an answer to its post was lost, or some of it is there
	shown         []string // the ids of the posts of its files that are there, from the first on
	shownAll      bool     // nothing else of it is there: there is no doubt
	toAsk         bool     // an earlier run left it as not posted: the destination is asked, as the ledger may be an older copy
	noted         bool     // at toHold: the ledger knows why it is held
	note          filing.Note

	renamed   []renamed // files that were found under another name, which the ledger does not know yet
	landed    []bool    // of each file whether an earlier step moved it, and failed only at what comes after
	lookedFor bool      // a file of it that is away may still be found; as of the beginning of its last step
	elsewhere bool      // a file of it was claimed for another destination
	copied    bool      // a file that is away has a copy, which is one too many if that is found
}

// delivery is one post on its way: one file, or the images of an album. Only the loop's goroutine uses it.
type delivery struct {
	facts
	lane  *lane
	busy  bool         // a step is under way
	long  bool         // its upload, the last one begun, is not a small one
	sent  atomic.Int64 // bytes of the upload that is under way, which its step counts
	calls hang.Calls   // of the step that is under way, on the file system
	// hanging says that one of them has not returned for so long that the step no longer holds what others need.
	hanging  bool
	breakOff context.CancelCauseFunc // ends the calls of the destination that the step makes

	doubts     int       // how many answers to its post were lost, in this run
	resumed    bool      // its resource is from an earlier run
	uploadedAt time.Time // when it got its resource, in this run

	search   *search  // what is sent is a part of the album, to find the image that is refused
	culprits int      // images that were refused for good, and found in the album that it was a part of
	division division // at toDivide: what becomes of it

	rival     bool      // another one has, or had, a file of the same name
	away      time.Time // since when a posted file is not where it was
	postBegun time.Time // when its post began first, in this run
	undecided bool      // the destination cannot tell yet whether it is posted

	stumbles      int // how often it failed in the midst of its images while other calls succeeded
	succeededThen int // how many calls had succeeded when it failed last

	pause       pause
	begun       time.Time      // when this run took it up
	since       time.Time      // when its last step began
	gone        bool           // it is withdrawn because its file is not there any more
	passed      passed         // when it failed last
	postedThen  int            // posts of its folder up to then
	hasFailed   bool           // passed and postedThen are valid
	tries       int            // failed calls since it stood aside for others
	passedBy    bool           // something passed since another post was tried for its sake
	blamed      bool           // its last failure counted as its own
	uploads     int            // how often it was uploaded again
	stale       int            // refusals of its post with an old resource, without anybody's word
	sentInVain  int            // uploads in vain whose body had left
	askedInVain int            // that were refused for their headers
	heldTimes   int            // how often it was held since
	heldUntil   time.Time      // at toHold
	notBefore   time.Time      // at toHold, though another upload passes
	successors  []file.Settled // newer files under the names of its own, which settled meanwhile
}

// newDelivery makes a delivery of a settled file. What must not be sent at all is rejected right here.
func newDelivery(l *lane, s file.Settled) *delivery {
	d := &delivery{lane: l}
	d.Folder, d.SettledAt = s.Folder, s.At
	d.Files = []ledger.File{{Name: s.Name, ID: s.ID}}
	t, ok := l.traits.TypeOf(s.Name)
	d.Kind = t.Kind
	switch {
	case !ok:
		d.toFailed(unsupported(s.Name, l.traits))
	case s.Torn != "":
		d.toFailed(truncated(s.Torn))
	case l.traits.IsTooLarge(s.ID.Size):
		d.toFailed(tooLarge(s.ID.Size, l.traits))
	}
	return d
}

// isAlbum reports whether it has several files, which then are images.
func (f *facts) isAlbum() bool { return len(f.Files) > 1 }

// resume makes the delivery that the ledger tells of go on where it was.
func resume(l *lane, known ledger.Delivery) *delivery {
	d := &delivery{lane: l, resumed: known.Resource != ""}
	state, note := known.State, Recall(known, l.traits)
	known.State = ""
	d.facts = facts{Delivery: known, stage: toUpload, known: true}
	_, sendable := l.traits.TypeOf(d.name())
	d.toAsk = l.finds && known.Key != ""
	switch state {
	case ledger.Claimed:
		if !sendable { // an earlier version had claimed it, and was stopped before it gave it up
			d.toFailed(unsupported(d.name(), l.traits))
		}
	case ledger.Uploaded:
		d.stage = d.stageOfPost()
	case ledger.Posting:
		d.stage, d.unknown, d.ledgerPosting = toPost, true, true
		d.stage = d.stageOfPost()
	case ledger.Posted:
		d.stage = toFile
	case ledger.Failed:
		d.stage, d.ledgerFailed, d.unknown = toFail, true, known.Resource != ""
		d.note = note
	}
	return d
}

// stageOfPost is the stage at which it is to be posted: if it may be there, the destination is asked first.
func (d *delivery) stageOfPost() stage {
	if d.toAsk {
		return toFind
	}
	return toPost
}

// isInDoubt reports whether a post of it may be shown that nobody knows of.
func (f *facts) isInDoubt() bool { return f.unknown && !f.shownAll }

// toFailed sends the delivery to failed/.
func (d *delivery) toFailed(n filing.Note) {
	d.stage, d.note, d.Reason = toFail, n, n.Reason
}

// name is that of its file, or of the first of an album.
func (f *facts) name() string { return f.Files[0].Name }

func (f *facts) names() []string {
	names := make([]string, len(f.Files))
	for i := range names {
		names[i] = f.Files[i].Name
	}
	return names
}

// isOpen reports whether it is still to be posted; else only a local end is left.
func (f *facts) isOpen() bool { return !f.stage.isEnd() }

func (f *facts) sums() [][]byte {
	sums := make([][]byte, len(f.Files))
	for i := range sums {
		sums[i] = f.Files[i].SHA256
	}
	return sums
}

// mayBeFiled reports whether a file that is found elsewhere is one of its own: it is in the group, or may be, or has a copy in failed/.
func (f *facts) mayBeFiled() bool { return f.isPosted() || f.unknown || f.copied }

func (f *facts) isPosted() bool { return f.stage == toConfirm || f.stage == toFile }

// resourceFresh is how long after an upload a refused post speaks of the message: later on the service may have forgotten what was uploaded,
// as one that was begun anew.
const resourceFresh = time.Minute

// hasOldResource reports whether a refusal of its post may be about its resource. That is so once: what is uploaded anew is not asked about
// again.
func (d *delivery) hasOldResource() bool {
	return d.stage == toPost && (d.resumed || d.uploads == 0 && !d.uploadedAt.IsZero() && d.since.Sub(d.uploadedAt) > resourceFresh)
}

// uploadsMost is how often a delivery is uploaded again at once; from then on it waits before.
const uploadsMost = 3

// uploadAgain has d uploaded anew: what is refused is its resource, which is of an earlier run, or of no use any more.
func (d *delivery) uploadAgain(now time.Time) news {
	d.stage, d.resumed, d.hasFailed = toUpload, false, false
	if d.uploads++; d.uploads > uploadsMost {
		d.pause.fail(now)
	}
	return newsWaits
}
