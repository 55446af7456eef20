package watcher

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kaizala-drop/internal/file"
)

// scan is one file of a simulated device, with the time at which it writes each page. The device closes the file after
// each page, and the format takes it for whole.
type scan struct {
	name  string
	pages []time.Time
}

// scans makes files one after the other, each of several pages with pauses between them.
func scans(random *rand.Rand, files int, pause func() time.Duration) (all []scan) {
	at := start0
	for i := range files {
		s := scan{name: string(rune('a'+i%26)) + time.Duration(i).String()}
		for range 2 + random.IntN(6) {
			s.pages = append(s.pages, at)
			at = at.Add(pause())
		}
		all = append(all, s)
		at = at.Add(time.Hour / 10)
	}
	return all
}

// watchScans has a settler watch the device. It gives how many files were handed over before their last page, and how
// long after it the others were.
func watchScans(s *settler, all []scan) (torn int, waits []time.Duration) {
	for _, one := range all {
		look := func(now time.Time) observation {
			l := observation{examined: true, Info: file.Info{Identity: file.Identity{Dev: 1, Ino: 1}, Links: 1}}
			for i, page := range one.pages {
				if !page.After(now) {
					l.Size, l.Mtime = int64(100*(i+1)), page.UnixNano()
				}
			}
			return l
		}
		last := one.pages[len(one.pages)-1]
		handed := time.Time{}
		settle := func(until time.Time) {
			for {
				due, ok := s.next()
				if !ok || !due.Before(until) {
					return
				}
				for _, name := range s.due(due) {
					if s.observe(due, due, name, look(due)).settled && handed.IsZero() {
						handed = due
					}
				}
			}
		}
		for _, page := range one.pages {
			settle(page)
			s.touch(page, one.name)
			s.observe(page, page, one.name, look(page))
		}
		settle(last.Add(time.Hour / 20))
		s.gone(one.name) // it was filed away
		if handed.Before(last) {
			torn++
		} else {
			waits = append(waits, handed.Sub(last))
		}
	}
	return torn, waits
}

// TestPatienceProvesItself shows that of a scanner whose pauses are about as long as the settle time most scans are
// torn without patience and only a few with it, and that the files of a device without pauses wait for no longer than
// the settle time.
func TestPatienceProvesItself(t *testing.T) {
	const settle, files = 5 * time.Second, 500
	random := rand.New(rand.NewPCG(1, 2))
	straddling := func() time.Duration { return time.Second + time.Duration(random.Int64N(int64(6*time.Second))) }
	all := scans(random, files, straddling)

	torn, waits := watchScans(newSettler(settle, false), all)
	without := 0 // files that are quiet for the settle time before their last page
	for _, one := range all {
		for i, page := range one.pages[1:] {
			if page.Sub(one.pages[i]) > settle {
				without++
				break
			}
		}
	}
	t.Logf("pauses of 1 to 7 s, settle = 5s: %d of %d torn without patience, %d with it", without, files, torn)
	if without < files/2 {
		t.Errorf("only %d of %d are torn without patience: the device does not tell", without, files)
	}
	if torn > 2 {
		t.Errorf("%d of %d are torn with patience", torn, files)
	}
	if longest := slices.Max(waits); longest > patienceMost*settle {
		t.Errorf("one waited for %v, more than %d settle times", longest, patienceMost)
	}

	brisk := scans(random, files, func() time.Duration { return time.Duration(random.Int64N(int64(settle / patienceFactor))) })
	torn, waits = watchScans(newSettler(settle, false), brisk)
	if shortest, longest := slices.Min(waits), slices.Max(waits); torn > 0 || shortest != settle || longest != settle {
		t.Errorf("a device without pauses: %d torn, waits of %v to %v, want none and %v", torn, shortest, longest, settle)
	}
}

// TestPatienceIsLost shows that after enough files without a pause the quiet time is the settle time again.
func TestPatienceIsLost(t *testing.T) {
	const settle = 5 * time.Second
	random := rand.New(rand.NewPCG(3, 4))
	s := newSettler(settle, false)
	watchScans(s, scans(random, 1, func() time.Duration { return 4 * time.Second }))
	if got := s.quiet(); got != 2*4*time.Second {
		t.Fatalf("after pauses of 4 s, files must be quiet for %v", got)
	}
	watchScans(s, scans(random, patienceLasts, func() time.Duration { return time.Second }))
	if got := s.quiet(); got != settle {
		t.Errorf("after %d files without pauses, files must be quiet for %v", patienceLasts, got)
	}
}

// TestPatienceStarvesNobody shows that a picture which is renamed over itself, or written anew, every 10 s settles each
// time.
func TestPatienceStarvesNobody(t *testing.T) {
	for name, next := range map[string]func(l *observation){
		"renamed over itself": func(l *observation) { l.Ino++; l.Size += 10 },
		"written anew":        func(l *observation) { l.Size += 10 },
	} {
		t.Run(name, func(t *testing.T) {
			s, settled := newSettler(5*time.Second, false), 0
			l := observation{examined: true, Info: file.Info{Identity: file.Identity{Dev: 1, Ino: 1, Size: 1000}, Links: 1}}
			const shots = 360
			for i := range shots {
				shot := start0.Add(time.Duration(i) * 10 * time.Second)
				empty := l
				if next(&l); l.Ino == empty.Ino { // open(2) with O_TRUNC comes first
					empty.Size = 0
					s.observe(shot, shot, "a", empty)
				}
				l.Mtime = shot.UnixNano()
				s.observe(shot, shot, "a", l)
				for due, ok := s.next(); ok && due.Before(shot.Add(10*time.Second)); due, ok = s.next() {
					for range s.due(due) {
						if s.observe(due, due, "a", l).settled {
							settled++
						}
					}
				}
			}
			if settled != shots {
				t.Errorf("%d of %d settled", settled, shots)
			}
		})
	}
}
