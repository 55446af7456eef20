package uploader

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/media"
)

// album is a batch of images in their first state.
func album(folder string, names ...string) (b file.Batch) {
	for _, name := range names {
		b = append(b, version(folder, name, 1))
	}
	return b
}

// images gives n names of images, in order.
func images(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint(i, ".jpg")
	}
	return names
}

func joined(names []string) string { return strings.Join(names, "+") }

func (s *sim) wantPosts(want ...string) {
	s.t.Helper()
	if !slices.Equal(s.posts, want) {
		s.t.Errorf("posted %q, want %q", s.posts, want)
	}
}

func TestAlbumIsOnePost(t *testing.T) {
	s := newSim(t, 4, free{}, folder("/a"))
	s.add("/a", "before.pdf")
	s.q.add(album("/a", images(10)...))
	s.q.add(album("/a", "single.jpg"))
	s.add("/a", "after.pdf")
	s.run(time.Minute)
	s.wantPosts("before.pdf", joined(images(10)), "single.jpg", "after.pdf")
	if s.calls != 8 {
		t.Errorf("%d calls for 4 posts", s.calls)
	}
	for _, e := range s.events {
		want := map[string]media.Kind{"0.jpg": media.Album, "single.jpg": media.Image}[e.d.name()]
		if want != "" && e.d.Kind != want {
			t.Errorf("%s goes as %s", e.d.name(), e.d.Kind)
		}
	}
}

// TestThousandImages in albums of ten, under 100 calls a minute: two calls for each, and none of the minute is left out.
func TestThousandImages(t *testing.T) {
	s := newSim(t, 4, &perMinute{n: 100}, folder("/a"))
	names := images(1000)
	var want []string
	for i := 0; i < len(names); i += 10 {
		s.q.add(album("/a", names[i:i+10]...))
		want = append(want, joined(names[i:i+10]))
	}
	begun := s.now
	s.run(time.Hour)
	s.wantPosts(want...)
	if took := s.now.Sub(begun); s.calls != 200 || took > 126*time.Second {
		t.Errorf("%d calls in %v", s.calls, took)
	}
}

// TestAddOfBatches: what is known is left out, what is newer takes the place of what waits, and waits for what is under
// way.
func TestAddOfBatches(t *testing.T) {
	later := func(name string) file.Settled { return version("/a", name, 2) }
	torn := version("/a", "torn.jpg", 1)
	torn.Torn = "no end of image"
	for _, c := range []struct {
		name   string
		before []file.Batch // pending, behind what keeps the one upload busy
		add    file.Batch
		posts  []string
		failed int
	}{
		{"known", []file.Batch{album("/a", "1.jpg", "2.jpg")}, album("/a", "1.jpg", "2.jpg"), []string{"1.jpg+2.jpg"}, 0},
		{"some known", []file.Batch{album("/a", "1.jpg", "2.jpg")}, album("/a", "2.jpg", "3.jpg", "4.jpg"),
			[]string{"1.jpg+2.jpg", "3.jpg+4.jpg"}, 0},
		{"one is left", []file.Batch{album("/a", "1.jpg", "2.jpg")}, album("/a", "1.jpg", "2.jpg", "3.jpg"),
			[]string{"1.jpg+2.jpg", "3.jpg"}, 0},
		{"newer", []file.Batch{album("/a", "1.jpg", "2.jpg", "3.jpg")}, file.Batch{later("2.jpg"), later("4.jpg")},
			[]string{"1.jpg+3.jpg", "2.jpg+4.jpg"}, 0},
		{"all but one are newer", []file.Batch{album("/a", "1.jpg", "2.jpg")}, file.Batch{later("1.jpg")},
			[]string{"2.jpg", "1.jpg"}, 0},
		{"all are newer", []file.Batch{album("/a", "1.jpg", "2.jpg"), album("/a", "x.pdf")}, file.Batch{later("1.jpg"), later("2.jpg")},
			[]string{"x.pdf", "1.jpg+2.jpg"}, 0},
		{"not images", nil, album("/a", "1.jpg", "x.pdf", "2.jpg", "notes.txt"), []string{"x.pdf", "1.jpg+2.jpg"}, 1},
		{"torn", nil, append(album("/a", "1.jpg", "2.jpg"), torn), []string{"1.jpg+2.jpg"}, 1},
		{"empty", nil, nil, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSim(t, 1, free{}, folder("/a"))
			s.add("/a", numbered(aheadFactor)...)
			s.start()
			for _, b := range c.before {
				s.q.add(b)
			}
			s.q.add(c.add)
			s.run(time.Minute)
			if got := s.posts[aheadFactor:]; !slices.Equal(got, c.posts) {
				t.Errorf("posted %q, want %q", got, c.posts)
			}
			if failed := s.ended(toFail); len(failed) != c.failed {
				t.Errorf("failed: %v", failed)
			}
			for _, e := range s.events {
				if one := len(e.d.Files) == 1; one == (e.d.Kind == media.Album) {
					t.Errorf("%v goes as %s", e.d.names(), e.d.Kind)
				}
			}
		})
	}
}

// TestNewerImagesOfAnAlbumUnderWay go alone, each once and in its last state, after the album has ended in whatever way.
func TestNewerImagesOfAnAlbumUnderWay(t *testing.T) {
	for _, at := range []stage{toClaim, toUpload, toKeep, toPost, toFile, toFail, toWithdraw, toDivide} {
		t.Run(fmt.Sprint("during ", at), func(t *testing.T) {
			s := newSim(t, 1, free{}, folder("/a"))
			told := false
			s.takes = func(d *delivery) time.Duration {
				if d.stage == at && d.isAlbum() && !told {
					told = true
					s.q.add(file.Batch{version("/a", "1.jpg", 2), version("/a", "2.jpg", 2), version("/a", "9.jpg", 1)})
					s.q.add(file.Batch{version("/a", "1.jpg", 3)})
				}
				return time.Second
			}
			first := true
			s.ends = func(d *delivery) error {
				switch {
				case !first:
				case d.stage == toUpload && at == toWithdraw:
					first = false
					return errFolderGone
				case d.stage == toUpload && at == toDivide:
					first = false
					return troubles{{"1.jpg", errChanged}, {"2.jpg", errVanished}}
				case d.stage == toPost && at == toFail:
					first = false
					d.unknown, d.lookedFor = true, false
					return errChanged
				}
				return nil
			}
			s.q.add(album("/a", images(4)...))
			s.run(time.Minute)
			last := map[string]int64{}
			for _, e := range s.events {
				if e.was == toFile && e.v == advance {
					for _, f := range e.d.Files {
						last[f.Name] = f.ID.Mtime
					}
				}
			}
			if !told || last["1.jpg"] != 3 || last["2.jpg"] != 2 || last["9.jpg"] != 1 {
				t.Errorf("told: %v; filed %v", told, last)
			}
			n := 0
			for _, p := range s.posts {
				n += strings.Count(p, "1.jpg")
			}
			if want := map[stage]int{toFail: 1, toWithdraw: 1, toDivide: 1}[at]; n != max(want, 1) && want != 0 || want == 0 && n != 2 {
				t.Errorf("1.jpg was posted %d times: %q", n, s.posts)
			}
		})
	}
}

// TestImagesLeaveTheAlbum: the others go on at its place, and those that left are given back, once each.
func TestImagesLeaveTheAlbum(t *testing.T) {
	for _, at := range []stage{toUpload, toPost} {
		for _, out := range [][]int{{0}, {4}, {1, 3}, {0, 1, 2, 3}, {0, 1, 2, 3, 4}} {
			t.Run(fmt.Sprint(at, out), func(t *testing.T) {
				s := newSim(t, 1, free{}, folder("/a"))
				names := images(5)
				s.ends = func(d *delivery) error {
					if d.stage != at {
						return nil
					}
					var lost troubles
					for _, i := range out {
						if slices.Contains(d.names(), names[i]) {
							lost = append(lost, trouble{names[i], errChanged})
						}
					}
					if lost == nil {
						return nil
					}
					return lost
				}
				s.q.add(album("/a", names...))
				s.add("/a", "after.pdf")
				s.run(time.Minute)
				var rest, left []string
				for i, name := range names {
					if slices.Contains(out, i) {
						left = append(left, name)
					} else {
						rest = append(rest, name)
					}
				}
				if rest == nil {
					s.wantPosts("after.pdf")
				} else {
					s.wantPosts(joined(rest), "after.pdf")
				}
				var released []string
				for _, r := range s.released {
					released = append(released, r.Name)
				}
				if !slices.Equal(released, left) {
					t.Errorf("released %v, want %v", released, left)
				}
			})
		}
	}
}

// refusing makes a service of the sim that refuses the named images, and more than most at once, at toUpload.
func (s *sim) refusing(most int, bad ...string) {
	s.ends = func(d *delivery) error {
		if d.stage != toUpload {
			return nil
		}
		sent := d.toSend()
		if len(sent) > most || slices.ContainsFunc(sent, func(f ledger.File) bool { return slices.Contains(bad, f.Name) }) {
			return ofFile(415)
		}
		return nil
	}
}

func TestRefusedImagesAreFound(t *testing.T) {
	for _, c := range []struct {
		n      int
		most   int
		bad    []string
		posts  []string
		mostOf int // calls
	}{
		{10, 99, []string{"3.jpg"}, []string{"0.jpg+1.jpg+2.jpg+4.jpg+5.jpg+6.jpg+7.jpg+8.jpg+9.jpg"}, 1 + 8 + 2},
		{2, 99, []string{"1.jpg"}, []string{"0.jpg"}, 1 + 2 + 2},
		{2, 99, []string{"0.jpg", "1.jpg"}, nil, 4},
		{10, 99, []string{"0.jpg", "9.jpg", "5.jpg"}, []string{"1.jpg+2.jpg+3.jpg+4.jpg+6.jpg+7.jpg+8.jpg"}, 28},
		{100, 99, images(100), nil, 2*14 + 100},
		{10, 5, nil, []string{joined(images(10)[:5]), joined(images(10)[5:])}, 3 + 4},
		{8, 3, nil, []string{"0.jpg+1.jpg", "2.jpg+3.jpg", "4.jpg+5.jpg", "6.jpg+7.jpg"}, 1 + 3 + 2*3 + 8},
		{4, 3, []string{"2.jpg"}, []string{"0.jpg+1.jpg+3.jpg"}, 1 + 3 + 2},
	} {
		t.Run(fmt.Sprint(c.n, c.most, len(c.bad)), func(t *testing.T) {
			s := newSim(t, 2, free{}, folder("/a"))
			s.refusing(c.most, c.bad...)
			s.q.add(album("/a", images(c.n)...))
			s.add("/a", "after.pdf")
			s.run(time.Hour)
			s.wantPosts(append(c.posts, "after.pdf")...)
			failed := s.ended(toFail)
			slices.Sort(failed)
			bad := slices.Sorted(slices.Values(c.bad))
			if !slices.Equal(failed, bad) {
				t.Errorf("failed %v, want %v", failed, bad)
			}
			for _, e := range s.events {
				if e.was == toFail && (e.d.note.Status != "415" || e.d.note.Attempts == 0 || e.d.Kind != media.Image) {
					t.Errorf("the note of %s: %+v", e.d.name(), e.d.note)
				}
			}
			if s.calls -= 2; s.calls > c.mostOf {
				t.Errorf("%d calls, want %d at most", s.calls, c.mostOf)
			}
		})
	}
}

// TestSearchTakesTurns: it is one call at a time, under the budget, and other folders have their turns between them.
func TestSearchTakesTurns(t *testing.T) {
	s := newSim(t, 4, &perMinute{n: 60}, folder("/a"), folder("/b"))
	s.refusing(99, "70.jpg")
	s.q.add(album("/a", images(100)...))
	s.add("/b", numbered(10)...)
	begun := s.now
	for !slices.Contains(s.posts, "0009.pdf") {
		if !s.move() {
			t.Fatal("it stands still")
		}
	}
	if took := s.now.Sub(begun); took > 45*time.Second {
		t.Errorf("the other folder's 20 calls took %v at one call a second", took)
	}
	s.run(time.Minute)
	if took := s.now.Sub(begun); took < time.Duration(s.calls-2)*time.Second {
		t.Errorf("%d calls in %v", s.calls, took)
	}
}

// TestActionRefusedForAnAlbum: its images go one by one, in their order; an old resource is uploaded again first.
func TestActionRefusedForAnAlbum(t *testing.T) {
	for _, old := range []bool{false, true} {
		t.Run(fmt.Sprint("of an earlier run ", old), func(t *testing.T) {
			s := newSim(t, 1, free{}, folder("/a"))
			s.ends = func(d *delivery) error {
				if d.stage == toPost && d.Kind == media.Album {
					return ofFile(400)
				}
				return nil
			}
			if old {
				d := ledger.Delivery{ID: 9, Folder: "/a", Kind: media.Album, State: ledger.Uploaded, Resource: "old"}
				for _, f := range album("/a", images(3)...) {
					d.Files = append(d.Files, ledger.File{Name: f.Name, ID: f.ID})
				}
				s.q.restore(d)
			} else {
				s.q.add(album("/a", images(3)...))
			}
			s.add("/a", "after.pdf")
			s.run(time.Minute)
			s.wantPosts("0.jpg", "1.jpg", "2.jpg", "after.pdf")
		})
	}
}

// TestTemporaryFailuresNeverDivide an album, in an outage of hours.
func TestTemporaryFailuresNeverDivide(t *testing.T) {
	for _, at := range []stage{toUpload, toPost} {
		for _, err := range []error{ofDestination(0), ofDestination(503), ofDestination(500), ofDestination(401), ofGroup(404)} {
			s := newSim(t, 2, free{}, folder("/a"))
			until := s.now.Add(5 * time.Hour)
			s.ends = func(d *delivery) error {
				if d.stage == at && s.now.Before(until) {
					return err
				}
				return nil
			}
			s.q.maxAttempts = 2
			s.q.add(album("/a", images(10)...))
			s.run(10 * time.Hour)
			s.wantPosts(joined(images(10)))
		}
	}
}

// TestTemporaryFailuresWithinASearch repeat the same question.
func TestTemporaryFailuresWithinASearch(t *testing.T) {
	s := newSim(t, 2, free{}, folder("/a"))
	s.refusing(99, "6.jpg")
	truth, n := s.ends, 0
	s.ends = func(d *delivery) error {
		if n++; d.stage == toUpload && n%3 != 0 {
			return ofDestination(503)
		}
		return truth(d)
	}
	s.q.add(album("/a", images(8)...))
	s.run(3 * time.Hour)
	s.wantPosts("0.jpg+1.jpg+2.jpg+3.jpg+4.jpg+5.jpg+7.jpg")
	if failed := s.ended(toFail); !slices.Equal(failed, []string{"6.jpg"}) {
		t.Errorf("failed %v", failed)
	}
}

// TestPoisonInAnAlbum: one image makes every request fail that it is in, with what counts as the destination's fault. It
// is found by halving, for the others not to end in failed/ with it.
func TestPoisonInAnAlbum(t *testing.T) {
	for _, err := range []error{ofDestination(500), ofDestination(0), errors.New("EIO")} {
		t.Run(err.Error(), func(t *testing.T) {
			s := newSim(t, 4, &perMinute{n: 100}, folder("/a"))
			s.q.maxAttempts = 3
			s.ends = func(d *delivery) error {
				if d.stage == toUpload && slices.Contains(d.names(), "5.jpg") {
					return err
				}
				return nil
			}
			s.q.add(album("/a", images(8)...))
			for i := range 600 {
				s.add("/a", fmt.Sprintf("other %d.pdf", i))
				s.pass(time.Minute)
			}
			s.run(time.Hour)
			if failed := s.ended(toFail); !slices.Equal(failed, []string{"5.jpg"}) {
				t.Errorf("failed %v", failed)
			}
			var posted []string
			for _, p := range s.posts {
				if strings.Contains(p, ".jpg") {
					posted = append(posted, p)
				}
			}
			slices.Sort(posted)
			if want := []string{"0.jpg+1.jpg+2.jpg+3.jpg", "4.jpg", "6.jpg+7.jpg"}; !slices.Equal(posted, want) {
				t.Errorf("posted %q, want %q", posted, want)
			}
		})
	}
}

// TestUnreadableImages: the others are not kept waiting by them for long, and they themselves not given up.
func TestUnreadableImages(t *testing.T) {
	s := newSim(t, 1, free{}, folder("/a"))
	readable := false
	s.ends = func(d *delivery) error {
		if d.stage != toUpload || readable {
			return nil
		}
		var wrong troubles
		for _, f := range d.Files {
			if f.Name == "1.jpg" || f.Name == "3.jpg" {
				wrong = append(wrong, trouble{f.Name, errors.New("permission denied")})
			}
		}
		switch {
		case wrong == nil:
			return nil
		case !d.isAlbum():
			return errors.New("permission denied")
		}
		return wrong
	}
	s.q.add(album("/a", images(5)...))
	s.pass(time.Minute)
	s.wantPosts("0.jpg+2.jpg+4.jpg")
	s.q.add(album("/a", "1.jpg", "3.jpg"))
	readable = true
	s.run(time.Hour)
	slices.Sort(s.posts) // each of the two waited by itself
	s.wantPosts("0.jpg+2.jpg+4.jpg", "1.jpg", "3.jpg")
}

// TestAlbumOfWhichNoneCanBeRead waits as a whole.
func TestAlbumOfWhichNoneCanBeRead(t *testing.T) {
	s := newSim(t, 1, free{}, folder("/a"))
	until := s.now.Add(time.Hour)
	s.ends = func(d *delivery) error {
		if d.stage == toUpload && s.now.Before(until) {
			return troubles{{"0.jpg", errors.New("denied")}, {"1.jpg", errors.New("denied")}}
		}
		return nil
	}
	s.q.add(album("/a", images(2)...))
	s.run(2 * time.Hour)
	s.wantPosts("0.jpg+1.jpg")
}

// TestUnknownAlbumIsNeverDivided: it may be in the group already.
func TestUnknownAlbumIsNeverDivided(t *testing.T) {
	for _, hold := range []bool{false, true} {
		for _, then := range []error{troubles{{"0.jpg", errChanged}}, troubles{{"0.jpg", errors.New("EIO")}}, doubtful(504), ofFile(400)} {
			t.Run(fmt.Sprint(hold, then), func(t *testing.T) {
				f := folder("/a")
				f.HoldUnknown = hold
				s := newSim(t, 1, free{}, f)
				s.q.maxAttempts = 2
				first := true
				s.ends = func(d *delivery) error {
					switch {
					case d.stage != toPost || !d.isAlbum():
						return nil
					case first:
						first = false
						return doubtful(0)
					}
					return then
				}
				s.q.add(album("/a", images(3)...))
				for i := range 100 {
					s.add("/a", fmt.Sprintf("other %d.pdf", i))
					s.pass(time.Minute)
				}
				s.run(time.Hour)
				if failed := s.ended(toFail); !slices.Equal(failed, []string{joined(images(3))}) {
					t.Fatalf("failed %q", failed)
				}
				for _, e := range s.events {
					if e.was == toDivide || e.was == toFail && !strings.Contains(e.d.note.Reason, "an album of 3 images") {
						t.Errorf("stage %d, note %+v", e.was, e.d.note)
					}
				}
			})
		}
	}
}

// TestLedgerRefusesToForget: what is to be divided waits, and is not posted meanwhile.
func TestLedgerRefusesToForget(t *testing.T) {
	s := newSim(t, 1, free{}, folder("/a"))
	until := s.now.Add(time.Hour)
	s.ends = func(d *delivery) error {
		switch {
		case d.stage == toUpload && len(d.Files) == 3:
			return troubles{{"1.jpg", errVanished}}
		case d.stage == toDivide && s.now.Before(until):
			return ledgerError{errors.New("disk full")}
		}
		return nil
	}
	s.q.add(album("/a", images(3)...))
	s.run(2 * time.Hour)
	s.wantPosts("0.jpg+2.jpg")
	if s.now.Before(until) {
		t.Error("it was divided although the ledger has it still")
	}
}

// TestFolderGoesWhileAnAlbumIsDivided: what the ledger does not know lies in its folder, and is let go.
func TestFolderGoesWhileAnAlbumIsDivided(t *testing.T) {
	s := newSim(t, 1, free{}, folder("/a"))
	s.refusing(99, "1.jpg")
	s.takes = func(d *delivery) time.Duration {
		if d.stage == toDivide {
			s.q.setFolders(nil)
		}
		return time.Second
	}
	s.q.add(album("/a", images(3)...))
	s.run(time.Minute)
	if len(s.posts) != 0 || len(s.q.lanes) != 0 {
		t.Errorf("posted %v; %d folders are known", s.posts, len(s.q.lanes))
	}
}

func TestTroublesNameTheirImages(t *testing.T) {
	var all troubles
	for _, name := range images(8) {
		all = append(all, trouble{name, errVanished})
	}
	if got := all[:2].Error(); got != "0.jpg: the file is gone; 1.jpg: the file is gone" {
		t.Error(got)
	}
	if got := all.Error(); !strings.HasSuffix(got, "4.jpg: the file is gone; and 3 more") || !errors.Is(all, errVanished) {
		t.Error(got)
	}
}

// TestLedgerRefusesForGood: before the post the files go to failed/, for nobody knows what happened to them; after it
// they are not kept in the folder (that is for the steps, see TestLedgerForgets).
func TestLedgerRefusesForGood(t *testing.T) {
	for _, at := range []stage{toKeep, toPost, toWithdraw, toDivide} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			s := newSim(t, 1, free{}, folder("/a"))
			s.ends = func(d *delivery) error {
				switch {
				case d.stage == at:
					return ledgerError{fmt.Errorf("cannot: %w", ledger.ErrState)}
				case d.stage == toUpload && at == toWithdraw:
					return errFolderGone
				case d.stage == toUpload && at == toDivide:
					return troubles{{"1.jpg", errChanged}}
				}
				return nil
			}
			s.q.add(album("/a", images(3)...))
			s.run(time.Minute)
			if failed := s.ended(toFail); !slices.Equal(failed, []string{joined(images(3))}) || len(s.posts) != 0 {
				t.Errorf("failed %q, posted %q", failed, s.posts)
			}
			if last := s.events[len(s.events)-1].d; last.note.Advice != adviceUnknown {
				t.Errorf("%+v", last.note)
			}
		})
	}
}
