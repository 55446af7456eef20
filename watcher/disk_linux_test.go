package watcher

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

// diskRig is a loop and a scout at work on a real folder, in a synctest bubble. The test reports the events itself,
// because nothing in a bubble can wait for those of the kernel.
type diskRig struct {
	*rig
	dir   string
	begun time.Time
}

// onDisk runs test in a folder with a settle time of 4 s that is listed every 30 s.
func onDisk(t *testing.T, test func(r diskRig)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		r := diskRig{&rig{t: t, events: make(chan fsnotify.Event)}, dir, time.Now()}
		f := Folder{Path: dir, Settle: 4 * time.Second, SettleRemote: 12 * time.Second, Rescan: 30 * time.Second,
			VerifyEnding: true, TruncatedAfter: time.Hour}
		r.start(newLoop(f, false, zerolog.New(&r.log)), r.events, nil, newScout(f, nil).run)
		synctest.Wait()
		test(r)
	})
}

// wrote writes the whole of name and reports the event.
func (r diskRig) wrote(name, content string) {
	r.t.Helper()
	put(r.t, filepath.Join(r.dir, name), content)
	r.events <- fsnotify.Event{Name: filepath.Join(r.dir, name), Op: fsnotify.Write}
}

// settles waits for name to settle, and gives the time that took.
func (r diskRig) settles(name string) (s file.Settled, took time.Duration) {
	r.t.Helper()
	begun := time.Now()
	select {
	case b := <-r.settled:
		if s = b[0]; s.Name != name {
			r.t.Fatalf("%q settled, want %q", s.Name, name)
		}
	case <-time.After(time.Hour):
		r.t.Fatalf("%q has not settled", name)
	}
	return s, time.Since(begun)
}

func (r diskRig) nothing(d time.Duration) {
	r.t.Helper()
	select {
	case b := <-r.settled:
		r.t.Fatalf("%q settled %v after the start", b[0].Name, time.Since(r.begun))
	case <-time.After(d):
	}
}

// pagesOf is a scan that is a whole PDF after each page.
func pagesOf(n int) string { return "%PDF-1.7\n" + strings.Repeat("1 0 obj\nstartxref\n9\n%%EOF\n", n) }

// TestScannerThatClosesAfterEachPage shows that a file which is whole in each of its pauses is handed over once, with
// all pages, if the pauses are shorter than the settle time.
func TestScannerThatClosesAfterEachPage(t *testing.T) {
	onDisk(t, func(r diskRig) {
		for page := range 4 {
			r.wrote("scan.pdf", pagesOf(page+1))
			if page < 3 {
				r.nothing(3900 * time.Millisecond)
			}
		}
		if s, _ := r.settles("scan.pdf"); s.ID.Size != int64(len(pagesOf(4))) {
			t.Errorf("%d bytes settled, want %d", s.ID.Size, len(pagesOf(4)))
		}
		r.nothing(time.Hour)
	})
}

// TestScannerWhosePausesGetLonger shows that after a pause nearly as long as the settle time even a longer pause is
// waited for, and that this is said.
func TestScannerWhosePausesGetLonger(t *testing.T) {
	onDisk(t, func(r diskRig) {
		r.wrote("scan.pdf", pagesOf(1))
		r.nothing(3 * time.Second)
		r.wrote("scan.pdf", pagesOf(2))
		r.nothing(5 * time.Second)
		r.wrote("scan.pdf", pagesOf(4))
		if s, _ := r.settles("scan.pdf"); s.ID.Size != int64(len(pagesOf(4))) {
			t.Errorf("%d bytes settled, want %d", s.ID.Size, len(pagesOf(4)))
		}
		if r.log.count("written with pauses") == 0 {
			t.Error("the log does not say that it waits for longer")
		}
		r.nothing(time.Hour)
	})
}

// TestClosedAfterALongSilence shows that a file which was held open in silence settles within two settle times after
// its close. The first of them is the longest time until a look finds it closed.
func TestClosedAfterALongSilence(t *testing.T) {
	onDisk(t, func(r diskRig) {
		f, err := os.Create(filepath.Join(r.dir, "scan.pdf"))
		must(t, err)
		_, err = f.WriteString(pagesOf(1))
		must(t, err)
		r.events <- fsnotify.Event{Name: f.Name(), Op: fsnotify.Write}
		r.nothing(10*time.Minute + 1500*time.Millisecond)
		must(t, f.Close())
		if _, took := r.settles("scan.pdf"); took < 4*time.Second || took > 8*time.Second {
			t.Errorf("it settled %v after its close", took)
		}
	})
}

// TestMountIsSeenByTheNextListing shows that a mount over the folder, or its end, is found by the next listing,
// although no event reports it.
func TestMountIsSeenByTheNextListing(t *testing.T) {
	probe := t.TempDir()
	if err := unix.Mount("none", probe, "tmpfs", 0, "size=64k"); err != nil {
		if os.Getenv("KAIZALA_DROP_CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("cannot mount, which needs root: %v", err)
	}
	must(t, unix.Unmount(probe, 0))
	onDisk(t, func(r diskRig) {
		r.wrote("below.pdf", pagesOf(1))
		r.settles("below.pdf")
		const within = 30*time.Second + 4*time.Second // the time between listings, and the settle time
		for range 2 {
			must(t, unix.Mount("none", r.dir, "tmpfs", 0, "size=64k"))
			mounted := true
			defer func() {
				if mounted {
					must(t, unix.Unmount(r.dir, unix.MNT_DETACH))
				}
			}()
			put(t, filepath.Join(r.dir, "mounted.pdf"), pagesOf(1))
			if _, took := r.settles("mounted.pdf"); took > within {
				t.Errorf("what was mounted settled after %v", took)
			}
			must(t, unix.Unmount(r.dir, 0))
			mounted = false
			if _, took := r.settles("below.pdf"); took > within {
				t.Errorf("what lies below settled after %v", took)
			}
		}
	})
}

// TestGoneBeforeItIsLookedAt shows that events of files which are gone by the time they are looked at do no harm.
func TestGoneBeforeItIsLookedAt(t *testing.T) {
	dir := t.TempDir()
	s := scoutFor(t, Folder{Path: dir, Recursive: true, Settle: 50 * time.Millisecond, SettleRemote: 50 * time.Millisecond, Rescan: time.Hour})
	list(t, s) // the folder is watched now, and empty
	for _, name := range []string{"1.pdf", "2.pdf", "3.pdf", "4.pdf"} {
		put(t, filepath.Join(dir, name), "x")
		must(t, os.Remove(filepath.Join(dir, name)))
	}
	put(t, dir+"/moved.pdf", "x")
	must(t, os.Rename(dir+"/moved.pdf", dir+"/kept.pdf"))
	r := startReal(t, s)
	select {
	case b := <-r.settled:
		if b[0].Name != "kept.pdf" {
			t.Errorf("%s settled", b[0].Name)
		}
	case <-time.After(time.Minute):
		t.Error("nothing settled in a minute")
	}
}
