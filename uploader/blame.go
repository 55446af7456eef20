package uploader

import (
	"fmt"
	"slices"
	"time"
)

// Who waits after a failure of the destination, and which delivery is to blame when the others succeed.

// asideTries is how often in a row an upload is tried before another one is.
const asideTries = 3

const (
	staleTries    = 3              // how often an old resource is refused before the file is uploaded again
	stubbornTries = 6 + briefTries // how many calls fail in a row before another post is tried
	stubbornEvery = 8              // after how many more another one is tried again
	postTries     = 10             // how often in a row a post is tried before another one is, if uploads pass
	secondAfter   = pauseBrief     // how long after a post that failed so often the other one is tried
	secondMost    = time.Minute    // how long the first waits for the other one at most
)

// retryFile has d wait alone; the others go on.
func (q *queue) retryFile(now time.Time, d *delivery, err error) news {
	d.letOthers()
	d.pause.fail(now)
	d.pause.because(err)
	if !isBlameless(err) && !q.setAside(d, err) {
		q.countAgainst(d, err)
	}
	return newsWaits
}

// retry has the folder wait after a failure that is the folder's or its group's.
func (l *lane) retry(now time.Time, err error) news {
	if isForAll(err) {
		l.becameUnfilable(now, err)
		return newsUnfilable
	}
	l.pause.fail(now)
	l.pause.because(err)
	l.pause.obey(now.Add(retryAfter(err)))
	if l.pause.failures > 1 {
		return newsWaits
	}
	return newsGroupRefuses
}

// unproven deals with a refusal of d without anybody's word. What is refused may be its old resource. The file is
// uploaded again once other posts pass, and after staleTries even if none does, because that costs nothing.
func (q *queue) unproven(now time.Time, d *delivery, err error) news {
	if d.hasOldResource() {
		if d.stale++; d.stale >= staleTries || q.failsAlone(d) {
			q.pauseAll(now, d, err)
			q.letFirstAgain(now)
			d.uploadAgain(now)
			return newsOutage
		}
	}
	return q.retryAll(now, d, err)
}

// retryAll has everything wait, because the fault counts as the destination's as long as nothing else gets through. d keeps its
// place in the order of the posts, unless it is answered with errors again and again.
func (q *queue) retryAll(now time.Time, d *delivery, err error) news {
	q.pauseAll(now, d, err)
	q.stumble(d)
	d.tries++
	wasSecond := q.letFirstAgain(now)
	q.stoodAside = false
	switch {
	case !q.isDue(d, err) || !q.hasOther(d):
	case d.stage == toPost && !q.othersPass(d) && !wasSecond && !mayHaveActed(err):
		q.second(now, d)
	default:
		q.standAside(now, d)
	}
	if !isTheirs(err) {
		q.countAgainst(d, err)
	}
	q.inVain(now, d, err)
	return newsOutage
}

// isDue reports whether another delivery is to be tried after a failure of d. It is if something gets through, because d may then
// be to blame, and else now and then. An upload that passes says little of a post.
func (q *queue) isDue(d *delivery, err error) bool {
	something := d.hasFailed && q.passed != d.passed
	d.passedBy = d.passedBy || something
	switch {
	case q.othersPass(d):
		return true
	case d.stage == toUpload:
		return something || d.tries >= asideTries
	case mayBeItsOwn(err):
		return q.pause.failures >= stubbornTries && q.pause.failures%stubbornEvery == 0
	}
	return d.passedBy && d.tries >= postTries
}

// othersPass reports whether calls of its kind got through since d failed last.
func (q *queue) othersPass(d *delivery) bool {
	return d.hasFailed && d.stage.isCall() && q.passed.of(d.stage) != d.passed.of(d.stage)
}

// standAside has d wait until another delivery was tried.
func (q *queue) standAside(now time.Time, d *delivery) {
	q.stoodAside, d.tries = true, 0
	d.pause.fail(now)
	d.pause.extend(now.Add(2 * q.pause.until.Sub(now)))
}

// second has another post tried right after d, and then d first again. So the order of the posts is kept if it was an outage
// that ends now.
func (q *queue) second(now time.Time, d *delivery) {
	soon := now.Add(secondAfter)
	if q.pause.asked.After(soon) {
		soon = q.pause.asked
	}
	q.stoodAside, q.first, d.tries, d.passedBy = true, d, 0, false
	q.pause.until = soon
	d.pause.extend(soon.Add(secondMost))
}

// letFirstAgain ends the pause of the one that let another one be tried, and reports whether there was one.
func (q *queue) letFirstAgain(now time.Time) bool {
	if q.first == nil {
		return false
	}
	q.first.pause.until = now
	q.first = nil
	return true
}

// pauseAll has everything wait after a failure of d.
func (q *queue) pauseAll(now time.Time, d *delivery, err error) {
	q.pause.obey(now.Add(retryAfter(err)))
	since := q.failingAt(d.stage).fail(now)
	if q.pause.failures == 0 || q.pause.probes(d.since) { // else it was under way when another one failed
		q.pause.fail(now)
		q.pause.failedFirst = earliest(q.pause.failedFirst, since)
		q.pause.because(err)
	}
}

// hasOther reports whether another delivery than d can be tried when the destination is tried next.
func (q *queue) hasOther(d *delivery) bool {
	next := q.pause.until
	return slices.ContainsFunc(q.turns, func(l *lane) bool {
		return l.pause.over(next) && slices.ContainsFunc(l.active, func(other *delivery) bool {
			return other != d && !other.busy && other.stage.isCall() && other.pause.over(next)
		})
	})
}

// failsAlone reports whether others got through since d failed last, with calls of the same kind: where uploads work and
// actions do not, no post is to blame; nor is it where those of its group do not.
func (q *queue) failsAlone(d *delivery) bool {
	if d.stage == toPost {
		return d.hasFailed && d.lane.posted > d.postedThen
	}
	return q.othersPass(d)
}

// countAgainst counts a failure as one of d's own, if other deliveries got through since its last one. One that fails
// maxAttempts times in this way is poison, and refused; an album is tried again in two halves, or one by one if it is its
// message that fails.
func (q *queue) countAgainst(d *delivery, err error) {
	if d.blamed = q.failsAlone(d); d.blamed {
		d.Attempts++
	}
	d.hasFailed, d.passed, d.postedThen = true, q.passed, d.lane.posted
	most := q.maxAttempts
	if d.unknown && !q.finds {
		most = min(most, doubtsMost)
	}
	switch {
	case d.Attempts < most:
	case d.unknown:
		q.giveUp(d, unknownNote(d, err))
	case d.isAlbum() && d.stage == toPost:
		q.singly(d)
	case d.isAlbum():
		q.halve(d)
	default:
		n := noteOf(d, err)
		n.Reason = fmt.Sprintf("it failed %d times while other files went through: %s", d.Attempts, n.Reason)
		q.giveUp(d, n)
	}
}
