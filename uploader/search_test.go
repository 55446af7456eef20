package uploader

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"kaizala-drop/internal/filing"
)

// isNew reports whether it was told nothing yet of the n images it began with.
func (s *search) isNew(n int) bool { return s.lo == 0 && s.hi == n && !s.second }

// runSearch plays a service that refuses the guilty, and whatever is more than most images at once. It returns who was
// found, and what was sent.
func runSearch(t *testing.T, n int, each bool, guilty []int, most int) (found []int, probes []string) {
	t.Helper()
	s := newSearch(n, each)
	if !s.isNew(n) {
		t.Error("it is not new")
	}
	for over := false; !over; {
		lo, hi := s.probe()
		if lo < 0 || lo >= hi || hi > n || hi-lo == n || len(probes) > 2*n+2 {
			t.Fatalf("after %v of %d it wants to send %d to %d", probes, n, lo, hi)
		}
		probes = append(probes, fmt.Sprint(lo, "-", hi))
		bad := hi-lo > most || slices.ContainsFunc(guilty, func(i int) bool { return lo <= i && i < hi })
		if bad {
			over = s.refused(filing.Note{Reason: "refused"})
		} else {
			over = s.taken()
		}
		if !over && s.isNew(n) {
			t.Error("it is new still")
		}
	}
	for _, c := range s.found {
		found = append(found, c.index)
		if c.note.Reason == "" {
			t.Error("a culprit without a reason")
		}
	}
	return found, probes
}

func TestSearch(t *testing.T) {
	all := []int{0, 1, 2, 3}
	for _, c := range []struct {
		n      int
		each   bool
		guilty []int
		most   int
		found  []int
		probes []string
	}{
		{2, false, []int{0}, 9, []int{0}, []string{"0-1"}},
		{2, false, []int{1}, 9, []int{1}, []string{"0-1", "1-2"}},
		{2, false, nil, 1, nil, []string{"0-1", "1-2"}},
		{3, false, []int{0}, 9, []int{0}, []string{"0-1"}},
		{3, false, []int{2}, 9, []int{2}, []string{"0-1", "1-3", "1-2", "2-3"}},
		{10, false, []int{0}, 99, []int{0}, []string{"0-5", "0-2", "0-1"}},
		{10, false, []int{7}, 99, []int{7}, []string{"0-5", "5-10", "5-7", "7-10", "7-8"}},
		{10, false, []int{2, 7}, 99, []int{2}, []string{"0-5", "0-2", "2-5", "2-3"}},
		{10, false, nil, 9, nil, []string{"0-5", "5-10"}},
		{10, false, nil, 3, nil, []string{"0-5", "0-2", "2-5"}},
		{4, false, all, 9, []int{0}, []string{"0-2", "0-1"}},
		{4, true, all, 9, all, []string{"0-1", "1-2", "2-3", "3-4"}},
		{4, true, []int{3}, 9, []int{3}, []string{"0-1", "1-2", "2-3", "3-4"}},
		{4, true, nil, 3, nil, []string{"0-1", "1-2", "2-3", "3-4"}},
	} {
		t.Run(fmt.Sprint(c.n, c.each, c.guilty, c.most), func(t *testing.T) {
			found, probes := runSearch(t, c.n, c.each, c.guilty, c.most)
			if !slices.Equal(found, c.found) || !slices.Equal(probes, c.probes) {
				t.Errorf("found %v by sending %v; want %v, %v", found, probes, c.found, c.probes)
			}
		})
	}
}

// TestSearchBlamesOnlyTheGuilty, whatever else is wrong, and finds one if only they are; a single one at the cost of the
// logarithm.
func TestSearchBlamesOnlyTheGuilty(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		n, each := 2+r.IntN(99), r.IntN(4) == 0
		guilty := make([]int, r.IntN(4))
		for i := range guilty {
			guilty[i] = r.IntN(n)
		}
		most := 1 + r.IntN(n)
		if r.IntN(2) == 0 {
			most = n
		}
		found, probes := runSearch(t, n, each, guilty, most)
		for _, f := range found {
			if !slices.Contains(guilty, f) {
				t.Fatalf("%d images, %v guilty, %d at most: found %v", n, guilty, most, found)
			}
		}
		if len(guilty) > 0 && most == n && len(found) == 0 {
			t.Fatalf("%d images, %v guilty: none was found", n, guilty)
		}
		if limit := 2 * bits.Len(uint(n-1)); !each && len(probes) > limit || each && len(probes) != n {
			t.Fatalf("%d images, %v guilty: %d probes %v", n, guilty, len(probes), probes)
		}
	}
}
