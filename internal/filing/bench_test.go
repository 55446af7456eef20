package filing

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"
)

// BenchmarkMove measures moves of files with different names.
func BenchmarkMove(b *testing.B) {
	for _, at := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d at once", at), func(b *testing.B) {
			d := newDesk(b)
			mkdir(b, d.done, 0o755)
			f := New()
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				moves := make([]Move, at)
				for j := range moves {
					moves[j] = d.drop(fmt.Sprintf("%d-%d.pdf", i, j), "x")
				}
				b.StartTimer()
				var wg sync.WaitGroup
				for _, m := range moves {
					wg.Go(func() {
						if _, err := f.Move(m); err != nil {
							b.Error(err)
						}
					})
				}
				wg.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*at), "us/file")
		})
	}
}

// BenchmarkMoveTaken measures moves into a done/ that holds a thousand files of the same name.
func BenchmarkMoveTaken(b *testing.B) {
	d := newDesk(b)
	for n := range 1000 {
		write(b, filepath.Join(d.done, numbered("scan.pdf", n+1, maxName)), "x")
	}
	f := New()
	for b.Loop() {
		b.StopTimer()
		m := d.drop("scan.pdf", "x")
		b.StartTimer()
		if _, err := f.Move(m); err != nil {
			b.Fatal(err)
		}
	}
}
