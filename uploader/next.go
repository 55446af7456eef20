package uploader

import (
	"cmp"
	"slices"
	"time"
)

// Which delivery takes the next step.

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
	if q.posts >= postsFactor*q.maxUploads {
		return nil
	}
	crowds := q.crowds()
	for _, l := range q.turns {
		if l.posting || !q.laneReady(now, l) {
			continue
		}
		if d := q.firstToPost(now, l); d != nil && crowds[l.folder.Group].lets(d) {
			return d
		}
	}
	return nil
}

// firstToPost finds the delivery of l that is the next to be posted: nothing before it may still be posted in its
// place, except what waits after a failure of its own. An album of which some images are shown is the next one.
func (q *queue) firstToPost(now time.Time, l *lane) *delivery {
	active := l.active
	if album := q.albumIn(l); album != nil {
		active = []*delivery{album}
	}
	for _, d := range active {
		switch {
		case d.busy:
			return nil
		case !q.ready(now, &d.pause):
			continue
		case d.stage.isPostsTurn():
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
		d.sent.Store(0)
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

func (q *queue) ready(now time.Time, p *pause) bool {
	if p.over(now) {
		return true
	}
	q.later(p.until)
	return false
}

// later notes that something waits for a time.
func (q *queue) later(at time.Time) {
	if q.wake.IsZero() || at.Before(q.wake) {
		q.wake = at
	}
}
