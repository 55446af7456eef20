// Package budget keeps the calls of a client below the number that the service allows in a minute, however the service
// counts its minutes.
//
// A caller asks it twice for each call. It asks Take before the call begins, so that a caller with many calls decides as
// late as possible which of them is next. It asks Wait at the moment when the call leaves, because only then the call has
// what it needs: the ledger, a token, a connection. Wait alone guarantees two things:
//
//   - Calls leave one by one, an interval of the rate apart, even when something held several of them up together. An
//     unused part of the rate is not saved up, except for the 50 ms that a timer may be late.
//   - No call leaves before the time that the service asked to wait for, not even one that had already begun.
//
// Take lets calls begin at the same rate, and lets none begin while too many others wait to leave. So a call hardly ever
// waits for other calls, and none of the rate is lost.
//
// golang.org/x/time/rate is not used, because a later 429 does not change the reservations that it has given, and because
// a late timer costs it a part of the rate unless bursts are allowed.
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
	// margin is the share of the limit that is used. Calls leave evenly, so any minute on the server's clock holds at most
	// the limit as long as no call is 0.8 s faster on its way than another.
	margin = 0.976
	// lowering is the factor by which a 429 lowers the rate, because somebody else may use the same connector, or the
	// service may allow less than the configuration says.
	lowering = 0.8
	// lowestShare is the smallest share of the limit that the rate is lowered to.
	lowestShare = 0.2
	// episode is the time in which several 429 count as one, because they answer calls that were under way together.
	episode = time.Minute
	// recovery is the time without a 429 after which the rate is raised again by one step.
	recovery = 10 * time.Minute
	// longestQueue is how long a call that begins may have to wait for other calls to leave. It is more than most calls
	// need to get from Take to Wait, so that a call is ready whenever one may leave.
	longestQueue = 500 * time.Millisecond
	// timerDelay is how late a timer may be without a loss of rate: the next calls leave earlier by the same time.
	timerDelay = 50 * time.Millisecond
	// permitLife is how long after Wait a call may leave, for instance because its connection was made meanwhile. It is
	// well below the 0.8 s that margin allows for.
	permitLife = 400 * time.Millisecond
	// longestHold is how long Wait waits because the service asked for it: longer than the usual minute, but not for ever,
	// because a waiting call keeps files open and delays the end of the daemon.
	longestHold = 2 * time.Minute
)

// Budget is the allowance of calls of one connector. It is safe for concurrent use.
type Budget struct {
	turn chan struct{} // holds one element while a call is the next to leave

	mu        sync.Mutex
	beginning pacer
	leaving   pacer
	waiting   int         // calls that wait to leave
	full      float64     // calls a second, while nothing has lowered them; +Inf: no limit
	limit     float64     // calls a second, now
	notBefore time.Time   // the service asked to send nothing before
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

// Take lets one call begin and returns 0, or returns how long to wait before asking again.
func (b *Budget) Take(now time.Time) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recover(now)
	if wait = max(b.held(now), b.backlog(now)-longestQueue); wait > 0 {
		return wait
	}
	return b.beginning.pass(now, b.interval())
}

// Permit lets one call leave, for a short time after Wait gave it. The zero Permit lets no call leave.
type Permit struct {
	at time.Time // when Wait gave it
}

// Wait blocks until a call may leave, counts it as leaving, and returns the permit for it. Calls leave in the order in
// which they came to Wait. last is the permit that an earlier Wait gave for the same call, or zero: a call that was not
// sent yet may leave with it for 400 ms.
//
// Wait fails with the error of ctx when ctx ends. It fails too when the service asked for a wait of more than two minutes:
// the caller then begins the call anew later.
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

// mayLeave reports whether a call may leave now with a permit that was given earlier.
func (b *Budget) mayLeave(p Permit) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	return now.Sub(p.at) <= permitLife && b.held(now) <= 0
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

// pass counts the next call as leaving and returns 0, or returns how long it has to wait.
func (b *Budget) pass(now time.Time) (wait time.Duration, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recover(now)
	if wait = b.held(now); wait > longestHold {
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

// held is how long no call may leave, because the service asked for it.
func (b *Budget) held(now time.Time) time.Duration { return b.notBefore.Sub(now) }

// backlog is how long a call that came to Wait now would wait for other calls to leave.
func (b *Budget) backlog(now time.Time) time.Duration {
	return max(0, b.leaving.next.Sub(now)) + time.Duration(b.waiting)*b.interval()
}

func (b *Budget) interval() time.Duration { return time.Duration(float64(time.Second) / b.limit) }

// pacer lets calls pass an interval apart.
type pacer struct {
	next time.Time // when the next call may pass
}

// pass lets a call pass and returns 0, or returns how long to wait before asking again. It allows no bursts, because each
// minute with a burst in it would exceed the limit unless the rate were lower all the time.
func (p *pacer) pass(now time.Time, interval time.Duration) (wait time.Duration) {
	if earliest := now.Add(-timerDelay); p.next.Before(earliest) {
		p.next = earliest
	}
	if wait = p.next.Sub(now); wait > 0 {
		return wait
	}
	p.next = p.next.Add(interval)
	return 0
}

// Throttled takes note of an answer 429: no call leaves for as long as the answer asks (0: it does not say), and fewer
// leave for a while after that. It returns the calls a minute from now on (0: no limit), and whether it has just lowered
// them.
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
		b.set(now, max(b.limit*lowering, b.full*lowestShare))
	}
	return b.limit * 60, fewer
}

// recover raises the rate again, by one step for each recovery time without a 429.
func (b *Budget) recover(now time.Time) {
	for b.limit < b.full && now.Sub(b.changed) >= recovery {
		b.set(b.changed.Add(recovery), min(b.limit/lowering, b.full))
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
