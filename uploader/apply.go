package uploader

import (
	"slices"
	"time"

	"kaizala-drop/internal/file"
)

// The end of a step: its delivery learns what the step has learned, judge says what that means, and apply does what follows.

// ended takes the result of the step of d, which is no longer under way.
func (q *queue) ended(d *delivery, r result) {
	if d.hanging {
		d.lane.hanging--
	} else {
		q.free(d)
	}
	d.busy, d.hanging = false, false
	if d.stage.isPostsTurn() {
		d.lane.posting = false
	}
	q.steps = slices.DeleteFunc(q.steps, func(x *delivery) bool { return x == d })
	d.learn(r)
}

// free takes the step of d out of the counts that all folders share.
func (q *queue) free(d *delivery) {
	switch d.stage {
	case toUpload:
		q.uploading--
		if d.long {
			q.long--
		}
	case toPost, toFind:
		q.posts--
	default:
		q.local--
	}
}

// apply changes d and the queue as the verdict on the step of d demands. Nothing else changes the queue after a step. What is to
// be done outside of the queue are the effects.
func (q *queue) apply(now time.Time, d *delivery, v verdict, err error) effects {
	e := effects{d: d, err: err}
	if d.lane.hanging == 0 && swap(&d.lane.hangTold, false) {
		e.tell(newsAnswers)
	}
	was := d.stage
	if err != nil && v != interrupted && !d.stage.isDecided() {
		d.Reason = reasonOf(err)
	}
	trouble := q.follow(now, d, v, &e)
	d.lane.awaits = d.lane.awaits && slices.ContainsFunc(d.lane.active, func(other *delivery) bool { return other.elsewhere })
	if d.lane.removed {
		d.lane.dropUnclaimed()
		q.forgetIfEmpty(d.lane)
	}
	e.tell(q.worthTelling(now, d, was, trouble, err))
	q.troubleOver(&e, err == nil, was)
	return e
}

// follow carries out the verdict on the step of d. It returns what troubles d, if that may be worth telling.
func (q *queue) follow(now time.Time, d *delivery, v verdict, e *effects) (trouble news) {
	switch v {
	case advance:
		q.advance(now, d, e)
	case foundPosted:
		q.success(d.stage)
		q.posted(d)
	case withdraw:
		q.withdraw(d, e.err)
	case letGo:
		q.letGo(d, e.err)
	case rejected:
		return q.reject(d, e.err)
	case disowned:
		q.giveUp(d, disownedNote(d, e.err))
		e.tell(newsDisowned)
	case filedBefore:
		q.leaveAlone(d, e.err)
		e.tell(newsLeftAlone)
	case uploadAgain:
		d.uploadAgain()
		return newsWaits
	case uncertain:
		return q.lost(now, d, e.err)
	case elsewhere:
		d.elsewhere = true
		d.pause.fail(now)
		return when(!swap(&d.lane.awaits, true), newsElsewhere)
	case retryFile:
		return q.retryFile(now, d, e.err)
	case retryEnd:
		return q.retryEnd(now, d, e.err)
	case retryFolder:
		return d.lane.retry(now, e.err)
	case unprovenFolder:
		return q.unprovenFolder(now, d, e.err)
	case unproven:
		return q.unproven(now, d, e.err)
	case retryAll:
		return q.retryAll(now, d, e.err)
	case knownAgain:
		return q.consume(now, d, e)
	case interrupted:
		if !q.stopping { // nobody interrupted it
			q.retryAll(now, d, e.err)
		}
	}
	return noNews
}

// advance moves d on after a step that succeeded.
func (q *queue) advance(now time.Time, d *delivery, e *effects) {
	if d.stage == toHold {
		q.held(now, d)
		return
	}
	d.pause.end()
	d.failedAt, d.tries, d.sent, d.asked, d.heldTimes = false, 0, 0, 0, 0
	switch d.stage {
	case toClaim:
		d.stage, d.elsewhere = toUpload, false
	case toUpload:
		d.lane.sick.end()
		q.success(d.stage)
		q.uploaded(d)
	case toKeep:
		d.stage = toPost
	case toPost:
		d.lane.sick.end()
		q.success(d.stage)
		q.postSucceeded(d.lane)
		q.posted(d)
	case toFind:
		q.success(d.stage)
		d.stage = toPost
	case toConfirm:
		d.stage = toFile
		if l := d.lane; !now.Before(l.moveAt) {
			l.moveAt = now.Add(linger)
		}
	case toFile, toFail, toWithdraw:
		q.remove(d)
		e.ends(d)
	case toDivide:
		q.replace(d)
		e.divides(d)
	}
}

// posted has d, which is known to be posted, go on to its local end.
func (q *queue) posted(d *delivery) {
	d.stage, d.Reason, d.away = toConfirm, "", time.Time{}
	q.localEnd(d)
}

// divide has d, an album that was surely not posted, replaced by what it is divided into.
func (q *queue) divide(d *delivery, into division) {
	into.posts = slices.DeleteFunc(into.posts, func(p []int) bool { return len(p) == 0 })
	d.stage, d.division, d.search = toDivide, into, nil
	d.pause.end()
}

// tell adds n to what is to be told.
func (e *effects) tell(n news) {
	if n != noNews {
		e.news = append(e.news, n)
	}
}

// ends says that d has come to its end. Files are handed back only now that d is forgotten. Before, one that settles anew in the
// very state in which d took it up (moved away and back, its share away for a moment) would be taken for the one that is known.
func (e *effects) ends(d *delivery) {
	switch d.stage {
	case toFile:
		e.end = delivered
		e.tell(newsDelivered)
	case toFail:
		e.end = failed
		e.tell(newsFailed)
	case toWithdraw:
		if !d.elsewhere || !d.gone { // else it went where it was claimed
			e.tell(newsNotPosted)
		}
		for _, f := range d.Files {
			e.handBack = append(e.handBack, handBack{file.Release{Folder: d.Folder, Name: f.Name}, d.gone})
		}
	}
}

// divides says that d was divided, and hands back the images that left it. If some were posted already, consume tells that.
func (e *effects) divides(d *delivery) {
	if !d.division.known {
		e.tell(newsDivided)
	}
	for _, out := range d.division.left {
		e.handBack = append(e.handBack, handBack{file.Release{Folder: d.Folder, Name: d.Files[out.index].Name}, out.gone})
	}
}

// worthTelling returns what is to be told of a trouble of d, whose stage was another before its step ended. Where d goes says more
// than what troubled it. Of a trouble that lasts only the beginning is told.
func (q *queue) worthTelling(now time.Time, d *delivery, was stage, trouble news, err error) news {
	switch {
	case trouble == noNews, d.stage == toDivide, d.stage == toFail && was != toFail: // told when that is done
		return noNews
	case d.stage == toHold && was != toHold:
		return when(!d.blamed || d.heldTimes <= 1, newsHeld)
	}
	switch trouble {
	case newsAway:
		return when(d.pause.failures == 1, newsAway)
	case newsWaits:
		return when(d.pause.failures == 1 || d.pause.failures > 0 && d.pause.failures%10 == 0, newsWaits)
	case newsUnfilable:
		return when(!swap(&d.lane.sickTold, true), newsUnfilable)
	case newsOutage:
		return q.outageBegins(now, was, err)
	case newsGroups:
		return q.groupsOutageBegins()
	}
	return trouble
}

// when returns n if it is to be told.
func when(is bool, n news) news {
	if is {
		return n
	}
	return noNews
}

// swap sets a flag and returns what it was.
func swap(flag *bool, to bool) (was bool) {
	was, *flag = *flag, to
	return was
}

// troubleOver tells that a trouble of the destination or of the folder is over, if it was told. The step that ended was at the
// stage was.
func (q *queue) troubleOver(e *effects, succeeded bool, was stage) {
	known, _ := q.counts()
	if q.outage.told && (succeeded && was == q.outage.at || known == 0) {
		q.outage.told = false
		e.tell(newsOutageOver)
	}
	l := e.d.lane
	if l.sickTold && l.sick.failures == 0 && !slices.ContainsFunc(l.unfiled, (*delivery).cannotBeMoved) {
		l.sickTold = false
		e.tell(newsFilableAgain)
	}
}
