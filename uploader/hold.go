package uploader

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kaizala-drop/internal/destination"
)

// A file that cannot be uploaded, while nothing shows whose fault that is, must not be sent for ever: it may cost much, and nobody
// would hear of it. It is held, with a warning. It is tried again as soon as another upload passes, at the next start, and else at
// long intervals.

const (
	sentMost  = 3                // uploads in vain whose body had left
	askedMost = 8                // that were refused for their headers, and cost nothing
	lastTry   = 20 * time.Second // at least so long passes before the last of sentMost
	heldLook  = 5 * time.Minute  // between two looks whether a file that is held is still there
	cheap     = 8 << 20          // bytes: what may be sent in vain every hour
)

// holdPause is how long a delivery is held the nth time, from 1 on.
func holdPause(nth int, isCheap bool) time.Duration {
	steps := []time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour}
	if isCheap {
		steps = []time.Duration{15 * time.Minute, time.Hour}
	}
	return steps[min(nth, len(steps))-1]
}

// hold has d wait for long, or for another upload to pass. The more often it failed while others passed, the longer it waits all the
// same.
func (q *queue) hold(now time.Time, d *delivery, err error) {
	d.heldTimes++
	d.heldUntil = now.Add(max(holdPause(d.heldTimes, d.bytes() <= cheap || d.sentInVain < sentMost), retryAfter(err)))
	d.notBefore = now
	if d.blamed {
		d.notBefore = now.Add(min(pauseFirst<<min(d.Attempts, 10), pauseMost))
	}
	d.Reason = heldReason(d, err)
	d.stage, d.noted = toHold, false
	d.pause.end()
	q.someHeld = true
}

// heldReason says in plain words what is known, and no more.
func heldReason(d *delivery, err error) string {
	what := fmt.Sprintf("%d uploads of it failed, and none passed that would show whether it is to blame", max(d.sentInVain, d.askedInVain))
	if d.blamed {
		what = fmt.Sprintf("its upload failed %d times while others passed", d.Attempts)
	}
	return fmt.Sprintf("held: %s; %s itself does not say why (the last: %s); it is tried again once another upload passes, "+
		"at the next start, or at %s", what, d.lane.traits.Name, reasonOf(err), d.heldUntil.Format("2006-01-02 15:04 MST"))
}

// held goes on after a look at d, which is held.
func (q *queue) held(now time.Time, d *delivery) {
	d.noted = true
	d.pause.end()
	if !now.Before(d.heldUntil) {
		d.stage = toUpload
		return
	}
	d.pause.fail(now)
	d.pause.extend(now.Add(min(heldLook, d.heldUntil.Sub(now))))
}

// releaseHeld has everything that is held tried again.
func (q *queue) releaseHeld() {
	if !q.someHeld {
		return
	}
	q.someHeld = false
	for _, l := range q.turns {
		for _, d := range l.active {
			d.letGoOn()
		}
	}
}

// letGoOn has d tried again now, if it is held.
func (d *delivery) letGoOn() {
	if d.stage == toHold {
		d.heldUntil = d.notBefore
		d.pause.end()
	}
}

// bytes is how many an upload of d sends.
func (d *delivery) bytes() int64 { return bytesOf(d.toSend()) }

// hold writes down why the delivery is held, and looks whether its files are still there. What is gone or was replaced is not held
// any longer.
func (w *work) hold(ctx context.Context) error {
	if err := w.unchanged(); err != nil && isUnsettled(err) {
		return err
	}
	if w.job.noted {
		return nil
	}
	return inLedger(w.u.Ledger.Waits(ctx, w.job.ID, w.job.Attempts, w.job.Reason))
}

// isHeld reports whether d is held: nobody who waits for the end of a run should wait for that.
func (d *delivery) isHeld() bool { return d.stage == toHold }

// inVain counts an upload of d that failed without the service's word while nothing else passed, and holds d when there
// were too many of them. From then on it is also held between failures that others' passing shows to be its own.
func (q *queue) inVain(now time.Time, d *delivery, err error) {
	answer, onWire := errors.AsType[*destination.Error](err)
	if !onWire || d.stage != toUpload || isTheirs(err) {
		return
	}
	switch {
	case d.blamed:
	case answer.BodySent && (!answer.Answered || answer.OfItself || d.bytes() > cheap):
		d.sentInVain++
	case answer.Fault == destination.OfFile:
		d.askedInVain++
	default:
		return
	}
	switch {
	case d.sentInVain >= sentMost || d.askedInVain >= askedMost:
		q.hold(now, d, err)
	case d.sentInVain == sentMost-1 && !d.blamed:
		d.pause.extend(now.Add(lastTry))
	}
}
