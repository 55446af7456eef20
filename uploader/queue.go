package uploader

import (
	"time"

	"kaizala-drop/internal/destination"
)

const (
	// maxLocal is how many local steps are under way before no further move is begun. Moves of one folder share their
	// syncs, and commits share theirs, so more at once is cheaper.
	maxLocal = 32
	// linger is how long a posted file waits before it is moved. Those of its folder that are posted meanwhile go with it,
	// and share the syncs.
	linger = 100 * time.Millisecond
	// maxUnfiled is how many deliveries of one folder may wait to be moved away. A folder with more sends nothing more:
	// its done/ or failed/ cannot be written.
	maxUnfiled = 256
	// postsFactor times maxUploads is how many folders may post at once. More than there are connections: a post waits
	// for the ledger before it needs one.
	postsFactor = 2
	// aheadFactor times maxUploads is how many deliveries of one folder may be claimed and not yet posted.
	aheadFactor = 4
)

// queue decides which delivery takes its next step. It is a pure data structure: no clock, no I/O, no goroutine.
//
// Posts go before uploads, folders take turns, posts of one folder go in its order. At most maxUploads uploads are under
// way at once, and one small one more; the destination has a connection more than that, so a post never waits for a long upload.
type queue struct {
	maxUploads  int
	maxAttempts int
	budget      Budget
	traits      destination.Traits
	finds       bool // the destination can be asked for what was posted
	stopping    bool // no more calls: only local ends

	lanes map[string]*lane
	turns []*lane // in the order of their turns
	pause pause   // of the destination

	failing struct{ uploads, posts failing }

	uploading, posts, local int         // steps under way, but for those that hang
	long                    int         // uploads among them that are not small
	steps                   []*delivery // all that are under way
	hung                    []hung      // those that were found hanging since takeHung was called last
	drained                 bool        // nothing more will settle
	passed                  passed
	succeeded               int       // calls that did, also questions
	stoodAside              bool      // what failed last stands aside for another try
	first                   *delivery // it let another post be tried after it, and is to be the next again
	someHeld                bool      // some deliveries are held
	groups                  pause     // of the folders that are unproven: their groups fare alike
	outage                  outage    // what was told of the destination
	wake                    time.Time // when next may find something that it did not find now; zero: no time will help
}

// passed counts the calls that succeeded, of all deliveries.
type passed struct{ uploads, posts int }

// count counts one more call of that stage.
func (p *passed) count(at stage) {
	switch at {
	case toUpload:
		p.uploads++
	case toPost:
		p.posts++
	}
}

// of is how many calls of that stage succeeded.
func (p passed) of(at stage) int {
	switch at {
	case toUpload:
		return p.uploads
	case toPost:
		return p.posts
	}
	return 0
}

func newQueue(maxUploads, maxAttempts int, b Budget, traits destination.Traits) *queue {
	return &queue{traits: traits, maxUploads: maxUploads, maxAttempts: maxAttempts, budget: b, pause: pause{first: pauseBrief}, lanes: map[string]*lane{}}
}

// stop ends the calls. What was posted, and the ledger would not take, is tried once more: with the next start it would
// look as if it may not have been posted.
func (q *queue) stop() {
	q.stopping = true
	for _, l := range q.turns {
		for _, d := range l.unfiled {
			if !d.busy && d.stage == toConfirm {
				d.pause.end()
			}
		}
	}
}

// tryNow ends what waits for the destination and its groups: another account may be let in.
func (q *queue) tryNow(now time.Time) {
	q.pause.tryNow(now)
	q.groups.tryNow(now)
	for _, l := range q.turns {
		l.pause.tryNow(now)
	}
}

// hopeless reports whether all that is left has failed tries times and more: a run that is to end will not wait longer. It does wait for
// a destination that cannot tell yet what is posted: the next run would have to wait as long.
func (q *queue) hopeless(tries int) bool {
	if q.pause.failures >= tries+briefTries {
		return true
	}
	for _, l := range q.turns {
		if l.hanging > 0 {
			continue
		}
		for d := range q.all(l) {
			if !d.isHeld() && (d.undecided || max(l.pause.failures, d.pause.failures, 2*d.doubts) < tries) {
				return false
			}
		}
	}
	return true
}

// counts says how many deliveries are known and how many have a step under way that does not hang.
func (q *queue) counts() (known, busy int) {
	for _, l := range q.turns {
		known += len(l.pending) + len(l.active) + len(l.unfiled)
	}
	return known, q.uploading + q.posts + q.local
}
