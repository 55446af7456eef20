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

// TestGather shows which images are gathered, when they are due, and in which batches.
func TestGather(t *testing.T) {
	const second = time.Second
	type step struct {
		at   time.Duration // since the start
		want string        // the batches that are due then
		add  string        // a file that settles after that
	}
	for name, c := range map[string]struct {
		album string
		most  int
		steps []step
	}{
		"off": {"off", 10, []step{{0, "", "1.jpg"}, {60 * second, "", ""}}},
		"as people count": {"window", 10, []step{
			{0, "", "IMG_10.jpg"}, {0, "", "IMG_9.JPG"}, {0, "", "IMG_2.png"}, {4 * second, "", ""}, {5 * second, "IMG_2.png IMG_9.JPG IMG_10.jpg", ""},
		}},
		"each prolongs it": {"window", 10, []step{
			{0, "", "1.jpg"}, {4 * second, "", "2.jpg"}, {8 * second, "", "3.jpg"}, {12 * second, "", ""}, {13 * second, "1.jpg 2.jpg 3.jpg", ""},
			{14 * second, "", "4.jpg"}, {19 * second, "4.jpg", ""},
		}},
		"equal parts": {"window", 3, []step{
			{0, "", "1.jpg"}, {0, "", "2.jpg"}, {0, "", "3.jpg"}, {0, "", "4.jpg"}, {5 * second, "1.jpg 2.jpg | 3.jpg 4.jpg", ""},
		}},
		"others go at once": {"window", 10, []step{{0, "", "1.jpg"}, {second, "", "!a.pdf"}, {second, "", "!b.mp4"}, {5 * second, "1.jpg", ""}}},
		"directories by themselves": {"window", 10, []step{
			{0, "", "x/1.jpg"}, {second, "", "y/2.jpg"}, {2 * second, "", "3.jpg"}, {3 * second, "", "x/4.jpg"},
			{6 * second, "y/2.jpg", ""}, {8 * second, "3.jpg | x/1.jpg x/4.jpg", ""},
		}},
		"subfolders": {"subfolder", 10, []step{
			{0, "", "!1.jpg"}, {0, "", "trip/2.jpg"}, {4 * second, "", "!trip/notes.pdf"}, {6 * second, "", ""}, {9 * second, "trip/2.jpg", ""},
		}},
		"dropped folders by themselves, with all that is in them": {"subfolder", 10, []step{
			{0, "", "trip/day 2/1.jpg"}, {0, "", "visit/1.jpg"}, {4 * second, "", "trip/2.jpg"}, {6 * second, "visit/1.jpg", "trip/day 1/1.jpg"},
			{11 * second, "trip/2.jpg trip/day 1/1.jpg trip/day 2/1.jpg", ""},
		}},
		"a newer state": {"window", 10, []step{{0, "", "1.jpg"}, {second, "", "1.jpg"}, {6 * second, "1.jpg", ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			g, begin := newGatherer(Folder{Album: c.album, AlbumWindow: 5 * second, AlbumMax: c.most}), time.Unix(0, 0)
			for _, s := range c.steps {
				now := begin.Add(s.at)
				if got := shown(g.due(now, nobody, still)); got != s.want {
					t.Errorf("after %v: %q, want %q", s.at, got, s.want)
				}
				name, atOnce := strings.CutPrefix(s.add, "!")
				if waits := s.add != "" && g.add(now, image(name)); waits != (s.add != "" && !atOnce && c.album != "off") {
					t.Errorf("%s waits: %v", name, waits)
				}
			}
			if at, ok := g.next(); ok {
				t.Errorf("something is left, for %v", at.Sub(begin))
			}
		})
	}
}

// TestGatherIsBounded shows that neither images without end nor an image that never settles keep the others for ever,
// and that a dropped folder is not cut in two as long as more of it comes.
func TestGatherIsBounded(t *testing.T) {
	begin, window := time.Unix(0, 0), time.Second
	coming := func(belongs func(string) bool) bool { return belongs("trip/slow.jpg") }
	for _, album := range []string{"window", "subfolder"} {
		for _, images := range []int{1, 1000} { // one image every half second
			g := newGatherer(Folder{Album: album, AlbumWindow: window, AlbumMax: 1000})
			var got []file.Batch
			now, next := begin, begin
			for n := 0; len(got) == 0; {
				if n < images {
					g.add(next, image(fmt.Sprintf("trip/%d.jpg", n)))
					n, next = n+1, next.Add(window/2)
				}
				at, _ := g.next()
				if now = at; n < images {
					now = earlier(at, next)
				}
				got = g.due(now, coming, still)
			}
			want := begin.Add(gatherMost * window)
			if album == "subfolder" {
				want = want.Add(time.Duration(images-1) * window / 2)
			}
			if !now.Equal(want) {
				t.Errorf("%s, %d images: after %v, want %v", album, images, now.Sub(begin), want.Sub(begin))
			}
		}
	}
}

// TestGatherLeavesOutWhatChanged shows that an image which has changed since it settled is left out of the batch.
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

// FuzzSplit shows that each image is in one batch, in order, and that there are as few batches as possible, with sizes
// that differ by one at most.
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

const albumPatience = 2 * time.Minute

// albumRig is a rig whose folder makes albums.
func albumRig(t *testing.T, w *world) *rig {
	t.Helper()
	f := simFolder
	f.Album, f.AlbumWindow, f.AlbumMax, f.TruncatedAfter = "window", 5*time.Second, 10, albumPatience
	r := &rig{t: t, world: w}
	r.events = make(chan fsnotify.Event)
	r.start(newLoop(f, false, zerolog.New(&r.log)), r.events, nil, w.scout)
	return r
}

// TestLoopGathersABurst shows that 40 photos with pauses of 2 s are one gathering, including a photo that is still
// being written.
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
				for n := range 10 { // a large photo that takes twice the window
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

// TestLoopGathersForABoundedTime shows that of a camera which takes a picture every 2 s for an hour a batch is handed
// over every 5 minutes, and that PDFs beside the pictures go at once and in order.
func TestLoopGathersForABoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := albumRig(t, w)
		begun := time.Now()
		go func() {
			for i := range 1800 {
				name := fmt.Sprintf("IMG_%d.jpg", i)
				if i%10 == 5 {
					name = fmt.Sprintf("%d.pdf", i)
				}
				w.write(name, 1)
				r.event(name, fsnotify.Create)
				pass(2 * time.Second)
			}
		}()
		seen, documents := 0, []string{}
		for seen < 1800 {
			b := <-r.settled
			if seen += len(b); strings.HasSuffix(b[0].Name, ".pdf") {
				documents = append(documents, b[0].Name)
				if waited, written := time.Since(begun), time.Duration(5+10*(len(documents)-1))*2*time.Second; waited-written > 2*simFolder.Settle {
					t.Errorf("%s waited for %v", b[0].Name, waited-written)
				}
			} else if waited := b[0].At.Add(gatherMost * 5 * time.Second); time.Now().After(waited) {
				t.Errorf("%s settled %v ago", b[0].Name, time.Since(b[0].At))
			}
		}
		for i, name := range documents {
			if want := fmt.Sprintf("%d.pdf", 5+10*i); name != want {
				t.Fatalf("%s stands where %s belongs", name, want)
			}
		}
		if len(documents) != 180 {
			t.Errorf("%d documents", len(documents))
		}
	})
}

// TestLoopGathersWhatIsRenamedIntoPlace shows that photos are one gathering even if rsync takes longer than the window
// for each, because it writes them under hidden names.
func TestLoopGathersWhatIsRenamedIntoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := albumRig(t, w)
		go func() {
			for i := range 5 {
				name := fmt.Sprintf("IMG_%d.jpg", i)
				for range 20 {
					r.event("."+name+".Ab12Cd", fsnotify.Write)
					pass(time.Second)
				}
				w.write(name, 1)
				r.event(name, fsnotify.Create)
			}
		}()
		if b := <-r.settled; len(b) != 5 {
			t.Errorf("a batch of %d", len(b))
		}
		r.none(time.Hour)
	})
}

// TestLoopGathersWhatIsEmptyAtFirst shows that an empty placeholder of an image is waited for, for as long as a torn
// image would be.
func TestLoopGathersWhatIsEmptyAtFirst(t *testing.T) {
	for _, filled := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			r := albumRig(t, w)
			for i, size := range []int64{1, 0, 1} {
				name := fmt.Sprintf("IMG_%d.jpg", i)
				w.write(name, size)
				r.event(name, fsnotify.Create)
			}
			want := 2
			if filled {
				want = 3
				go func() {
					pass(albumPatience / 2)
					w.write("IMG_1.jpg", 1)
					r.event("IMG_1.jpg", fsnotify.Write)
				}()
			}
			if b := <-r.settled; len(b) != want {
				t.Errorf("filled: %v, a batch of %d", filled, len(b))
			}
			r.none(time.Hour)
		})
	}
}

// BenchmarkGather measures the gathering of 10,000 images.
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
