package uploader

import (
	"errors"
	"slices"
	"time"

	"kaizala-drop/internal/file"
)

// The end of a step: its delivery learns what the step has learned, judge says what that means, and apply does what follows.

// outcome is what a step of d ended with.
type outcome struct {
	d *delivery
	result
}

// effects is what follows from a step outside of the queue.
type effects struct {
	d          *delivery
	err        error // how the step ended
	end        end
	handBack   []handBack
	news       []news  // in the order in which it is to be told
	recognised []match // files that turned out to be posted already: to be told after the news
}

// end is how a delivery ended.
type end int

const (
	goesOn    end = iota // it did not end, or it was forgotten because its file settles anew
	delivered            // moved to done/
	failed               // moved to failed/
)

// handBack is a file that is given back to the watcher, to settle anew.
type handBack struct {
	file.Release
	gone bool // it is not there any more: if nobody takes it, nothing is left
}

// onOutcome is all that the end of one step changes: the delivery and the queue, the log, and what is given back. The ledger and the
// files are changed by steps alone: by this one before it returned, and by later ones.
func (l *loop) onOutcome(o outcome) {
	l.queue.ended(o.d, o.result)
	v := judge(o.d, o.result)
	l.carryOut(l.queue.apply(time.Now(), o.d, v, o.err))
}

// carryOut does what follows from a step outside of the queue.
func (l *loop) carryOut(e effects) {
	switch e.end {
	case delivered:
		l.sum.Delivered++
	case failed:
		l.sum.Failed++
	}
	l.handBacks = append(l.handBacks, e.handBack...)
	l.tell(e)
}

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

// apply changes d and the queue as the verdict on the step of d demands, after ended took the step off what is under way. Whatever
// sets a stage or a pause after a step is called from here. What is to be done outside of the queue are the effects.
func (q *queue) apply(now time.Time, d *delivery, v verdict, err error) effects {
	e := effects{d: d, err: err}
	if d.lane.hanging == 0 && swap(&d.lane.hangTold, false) {
		e.tell(newsAnswers)
	}
	was := d.stage
	if err != nil && v != interrupted && !d.stage.isDecided() {
		d.Reason = reasonOf(err)
	}
	d.undecided = v == cannotTellYet
	trouble := q.follow(now, d, v, &e)
	d.lane.awaits = d.lane.awaits && slices.ContainsFunc(d.lane.active, func(other *delivery) bool { return other.elsewhere })
	if d.lane.removed {
		d.lane.dropUnclaimed()
		q.forgetIfEmpty(d.lane)
	}
	e.tell(q.newsOf(now, d, was, trouble, err))
	q.troubleOver(&e, err == nil, was)
	return e
}

// follow carries out the verdict on the step of d. It returns what troubles d, if that may be worth telling.
func (q *queue) follow(now time.Time, d *delivery, v verdict, e *effects) (trouble news) {
	switch v {
	case advance:
		q.advance(now, d, e)
	case foundPosted:
		q.foundPosted(d)
	case withdraw:
		d.lane.keepIfTouched(d, e.err)
		q.withdraw(d, errors.Is(e.err, errVanished))
	case letGo:
		q.letGo(d, e.err)
	case refusedForGood:
		return q.refused(d, e.err)
	case disowned:
		q.giveUp(d, disownedNote(d, e.err))
		e.tell(newsDisowned)
	case filedBefore:
		q.leaveAlone(d, e.err)
		e.tell(newsLeftAlone)
	case uploadAgain:
		return d.uploadAgain(now)
	case uncertain:
		return q.answerLost(now, d, e.err)
	case cannotTell:
		q.cannotTell(d, e.err)
	case elsewhere:
		d.elsewhere = true
		d.pause.fail(now)
		return when(!swap(&d.lane.awaits, true), newsElsewhere)
	case retryFile:
		return q.retryFile(now, d, e.err)
	case retryEnd:
		return q.retryEnd(now, d, e.err)
	case cannotTellYet:
		return d.awaitWord(now, e.err)
	case retryFolder:
		d.letOthers()
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
	d.hasFailed, d.tries, d.sentInVain, d.askedInVain, d.heldTimes = false, 0, 0, 0, 0
	switch d.stage {
	case toClaim:
		d.stage, d.elsewhere = toUpload, false
	case toUpload:
		d.lane.sick.end()
		q.success(d.stage)
		d.uploadedAt = now
		q.uploaded(d)
	case toKeep:
		d.stage = d.stageOfPost()
	case toPost:
		d.lane.sick.end()
		q.success(d.stage)
		q.postSucceeded(d.lane)
		q.posted(d)
	case toFind:
		d.lane.pause.end() // its folder waited for this
		q.success(d.stage)
		d.stage, d.toAsk = toPost, false
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

// tell adds n to what is to be told.
func (e *effects) tell(n news) {
	if n != noNews {
		e.news = append(e.news, n)
	}
}

// learn takes over what a step of d has learned.
func (d *delivery) learn(r result) {
	d.unknown = d.mayBePosted(r)
	d.ledgerPosting = r.ledgerPosting
	d.ledgerFailed = d.ledgerFailed || r.ledgerFailed
	d.MaybeTwice = d.MaybeTwice || r.twice
	if r.id != 0 {
		d.ID, d.Key = r.id, r.key
	}
	if r.resource != "" {
		d.Resource = r.resource
	}
	if r.sent {
		d.Group = r.group
		if d.PostingAt.IsZero() {
			d.PostingAt = d.since
		}
	}
	if r.posted {
		d.Reference = r.reference
	}
	if len(r.shown) > len(d.shown) {
		d.stumbles = 0
	}
	if r.sent || r.absent {
		d.shown, d.shownAll = r.shown, len(r.shown) > 0 && !mayHaveActed(r.err)
	}
	d.renamed = d.renamed[r.recognised:]
	d.learnFiles(r.files)
}

// learnFiles takes over what was found of each file. The ledger must know new looks before the file is moved: what a move that is
// broken off leaves behind is found by the looks of its file.
func (d *delivery) learnFiles(files []found) {
	d.landed = make([]bool, len(files))
	for i, now := range files {
		mine := &d.Files[i]
		if now.sum != nil {
			mine.SHA256 = now.sum
		}
		if now.dest != "" {
			mine.Dest = now.dest
		}
		d.landed[i] = now.landed
		if now.looks == (file.Identity{}) {
			continue
		}
		if !looksSame(now.looks, mine.ID) {
			d.renamed = append(d.renamed, renamed{i, *mine})
		}
		mine.ID = now.looks
	}
}
