package watcher

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// TestCrowdHoldsNobodyElse shows that however many files are held back for one reason, a file that is held back for
// another is looked at as if it were alone.
func TestCrowdHoldsNobodyElse(t *testing.T) {
	s := newSettler(5*time.Second, false)
	look := func(now time.Time, name string, l observation) { s.observe(now, now, name, l) }
	empty := parseLook(t, []string{"0@1"})
	open := parseLook(t, []string{"10@1", "writing"})
	open.obstacle.recheck, open.obstacle.kind = 5*time.Second, kindOpen
	for _, at := range []time.Time{start0, start0.Add(5 * time.Second)} {
		for i := range 3000 {
			look(at, "marker "+strconv.Itoa(i), empty)
		}
		look(at, "scan.pdf", open)
	}
	now := start0.Add(10 * time.Second)
	if due := s.due(now); !slices.Contains(due, "scan.pdf") {
		t.Errorf("due are %d, and the scan is not", len(due))
	}
}

// TestGreatCrowdIsLookedAtSeldom shows that the time between two looks at a file grows with the number of files held
// back for the same reason, up to maxHeld.
func TestGreatCrowdIsLookedAtSeldom(t *testing.T) {
	s, now, last := newSettler(time.Second, false), start0, map[string]time.Time{}
	for i := range 15_000 {
		s.fail(now, strconv.Itoa(i), "no answer")
	}
	for range 200_000 {
		var ok bool
		if now, ok = s.next(); !ok {
			t.Fatal("they are not looked at again")
		}
		for _, name := range s.due(now) {
			if before, is := last[name]; is && now.Sub(before) < maxHeld && now.Sub(start0) > 2*maxHeld {
				t.Fatalf("%s is looked at after %v", name, now.Sub(before))
			}
			last[name] = now
			s.fail(now, name, "no answer")
		}
		if now.Sub(start0) > 5*maxHeld {
			return
		}
	}
	t.Error("the time does not go on")
}

// TestScanBehindMarkers shows that a scan which has settled waits for no more looks at 3,000 empty markers than one
// request asks for.
func TestScanBehindMarkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for i := range 3000 {
			w.write(fmt.Sprintf("marker %d", i), 0)
		}
		w.write("scan.pdf", 10)
		before := -1
		w.delay = func() time.Duration {
			if before < 0 && w.looks["scan.pdf"] > 0 {
				before = 0
				for name, n := range w.looks {
					if name != "scan.pdf" {
						before += n
					}
				}
			}
			return time.Millisecond
		}
		r := startRig(t, w, false)
		r.within(time.Minute, "scan.pdf")
		w.do(func() {
			if before < 0 || before > laterMost {
				t.Errorf("%d markers were looked at before the scan", before)
			}
		})
		r.none(10 * time.Minute) // by then all of them are held back
		w.do(func() { before = -1; clear(w.looks) })
		w.write("scan.pdf", 20)
		r.event("scan.pdf", fsnotify.Write)
		r.within(simSettle+time.Second, "scan.pdf")
		r.said("left where it is", 1)
	})
}

// TestHolesProveACrashOnlyInPlace shows when holes are no sign of a crash: in a file that was moved into place they
// never are, in a file that was written under its name they always are, and in a file that lay there before they are
// not if they are inside and the last change was no write.
func TestHolesProveACrashOnlyInPlace(t *testing.T) {
	for _, c := range []struct {
		name  string
		came  fsnotify.Op // 0: no event
		holes holes
		torn  bool
	}{
		{"moved, inside", fsnotify.Create, holesInside, false},
		{"moved, at the end", fsnotify.Create, holesAtEnd, false},
		{"written, inside", fsnotify.Write, holesInside, true},
		{"written, at the end", fsnotify.Write, holesAtEnd, true},
		{"there before, inside", 0, holesInside, true},
		{"renamed before, inside", fsnotify.Rename, holesInside, false},
		{"renamed before, at the end", fsnotify.Rename, holesAtEnd, true},
		{"there before, at the end", 0, holesAtEnd, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				before := c.came == 0 || c.came == fsnotify.Rename
				if before {
					w.write("x", 10)
				}
				r := startRig(t, w, false)
				if !before {
					r.none(time.Second)
					w.write("x", 10)
					r.event("x", fsnotify.Create)
				}
				if c.came == fsnotify.Write {
					r.event("x", fsnotify.Write)
				}
				w.do(func() {
					l := w.files["x"]
					if l.holes = c.holes; c.came == fsnotify.Rename {
						l.Ctime += 1000
					}
					w.files["x"] = l
				})
				if c.torn {
					r.none(time.Minute)
					r.said("it has holes", 1)
				} else {
					r.within(time.Minute, "x")
				}
			})
		})
	}
}
