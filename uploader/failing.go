package uploader

import "time"

// failing is since when calls of one kind fail, with none of that kind that passed in between: an upload that passes ends the pause,
// and says nothing of the posts. It is shown, and decides nothing.
type failing struct{ first, last time.Time }

// failingGap is how long after a failure another one is no longer the same trouble.
const failingGap = 3 * pauseMost

// fail notes a failure, and returns since when there are such.
func (f *failing) fail(now time.Time) time.Time {
	if f.first.IsZero() || now.Sub(f.last) > failingGap {
		f.first = now
	}
	f.last = now
	return f.first
}

// failingAt is that of the calls of a stage.
func (q *queue) failingAt(at stage) *failing {
	if at == toUpload {
		return &q.failing.uploads
	}
	return &q.failing.posts
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
