package uploader

// What a call that succeeds says of those that wait.

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
