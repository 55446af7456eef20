package uploader

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/view"
)

func TestPostsKeepTheOrderWhateverTheOrderOfUploads(t *testing.T) {
	for seed := range uint64(20) {
		s := newSim(t, 4, free{}, folder("/a"))
		s.rand = rand.New(rand.NewPCG(seed, 0))
		s.takes = func(*delivery) time.Duration { return time.Duration(1 + s.rand.IntN(5000)) }
		names := numbered(200)
		s.add("/a", names...)
		s.run(time.Hour)
		if !slices.Equal(s.posts, names) {
			t.Fatalf("seed %d: posted in the order %v", seed, s.posts)
		}
		if filed := s.ended(toFile); len(filed) != len(names) {
			t.Fatalf("seed %d: %d filed", seed, len(filed))
		}
	}
}

// TestOneThatWaitsForItselfIsOvertaken: its failure is its own, the others go on, and it follows.
func TestOneThatWaitsForItselfIsOvertaken(t *testing.T) {
	s := newSim(t, 2, free{}, folder("/a"))
	failures := 3
	s.ends = func(d *delivery) error {
		if d.name() == "0000.pdf" && d.stage == toUpload && failures > 0 {
			failures--
			return errors.New("permission denied")
		}
		return nil
	}
	names := numbered(20)
	s.add("/a", names...)
	s.run(time.Hour)
	if want := append(slices.Clone(names[1:]), names[0]); !slices.Equal(s.posts, want) {
		t.Errorf("posted %v, want %v", s.posts, want)
	}
}

func TestPostsGoBeforeUploads(t *testing.T) {
	s := newSim(t, 1, &perMinute{n: 60}, folder("/a"))
	s.add("/a", numbered(30)...)
	s.run(time.Hour)
	var ahead, most int
	for _, e := range s.events {
		switch e.was {
		case toUpload:
			ahead++
		case toPost:
			ahead--
		}
		most = max(most, ahead)
	}
	if most > 2 { // one being kept when the next call may be made
		t.Errorf("%d files were uploaded and not yet posted while calls were scarce", most)
	}
	if s.calls != 60 {
		t.Errorf("%d calls for 30 files", s.calls)
	}
}

func TestFoldersTakeTurns(t *testing.T) {
	s := newSim(t, 4, &perMinute{n: 100}, folder("/many"), folder("/few"))
	s.add("/many", numbered(1000)...)
	s.pass(time.Minute)
	before := s.calls
	s.add("/few", "single.pdf")
	for !slices.Contains(s.posts, "single.pdf") {
		if !s.move() {
			t.Fatal("it stands still")
		}
	}
	if calls := s.calls - before; calls > 10 {
		t.Errorf("the single file was posted after %d calls", calls)
	}
	s.run(time.Hour)
}

// TestManyFoldersAllGetTurns: 50 folders of 20 files; none is done long before another.
func TestManyFoldersAllGetTurns(t *testing.T) {
	var folders []Folder
	for i := range 50 {
		folders = append(folders, folder(fmt.Sprintf("/%02d", i)))
	}
	s := newSim(t, 4, &perMinute{n: 100}, folders...)
	for _, f := range folders {
		s.add(f.Path, numbered(20)...)
	}
	posted := map[string]int{}
	s.after = func(e event) {
		if e.was != toPost {
			return
		}
		posted[e.d.Folder]++
		if posted[e.d.Folder] > 5 && len(posted) < 50 {
			t.Fatalf("%s has %d posts, and only %d folders have any", e.d.Folder, posted[e.d.Folder], len(posted))
		}
	}
	s.run(2 * time.Hour)
	if len(s.posts) != 1000 || s.calls != 2000 {
		t.Errorf("%d posts, %d calls", len(s.posts), s.calls)
	}
}

// TestJammedFolderSendsNothingMore: its done/ cannot be written. Another folder is not disturbed, and all of it is
// filed once done/ can be written.
// TestJammedFolderSendsNothingMore once a few of its files could not be moved away; the other folder goes on.
func TestJammedFolderSendsNothingMore(t *testing.T) {
	s := newSim(t, 4, free{}, folder("/jammed"), folder("/well"))
	full := true
	s.ends = func(d *delivery) error {
		if full && d.stage == toFile && d.Folder == "/jammed" {
			return errors.New("no space left on device")
		}
		return nil
	}
	names := numbered(1000)
	s.add("/jammed", names...)
	s.add("/well", numbered(600)...)
	s.pass(time.Hour)
	posted := 0
	for _, e := range s.events {
		if e.was == toPost && e.d.Folder == "/jammed" {
			posted++
		}
	}
	if posted < maxStuck || posted > maxStuck+aheadFactor*4 {
		t.Errorf("%d posts from a folder that cannot be emptied", posted)
	}
	if filed := s.ended(toFile); len(filed) != 600 {
		t.Errorf("%d of the other folder's 600 were filed", len(filed))
	}
	full = false
	s.run(time.Hour)
	if len(s.posts) != 1600 {
		t.Errorf("%d posts for 1600 files", len(s.posts))
	}
}

func TestAddTakesAFileOnce(t *testing.T) {
	s := newSim(t, 1, free{}, folder("/a"))
	for _, at := range []stage{toClaim, toUpload, toKeep, toPost, toFile} { // while each step is under way
		s.takes = func(d *delivery) time.Duration {
			if d.stage == at {
				s.add("/a", "x.pdf")
			}
			return time.Second
		}
		s.posts = nil
		s.add("/a", "x.pdf")
		s.run(time.Minute)
		if !slices.Equal(s.posts, []string{"x.pdf"}) {
			t.Errorf("handed over again during stage %d: posted %v", at, s.posts)
		}
	}
}

// TestNewerFileUnderTheSameName: the latest state is posted once, after whatever was under way has come to its end;
// one that waits is replaced.
func TestNewerFileUnderTheSameName(t *testing.T) {
	t.Run("pending", func(t *testing.T) {
		s := newSim(t, 1, free{}, folder("/a"))
		s.add("/a", "x.pdf", "y.pdf")
		s.q.add(file.Batch{version("/a", "x.pdf", 2)})
		s.run(time.Minute)
		if !slices.Equal(s.posts, []string{"y.pdf", "x.pdf"}) {
			t.Errorf("posted %v", s.posts)
		}
	})
	for _, at := range []stage{toClaim, toUpload, toKeep, toPost, toFile, toFail, toWithdraw} {
		t.Run(fmt.Sprint("during ", at), func(t *testing.T) {
			s := newSim(t, 1, free{}, folder("/a"))
			told := false
			s.takes = func(d *delivery) time.Duration {
				if d.stage == at && !told {
					told = true
					s.q.add(file.Batch{version("/a", "x.pdf", 2)})
					s.q.add(file.Batch{version("/a", "x.pdf", 3)})
				}
				return time.Second
			}
			first := true
			s.ends = func(d *delivery) error {
				if d.stage == toUpload && first && at == toWithdraw {
					first = false
					return errChanged
				}
				if d.stage == toUpload && first && at == toFail {
					first = false
					return ofFile(415)
				}
				return nil
			}
			s.add("/a", "x.pdf")
			s.run(time.Minute)
			last := s.events[len(s.events)-1]
			if !told || last.was != toFile || last.d.Files[0].ID.Mtime != 3 {
				t.Errorf("the last state was not filed: %+v", last)
			}
			want := 2
			if at == toWithdraw || at == toFail {
				want = 1
			}
			if len(s.posts) != want {
				t.Errorf("%d posts, want %d", len(s.posts), want)
			}
		})
	}
}

func TestUnsupportedAndTornFilesGoToFailedWithoutACall(t *testing.T) {
	s := newSim(t, 1, free{}, folder("/a"))
	s.add("/a", "notes.txt", "README")
	torn := version("/a", "torn.pdf", 1)
	torn.Torn = "no %%EOF"
	s.q.add(file.Batch{torn})
	s.run(time.Minute)
	if failed := s.ended(toFail); s.calls != 0 || len(failed) != 3 {
		t.Errorf("%d calls, failed: %v", s.calls, failed)
	}
	for _, e := range s.events {
		if e.d.Reason == "" || e.d.note.Reason == "" {
			t.Errorf("%s failed without a reason", e.d.name())
		}
	}
}

func TestSetFolders(t *testing.T) {
	s := newSim(t, 1, free{}, folder("/a"), folder("/b"))
	s.add("/a", numbered(100)...)
	s.add("/b", "b.pdf", "c.txt")
	for len(s.posts) < 3 {
		s.move()
	}
	s.q.setFolders([]Folder{folder("/b")})
	s.add("/a", "late.pdf")
	s.run(time.Minute)
	if posted := len(s.posts); posted < 4 || posted > 3+1+aheadFactor+1 {
		t.Errorf("%d posts after the folder was removed: what was claimed must be brought to its end, nothing more", posted)
	}
	claimed := s.ended(toClaim)
	if filed := s.ended(toFile); len(filed) != len(claimed) {
		t.Errorf("%d claimed, %d filed", len(claimed), len(filed))
	}
	if s.q.lanes["/a"] != nil || len(s.q.turns) != 1 {
		t.Error("the removed folder is still known")
	}
	s.q.setFolders([]Folder{folder("/a"), folder("/b")})
	posted := len(s.posts)
	s.add("/a", "again.pdf")
	s.run(time.Minute)
	if len(s.posts) != posted+1 {
		t.Error("the folder does not work after it was configured again")
	}
}

// TestRemovedFolderLetsGoOfWhatIsNotClaimed: the ledger does not take it, so it would wait for a folder that is none of
// ours any more.
func TestRemovedFolderLetsGoOfWhatIsNotClaimed(t *testing.T) {
	s := newSim(t, 1, free{}, folder("/a"))
	s.ends = func(*delivery) error { return ledgerError{errors.New("disk full")} }
	s.add("/a", append(numbered(30), "x.txt")...)
	s.pass(time.Hour)
	s.q.setFolders(nil)
	for len(s.underWay) > 0 {
		s.move()
	}
	if s.known() != 0 || len(s.q.lanes) != 0 {
		t.Errorf("%d are left", s.known())
	}
}

// TestFolderComesBackWhileItsDeliveriesAreBusy: the watcher hands everything over again.
func TestFolderComesBackWhileItsDeliveriesAreBusy(t *testing.T) {
	s := newSim(t, 2, free{}, folder("/a"))
	names := numbered(50)
	s.add("/a", names...)
	s.pass(time.Second)
	s.q.setFolders(nil)
	s.move()
	s.q.setFolders([]Folder{folder("/a")})
	filed := s.ended(toFile)
	for _, name := range names {
		if !slices.Contains(filed, name) && !slices.Contains(s.posts, name) {
			s.add("/a", name)
		}
	}
	s.run(time.Minute)
	if slices.Sort(s.posts); !slices.Equal(s.posts, names) {
		t.Errorf("posted %v", s.posts)
	}
}

func TestChangedGroupEndsThePauseOfItsFolder(t *testing.T) {
	s := newSim(t, 1, free{}, folder("/a"))
	s.ends = func(d *delivery) error {
		if d.stage == toPost && d.lane.folder.Group == "group of /a" {
			return ofGroup(404)
		}
		return nil
	}
	s.add("/a", "x.pdf")
	s.pass(time.Hour)
	for l := s.q.lanes["/a"]; l.pause.until.Sub(s.now) < time.Minute; {
		s.move()
	}
	changed := folder("/a")
	changed.Group = "the right one"
	s.q.setFolders([]Folder{changed})
	s.run(time.Second)
	if len(s.posts) != 1 {
		t.Error("not posted at once")
	}
}

// TestFilesThatCannotBeReadDoNotBlockTheFolder: more of them than may be ahead.
func TestFilesThatCannotBeReadDoNotBlockTheFolder(t *testing.T) {
	s := newSim(t, 2, free{}, folder("/a"))
	s.ends = func(d *delivery) error {
		if d.stage == toUpload && d.name() < "0020" {
			return errors.New("permission denied")
		}
		return nil
	}
	names := numbered(40)
	s.add("/a", names...)
	s.pass(10 * time.Hour)
	if !slices.Equal(s.posts, names[20:]) || len(s.ended(toFail)) != 0 {
		t.Fatalf("posted %v, failed %v", s.posts, s.ended(toFail))
	}
	for i := range 20 { // while others get through, they are to blame
		s.add("/a", fmt.Sprintf("good %d.pdf", i))
		s.pass(10 * time.Minute)
	}
	if failed := s.ended(toFail); len(failed) != 20 || s.known() != 0 {
		t.Errorf("failed: %v", failed)
	}
}

// TestOnlyFilesThatCannotBeReadEndARunWithOnce: with nobody who gets through none is to blame, but the run ends.
func TestOnlyFilesThatCannotBeReadEndARunWithOnce(t *testing.T) {
	for _, at := range []stage{toClaim, toUpload, toKeep, toFile} {
		s := newSim(t, 1, free{}, folder("/a"))
		s.ends = func(d *delivery) error {
			if d.stage == at {
				return ledgerOr(at, errors.New("permission denied"))
			}
			return nil
		}
		s.add("/a", numbered(400)...)
		begun := s.now
		for {
			s.start()
			if len(s.underWay) == 0 && s.q.hopeless(onceTries) {
				break
			}
			if !s.move() || s.now.Sub(begun) > time.Hour {
				t.Fatalf("stage %d: the run does not end; %d left", at, s.known())
			}
		}
		if len(s.ended(toFail)) != 0 {
			t.Errorf("stage %d: files went to failed/ though none got through", at)
		}
	}
}

func ledgerOr(at stage, err error) error {
	if at == toClaim || at == toKeep {
		return ledgerError{err}
	}
	return err
}

func TestRestore(t *testing.T) {
	s := newSim(t, 4, free{}, folder("/a"))
	for i, state := range []ledger.State{ledger.Claimed, ledger.Uploaded, ledger.Posting, ledger.Posted, ledger.Failed} {
		d := ledger.Delivery{ID: int64(i + 1), Folder: "/a", State: state, Kind: "Document", Reason: "was bad",
			Files: []ledger.File{{Name: string(state) + ".pdf"}}}
		if state != ledger.Claimed {
			d.Resource = "kept"
		}
		if _, ok := s.q.restore(d); !ok {
			t.Fatal("not restored")
		}
	}
	if _, ok := s.q.restore(ledger.Delivery{Folder: "/elsewhere"}); ok {
		t.Error("restored a delivery of a folder that is not configured")
	}
	s.run(time.Minute)
	if !slices.Equal(s.posts, []string{"claimed.pdf", "uploaded.pdf", "posting.pdf"}) || s.calls != 4 {
		t.Errorf("%d calls, posted %v", s.calls, s.posts)
	}
	if failed := s.ended(toFail); !slices.Equal(failed, []string{"failed.pdf"}) {
		t.Errorf("failed: %v", failed)
	}
}

func TestStoppingMakesNoMoreCalls(t *testing.T) {
	s := newSim(t, 2, free{}, folder("/a"))
	s.add("/a", append(numbered(50), "x.txt")...)
	s.pass(500 * time.Millisecond)
	s.q.stopping = true
	calls := s.calls
	for s.move() {
	}
	if s.calls != calls {
		t.Errorf("%d calls after the stop", s.calls-calls)
	}
	if filed := s.ended(toFile); len(filed) != len(s.posts) {
		t.Errorf("%d posted, %d filed", len(s.posts), len(filed))
	}
}

// TestManyFilesAreNotSlow: what the queue goes over for each step does not grow with what waits. BenchmarkQueue says how long
// a step takes.
func TestManyFilesAreNotSlow(t *testing.T) {
	s, most := newSim(t, 4, free{}, folder("/a")), 0
	s.after = func(event) {
		l := s.q.lanes["/a"]
		most = max(most, len(l.active)+len(l.unfiled)+len(s.q.turns))
	}
	s.add("/a", numbered(20_000)...)
	s.run(24 * time.Hour)
	t.Logf("%d deliveries at most were gone over", most)
	if most > 100 {
		t.Errorf("%d deliveries were gone over for a step, want 100 at most", most)
	}
}

// BenchmarkQueue takes files from when they settle to done/: what it takes for each of ten times as many is to be the same.
func BenchmarkQueue(b *testing.B) {
	for _, n := range []int{2000, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				s := newSim(b, 4, free{}, folder("/a"))
				s.add("/a", numbered(n)...)
				s.run(24 * time.Hour)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/file")
		})
	}
}

// BenchmarkView10k puts a question to a queue in which 10,000 files wait: of-a-look is what the answer costs by what it costs to take up
// that many.
func BenchmarkView10k(b *testing.B) {
	names := numbered(10_000)
	for name, ask := range map[string]view.Ask[view.Posting]{"all": {}, "one": {Folder: "/a", Name: names[5000]}, "below": {Folder: "/a", Name: names[5000], Below: true}} {
		b.Run(name, func(b *testing.B) {
			var taken, asked time.Duration
			b.ReportAllocs()
			for b.Loop() {
				s := newSim(b, 4, free{}, folder("/a"))
				began := time.Now()
				s.add("/a", names...)
				taken += time.Since(began)
				began = time.Now()
				shown := s.q.view(s.now, ask)
				asked += time.Since(began)
				if n := len(shown.Lanes[0].Queue); n != shownMost && ask.Name == "" || n != 1 && ask.Name != "" {
					b.Fatalf("%d are shown", n)
				}
			}
			b.ReportMetric(asked.Seconds()/taken.Seconds(), "of-a-look")
			b.ReportMetric(float64(asked.Nanoseconds())/float64(b.N), "ns/answer")
		})
	}
}

// FuzzQueue plays a random day: folders come and go, files settle, change, are handed over again, calls fail in every
// way; then the failures stop, and everything must come to exactly one end.
func FuzzQueue(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { newDay(t, seed).play() })
}

// day is a sim with a watcher that knows what lies in the folders.
type day struct {
	*sim
	calm    time.Time // no failures from then on
	quiet   bool      // no failures at all, and nothing changes: the order must hold
	state   map[string]int
	lies    map[string]bool // path: still in its folder
	order   map[string][]string
	posted  map[string]int // path and state
	doubts  map[string]int
	folders []Folder
}

func newDay(t *testing.T, seed uint64) *day {
	r := rand.New(rand.NewPCG(seed, 42))
	var folders []Folder
	for i := range 1 + r.IntN(4) {
		f := folder(fmt.Sprintf("/%d", i))
		f.HoldUnknown = r.IntN(2) == 0
		folders = append(folders, f)
	}
	var b Budget = free{}
	if r.IntN(2) == 0 {
		b = &perMinute{n: 60 + r.IntN(1000)}
	}
	d := &day{
		sim: newSim(t, 1+r.IntN(4), b, folders...), folders: folders, quiet: r.IntN(4) == 0,
		state: map[string]int{}, lies: map[string]bool{}, order: map[string][]string{},
		posted: map[string]int{}, doubts: map[string]int{},
	}
	d.rand = r
	d.q.maxAttempts = 1 + r.IntN(10)
	d.calm = d.now.Add(time.Duration(r.IntN(7200)) * time.Second)
	d.takes = func(*delivery) time.Duration { return time.Duration(r.Int64N(int64(3 * time.Second))) }
	d.ends = d.outcome
	d.after = d.observe
	return d
}

func (y *day) outcome(d *delivery) error {
	changed := d.each(d.Files, func(i int) error {
		if f := d.Files[i]; int64(y.state[d.Folder+f.Name]) != f.ID.Mtime {
			return errChanged
		}
		return nil
	})
	if changed != nil && (d.stage == toUpload || d.stage == toPost) {
		return changed
	}
	if y.quiet || y.now.After(y.calm) {
		return nil
	}
	after := ofDestination(429)
	after.RetryAfter = 30 * time.Second
	errs := []error{nil, nil, nil, nil}
	switch d.stage {
	case toUpload:
		unread := d.each(d.toSend()[:1], func(int) error { return errors.New("EIO") })
		errs = append(errs, errFolderGone, unread, ofFile(413), ofFile(415), ofDestination(0), ofDestination(503), after, broken(),
			wordless(ofFile(404)), unsent(wordless(ofFile(413))), reset(), inVain(ofDestination(502)))
	case toPost:
		errs = append(errs, ledgerError{errors.New("full")}, ofFile(400), ofGroup(403), ofDestination(503), after,
			doubtful(504), doubtful(0), wordless(ofFile(400)), wordless(ofGroup(404)), ofDestination(302))
	default:
		errs = append(errs, ledgerError{errors.New("full")})
	}
	return errs[y.rand.IntN(len(errs))]
}

func (y *day) observe(e event) {
	for _, f := range e.d.Files {
		y.observeFile(e, e.d.Folder, f)
	}
}

func (y *day) observeFile(e event, folder string, f ledger.File) {
	key := fmt.Sprint(folder, f.Name, f.ID.Mtime)
	switch {
	case e.was == toPost && e.v == advance:
		if y.posted[key]++; y.posted[key] > 1 {
			y.t.Fatalf("%s was posted twice", key)
		}
	case e.was == toPost && e.v == uncertain:
		y.doubts[key]++
	case (e.was == toFile || e.was == toFail) && e.v == advance:
		if int64(y.state[folder+f.Name]) == f.ID.Mtime {
			y.lies[folder+f.Name] = false
		}
	}
}

func (y *day) settle(folder string, names ...string) {
	var b file.Batch
	for _, name := range names {
		path := folder + name
		y.state[path]++
		y.lies[path] = true
		f := version(folder, name, y.state[path])
		f.At = y.now
		b = append(b, f)
	}
	y.q.add(b)
}

// watch hands over what lies in the folders, as a watcher does that was just started.
func (y *day) watch(folder string) {
	for _, name := range y.order[folder] {
		if y.lies[folder+name] {
			y.q.add(file.Batch{version(folder, name, y.state[folder+name])})
		}
	}
}

// happen does one thing that can happen.
func (y *day) happen() {
	f := y.folders[y.rand.IntN(len(y.folders))].Path
	switch n := y.rand.IntN(24); {
	case n >= 20:
		var names []string
		for range 2 + y.rand.IntN(8) {
			names = append(names, fmt.Sprintf("%04d.jpg", len(y.order[f])))
			y.order[f] = append(y.order[f], names[len(names)-1])
		}
		if len(names) > 4 && !y.quiet && len(y.order[f]) > len(names) { // some of them known already
			if old := y.order[f][y.rand.IntN(len(y.order[f])-len(names))]; y.lies[f+old] {
				names = append(names, old)
			}
		}
		y.settle(f, names...)
	case n < 10:
		name := fmt.Sprintf("%04d.pdf", len(y.order[f]))
		if !y.quiet && y.rand.IntN(10) == 0 {
			name = fmt.Sprintf("%04d.txt", len(y.order[f]))
		}
		y.order[f] = append(y.order[f], name)
		y.settle(f, name)
	case n < 12 && len(y.order[f]) > 0:
		if name := y.order[f][y.rand.IntN(len(y.order[f]))]; y.lies[f+name] {
			y.q.add(file.Batch{version(f, name, y.state[f+name])}) // once more
		}
	case y.quiet:
	case n < 15 && len(y.order[f]) > 0:
		y.settle(f, y.order[f][y.rand.IntN(len(y.order[f]))]) // a newer file of the same name
	case n == 19:
		var some []Folder
		for _, f := range y.folders {
			if y.rand.IntN(2) == 0 {
				some = append(some, f)
			}
		}
		y.configure(some)
	}
	for _, r := range y.released { // the watcher lets it settle anew
		if y.lies[r.Folder+r.Name] {
			y.q.add(file.Batch{version(r.Folder, r.Name, y.state[r.Folder+r.Name])})
		}
	}
	y.released = nil
}

func (y *day) configure(folders []Folder) {
	was := map[string]bool{}
	for _, l := range y.q.turns {
		was[l.folder.Path] = !l.removed
	}
	y.q.setFolders(folders)
	for _, f := range folders {
		if !was[f.Path] {
			y.watch(f.Path)
		}
	}
}

func (y *day) play() {
	for range 20 + y.rand.IntN(200) {
		y.happen()
		for range y.rand.IntN(12) {
			y.move()
		}
	}
	y.pass(y.calm.Sub(y.now) + time.Second)
	y.configure(y.folders)
	for {
		for _, r := range y.released {
			if y.lies[r.Folder+r.Name] {
				y.q.add(file.Batch{version(r.Folder, r.Name, y.state[r.Folder+r.Name])})
			}
		}
		y.released = nil
		if y.known() == 0 {
			break
		}
		y.run(48 * time.Hour)
	}
	for path, lies := range y.lies {
		if lies {
			y.t.Errorf("%s still lies in its folder: forgotten", path)
		}
	}
	if y.quiet {
		y.inOrder()
	}
	if len(y.q.turns) != len(y.folders) || y.q.uploading+y.q.posts+y.q.local != 0 {
		y.t.Error("counters or folders are left")
	}
	for _, l := range y.q.turns {
		if len(l.names) != 0 {
			y.t.Errorf("names are left: %v", l.names)
		}
	}
}

func (y *day) inOrder() {
	posted := map[string][]string{}
	for _, e := range y.events {
		if e.was == toPost && e.v == advance {
			posted[e.d.Folder] = append(posted[e.d.Folder], e.d.names()...)
		}
	}
	for f, names := range y.order {
		if !slices.Equal(posted[f], names) {
			y.t.Errorf("%s: posted %v, settled %v", f, posted[f], names)
		}
	}
}

// addSized adds files of a size, in bytes.
func (s *sim) addSized(folder string, size int64, names ...string) {
	for _, name := range names {
		f := version(folder, name, 1)
		f.At, f.ID.Size = s.now, size
		s.q.add(file.Batch{f})
	}
}

// TestSmallFilesPassLongOnes of other folders, however few uploads may be under way; each folder keeps its order, and the
// long ones come to their end beside a stream of small ones.
func TestSmallFilesPassLongOnes(t *testing.T) {
	for _, maxUploads := range []int{1, 2, 4} {
		t.Run(fmt.Sprint(maxUploads), func(t *testing.T) {
			s := newSim(t, maxUploads, free{}, folder("/films"), folder("/more films"), folder("/invoices"), folder("/scans"))
			s.takes = func(d *delivery) time.Duration {
				if d.stage == toUpload && !d.isSmall() {
					return time.Hour
				}
				return 100 * time.Millisecond
			}
			films := []string{"a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4"}
			s.addSized("/films", smallUpload, films...)
			s.addSized("/more films", 300<<20, "f.mp4", "g.mp4")
			s.pass(time.Second)
			if s.q.long != maxUploads {
				t.Fatalf("%d long uploads are under way, want %d", s.q.long, maxUploads)
			}
			s.addSized("/invoices", 3000, numbered(30)...)
			s.addSized("/scans", smallUpload-1, "scan.pdf")
			s.addSized("/films", 10, "last.pdf")
			s.pass(30 * time.Minute)
			if len(s.posts) != 31 {
				t.Errorf("%d small files were posted while the films were under way, want 31", len(s.posts))
			}
			for i := range 200 { // small ones never end, and keep no film from its slot
				name := fmt.Sprintf("more %03d.pdf", i)
				s.addSized("/invoices", 3000, name)
				s.pass(2 * time.Minute)
			}
			s.run(10 * time.Hour)
			var posted []string
			for _, name := range s.posts {
				if slices.Contains(films, name) || name == "last.pdf" {
					posted = append(posted, name)
				}
			}
			if want := append(films, "last.pdf"); !slices.Equal(posted, want) {
				t.Errorf("the folder of films was posted in the order %v", posted)
			}
		})
	}
}

// TestSmallFilesLeaveLongOnesTheirTurn: while small ones of many folders wait all the time, a long one gets a slot.
func TestSmallFilesLeaveLongOnesTheirTurn(t *testing.T) {
	s := newSim(t, 2, free{}, folder("/films"), folder("/other films"), folder("/a"), folder("/b"), folder("/c"))
	s.takes = func(d *delivery) time.Duration {
		if d.stage == toUpload && !d.isSmall() {
			return time.Minute
		}
		return time.Second
	}
	for _, small := range []string{"/a", "/b", "/c"} {
		s.addSized(small, 10, numbered(1000)...)
	}
	s.pass(10 * time.Second)
	s.addSized("/films", 5<<20, "a.mp4")
	s.addSized("/other films", 5<<20, "b.mp4")
	s.pass(5 * time.Minute)
	if !slices.Contains(s.posts, "a.mp4") || !slices.Contains(s.posts, "b.mp4") {
		t.Error("a long one is not posted while there are small ones")
	}
	if left := s.known(); left == 0 {
		t.Error("there were too few small ones to show it")
	}
}
