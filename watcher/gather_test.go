package watcher

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"kaizala-drop/internal/file"
)

func image(name string) file.Settled { return file.Settled{Folder: "/drop", Name: name} }

func nobody(func(string) bool) bool { return false }

func still(file.Settled) bool { return true }

// shown writes batches as "a.jpg b.jpg | c.jpg".
func shown(batches []file.Batch) string {
	var all []string
	for _, b := range batches {
		var names []string
		for _, s := range b {
			names = append(names, s.Name)
		}
		all = append(all, strings.Join(names, " "))
	}
	return strings.Join(all, " | ")
}

func TestGather(t *testing.T) {
	const second = time.Second
	type step struct {
		at   time.Duration // since the start
		add  string        // a file that settles then
		want string        // or the batches that are due then
	}
	for name, c := range map[string]struct {
		album string
		most  int
		steps []step
	}{
		"off": {"off", 10, []step{{0, "1.jpg", ""}, {60 * second, "", ""}}},
		"as people count": {"window", 10, []step{
			{0, "IMG_10.jpg", ""}, {0, "IMG_9.JPG", ""}, {0, "IMG_2.png", ""}, {4 * second, "", ""}, {5 * second, "", "IMG_2.png IMG_9.JPG IMG_10.jpg"},
		}},
		"each prolongs it": {"window", 10, []step{
			{0, "1.jpg", ""}, {4 * second, "2.jpg", ""}, {8 * second, "3.jpg", ""}, {12 * second, "", ""}, {13 * second, "", "1.jpg 2.jpg 3.jpg"},
			{14 * second, "4.jpg", ""}, {19 * second, "", "4.jpg"},
		}},
		"equal parts": {"window", 3, []step{
			{0, "1.jpg", ""}, {0, "2.jpg", ""}, {0, "3.jpg", ""}, {0, "4.jpg", ""}, {5 * second, "", "1.jpg 2.jpg | 3.jpg 4.jpg"},
		}},
		"others go at once": {"window", 10, []step{{0, "1.jpg", ""}, {second, "!a.pdf", ""}, {second, "!b.mp4", ""}, {5 * second, "", "1.jpg"}}},
		"directories by themselves": {"window", 10, []step{
			{0, "x/1.jpg", ""}, {second, "y/2.jpg", ""}, {2 * second, "3.jpg", ""}, {3 * second, "x/4.jpg", ""},
			{6 * second, "", "y/2.jpg"}, {8 * second, "", "3.jpg | x/1.jpg x/4.jpg"},
		}},
		"subfolders": {"subfolder", 10, []step{
			{0, "!1.jpg", ""}, {0, "trip/2.jpg", ""}, {4 * second, "!trip/notes.pdf", ""}, {6 * second, "", ""}, {9 * second, "", "trip/2.jpg"},
		}},
		"a newer state": {"window", 10, []step{{0, "1.jpg", ""}, {second, "1.jpg", ""}, {6 * second, "", "1.jpg"}}},
	} {
		t.Run(name, func(t *testing.T) {
			g, begin := newGatherer(Folder{Album: c.album, AlbumWindow: 5 * second, AlbumMax: c.most}), time.Unix(0, 0)
			for _, s := range c.steps {
				now := begin.Add(s.at)
				if s.add != "" {
					name, atOnce := strings.CutPrefix(s.add, "!")
					if waits := g.add(now, image(name)); waits == (atOnce || c.album == "off") {
						t.Errorf("%s waits: %v", name, waits)
					}
				} else if got := shown(g.due(now, nobody, still)); got != s.want {
					t.Errorf("after %v: %q, want %q", s.at, got, s.want)
				}
			}
			if at, ok := g.next(); ok {
				t.Errorf("something is left, for %v", at.Sub(begin))
			}
		})
	}
}

// TestGatherIsBounded: neither images without end nor one that never settles keeps the others for ever.
func TestGatherIsBounded(t *testing.T) {
	g, begin := newGatherer(Folder{Album: "window", AlbumWindow: time.Second, AlbumMax: 100}), time.Unix(0, 0)
	coming := func(belongs func(string) bool) bool { return belongs("slow.jpg") }
	for i := 0; ; i++ {
		now := begin.Add(time.Duration(i) * time.Second / 2)
		if got := g.due(now, coming, still); len(got) > 0 {
			if took := now.Sub(begin); took != gatherMost*time.Second || len(got) != 2 {
				t.Errorf("%d batches after %v", len(got), took)
			}
			break
		}
		g.add(now, image(fmt.Sprint(i, ".jpg")))
	}
	g = newGatherer(Folder{Album: "window", AlbumWindow: time.Second, AlbumMax: 100})
	g.add(begin, image("1.jpg"))
	for now, ok := g.next(); ok; now, ok = g.next() {
		if got := g.due(now, coming, still); len(got) > 0 && now.Sub(begin) != gatherMost*time.Second {
			t.Errorf("after %v", now.Sub(begin))
		}
	}
}

func TestGatherLeavesOutWhatChanged(t *testing.T) {
	g, begin := newGatherer(Folder{Album: "window", AlbumWindow: time.Second, AlbumMax: 10}), time.Unix(0, 0)
	for _, name := range []string{"1.jpg", "2.jpg", "3.jpg"} {
		g.add(begin, image(name))
	}
	unchanged := func(s file.Settled) bool { return s.Name != "2.jpg" }
	if got := shown(g.due(begin.Add(time.Second), nobody, unchanged)); got != "1.jpg 3.jpg" {
		t.Error(got)
	}
}

// FuzzSplit: each image once, in order, in as few batches as can be, whose sizes differ by one at most.
func FuzzSplit(f *testing.F) {
	f.Add(40, 10)
	f.Add(21, 10)
	f.Add(0, 1)
	f.Fuzz(func(t *testing.T, n, most int) {
		if n < 0 || n > 2000 || most < 1 || most > 100 {
			return
		}
		var images file.Batch
		for _, i := range rand.Perm(n) {
			images = append(images, image(fmt.Sprintf("IMG_%d.jpg", i)))
		}
		batches := split(images, most)
		if want := (n + most - 1) / most; len(batches) != want {
			t.Fatalf("%d batches, want %d", len(batches), want)
		}
		next, small, large := 0, n, 0
		for _, b := range batches {
			small, large = min(small, len(b)), max(large, len(b))
			for _, s := range b {
				if s.Name != fmt.Sprintf("IMG_%d.jpg", next) {
					t.Fatalf("%s stands in place %d", s.Name, next)
				}
				next++
			}
		}
		if next != n || n > 0 && (large > most || large-small > 1) {
			t.Fatalf("%d images, batches of %d to %d", next, small, large)
		}
	})
}

// albumRig is a rig whose folder makes albums.
func albumRig(t *testing.T, w *world) *rig {
	t.Helper()
	f := simFolder
	f.Album, f.AlbumWindow, f.AlbumMax = "window", 5*time.Second, 10
	r := &rig{t: t, world: w}
	r.events = make(chan fsnotify.Event)
	r.start(newLoop(f, false, zerolog.New(&r.log)), r.events, nil, w.scout)
	return r
}

// TestLoopGathersABurst: 40 photos with pauses of 2 s are one gathering, and one that is still being written belongs to it.
func TestLoopGathersABurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := albumRig(t, w)
		go func() {
			for i := range 40 {
				name := fmt.Sprintf("IMG_%d.jpg", 40-i)
				w.write(name, 1)
				r.event(name, fsnotify.Create)
				pass(2 * time.Second)
				if i != 20 {
					continue
				}
				for n := range 10 { // a large one, for twice the window
					w.write(name, int64(10+n))
					r.event(name, fsnotify.Write)
					pass(time.Second)
				}
			}
		}()
		var got []file.Batch
		for range 4 {
			got = append(got, <-r.settled)
		}
		var names, want []string
		for _, b := range got {
			if len(b) != 10 {
				t.Errorf("a batch of %d", len(b))
			}
			for _, s := range b {
				names = append(names, s.Name)
			}
		}
		for i := range 40 {
			want = append(want, fmt.Sprintf("IMG_%d.jpg", i+1))
		}
		if !slices.Equal(names, want) {
			t.Errorf("%q", names)
		}
		r.none(time.Hour)
	})
}

// BenchmarkGather gathers 10,000 images.
func BenchmarkGather(b *testing.B) {
	for b.Loop() {
		g, now := newGatherer(Folder{Album: "window", AlbumWindow: time.Second, AlbumMax: 10}), time.Unix(0, 0)
		for i := range 10_000 {
			g.add(now, image(fmt.Sprintf("IMG_%d.jpg", i)))
			g.next()
		}
		if n := len(g.due(now.Add(time.Second), nobody, still)); n != 1000 {
			b.Fatal(n)
		}
	}
}
