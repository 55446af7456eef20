package watcher

import "time"

const (
	// patienceFactor is how many times as long as a pause that was seen a file must be quiet: the next may be longer.
	patienceFactor = 2
	// patienceMost bounds the quiet time, in settle times.
	patienceMost = 4
	// patienceLasts is how long a pause is remembered after one like it was seen last.
	patienceLasts = 24 * time.Hour
)

// patience is the quiet time that the files of one folder are given: the settle time, or more where a writer was seen to
// pause for nearly as long between two writes to a file. A scanner that closes its file after each page, and needs 4 s
// for some of them, needs 6 s for another, and a PDF is whole after each. It is pure: no clock, no I/O, no goroutine.
type patience struct {
	settle  time.Duration
	pause   time.Duration // the longest one seen; 0: none that matters
	learned time.Time     // when a pause was last seen for which the settle time is too short
}

// quiet is how long a file must be quiet.
func (p *patience) quiet(now time.Time) time.Duration {
	if p.pause == 0 || now.Sub(p.learned) > patienceLasts {
		return p.settle
	}
	return min(max(p.settle, patienceFactor*p.pause), patienceMost*p.settle)
}

// learn takes a pause between two writes to one file, and reports whether more patience comes of it. What is longer than
// the most that it can wait is no pause: whoever writes then has begun anew.
func (p *patience) learn(now time.Time, pause time.Duration) (more bool) {
	if patienceFactor*pause <= p.settle || pause > patienceMost*p.settle {
		return false
	}
	before := p.quiet(now)
	if now.Sub(p.learned) > patienceLasts {
		p.pause = 0
	}
	p.pause, p.learned = max(p.pause, pause), now
	return p.quiet(now) > before
}
