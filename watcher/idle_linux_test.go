package watcher

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// TestHeldBackIsCheap: ten thousand files that are held back, each looked at and into for real, cost under 1 % of a
// processor while nothing happens. The clock is synctest's, so that hours pass; the processor time is the real one.
func TestHeldBackIsCheap(t *testing.T) {
	files := 10_000
	if raceEnabled {
		files = 1000
	}
	pdf := "%PDF-1.7\n" + string(make([]byte, 3000))
	write := func(t *testing.T, path, content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for reason, put := range map[string]func(t *testing.T, path string){
		"empty":      func(t *testing.T, path string) { write(t, path, "") },
		"hard links": func(t *testing.T, path string) { write(t, path, pdf); must(t, os.Link(path, path+".part")) },
		"torn":       func(t *testing.T, path string) { write(t, path, pdf) },
		"lock file":  func(t *testing.T, path string) { write(t, path, pdf); write(t, lockOf(path), "") },
		"open": func(t *testing.T, path string) {
			f, err := os.Create(path)
			must(t, err)
			t.Cleanup(func() { f.Close() })
			_, err = f.WriteString(pdf + "%%EOF\n")
			must(t, err)
		},
	} {
		t.Run(reason, func(t *testing.T) {
			dir := t.TempDir()
			for i := range files {
				put(t, filepath.Join(dir, fmt.Sprintf("%05d.pdf", i)))
			}
			synctest.Test(t, func(t *testing.T) {
				r := &rig{t: t}
				f := Folder{Path: dir, Settle: 5 * time.Second, SettleRemote: 15 * time.Second, Rescan: time.Minute,
					VerifyEnding: true, TruncatedAfter: 24 * time.Hour}
				r.start(newLoop(f, false, zerolog.New(&r.log)), make(chan fsnotify.Event), nil, newScout(f, nil).run)
				r.none(3 * time.Minute)
				r.said("left where it is", 1)
				const idle = 5 * time.Minute
				before := processorTime(t)
				r.none(idle)
				share := 100 * (processorTime(t) - before).Seconds() / idle.Seconds()
				t.Logf("%d files: %.2f %% of a processor", files, share)
				if share >= 1 && !raceEnabled {
					t.Errorf("%d files that are held back cost %.2f %% of a processor, want under 1", files, share)
				}
			})
		})
	}
}

func lockOf(path string) string {
	return filepath.Join(filepath.Dir(path), ".~lock."+filepath.Base(path)+"#")
}

// processorTime is what this process has used up to now.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var use unix.Rusage
	must(t, unix.Getrusage(unix.RUSAGE_SELF, &use))
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
