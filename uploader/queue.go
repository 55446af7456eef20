package uploader

import (
	"errors"
	"slices"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
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

	uploading, posts, local int         // steps under way, but for those that hang
	long                    int         // uploads among them that are not small
	steps                   []*delivery // all that are under way
	hung                    []hung      // those that were found hanging since takeHung was called last
	drained                 bool        // nothing more will settle
	passed                  passed
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

// next gives a delivery whose step is to be taken now, marked busy, with the job of the step; or nil.
func (q *queue) next(now time.Time) (*delivery, job) {
	q.wake = time.Time{}
	q.checkHanging(now)
	d := q.nextLocal(now)
	if d == nil && !q.stopping && q.mayCall(now) {
		d = q.nextCall(now)
	}
	if d == nil {
		return nil, job{}
	}
	return d, q.begin(d, now)
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

// later notes that something waits for a time.
func (q *queue) later(at time.Time) {
	if q.wake.IsZero() || at.Before(q.wake) {
		q.wake = at
	}
}

func (q *queue) ready(now time.Time, p *pause) bool {
	if p.over(now) {
		return true
	}
	q.later(p.until)
	return false
}

// begin marks the step of d as under way, lets the next folder have its turn if it is a call, and gives the step's job.
func (q *queue) begin(d *delivery, now time.Time) job {
	d.busy, d.since = true, now
	q.steps = append(q.steps, d)
	if d.begun.IsZero() {
		d.begun = now
	}
	d.lookedFor = q.mayBeFound(now, d)
	j := d.job()
	if d.stage.isCall() || d.stage == toFail && d.ID == 0 {
		j.suspects, _ = d.lane.suspects(d)
	}
	switch d.stage {
	case toUpload:
		j.earlier = d.lane.takeUpload(d)
		q.uploading++
		if d.long = !d.isSmall(); d.long {
			q.long++
		}
	case toPost, toFind:
		if d.postBegun.IsZero() && !d.unknown {
			d.postBegun = now
		}
		q.posts++
		d.lane.posting = true
	default:
		q.local++
		return j
	}
	i := slices.Index(q.turns, d.lane)
	q.turns = append(slices.Delete(q.turns, i, i+1), d.lane)
	return j
}

// localEnd moves d, whose calls are over, to those that wait for their local end.
func (q *queue) localEnd(d *delivery) {
	d.pause.end()
	d.lane.active = slices.DeleteFunc(d.lane.active, func(x *delivery) bool { return x == d })
	d.lane.unfiled = append(d.lane.unfiled, d)
}

// withdraw has d forgotten.
func (q *queue) withdraw(d *delivery, err error) {
	d.lane.keepUpload(d, err)
	d.stage, d.gone = toWithdraw, errors.Is(err, errVanished)
	q.localEnd(d)
}

// giveUp sends d to failed/.
func (q *queue) giveUp(d *delivery, n filing.Note) {
	wasOpen := d.isOpen()
	d.reject(n)
	if wasOpen {
		q.localEnd(d)
	}
}

// leaveAlone forgets a file of d that was filed before. Nothing of d is in the ledger yet.
func (q *queue) leaveAlone(d *delivery, err error) {
	if filed, ok := errors.AsType[*ledger.FiledError](err); ok && d.isAlbum() {
		delete(d.lane.names, d.Files[filed.Position].Name)
		d.Files, d.landed = slices.Delete(d.Files, filed.Position, filed.Position+1), nil
		d.setKind()
		return
	}
	d.lane.active = slices.DeleteFunc(d.lane.active, func(x *delivery) bool { return x == d })
	q.remove(d)
}

// remove forgets d, which has come to its end, and takes up the newer file of its name, if there is one.
func (q *queue) remove(d *delivery) {
	l := d.lane
	l.unfiled = slices.DeleteFunc(l.unfiled, func(x *delivery) bool { return x == d })
	l.disown(d)
	q.succession(d)
	q.forgetIfEmpty(l)
}

// hopeless reports whether all that is left has failed tries times and more: a run that is to end will not wait longer.
func (q *queue) hopeless(tries int) bool {
	if q.pause.failures >= tries+briefTries {
		return true
	}
	for _, l := range q.turns {
		if l.hanging > 0 {
			continue
		}
		for d := range q.all(l) {
			if !d.isHeld() && max(l.pause.failures, d.pause.failures, 2*d.doubts) < tries {
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
