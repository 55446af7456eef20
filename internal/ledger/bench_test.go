package ledger

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// BenchmarkSteps measures durable steps per second, by many callers that share commits and with a commit for each step.
func BenchmarkSteps(b *testing.B) {
	for _, most := range []int{maxBatch, 1} {
		for _, callers := range []int{1, 4, 16, 64} {
			b.Run(fmt.Sprintf("batch=%d/callers=%d", most, callers), func(b *testing.B) { benchSteps(b, most, callers) })
		}
	}
}

func benchSteps(b *testing.B, most, callers int) {
	l := open(b, b.TempDir())
	l.w.batchLimit = most
	start(b, l)
	ids := make([]int64, callers)
	for i := range ids {
		ids[i] = claim(b, l, sample(i, 1))
	}
	before := l.w.commits.Load()
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := l.Waits(b.Context(), id, 1, "offline"); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "steps/s")
	b.ReportMetric(float64(b.N)/float64(l.w.commits.Load()-before), "steps/commit")
}

// BenchmarkDelivery measures all steps of a delivery of one file, by 16 callers.
func BenchmarkDelivery(b *testing.B) {
	l := run(b, b.TempDir())
	var next atomic.Int64
	b.ResetTimer()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := wholeWay(b, l, int(n)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func wholeWay(b *testing.B, l *Ledger, number int) error {
	ctx := b.Context()
	id, err := l.Claim(ctx, sample(number, 1))
	for _, step := range []func() error{
		func() error { return l.Uploaded(ctx, id, "resource", sums(1)) },
		func() error { return l.Posting(ctx, id, "group", "caption", false) },
		func() error { return l.Posted(ctx, id, "reference") },
		func() error { return l.Filed(ctx, id, []string{"/srv/drop/done/scan.pdf"}) },
	} {
		if err == nil {
			err = step()
		}
	}
	return err
}

// BenchmarkClaim measures claims, many in a transaction, in a ledger that remembers 20,000 files: of a file with an inode of
// its own, and of a file whose inode 100 other files had before.
func BenchmarkClaim(b *testing.B) {
	for _, shared := range []int{1, 100} {
		b.Run(fmt.Sprintf("inode=%d", shared), func(b *testing.B) {
			l := open(b, b.TempDir())
			try(b, l.w.exec("BEGIN"))
			try(b, l.w.exec(`INSERT INTO delivery (folder, action, state, settled_at, claimed_at, updated_at, finished_at)
				SELECT CAST('/srv/drop' AS BLOB), 'Image', 'filed', '2026', '2026', '2026', '2026' FROM
				(WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i FROM n)`))
			try(b, l.w.exec(`INSERT INTO file (delivery, position, name, dev, ino, size, mtime_ns, ctime_ns, dest)
				SELECT id, 0, CAST('scan.jpg' AS BLOB), 8, id / ?, id, 1, 2, CAST('/srv/drop/done/scan ' || id AS BLOB)
				FROM delivery`, shared))
			for n := range b.N {
				if n%100 == 0 {
					try(b, l.w.exec("COMMIT"))
					try(b, l.w.exec("BEGIN"))
				}
				d := sample(n%200, 1)
				d.Files[0].ID.Size = int64(-n)
				if n == 0 {
					b.ResetTimer()
				}
				_, err := l.w.claim(d)
				try(b, err)
			}
			b.StopTimer()
			try(b, l.w.exec("COMMIT"))
		})
	}
}
