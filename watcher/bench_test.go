package watcher

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/view"
)

const benchFiles = 100_000

func benchNames() []string {
	names := make([]string, benchFiles)
	for i := range names {
		names[i] = fmt.Sprintf("scan-%06d.pdf", i)
	}
	return names
}

func benchLook(i int, size int64) observation {
	return observation{examined: true, Info: file.Info{Identity: file.Identity{Dev: 1, Ino: uint64(i), Size: size, Mtime: 1, Ctime: 1}, Links: 1}}
}

// BenchmarkSettle100k measures 100,000 files from their first hint until they are handed over.
func BenchmarkSettle100k(b *testing.B) {
	names := benchNames()
	b.ReportAllocs()
	for b.Loop() {
		s, now, settled := newSettler(5*time.Second, false), start0, 0
		for i, name := range names {
			now = now.Add(time.Microsecond)
			s.touch(now, name)
			s.observe(now, now, name, benchLook(i, 1))
			s.touch(now, name)
		}
		now = now.Add(5 * time.Second)
		for i, name := range s.due(now) {
			if s.observe(now, now, name, benchLook(i, 1)).settled {
				settled++
			}
		}
		if settled != benchFiles {
			b.Fatalf("%d settled", settled)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchFiles, "ns/file")
}

// BenchmarkList100k measures the listing of a folder of 100,000 files.
func BenchmarkList100k(b *testing.B) {
	dir, err := os.MkdirTemp("/dev/shm", "watcher")
	if err != nil {
		dir = b.TempDir()
	}
	defer os.RemoveAll(dir)
	for _, name := range benchNames() {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
	}
	s := newScout(Folder{Path: dir, Rescan: time.Minute}, nil)
	b.ReportAllocs()
	for b.Loop() {
		if n := len(s.answer(b.Context(), request{whole: true}).seen); n != benchFiles {
			b.Fatalf("%d seen", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchFiles, "ns/file")
}

// BenchmarkHeldBack10k measures an hour with 10,000 files that stay empty, and one listing a minute.
func BenchmarkHeldBack10k(b *testing.B) {
	names := benchNames()[:10_000]
	looks, hours := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		s, now := newSettler(5*time.Second, false), start0
		look := func(i int, name string) {
			looks++
			s.observe(now, now, name, benchLook(i, 0))
		}
		for minute := range 61 {
			listAt := start0.Add(time.Duration(minute) * time.Minute)
			for at, ok := s.next(); ok && at.Before(listAt); at, ok = s.next() {
				now = at
				for _, name := range s.due(now) {
					look(0, name)
				}
			}
			now = listAt
			s.startRound()
			for _, name := range names {
				look(0, name)
			}
			s.endRound()
		}
		hours++
	}
	b.ReportMetric(float64(looks)/float64(hours)/float64(len(names)), "looks/file/hour")
}

// BenchmarkView10k puts a question about 10,000 held-back files between two looks at them: of-a-look is what the answer costs the loop by
// what it costs it to take what the scout saw of the same files. For one file it is to be next to nothing.
func BenchmarkView10k(b *testing.B) {
	names := benchNames()[:10_000]
	for name, ask := range map[string]view.Ask[view.Watched]{"all": {}, "one": {Name: names[5000]}, "below": {Name: names[5000], Below: true}} {
		b.Run(name, func(b *testing.B) {
			l, now := newLoop(simFolder, false, zerolog.Nop()), start0
			look := func() {
				for i, name := range names {
					l.onSighting(now, sighting{name: name, look: benchLook(i, 0)})
				}
			}
			look()
			var looked, asked time.Duration
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Minute)
				began := time.Now()
				look()
				looked += time.Since(began)
				began = time.Now()
				shown := l.view(now, ask)
				asked += time.Since(began)
				if want := len(names); len(shown.Held) != want && ask.Name == "" || len(shown.Held) != 1 && ask.Name != "" {
					b.Fatalf("%d are shown", len(shown.Held))
				}
			}
			b.ReportMetric(asked.Seconds()/looked.Seconds(), "of-a-look")
			b.ReportMetric(float64(asked.Nanoseconds())/float64(b.N), "ns/answer")
		})
	}
}
