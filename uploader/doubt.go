package uploader

import (
	"errors"
	"time"

	"kaizala-drop/internal/destination"
)

// What happens after an answer to a post was lost.

// answerLost deals with a post whose answer was lost. Each one that is held goes to failed/, so after the first its folder
// tries the next with growing pauses: an outage must not empty it.
func (q *queue) answerLost(now time.Time, d *delivery, err error) news {
	_, onWire := errors.AsType[*destination.Error](err)
	switch {
	case q.finds && d.Key != "" && onWire:
		q.retryAll(now, d, err)
		d.stage = toFind
	case d.lane.folder.HoldUnknown && onWire:
		q.pauseAll(now, d, err)
		d.lane.pause.fail(now)
		d.lane.doubted = true
		q.giveUp(d, unknownNote(d, err))
	case d.lane.folder.HoldUnknown:
		q.giveUp(d, unknownNote(d, err))
	case isUnsettled(err) && d.lookedFor:
		q.lookFor(now, d)
		return newsAway
	case isUnsettled(err): // without the file there is nothing to post again
		q.giveUp(d, unknownNote(d, err))
	default:
		q.retryAll(now, d, err)
		d.doubts++
		d.pause.extend(now.Add(doubtPause(d.doubts)))
	}
	return newsOutage
}

// foundPosted has d, which the destination has, go on to its local end.
func (q *queue) foundPosted(d *delivery) {
	d.lane.pause.end() // its folder waited for this
	q.success(d.stage)
	q.posted(d)
}

// cannotTell deals with a post of which the destination cannot say whether it was made. What was never sent in this life of the ledger is
// taken to be new.
func (q *queue) cannotTell(d *delivery, err error) {
	d.toAsk = false
	if d.unknown && d.lane.folder.HoldUnknown {
		q.giveUp(d, unknownNote(d, err))
		return
	}
	d.stage = toPost
}

// awaitWord has the folder wait until the destination can tell whether d is posted.
func (d *delivery) awaitWord(now time.Time, err error) news {
	d.letOthers()
	d.lane.pause.fail(now)
	d.lane.pause.because(err)
	if after := retryAfter(err); after > 0 {
		d.lane.pause.atMost(now.Add(after))
	}
	return newsDoubt
}

// What is posted again may be shown again: a service that takes it and answers with an error makes a message of each try.
const (
	doubtFirst  = 10 * time.Second // after the first answer that was lost
	doubtFactor = 6
	doubtMost   = time.Hour // however many were
	doubtsMost  = 3         // how many are too many, while others are answered
)

// doubtPause is how long a delivery waits after so many answers to its post were lost.
func doubtPause(doubts int) time.Duration {
	wait := doubtFirst
	for range doubts - 1 {
		wait = min(doubtFactor*wait, doubtMost)
	}
	return wait
}
