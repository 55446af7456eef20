//go:build !race

package watcher

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestExamineIsQuick bounds what a closer look at a file of 5 MB on the local disk costs: lock files and the like, opening
// it, the lease, holes, and the ending. It is the best of some medians, as other programs may have the processor for a while.
func TestExamineIsQuick(t *testing.T) {
	const rounds, looks, most = 9, 61, 200 * time.Microsecond
	dir := t.TempDir()
	for _, sp := range specimens(t) {
		look := sp.examined(t, dir)
		var medians []time.Duration
		for range rounds {
			var took []time.Duration
			for range looks {
				begun := time.Now()
				look()
				took = append(took, time.Since(begun))
			}
			slices.Sort(took)
			medians = append(medians, took[looks/2])
		}
		slices.Sort(medians)
		t.Logf("%-12s %6v, with other programs running %v", sp.name, medians[0].Round(100*time.Nanosecond), medians[rounds-1].Round(100*time.Nanosecond))
		bound := most
		if strings.HasPrefix(sp.name, "torn") {
			bound = 2 * most // a noisy machine's: 110 us were seen; and it is looked for the end of one state once
		}
		if medians[0] > bound {
			t.Errorf("%s: a look takes %v, want %v at most", sp.name, medians[0], bound)
		}
	}
}
