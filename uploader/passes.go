package uploader

// What ends when a call succeeds.

// success ends what was held up by failures of the destination. Deliveries that only stood aside for another try take their
// places again.
func (q *queue) success(at stage) {
	q.passed.count(at)
	q.succeeded++
	*q.failingAt(at) = failing{}
	q.first = nil       // its pause ends below
	if at == toUpload { // what is held could not be uploaded
		q.releaseHeld()
	}
	if !q.pause.end() {
		return
	}
	for _, l := range q.turns {
		for _, waiting := range l.active {
			if !waiting.busy && !waiting.blamed && (!waiting.unknown || waiting.stage == toFind) && !waiting.isHeld() { // the next doubt about that is to come late
				waiting.pause.end()
			}
		}
	}
}

// postSucceeded ends what l waits for; an upload does not, because it says nothing of the group. As answers to posts come again,
// it also ends what waits after an answer that was lost.
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
