// Package budget keeps the calls of a client under what the service allows it in a minute, however the service counts them.
//
// It is asked twice for a call. Take is asked before a call begins, so that whoever has many decides as late as possible
// which is next. Wait is asked at the moment when a call leaves, for only then is all there that it had to wait for: the
// ledger, a token, a connection. What always holds is kept by Wait alone:
//
//   - Calls leave one interval of the rate apart, each of them: whatever held several up together, they do not leave
//     together. What was not used is not saved up, but for the 50 ms that a timer may be late.
//   - No call leaves before the time that the service asked to wait for, not even one that had begun before.
//
// Take lets calls begin at the same rate, and holds back while others wait to leave. So they wait for what held them up,
// but hardly for each other, and nothing of the rate is lost.
//
// golang.org/x/time/rate is not used: a later 429 does not change the reservations that it has given, and a late timer costs
// it some of the rate unless bursts are allowed.
package budget

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

const (
	// margin is how far below the limit the calls are kept. They go out evenly, so that any minute on the server's clock,
	// wherever it begins, holds at most the limit as long as no call is 0.8 s faster on its way than another.
	margin = 0.976
	// lowered is what a 429 makes of the rate: somebody else uses the same connector, or the limit is another one.
	lowered = 0.8
	// least is the smallest part of the limit that the rate is lowered to.
	least = 0.2
	// episode is the time in which several 429 count as one: they answer calls that were under way together.
	episode = time.Minute
	// recovery is the time without a 429 after which the rate is raised again by one step.
	recovery = 10 * time.Minute
	// ahead is how long a call that begins may have to wait for others to leave. It is more than most calls need to get
	// from Take to Wait, so that there is one to leave whenever one may.
	ahead = 500 * time.Millisecond
	// late is how late a timer may be without anything being lost of the rate: the calls after it make up for it.
	late = 50 * time.Millisecond
	// fresh is how long after Wait a call may leave, as when its connection is made meanwhile: well within the 0.8 s of
	// margin.
	fresh = 400 * time.Millisecond
	// patience is how long Wait waits because the service asked for it. A call holds on to things: files, the end of the
	// daemon. The times that are usual, up to a minute, are within it.
	patience = 2 * time.Minute
)

// Budget is the allowance of calls of one connector. It is safe for concurrent use.
type Budget struct {
	turn chan struct{} // holds one element while a call is the next to leave

	mu        sync.Mutex
	beginning pacer
	leaving   pacer
	waiting   int         // calls that wait to leave
	full      float64     // calls a second; +Inf: no limit
	limit     float64     // calls a second, now
	notBefore time.Time   // the service asked for it
	left      []time.Time // when the calls of the last minute left; none are noted without a limit
	changed   time.Time   // when the limit was lowered or raised last
}

// New makes the budget for so many calls a minute; 0 is no limit, but what Throttled asks for.
func New(callsPerMinute int) *Budget {
	full := math.Inf(1)
	if callsPerMinute > 0 {
		full = float64(callsPerMinute) * margin / 60
	}
	return &Budget{turn: make(chan struct{}, 1), full: full, limit: full}
}

// Take lets one call begin, or says how long to wait before asking again.
func (b *Budget) Take(now time.Time) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recover(now)
	if wait = max(b.held(now), b.backlog(now)-ahead); wait > 0 {
		return wait
	}
	return b.beginning.pass(now, b.interval())
}

// Permit lets one call leave, for a short time after Wait gave it. The zero Permit lets none leave.
type Permit struct {
	at time.Time // when it was given
}

// Wait waits until a call may leave, counts it as leaving, and gives the permit for it. Those who wait leave in the order
// in which they came. last is the permit that Wait gave for the same call before, if that was not sent yet, else zero:
// while it is fresh, the call may still leave with it.
//
// Its errors are that of ctx, and one if the service asked for more time than a call should wait: it is to be begun anew
// later.
func (b *Budget) Wait(ctx context.Context, last Permit) (Permit, error) {
	if b.mayLeave(last) {
		return last, ctx.Err()
	}
	b.count(+1)
	p, err := b.leave(ctx)
	if err != nil {
		b.count(-1)
	}
	return p, err
}

// mayLeave reports whether a call may leave now with a permit that was given before.
func (b *Budget) mayLeave(p Permit) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	return now.Sub(p.at) <= fresh && b.held(now) <= 0
}

func (b *Budget) count(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting += n
}

func (b *Budget) leave(ctx context.Context) (Permit, error) {
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		now := time.Now()
		wait, err := b.pass(now)
		if err != nil || wait <= 0 {
			return Permit{now}, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	return Permit{}, ctx.Err()
}

// pass counts the next call as leaving, or says how long it has to wait.
func (b *Budget) pass(now time.Time) (wait time.Duration, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recover(now)
	if wait = b.held(now); wait > patience {
		return 0, fmt.Errorf("not sent: the service asked to wait another %s", wait.Round(time.Second))
	}
	if wait <= 0 {
		wait = b.leaving.pass(now, b.interval())
	}
	if wait <= 0 {
		b.waiting--
		b.note(now)
	}
	return wait, nil
}

// held is how long there are no calls at all, because the service asked for it.
func (b *Budget) held(now time.Time) time.Duration { return b.notBefore.Sub(now) }

// backlog is how long a call that came now would wait for others to leave.
func (b *Budget) backlog(now time.Time) time.Duration {
	return max(0, b.leaving.next.Sub(now)) + time.Duration(b.waiting)*b.interval()
}

func (b *Budget) interval() time.Duration { return time.Duration(float64(time.Second) / b.limit) }

// pacer lets calls pass an interval apart.
type pacer struct {
	next time.Time // when the next one may
}

// pass lets a call pass, or says how long to wait before asking again. There are no bursts: they would have to be saved
// up for by a lower rate.
func (p *pacer) pass(now time.Time, interval time.Duration) (wait time.Duration) {
	if earliest := now.Add(-late); p.next.Before(earliest) {
		p.next = earliest
	}
	if wait = p.next.Sub(now); wait > 0 {
		return wait
	}
	p.next = p.next.Add(interval)
	return 0
}

// Throttled takes in an answer 429: there are no calls for as long as it asks (0: it does not say), and fewer for a while
// after that. It tells the calls a minute from now on, and whether they were lowered just now.
func (b *Budget) Throttled(now time.Time, retryAfter time.Duration) (callsPerMinute float64, fewer bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until := now.Add(retryAfter); until.After(b.notBefore) {
		b.notBefore = until
	}
	if math.IsInf(b.full, 1) {
		return 0, false
	}
	if b.changed.IsZero() || now.Sub(b.changed) >= episode || b.limit >= b.full {
		fewer = true
		b.set(now, max(b.limit*lowered, b.full*least))
	}
	return b.limit * 60, fewer
}

// recover raises the rate again, a step for each recovery time that went by.
func (b *Budget) recover(now time.Time) {
	for b.limit < b.full && now.Sub(b.changed) >= recovery {
		b.set(b.changed.Add(recovery), min(b.limit/lowered, b.full))
	}
}

func (b *Budget) set(at time.Time, limit float64) { b.changed, b.limit = at, limit }

// note counts a call that leaves.
func (b *Budget) note(now time.Time) {
	if math.IsInf(b.full, 1) {
		return
	}
	b.forget(now)
	b.left = append(b.left, now)
}

// forget drops the calls that left more than a minute ago.
func (b *Budget) forget(now time.Time) {
	b.left = slices.DeleteFunc(b.left, func(at time.Time) bool { return now.Sub(at) >= time.Minute })
}

// Left tells how many calls a minute may leave from now on, 0: no limit, and how many more within a minute of those that left last:
// none while the service asked to wait.
func (b *Budget) Left(now time.Time) (perMinute float64, left int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recover(now)
	if math.IsInf(b.limit, 1) {
		return 0, 0
	}
	perMinute = b.limit * 60
	if b.held(now) > 0 {
		return perMinute, 0
	}
	b.forget(now)
	return perMinute, max(0, int(perMinute)-len(b.left))
}
