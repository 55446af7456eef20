package budget

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestNeverOverTheLimit: hours at full speed from a cold start, with calls that take up to 0.8 s to get there. No
// minute, wherever it begins, sees more than the limit, and little of it is wasted.
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
		return math.Round(float64(b.limiter.Limit()) * 60)
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

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, begin := New(60), time.Now()
		b.Throttled(begin, time.Minute)
		if err := b.Wait(t.Context()); err != nil || time.Since(begin) < time.Minute {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := b.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
