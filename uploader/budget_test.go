package uploader

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kaizala-drop/internal/budget"
)

// throttle is a service of 100 calls a minute: it looks at when calls arrive, which is up to 0.8 s after they left.
type throttle struct {
	random   *rand.Rand
	begun    time.Time
	arrivals []time.Time
}

func (x *throttle) call(now time.Time) {
	x.arrivals = append(x.arrivals, now.Add(time.Duration(x.random.Int64N(int64(800*time.Millisecond)))))
}

// most is the greatest number of calls in any minute, wherever it begins: no way of counting by the minute sees more.
func (x *throttle) most() int {
	slices.SortFunc(x.arrivals, time.Time.Compare)
	most, first := 0, 0
	for last, at := range x.arrivals {
		for at.Sub(x.arrivals[first]) >= time.Minute {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// throttledSim is a sim with the real budget whose calls take from 20 ms to 2 s.
func throttledSim(t *testing.T, folders ...Folder) (*sim, *throttle) {
	s := newSim(t, 4, budget.New(100), folders...)
	x := &throttle{random: s.rand, begun: s.now}
	s.takes = func(d *delivery) time.Duration {
		if d.stage != toUpload && d.stage != toPost {
			return 3 * time.Millisecond
		}
		x.call(s.now)
		return 20*time.Millisecond + time.Duration(s.rand.Int64N(int64(2*time.Second)))
	}
	return s, x
}

// TestBudgetIsUsed: hours at the limit, from a cold start. Never too many calls, and hardly any of them wasted.
func TestBudgetIsUsed(t *testing.T) {
	const hours, each = 3, 2500
	folders := []Folder{folder("/a"), folder("/b"), folder("/c"), folder("/d")}
	s, x := throttledSim(t, folders...)
	for _, f := range folders {
		s.add(f.Path, numbered(each)...)
	}
	s.pass(hours * time.Hour)
	if n := x.most(); n > 100 {
		t.Errorf("%d calls in a minute", n)
	}
	used := float64(len(x.arrivals)) / (hours * 60 * 100)
	t.Logf("%.1f %% of the budget used, at most %d calls in a minute, %d files", 100*used, x.most(), len(s.posts))
	if used < 0.97 {
		t.Errorf("only %.1f %% of the budget is used", 100*used)
	}
	// Two calls a file: what is uploaded is posted, before more is uploaded.
	if wasted := len(x.arrivals) - 2*len(s.posts); wasted > 2*4*aheadFactor {
		t.Errorf("%d calls for %d posts", len(x.arrivals), len(s.posts))
	}
}

// TestInvoiceBetweenPhotos: it waits for a few calls, not for a thousand photos.
func TestInvoiceBetweenPhotos(t *testing.T) {
	s, x := throttledSim(t, folder("/photos"), folder("/invoices"))
	s.add("/photos", numbered(1000)...)
	s.pass(5 * time.Minute)
	most, total := 0, 0
	for range 20 {
		before, posted := len(x.arrivals), len(s.posts)
		s.add("/invoices", time.Duration(before).String()+".pdf")
		for !slices.Contains(s.posts[posted:], time.Duration(before).String()+".pdf") {
			if !s.move() {
				t.Fatal("it stands still")
			}
		}
		n := len(x.arrivals) - before // its own two among them
		most, total = max(most, n), total+n
		s.pass(time.Duration(s.rand.Int64N(int64(10 * time.Second))))
	}
	t.Logf("posted after %.1f calls on average, %d at most", float64(total)/20, most)
	if most > 12 {
		t.Errorf("%d calls were made until an invoice was posted", most)
	}
}
