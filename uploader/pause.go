package uploader

import (
	"cmp"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"kaizala-drop/internal/destination"
)

const (
	pauseFirst = time.Second     // after the first failure
	pauseMost  = 5 * time.Minute // however many failures there were
	// pauseBrief is pauseFirst of the destination: the first failures may be chance, and hold up everybody.
	pauseBrief = 100 * time.Millisecond
)

// briefTries is how many failures there are before the pauses of the destination are as long as others' first one.
const briefTries = 3

// pause says how long something must not be tried: each failure makes it longer, one success ends it.
type pause struct {
	first       time.Duration // the pause after the first failure; 0: pauseFirst
	failures    int
	failedFirst time.Time
	reason      string    // of its last failure, for people; "": not known
	advice      string    // what helps against it; "": not known
	failedLast  time.Time // when it failed last
	until       time.Time
	asked       time.Time // no success ends it before
	steps       *backoff.ExponentialBackOff
}

// fail lengthens the pause.
func (p *pause) fail(now time.Time) {
	if p.steps == nil {
		p.steps = backoff.NewExponentialBackOff()
		p.steps.InitialInterval, p.steps.MaxInterval = cmp.Or(p.first, pauseFirst), pauseMost
		p.steps.Multiplier, p.steps.RandomizationFactor = 2, 0.2
	}
	if p.failures++; p.failures == 1 {
		p.failedFirst = now
	}
	p.failedLast = now
	p.extend(now.Add(min(p.steps.NextBackOff(), pauseMost)))
}

// because notes why it failed last.
func (p *pause) because(err error) {
	p.reason, p.advice = reasonOf(err), ""
	if answer, ok := errors.AsType[*destination.Error](err); ok {
		p.advice = answer.Advice
	}
}

func (p *pause) extend(until time.Time) {
	if until.After(p.until) {
		p.until = until
	}
}

// atMost shortens the pause so that it ends at that time or before.
func (p *pause) atMost(until time.Time) {
	if p.until.After(until) {
		p.until = until
	}
}

// tryNow ends the wait, but not before the time that the service asked for. The failures count on.
func (p *pause) tryNow(now time.Time) {
	if now.Before(p.asked) {
		now = p.asked
	}
	p.atMost(now)
}

// obey extends the pause to the time that the service asked for (Retry-After). The pause never ends before that, not even if a
// call that was under way succeeds meanwhile.
func (p *pause) obey(until time.Time) {
	p.extend(until)
	if until.After(p.asked) {
		p.asked = until
	}
}

// end ends the pause, but for what was asked for, and reports whether there was one.
func (p *pause) end() bool {
	was := p.failures > 0
	*p = pause{first: p.first, until: p.asked, asked: p.asked}
	return was
}

// probes reports whether the call that began at since tries whether the failing is over: it began after the last failure.
func (p *pause) probes(since time.Time) bool { return p.failures > 0 && since.After(p.failedLast) }

func (p *pause) over(now time.Time) bool { return !now.Before(p.until) }
