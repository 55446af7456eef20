//go:build !race

package watcher

import (
	"slices"
	"testing"
	"time"
)

// TestExamineIsQuick bounds what a closer look at a file of 5 MB on the local disk costs: lock files and the like, opening
// it, the lease, holes, and the ending.
func TestExamineIsQuick(t *testing.T) {
	const looks, most = 301, 200 * time.Microsecond
	dir := t.TempDir()
	for _, sp := range specimens(t) {
		look := sp.examined(t, dir)
		var took []time.Duration
		for range looks {
			begun := time.Now()
			look()
			took = append(took, time.Since(begun))
		}
		slices.Sort(took)
		median := took[looks/2]
		t.Logf("%-12s median %6v, one in ten over %v", sp.name, median.Round(100*time.Nanosecond), took[looks*9/10].Round(100*time.Nanosecond))
		if median > most {
			t.Errorf("%s: the median of %d looks is %v, want %v at most", sp.name, looks, median, most)
		}
	}
}
