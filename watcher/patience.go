package watcher

import "time"

const (
	// patienceFactor is how many times as long as a pause that was seen a file must be quiet: the next may be longer.
	patienceFactor = 2
	// The quiet time is at most patienceMost settle times; of short settle times patienceShort, as long as that is at most
	// patienceShortCap.
	patienceMost     = 4
	patienceShort    = 10
	patienceShortCap = 10 * time.Second
	// patienceLasts is how many files must be handed over without such a pause before it is forgotten.
	patienceLasts = 50
)

// patience is the quiet time that the files of one folder are given: the settle time, or more where a file was seen to
// grow again after it had been quiet for nearly as long. A scanner that closes its file after each page, and needs 4 s for
// some of them, needs 6 s for another, and a PDF is whole after each. It is pure: no clock, no I/O, no goroutine.
type patience struct {
	settle time.Duration
	pause  time.Duration // the longest one seen; 0: none that matters
	calm   int           // files handed over since one was seen
}

// most is the longest quiet time there is.
func (p *patience) most() time.Duration {
	return max(patienceMost*p.settle, min(patienceShort*p.settle, patienceShortCap))
}

// quiet is how long a file must be quiet.
func (p *patience) quiet() time.Duration {
	return min(max(p.settle, patienceFactor*p.pause), p.most())
}

// learn takes a pause between two writes to one file, and reports whether more patience comes of it. What is longer than
// the most that it can wait is no pause: whoever writes then has begun anew.
func (p *patience) learn(pause time.Duration) (more bool) {
	if patienceFactor*pause <= p.settle || pause > p.most() {
		return false
	}
	before := p.quiet()
	p.pause, p.calm = max(p.pause, pause), 0
	return p.quiet() > before
}

// handed counts a file that was handed over.
func (p *patience) handed() {
	if p.calm++; p.calm >= patienceLasts {
		p.pause, p.calm = 0, 0
	}
}
