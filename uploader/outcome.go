package uploader

import (
	"errors"
	"slices"
	"time"

	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/ledger"
)

// settle applies the verdict on d's last step to d and to the queue. It only decides; telling and the next step's work
// are the callers'.
func (q *queue) settle(now time.Time, d *delivery, v verdict, err error) {
	if v != advance && v != interruptedBy {
		d.Reason = reasonOf(err)
	}
	switch {
	case v == advance, v == disowned, v == filedBefore, v == knownAgain:
	case !d.isOpen():
		v = retryFile // its end is local: whatever failed is tried again until it works
	case v == interruptedBy && !q.stopping:
		v = retryAll // nobody interrupted it
	}
	switch v {
	case advance:
		q.advance(now, d)
	case withdraw:
		d.lane.keepUpload(d, err)
		d.stage = toWithdraw
		q.localEnd(d)
	case letGo:
		q.letGo(d, err)
	case refused:
		q.refused(d, err)
	case disowned:
		q.giveUp(d, disownedNote(d, err))
	case filedBefore:
		q.leaveAlone(d, err)
	case uploadAgain:
		d.stage, d.resumed, d.failedAt = toUpload, false, false
	case uncertain:
		q.lost(now, d, err)
	case retryFile:
		q.retryFile(now, d, err)
	case retryFolder:
		if isForAll(err) {
			d.lane.becameUnfilable(now)
			break
		}
		d.lane.pause.fail(now)
		d.lane.pause.obey(now.Add(retryAfter(err)))
	case unprovenFolder:
		q.unprovenFolder(now, d, err)
	case unproven:
		q.unproven(now, d, err)
	case retryAll:
		q.retryAll(now, d, err)
	case knownAgain:
		found, _ := errors.AsType[sameAs](err)
		q.consume(now, d, found)
	case interruptedBy:
	}
	if d.lane.removed {
		d.lane.dropUnclaimed()
		q.forgetIfEmpty(d.lane)
	}
}

// refused deals with what the service will never take. What it may have taken before is neither refused nor divided.
func (q *queue) refused(d *delivery, err error) {
	switch {
	case d.unknown:
		q.giveUp(d, unknownNote(d, err))
	case d.isAlbum():
		q.refusedAlbum(d, err)
	default:
		d.Attempts++
		q.giveUp(d, noteOf(d, err))
	}
}

// leaveAlone forgets a file of d that was filed before. Nothing of d is in the ledger yet.
func (q *queue) leaveAlone(d *delivery, err error) {
	if filed, ok := errors.AsType[*ledger.FiledError](err); ok && d.isAlbum() {
		delete(d.lane.names, d.Files[filed.Position].Name)
		d.Files = slices.Delete(d.Files, filed.Position, filed.Position+1)
		d.setAction()
		return
	}
	d.lane.active = slices.DeleteFunc(d.lane.active, func(x *delivery) bool { return x == d })
	q.remove(d)
}

// giveUp sends d to failed/.
func (q *queue) giveUp(d *delivery, n filing.Note) {
	wasOpen := d.isOpen()
	d.refuse(n)
	if wasOpen {
		q.localEnd(d)
	}
}

// advance moves d on after a step that succeeded.
func (q *queue) advance(now time.Time, d *delivery) {
	if d.stage == toHold {
		q.held(now, d)
		return
	}
	d.pause.end()
	d.failedAt, d.tries, d.sent, d.asked, d.heldTimes = false, 0, 0, 0, 0
	switch d.stage {
	case toClaim:
		d.stage = toUpload
	case toKeep:
		d.stage = toPost
	case toUpload:
		d.lane.sick.end()
		q.success(d.stage)
		q.uploaded(d)
	case toPost:
		d.lane.sick.end()
		q.success(d.stage)
		q.postSucceeded(d.lane)
		d.stage, d.Reason, d.away = toConfirm, "", time.Time{}
		q.localEnd(d)
	case toConfirm:
		d.stage = toFile
		if l := d.lane; !now.Before(l.moveAt) {
			l.moveAt = now.Add(linger)
		}
	case toDivide:
		q.replace(d)
	default:
		q.remove(d)
	}
}

// uploaded moves d on after an upload: of all of it, or of the part that its search asked for.
func (q *queue) uploaded(d *delivery) {
	switch {
	case d.search == nil:
		d.stage, d.Reason = toKeep, ""
	case d.search.taken():
		q.searched(d)
	}
}

// success ends what was held up by failures: a call went through. Those that only stood aside for another try take their
// places again.
func (q *queue) success(at stage) {
	q.passed.count(at)
	q.first = nil       // its pause ends below
	if at == toUpload { // what is held could not be uploaded
		q.releaseHeld()
	}
	if !q.pause.end() {
		return
	}
	for _, l := range q.turns {
		for _, waiting := range l.active {
			if !waiting.busy && !waiting.blamed && !waiting.unknown && !waiting.isHeld() { // the next doubt about that is to come late
				waiting.pause.end()
			}
		}
	}
}

// postSucceeded ends what l waits for, which no upload does: that tells nothing of the group. And a post that is answered
// says that answers to posts come again.
func (q *queue) postSucceeded(l *lane) {
	l.posted++
	l.pause.end()
	q.groupsPass()
	for _, other := range q.turns {
		if other.doubted {
			other.pause.end()
			other.doubted = false
		}
		for _, d := range other.active {
			if !d.busy && d.unknown {
				d.pause.end()
			}
		}
	}
}

// lost deals with an action whose answer was lost. Each one that is held goes to failed/, so after the first its folder
// tries the next with growing pauses: an outage must not empty it.
func (q *queue) lost(now time.Time, d *delivery, err error) {
	_, onWire := errors.AsType[*kaizala.Error](err)
	switch {
	case d.lane.folder.HoldUnknown && onWire:
		q.failAll(now, d, err)
		d.lane.pause.fail(now)
		d.lane.doubted = true
		q.giveUp(d, unknownNote(d, err))
	case d.lane.folder.HoldUnknown:
		q.giveUp(d, unknownNote(d, err))
	case isLost(err) && d.lookedFor:
		q.lookFor(now, d)
	case isLost(err): // without the file there is nothing to post again
		q.giveUp(d, unknownNote(d, err))
	default:
		q.retryAll(now, d, err)
		d.doubts++
		d.pause.extend(now.Add(doubtPause(d.doubts)))
	}
}

// retryFile has d wait alone; the others go on.
func (q *queue) retryFile(now time.Time, d *delivery, err error) {
	if !d.isOpen() {
		q.retryMove(now, d, err)
		return
	}
	d.pause.fail(now)
	if !isBlameless(err) && !q.setAside(d, err) {
		q.attempt(d, err)
	}
}
