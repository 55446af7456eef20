// Package budget keeps the calls of a connector under what the service allows it: 100 a minute, counted in a way that is
// not documented (WIRE: then 429 with Retry-After).
package budget

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// margin is how far below the limit the calls are kept. They go out evenly, so that any minute on the server's clock,
	// wherever it begins, holds at most the limit as long as no call is 0.8 s faster on its way than another.
	margin = 0.976
	// lowered is what a 429 makes of the rate: somebody else uses the same connector, or the limit is another one.
	lowered = 0.8
	// least is how much of the limit is left at least.
	least = 0.2
	// episode is the time in which several 429 count as one: they answer calls that were under way together.
	episode = time.Minute
	// recovery is the time without a 429 after which the rate is raised again by one step.
	recovery = 10 * time.Minute
)

// Budget is the allowance of calls of one connector. It is safe for concurrent use.
type Budget struct {
	mu        sync.Mutex
	limiter   *rate.Limiter
	full      rate.Limit // calls a second
	notBefore time.Time  // the service asked for it
	changed   time.Time  // when the rate was lowered or raised last
}

// New makes the budget for so many calls a minute; 0 is no limit, but what Throttled asks for.
func New(callsPerMinute int) *Budget {
	full := rate.Inf
	if callsPerMinute > 0 {
		full = rate.Limit(callsPerMinute) * margin / 60
	}
	// One at a time: a burst would have to be saved up for by a lower rate.
	return &Budget{limiter: rate.NewLimiter(full, 1), full: full}
}

// Take takes one call, or says how long to wait before asking again.
func (b *Budget) Take(now time.Time) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recover(now)
	if wait := b.notBefore.Sub(now); wait > 0 {
		return wait
	}
	r := b.limiter.ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
	}
	return wait
}

// Wait waits until one call may be made, and takes it. Its only error is that of ctx.
func (b *Budget) Wait(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		wait := b.Take(time.Now())
		if wait <= 0 {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Throttled takes in an answer 429: there are no calls for as long as it asks (0: it does not say), and fewer for a while
// after that. It tells the calls a minute from now on, and whether they were lowered just now.
func (b *Budget) Throttled(now time.Time, retryAfter time.Duration) (callsPerMinute float64, fewer bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until := now.Add(retryAfter); until.After(b.notBefore) {
		b.notBefore = until
	}
	if b.full == rate.Inf {
		return 0, false
	}
	if b.changed.IsZero() || now.Sub(b.changed) >= episode || b.limiter.Limit() >= b.full {
		fewer = true
		b.set(now, max(b.limiter.Limit()*lowered, b.full*least))
	}
	return float64(b.limiter.Limit()) * 60, fewer
}

// recover raises the rate again, a step for each recovery time that went by.
func (b *Budget) recover(now time.Time) {
	for b.limiter.Limit() < b.full && now.Sub(b.changed) >= recovery {
		b.set(b.changed.Add(recovery), min(b.limiter.Limit()/lowered, b.full))
	}
}

func (b *Budget) set(at time.Time, limit rate.Limit) {
	b.changed = at
	b.limiter.SetLimitAt(at, limit)
}
