package uploader

import (
	"cmp"
	"slices"
	"time"
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
	stopping    bool // no more calls: only local ends

	lanes map[string]*lane
	turns []*lane // in the order of their turns
	pause pause   // of the destination

	uploading, posting, local int         // steps under way, but for those that hang
	long                      int         // uploads among them that are not small
	steps                     []*delivery // all that are under way
	hung                      []*delivery // those that were found hanging, and that nobody has taken notice of yet
	recognised                []match     // files that were found to be posted already, and that was not told yet
	drained                   bool        // nothing more will settle
	passed                    passed
	stoodAside                bool      // what failed last stands aside for another try
	first                     *delivery // it let another post be tried after it, and is to be the next again
	someHeld                  bool      // some deliveries are held
	groups                    pause     // of the folders that are unproven: their groups fare alike
	wake                      time.Time // when next may find something that it did not find now; zero: no time will help
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

func newQueue(maxUploads, maxAttempts int, b Budget) *queue {
	return &queue{maxUploads: maxUploads, maxAttempts: maxAttempts, budget: b, pause: pause{first: pauseBrief}, lanes: map[string]*lane{}}
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

// nextLocal finds a delivery whose next step needs no call: to be moved or forgotten, or written into the ledger.
func (q *queue) nextLocal(now time.Time) *delivery {
	for _, l := range q.turns {
		for _, d := range l.unfiled {
			if l.mayStep(d) && !l.waitsForSuspects(d) && (q.local < maxLocal || d.stage == toConfirm) && q.ready(now, &d.pause) && !q.lingers(now, d) {
				return d
			}
		}
		for _, d := range l.active {
			if l.mayStep(d) && q.isLocal(d) && q.ready(now, &d.pause) {
				return d
			}
		}
		if d := q.takeUp(l); d != nil {
			return d
		}
	}
	return nil
}

// isLocal reports whether the next step of d, which is taken up, needs no call.
func (q *queue) isLocal(d *delivery) bool {
	return d.stage == toClaim && !q.stopping || d.stage == toKeep || d.stage == toDivide || d.stage == toHold
}

// lingers reports whether d still waits for others to be moved with it.
func (q *queue) lingers(now time.Time, d *delivery) bool {
	if d.stage != toFile || q.stopping || !now.Before(d.lane.moveAt) {
		return false
	}
	q.later(d.lane.moveAt)
	return true
}

// mayCall reports whether the destination may be called at all. While it fails, one call at a time tries it; a long upload
// that began before it failed is none.
func (q *queue) mayCall(now time.Time) bool {
	if q.pause.failures > 0 && slices.ContainsFunc(q.turns, func(l *lane) bool { return l.isProbing(&q.pause) }) {
		return false
	}
	return q.ready(now, &q.pause)
}

// isProbing reports whether a call of l is under way that tries whether what p is about fails still.
func (l *lane) isProbing(p *pause) bool {
	return slices.ContainsFunc(l.active, func(d *delivery) bool {
		return d.busy && !d.hanging && d.stage.isCall() && p.probes(d.since)
	})
}

// nextCall finds the next post or else upload. Every second try of a failing destination is an upload if there is one:
// it shows whether it is only the one post that fails, and cannot disturb the order of the posts. So is the one after an
// upload stood aside, for which a post would take the opportunity to overtake it.
func (q *queue) nextCall(now time.Time) *delivery {
	first, second := q.nextPost, q.nextUpload
	if n := q.pause.failures; n > 0 && (n%2 == 1 || q.stoodAside) && q.first == nil {
		first, second = second, first
	}
	d := first(now)
	if d == nil || q.isRisky(d) {
		d = cmp.Or(second(now), d)
	}
	if d == nil {
		return nil
	}
	if wait := q.budget.Take(now); wait > 0 {
		q.later(now.Add(wait))
		return nil
	}
	return d
}

// isRisky reports whether d is a post of which another doubt would cost something, a message shown twice or a file held, at
// a time when one is likely. Whatever else there is goes first.
func (q *queue) isRisky(d *delivery) bool {
	return q.pause.failures > 0 && d.stage == toPost && (d.unknown || d.lane.folder.HoldUnknown)
}

func (q *queue) nextPost(now time.Time) *delivery {
	if q.posting >= postsFactor*q.maxUploads {
		return nil
	}
	for _, l := range q.turns {
		if l.posting || !q.laneReady(now, l) {
			continue
		}
		if d := q.firstToPost(now, l); d != nil {
			return d
		}
	}
	return nil
}

// firstToPost finds the delivery of l that is the next to be posted: nothing before it may still be posted in its
// place, except what waits after a failure of its own.
func (q *queue) firstToPost(now time.Time, l *lane) *delivery {
	for _, d := range l.active {
		switch {
		case d.busy:
			return nil
		case !q.ready(now, &d.pause):
			continue
		case d.stage == toPost:
			if _, wait := l.suspects(d); wait || l.waitsForRival(d) {
				return nil
			}
			return d
		default:
			return nil
		}
	}
	return nil
}

func (q *queue) nextUpload(now time.Time) *delivery {
	if q.uploading >= q.mostUploads() {
		return nil
	}
	for _, l := range q.turns {
		if !q.laneReady(now, l) {
			continue
		}
		if d := q.firstToUpload(now, l); d != nil && (d.isSmall() || q.long < q.maxUploads) {
			return d
		}
	}
	return nil
}

func (q *queue) firstToUpload(now time.Time, l *lane) *delivery {
	for _, d := range l.active {
		if !d.busy && d.stage == toUpload && q.ready(now, &d.pause) && !l.waitsForRival(d) {
			return d
		}
	}
	return nil
}

// laneReady reports whether calls for l may be made. While its group refuses, or its files cannot be filed, one at a
// time tries it; while its file system hangs, none.
func (q *queue) laneReady(now time.Time, l *lane) bool {
	return l.hanging == 0 && !l.stuck() && !l.isProbing(&l.pause) && q.ready(now, &l.pause) &&
		!l.isProbing(&l.sick) && q.ready(now, &l.sick) && q.groupsReady(now, l)
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
	case toPost:
		if d.postBegun.IsZero() && !d.unknown {
			d.postBegun = now
		}
		q.posting++
		d.lane.posting = true
	default:
		q.local++
		return j
	}
	i := slices.Index(q.turns, d.lane)
	q.turns = append(slices.Delete(q.turns, i, i+1), d.lane)
	return j
}

// ended takes the result of the step that d was at, which is no longer under way.
func (q *queue) ended(d *delivery, r result) {
	if d.hanging {
		d.lane.hanging--
	} else {
		q.free(d)
	}
	d.busy, d.hanging = false, false
	if d.stage == toPost {
		d.lane.posting = false
	}
	q.steps = slices.DeleteFunc(q.steps, func(x *delivery) bool { return x == d })
	d.learn(r)
}

// free gives back what the step of d holds of what all folders share.
func (q *queue) free(d *delivery) {
	switch d.stage {
	case toUpload:
		q.uploading--
		if d.long {
			q.long--
		}
	case toPost:
		q.posting--
	default:
		q.local--
	}
}

// localEnd moves d, whose calls are over, to those that wait for their local end.
func (q *queue) localEnd(d *delivery) {
	d.pause.end()
	d.lane.active = slices.DeleteFunc(d.lane.active, func(x *delivery) bool { return x == d })
	d.lane.unfiled = append(d.lane.unfiled, d)
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
	return known, q.uploading + q.posting + q.local
}
