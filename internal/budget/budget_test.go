package budget

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestNeverOverTheLimit shows that no minute, wherever it begins, has more calls than the limit, and that more than 97 % of
// the limit is used, in hours at full speed with calls that take up to 0.8 s on their way.
func TestNeverOverTheLimit(t *testing.T) {
	for _, limit := range []int{1, 10, 100, 300, 6000} {
		const hours = 3
		b, random := New(limit), rand.New(rand.NewPCG(1, 2))
		begin := time.Unix(0, 0)
		var arrivals []time.Time
		for now := begin; now.Before(begin.Add(hours * time.Hour)); {
			if wait := b.Take(now); wait > 0 {
				now = now.Add(wait)
				continue
			}
			arrivals = append(arrivals, now.Add(time.Duration(random.Int64N(int64(800*time.Millisecond)))))
		}
		slices.SortFunc(arrivals, time.Time.Compare)
		first := 0
		for last, at := range arrivals {
			for at.Sub(arrivals[first]) >= time.Minute {
				first++
			}
			if n := last - first + 1; n > limit && limit < 1000 || n > limit+limit/60 {
				t.Fatalf("limit %d: %d calls in the minute before %v", limit, n, at.Sub(begin))
			}
		}
		if used := float64(len(arrivals)) / float64(hours*60*limit); used < 0.97 {
			t.Errorf("limit %d: only %.1f %% of the budget is used", limit, 100*used)
		} else {
			t.Logf("limit %d: %.1f %% of the budget is used", limit, 100*used)
		}
	}
}

// TestThrottled shows that a 429 stops all calls for as long as it asks and lowers the rate once for each episode, down to a
// fifth of the limit, and that the rate rises again step by step.
func TestThrottled(t *testing.T) {
	b, now := New(100), time.Unix(0, 0)
	b.Take(now)
	perMinute, fewer := b.Throttled(now, 30*time.Second)
	if !fewer || math.Round(perMinute) != 78 {
		t.Errorf("%v calls a minute, fewer: %v", perMinute, fewer)
	}
	if _, fewer := b.Throttled(now.Add(time.Second), 10*time.Second); fewer {
		t.Error("lowered twice by calls that were under way together")
	}
	for _, at := range []time.Duration{0, time.Second, 29 * time.Second, 30*time.Second - 1} {
		if wait := b.Take(now.Add(at)); wait != 30*time.Second-at {
			t.Errorf("at %v: to wait for %v", at, wait)
		}
	}
	rateAt := func(at time.Duration) float64 {
		b.Take(now.Add(at))
		return math.Round(b.limit * 60)
	}
	if got := rateAt(9 * time.Minute); got != 78 {
		t.Errorf("%v a minute after 9 minutes", got)
	}
	if got := rateAt(11 * time.Minute); got != 98 {
		t.Errorf("%v a minute after 11 minutes", got)
	}
	for i := range 20 {
		b.Throttled(now.Add(time.Hour+time.Duration(i)*time.Minute), 0)
	}
	if got := rateAt(time.Hour + 20*time.Minute); got != 20 {
		t.Errorf("%v a minute at least", got)
	}
	if got := rateAt(3 * time.Hour); got != 98 {
		t.Errorf("%v a minute in the end", got)
	}
}

// TestNoLimit shows that without a limit calls wait only when the service asks for it.
func TestNoLimit(t *testing.T) {
	b, now := New(0), time.Unix(0, 0)
	for range 1000 {
		if wait := b.Take(now); wait != 0 {
			t.Fatalf("to wait for %v", wait)
		}
	}
	b.Throttled(now, time.Minute)
	if wait := b.Take(now.Add(time.Second)); wait != 59*time.Second {
		t.Errorf("to wait for %v", wait)
	}
}

// TestWait shows that Wait lasts until the time that the service asked for, and ends with its context.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begin := New(60), time.Now()
		b.Throttled(begin, time.Minute)
		if _, err := b.Wait(t.Context(), Permit{}); err != nil || time.Since(begin) < time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := b.Wait(ctx, Permit{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// TestHeldUpTogether shows that calls that began evenly and were then held up together leave one by one, and that Take lets
// no other call begin until nearly all of them have left.
func TestHeldUpTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = time.Minute * 1000 / 976 / 100
		b, begin := New(100), time.Now()
		var mu sync.Mutex
		var left []time.Duration
		var all sync.WaitGroup
		for range 20 {
			for wait := time.Duration(1); wait > 0; {
				wait = b.Take(time.Now())
				time.Sleep(wait)
			}
			all.Go(func() {
				time.Sleep(time.Until(begin.Add(time.Minute)))
				if _, err := b.Wait(t.Context(), Permit{}); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				left = append(left, time.Since(begin))
			})
		}
		time.Sleep(time.Until(begin.Add(time.Minute + 1)))
		if wait := b.Take(time.Now()); wait < 19*interval || wait > 20*interval {
			t.Errorf("one more may begin after %v", wait)
		}
		all.Wait()
		for i, at := range left {
			if i > 0 && at-left[i-1] < interval-timerDelay {
				t.Fatalf("only %v apart", at-left[i-1])
			}
		}
		if last := left[19] - time.Minute; last > 19*interval {
			t.Errorf("the last one left after %v", last)
		}
	})
}

// TestWaitAgain shows that a call may leave with a permit of a moment ago, and that it waits again when the permit is older,
// or older than the service's demand to wait.
func TestWaitAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(60)
		wait := func(passed Permit) (Permit, time.Duration) {
			begin := time.Now()
			passed, err := b.Wait(t.Context(), passed)
			if err != nil {
				t.Fatal(err)
			}
			return passed, time.Since(begin).Round(10 * time.Millisecond)
		}
		passed, _ := wait(Permit{})
		time.Sleep(permitLife)
		if again, took := wait(passed); took != 0 || again != passed {
			t.Errorf("waited for %v, though the permit was new", took)
		}
		time.Sleep(time.Millisecond)
		again, took := wait(passed)
		if took != 570*time.Millisecond || again == passed { // 1.025 s apart, less timerDelay
			t.Errorf("waited for %v with a permit that was too old", took)
		}
		b.Throttled(time.Now(), 30*time.Second)
		if _, took := wait(again); took != 30*time.Second {
			t.Errorf("waited for %v after the service asked for 30s", took)
		}
	})
}

// TestHeld shows that calls that are waiting when the service asks for a wait leave after it, one by one, and that they give
// up when it asks for too long a wait.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begin := New(60), time.Now()
		var all sync.WaitGroup
		var mu sync.Mutex
		var left []time.Duration
		var failed []error
		several := func() {
			left, failed = nil, nil
			for range 5 {
				all.Go(func() {
					_, err := b.Wait(t.Context(), Permit{})
					mu.Lock()
					defer mu.Unlock()
					if err != nil {
						failed = append(failed, err)
						return
					}
					left = append(left, time.Since(begin))
				})
			}
			synctest.Wait()
		}
		several()
		b.Throttled(time.Now(), time.Minute)
		all.Wait()
		if len(left) != 5 || left[0] != 0 || left[1] < time.Minute {
			t.Errorf("left %v, %v", left, failed)
		}
		for i := 2; i < len(left); i++ {
			if left[i]-left[i-1] < time.Second-timerDelay {
				t.Errorf("left %v", left)
			}
		}
		time.Sleep(time.Minute)
		several()
		b.Throttled(time.Now(), time.Hour)
		all.Wait()
		if len(left) != 1 || len(failed) != 4 || !strings.Contains(failed[0].Error(), "another 1h0m0s") && !strings.Contains(failed[0].Error(), "another 59m59s") {
			t.Errorf("left %v, %v", left, failed)
		}
		time.Sleep(time.Hour)
		if wait := b.Take(time.Now()); wait > 0 {
			t.Errorf("those that gave up are waited for: %v", wait)
		}
	})
}

// TestLateTimers shows that callers that come back some milliseconds late lose none of the rate, and that an unused rate
// does not allow a burst later.
func TestLateTimers(t *testing.T) {
	const interval, calls = time.Minute * 1000 / 976 / 100, 1000
	b, begin := New(100), time.Unix(0, 0)
	now := begin
	for n := 0; n < calls; {
		if wait := b.Take(now); wait > 0 {
			now = now.Add(wait + timerDelay*4/5)
			continue
		}
		n++
	}
	if took := now.Sub(begin); took > calls*interval {
		t.Errorf("%d calls took %v", calls, took)
	}
	now = now.Add(time.Hour)
	b.Take(now)
	if wait := b.Take(now); wait < interval-timerDelay-time.Microsecond {
		t.Errorf("after an hour without calls, two within %v", wait)
	}
}
