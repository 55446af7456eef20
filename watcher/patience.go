package watcher

import "time"

const (
	// patienceFactor is how many times as long as an observed pause a file must be quiet, because the next pause may be
	// longer.
	patienceFactor = 2
	// The quiet time is at most patienceMost settle times. Of short settle times it is at most patienceShort, as long
	// as that is no more than patienceShortCap.
	patienceMost     = 4
	patienceShort    = 10
	patienceShortCap = 10 * time.Second
	// patienceLasts is how many files must be handed over without such a pause until the pause is forgotten.
	patienceLasts = 50
)

// patience gives the quiet time of the files of one folder: the settle time, or more if a file was seen to grow after
// it had been quiet for nearly as long. A scanner that closes its file after each page, and needs 4 s for some pages,
// will need 6 s for another, and its PDF is whole after each page. patience is pure: no clock, no I/O, no goroutine.
type patience struct {
	settle time.Duration
	pause  time.Duration // the longest pause seen; 0: none that matters
	calm   int           // files handed over since a pause was last seen
}

// most is the longest quiet time that patience gives.
func (p *patience) most() time.Duration {
	return max(patienceMost*p.settle, min(patienceShort*p.settle, patienceShortCap))
}

// quiet is how long a file must be quiet.
func (p *patience) quiet() time.Duration {
	return min(max(p.settle, patienceFactor*p.pause), p.most())
}

// learn takes a pause between two writes to one file, and reports whether the quiet time grew with it. A pause longer
// than most does not count: the writer has begun anew.
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
