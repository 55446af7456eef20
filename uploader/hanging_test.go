package uploader

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"kaizala-drop/internal/hang"
)

// TestFolderThatHangsHoldsNoOther: whatever step of a folder hangs in the file system, the files of another folder are
// posted and filed meanwhile, and its own are, once each and in their order, when it has thawed.
func TestFolderThatHangsHoldsNoOther(t *testing.T) {
	for name, at := range map[string]stage{"the upload's read": toUpload, "the look before the post": toPost, "the move": toFile, "the note": toFail} {
		for _, uploads := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s, max_uploads %d", name, uploads), func(t *testing.T) {
				s := newSim(t, uploads, free{}, folder("/dead"), folder("/live"))
				s.hangs = func(d *delivery) bool { return d.Folder == "/dead" && d.stage == at }
				dead := numbered(60)
				if at == toFail {
					for i := range dead {
						dead[i] += ".txt"
					}
				}
				s.add("/dead", dead...)
				s.pass(5 * time.Second)
				s.add("/live", numbered(200)...)
				s.pass(time.Hour)
				live := func() (n int) {
					for _, e := range s.events {
						if e.was == toFile && e.v == advance && e.d.Folder == "/live" {
							n++
						}
					}
					return n
				}
				if n := live(); n != 200 {
					t.Fatalf("%d of 200 files of the other folder are filed while one hangs", n)
				}
				if len(s.frozen) == 0 || s.holding() > 0 {
					t.Fatalf("%d steps hang, and %d of them hold what all share", len(s.frozen), s.holding())
				}
				s.thaw()
				s.run(time.Hour)
				var ended []string
				for _, e := range s.events {
					if e.v == advance && e.d.Folder == "/dead" && (e.was == toFile || e.was == toFail) {
						ended = append(ended, e.d.name())
					}
				}
				slices.Sort(ended)
				if !slices.Equal(ended, dead) {
					t.Errorf("%d of 60 came to their end after the thaw: %q", len(ended), ended)
				}
			})
		}
	}
}

// TestEveryFolderButOneHangs: the one that does not is served within the time in which the others are found out.
func TestEveryFolderButOneHangs(t *testing.T) {
	folders := []Folder{folder("/live")}
	for i := range 20 {
		folders = append(folders, folder(fmt.Sprint("/dead", i)))
	}
	s := newSim(t, 4, free{}, folders...)
	s.hangs = func(d *delivery) bool { return d.Folder != "/live" && d.stage == toUpload }
	for _, f := range folders {
		s.add(f.Path, numbered(10)...)
	}
	s.pass(10 * hang.Bound)
	if filed := s.ended(toFile); len(filed) != 10 {
		t.Errorf("%d of 10 files are filed while 20 other folders hang", len(filed))
	}
}

// TestProbeThatHangs: while the destination fails one call at a time tries it, and that one is of a folder that hangs.
func TestProbeThatHangs(t *testing.T) {
	s := newSim(t, 4, free{}, folder("/dead"), folder("/live"))
	down := true
	s.ends = func(d *delivery) error {
		if down && d.stage.isCall() {
			return ofDestination(503)
		}
		return nil
	}
	s.add("/dead", numbered(10)...)
	s.pass(time.Minute)
	s.hangs = func(d *delivery) bool { return d.Folder == "/dead" && d.stage == toUpload }
	s.add("/live", numbered(10)...)
	s.pass(time.Minute)
	down = false
	s.pass(30 * time.Minute)
	if filed := s.ended(toFile); len(filed) != 10 {
		t.Errorf("%d of 10 files are filed after the outage, while the folder of the probe hangs", len(filed))
	}
}

// TestLongUploadHangsNot: a call that lasts for hours without touching the file system is none that hangs, and a move of a
// large file may take its time.
func TestLongUploadHangsNot(t *testing.T) {
	s := newSim(t, 4, free{}, folder("/in"))
	s.takes = func(d *delivery) time.Duration {
		if d.stage == toUpload {
			return 3 * time.Hour
		}
		return time.Millisecond
	}
	s.add("/in", "film.mp4")
	s.pass(time.Hour)
	if hung := s.q.takeHung(); len(hung) > 0 || s.q.lanes["/in"].hanging > 0 {
		t.Errorf("%d steps hang", len(hung))
	}
	s.run(3 * time.Hour)
}

// TestPostIsWrittenDownWhileItsFolderHangs: what was posted is in the ledger, although it cannot be filed.
func TestPostIsWrittenDownWhileItsFolderHangs(t *testing.T) {
	s := newSim(t, 4, free{}, folder("/dead"))
	s.takes = func(d *delivery) time.Duration {
		if d.stage == toPost && d.name() == "0001.pdf" {
			return time.Minute
		}
		return 10 * time.Millisecond
	}
	s.hangs = func(d *delivery) bool { return d.stage == toFile }
	s.add("/dead", "0000.pdf", "0001.pdf")
	s.pass(10 * time.Minute)
	if confirmed := s.ended(toConfirm); !slices.Equal(confirmed, []string{"0000.pdf", "0001.pdf"}) {
		t.Errorf("written down as posted: %q", confirmed)
	}
}

// TestRunWithOnceLeavesWhatHangs: it delivers the rest, and ends.
func TestRunWithOnceLeavesWhatHangs(t *testing.T) {
	s := newSim(t, 4, free{}, folder("/dead"), folder("/live"))
	s.hangs = func(d *delivery) bool { return d.Folder == "/dead" && d.stage == toUpload }
	s.add("/dead", numbered(60)...)
	s.add("/live", numbered(10)...)
	s.pass(time.Minute)
	if _, busy := s.q.counts(); busy > 0 || !s.q.hopeless(onceTries) || len(s.ended(toFile)) != 10 {
		t.Errorf("%d steps under way, hopeless: %v, filed: %q", busy, s.q.hopeless(onceTries), s.ended(toFile))
	}
}
