package uploader

import (
	"time"

	"kaizala-drop/internal/hang"
)

// A step whose call on the file system does not return holds up no folder but its own. It leaves the counts that all folders
// share, and its folder gets no step that touches the file system until the call has returned.

// checkHanging finds the steps that hang by now.
func (q *queue) checkHanging(now time.Time) {
	for _, d := range q.steps {
		if d.hanging {
			continue
		}
		at := d.hangsAt(now)
		if now.Before(at) {
			q.later(at)
			continue
		}
		d.hanging = true
		d.lane.hanging++
		q.free(d)
		q.noteHung(d)
	}
}

// hung is a step that was found hanging.
type hung struct {
	d *delivery
	// breakOff says that its call of the destination is to be ended. That of an upload is, because it holds a connection. That of a
	// post is not: what hangs is the look before the post, and a post that is broken off a moment later leaves a doubt.
	breakOff bool
	tell     bool      // that its file system hangs, which was not told yet
	call     hang.Call // that hangs
}

// noteHung notes that the step of d was found hanging.
func (q *queue) noteHung(d *delivery) {
	call, ok := d.calls.First() // else it has just returned
	tell := ok && !swap(&d.lane.hangTold, true)
	q.hung = append(q.hung, hung{d: d, breakOff: d.stage == toUpload, tell: tell, call: call})
}

// hangsAt is when the step that is under way counts as hanging, or is to be looked at again.
func (d *delivery) hangsAt(now time.Time) time.Time {
	if sure := d.since.Add(hang.Bound); now.Before(sure) { // no call can have begun before its step
		return sure
	}
	call, ok := d.calls.First()
	if !ok {
		return now.Add(hang.Bound)
	}
	return call.HangsAt()
}

// takeHung gives the steps that were found hanging since it was asked last.
func (q *queue) takeHung() []hung {
	found := q.hung
	q.hung = nil
	return found
}

// mayStep reports whether the next step of d may be taken: it has none under way, and it does not touch a file system
// that hangs.
func (l *lane) mayStep(d *delivery) bool { return !d.busy && (l.hanging == 0 || d.stage.isLedgers()) }

// left are the calls on file systems that have not returned.
func (q *queue) left() (calls []hang.Call) {
	for _, d := range q.steps {
		if call, ok := d.calls.First(); ok {
			calls = append(calls, call)
		}
	}
	return calls
}
