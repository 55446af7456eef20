package inquiry

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/media"
	"kaizala-drop/internal/retry"
	"kaizala-drop/internal/view"
)

// office is a desk with a ledger and folders that are real, and parts of a daemon that show what a test has them show.
type office struct {
	t       testing.TB
	dir     string
	desk    *Desk
	ledger  *ledger.Ledger
	filer   *filing.Filer
	folders []config.Folder
	held    map[string][]view.Held   // by folder
	queue   map[string][]view.Queued // by folder
}

func newOffice(t testing.TB, names ...string) *office {
	t.Helper()
	o := &office{t: t, dir: t.TempDir(), filer: filing.New(), held: map[string][]view.Held{}, queue: map[string][]view.Queued{}}
	state := filepath.Join(o.dir, "state")
	must(t, os.Mkdir(state, 0o700))
	l, err := ledger.Open(state)
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = l.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended; must(t, l.Close()) })
	for _, name := range names {
		path := filepath.Join(o.dir, name)
		must(t, os.Mkdir(path, 0o755))
		o.folders = append(o.folders, config.Folder{
			Path: path, Done: filepath.Join(path, "done"), Failed: filepath.Join(path, "failed"), Destination: "kaizala", GroupID: name + "@2", Recursive: true,
		})
	}
	o.ledger = l
	o.desk = &Desk{
		Config: func() config.Config {
			return config.Config{StateDir: state, Folders: o.folders, Destinations: []config.Destination{{Name: "kaizala"}}}
		},
		Ledger: l, Rules: plainRules{}, Live: o, Now: time.Now,
	}
	return o
}

type plainRules struct{}

func (plainRules) LeftAlone(_ config.Folder, name string, _ bool) (string, bool) {
	if strings.HasSuffix(name, ".tmp") {
		return "*.tmp", false
	}
	return "", false
}
func (plainRules) Refuses(config.Folder, string) string { return "" }
func (plainRules) Service(string) string                { return "Kaizala" }
func (plainRules) Recall(d ledger.Delivery) filing.Note { return filing.Note{Unknown: d.MayBePosted()} }

func (o *office) Watched(_ context.Context, folder, name string, below bool) (w view.Watched, _ bool) {
	ask := view.Ask[view.Watched]{Name: name, Below: below}
	for _, h := range o.held[folder] {
		if name == "" || ask.IsOf(h.Name) {
			w.Held = append(w.Held, h)
		}
	}
	return w, true
}

func (o *office) Posting(_ context.Context, _, folder, name string, below bool) (p view.Posting, _ bool) {
	ask := view.Ask[view.Posting]{Name: name, Below: below}
	for _, f := range o.folders {
		if folder != "" && f.Path != folder {
			continue
		}
		l := view.Lane{Folder: f.Path, Target: f.GroupID}
		for _, q := range o.queue[f.Path] {
			if q.Names = []string{q.Name}; name == "" || ask.IsOf(q.Name) {
				l.Queue = append(l.Queue, q)
			}
		}
		l.Deliveries = len(l.Queue)
		p.Lanes = append(p.Lanes, l)
	}
	return p, true
}

func (o *office) Doors(context.Context) (all []view.Door, _ bool) {
	for _, f := range o.folders {
		all = append(all, view.Door{Folder: f.Path, Up: true})
	}
	return all, true
}
func (*office) Calls(string) (float64, int)            { return 0, 0 }
func (*office) Notice(string) (trouble, advice string) { return "", "" }
func (*office) Process() (int, time.Time)              { return 1, time.Now() }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// path is one below the office.
func (o *office) path(parts ...string) string {
	return filepath.Join(append([]string{o.dir}, parts...)...)
}

// write puts a file into a folder.
func (o *office) write(content string, parts ...string) string {
	o.t.Helper()
	path := o.path(parts...)
	must(o.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(o.t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// claim enters a file of a folder into the ledger.
func (o *office) claim(folder, name string) (int64, file.Identity) {
	o.t.Helper()
	info, err := file.Lstat(o.path(folder, name))
	must(o.t, err)
	id, err := o.ledger.Claim(o.t.Context(), ledger.Delivery{
		Destination: "kaizala", Folder: o.path(folder), Kind: media.Document, SettledAt: time.Now(), Files: []ledger.File{{Name: name, ID: info.Identity}},
	})
	must(o.t, err)
	return id, info.Identity
}

// deliver has a file posted and moved to done/.
func (o *office) deliver(folder, name, content string) (dest string) {
	o.t.Helper()
	o.write(content, folder, name)
	id, identity := o.claim(folder, name)
	sum := sha256.Sum256([]byte(content))
	must(o.t, o.ledger.Uploaded(o.t.Context(), id, "r", [][]byte{sum[:]}))
	must(o.t, o.ledger.Posting(o.t.Context(), id, folder+"@2", "", false))
	must(o.t, o.ledger.Posted(o.t.Context(), id, "ref"))
	dest, err := o.filer.Move(filing.Move{Folder: o.path(folder), Name: name, Want: identity, Dir: o.path(folder, "done")})
	must(o.t, err)
	must(o.t, o.ledger.Filed(o.t.Context(), id, []string{dest}))
	return dest
}

// fail has a file given up and moved to failed/.
func (o *office) fail(folder, name, content string, n filing.Note) (dest string) {
	o.t.Helper()
	o.write(content, folder, name)
	id, identity := o.claim(folder, name)
	must(o.t, o.ledger.Failed(o.t.Context(), id, n.Reason))
	dest, err := o.filer.Fail(filing.Move{Folder: o.path(folder), Name: name, Want: identity, Dir: o.path(folder, "failed")}, n)
	must(o.t, err)
	must(o.t, o.ledger.FailedFiled(o.t.Context(), id, []string{dest}))
	return dest
}

// retry has a failed file put back.
func (o *office) retry(path string) (to string) { return o.ask(retry.Request{Path: path}) }

func (o *office) ask(q retry.Request) (to string) {
	o.t.Helper()
	r := retry.Retrier{Ledger: o.ledger, Filer: o.filer, Log: zerolog.Nop(), Folders: func() (all []retry.Folder) {
		for _, f := range o.folders {
			all = append(all, retry.Folder{Path: f.Path, Done: f.Done, Failed: f.Failed, Recursive: true})
		}
		return all
	}}
	q.By = "eve (uid 7)"
	got, err := r.Retry(o.t.Context(), q)
	must(o.t, err)
	return got.To
}

// explain gives the text of a story, with the office's folder cut off.
func (o *office) explain(path string) (control.Story, string) {
	o.t.Helper()
	s, err := o.desk.Explain(o.t.Context(), path, nil)
	must(o.t, err)
	return s, strings.ReplaceAll(strings.Join(StoryText(s), "\n"), o.dir, "")
}

// says fails the test unless the story of path is in a state, says all of these, and says nothing of what begins with "!".
func (o *office) says(path, state string, words ...string) {
	o.t.Helper()
	s, text := o.explain(path)
	if s.State != state {
		o.t.Errorf("it is %q: %s", s.State, text)
	}
	for _, word := range words {
		if not, is := strings.CutPrefix(word, "!"); is == strings.Contains(text, not) && (is || !strings.Contains(text, word)) {
			o.t.Errorf("of %s it is wrong about %q: %s", path, word, text)
		}
	}
}

// TestNameIsLookedForEverywhere: of a name all files are told, wherever they lie, what is under way first, each with its path; that one is safe
// to delete is said of that one alone.
func TestNameIsLookedForEverywhere(t *testing.T) {
	o := newOffice(t, "a", "b")
	done := o.deliver("a", "scan.pdf", "one")
	second := o.deliver("a", "scan.pdf", "two, longer")
	failed := o.fail("b", "scan.pdf", "three, torn", filing.Note{Reason: "truncated: no end"})
	half := o.write("half", "b", "deep", "scan.pdf")
	o.held[o.path("b")] = []view.Held{{Name: "deep/scan.pdf", Kind: "torn", Reason: "its end is missing", Since: time.Now()}}
	seen := o.write("just there", "b", "scan.pdf")
	s, text := o.explain("scan.pdf")
	var paths []string
	for _, f := range s.Files {
		paths = append(paths, f.Path)
	}
	if want := []string{half, seen, failed, second, done}; s.State != TellsHeld || !slices.Equal(paths, want) {
		t.Errorf("it is %q with %q, want %q", s.State, paths, want)
	}
	for _, word := range []string{
		`5 files called "scan.pdf" are known`, "its end is missing", `safe to delete "/a/done/scan.pdf"`, `safe to delete "/a/done/scan (2).pdf"`, "truncated: no end", "was not taken yet",
	} {
		if !strings.Contains(text, word) {
			t.Errorf("it does not say %q: %s", word, text)
		}
	}
	must(t, os.Remove(done))
	o.says("scan.pdf", TellsHeld, `!safe to delete "/a/done/scan.pdf"`, "not there any more")
	o.says("scan (2).pdf", TellsDelivered, `It was moved to "/a/done/scan (2).pdf"`, "!It is about", `safe to delete`)
	o.says("deep", TellsFolder)
	o.says("nobody.pdf", TellsAbsent, "Nothing is known", "history --name nobody.pdf")
}

// TestRenamedInDoneIsKnown: a file that somebody renamed in done/ or failed/, or moved to another folder's, is known again, and is never said to
// be foreign; a copy is called one.
func TestRenamedInDoneIsKnown(t *testing.T) {
	o := newOffice(t, "a", "b")
	move := func(from string, to ...string) string {
		path := o.path(to...)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.Rename(from, path))
		return path
	}
	o.says(move(o.deliver("a", "1.pdf", "one"), "a", "done", "bill.pdf"), TellsDelivered, `"1.pdf" was posted`, "moved it on", `safe to delete "/a/done/bill.pdf"`, "!foreign", "!ove it into")
	o.says(move(o.deliver("a", "2.pdf", "two"), "b", "done", "sub", "x.pdf"), TellsDelivered, `"2.pdf" was posted`, `safe to delete "/b/done/sub/x.pdf"`)
	o.says(move(o.deliver("a", "3.pdf", "three"), "elsewhere", "y.pdf"), TellsDelivered, `"3.pdf" was posted`, "in no folder that is watched now", `safe to delete "/elsewhere/y.pdf"`)
	torn := filing.Note{Reason: "truncated: no end", Advice: "Scan it again.", Same: true, AsItIs: true}
	o.says(move(o.fail("a", "4.pdf", "four", torn), "a", "failed", "z.pdf"), TellsFailed, `"4.pdf" failed`, "retry --as-it-is "+"/a/failed/z.pdf")
	copied := o.deliver("a", "5.pdf", "five")
	info, err := os.Stat(copied)
	must(t, err)
	twin := o.write("five", "a", "done", "twin.pdf")
	must(t, os.Chtimes(twin, time.Time{}, info.ModTime()))
	o.says(twin, TellsOutside, `looks like a copy of "/a/done/5.pdf"`, "post it once more")
	o.says(o.write("of somebody", "a", "done", "own.pdf"), TellsOutside, "was not moved there by kaizala-drop", "!Another file")
	must(t, os.Remove(copied))
	o.says(o.write("another one", "a", "done", "5.pdf"), TellsOutside, "was posted", "another file was put in its place", "is not what was posted", "!was not moved there", "!safe to delete")
}

// TestSafeToDelete: that is said of what was posted and lies in done/, also after it was touched, and not once somebody has written into it, has put
// another file there, or a link.
func TestSafeToDelete(t *testing.T) {
	o := newOffice(t, "a")
	for name, c := range map[string]struct {
		change func(path string)
		safe   bool
	}{
		"as it was": {func(string) {}, true},
		"touched":   {func(path string) { must(t, os.Chtimes(path, time.Time{}, time.Unix(1, 1))) }, true},
		"written": {func(path string) {
			must(t, os.WriteFile(path, []byte("other"), 0o600))
			must(t, os.Chtimes(path, time.Time{}, time.Unix(1, 1)))
		}, false},
		"longer": {func(path string) { must(t, os.WriteFile(path, []byte("bytes and more"), 0o600)) }, false},
		"replaced": {func(path string) {
			must(t, os.Remove(path))
			must(t, os.WriteFile(path, []byte("other"), 0o600))
		}, false},
		"of its size and times": {func(path string) {
			info, err := os.Stat(path)
			must(t, err)
			must(t, os.Remove(path))
			must(t, os.WriteFile(path, []byte("BYTES"), 0o600))
			must(t, os.Chtimes(path, time.Time{}, info.ModTime()))
		}, false},
		"one byte": {func(path string) {
			info, err := os.Stat(path)
			must(t, err)
			must(t, os.WriteFile(path, []byte("bytez"), 0o600))
			must(t, os.Chtimes(path, time.Time{}, info.ModTime()))
		}, false},
		"another moved over it": {func(path string) {
			info, err := os.Stat(path)
			must(t, err)
			must(t, os.WriteFile(path+".new", []byte("BYTES"), 0o600))
			must(t, os.Chtimes(path+".new", time.Time{}, info.ModTime().Truncate(time.Second)))
			must(t, os.Rename(path+".new", path))
		}, false},
		"a copy of itself": {func(path string) {
			must(t, os.Remove(path))
			must(t, os.WriteFile(path, []byte("bytes"), 0o600))
		}, true},
		"a link":   {func(path string) { must(t, os.Rename(path, path+"2")); must(t, os.Symlink(path+"2", path)) }, false},
		"a folder": {func(path string) { must(t, os.Remove(path)); must(t, os.Mkdir(path, 0o755)) }, false},
		"gone":     {func(path string) { must(t, os.Remove(path)) }, false},
	} {
		path := o.deliver("a", name+".pdf", "bytes")
		c.change(path)
		for _, asked := range []string{path, o.path("a", name+".pdf"), name + ".pdf"} {
			if _, text := o.explain(asked); strings.Contains(text, "safe to delete") != c.safe {
				t.Errorf("%s: %s", name, text)
			}
		}
	}
}

// TestPutBackIsTold: of a file that was put back it is told who did that and when, by its name, by its path in failed/, and by its path in the
// folder; and what became of it since.
func TestPutBackIsTold(t *testing.T) {
	o := newOffice(t, "a")
	failed := o.fail("a", "x.pdf", "content", filing.Note{Reason: "refused"})
	o.says(failed, TellsFailed, "refused", "kaizala-drop retry /a/failed/x.pdf")
	back := o.retry(failed)
	for _, path := range []string{failed, back, "x.pdf", failed + ".reason.txt"} {
		o.says(path, TellsUnseen, "was not taken yet", "put back by eve (uid 7) today", "It had failed today at", "refused", "!retry ", "!''", "!safe to delete")
	}
	id, identity := o.claim("a", "x.pdf")
	sum := sha256.Sum256([]byte("content"))
	must(t, o.ledger.Uploaded(t.Context(), id, "r", [][]byte{sum[:]}))
	must(t, o.ledger.Posting(t.Context(), id, "a@2", "", false))
	must(t, o.ledger.Posted(t.Context(), id, "ref"))
	done, err := o.filer.Move(filing.Move{Folder: o.path("a"), Name: "x.pdf", Want: identity, Dir: o.path("a", "done")})
	must(t, err)
	must(t, o.ledger.Filed(t.Context(), id, []string{done}))
	for _, path := range []string{failed, back, done, "x.pdf"} {
		o.says(path, TellsDelivered, `"x.pdf" was posted today`, "put back by eve (uid 7) today", "It had failed today at", "!retry ", "!Another file", `safe to delete "/a/done/x.pdf"`)
	}
	again := o.fail("a", "x.pdf", "content two", filing.Note{Reason: "torn"})
	if again != failed {
		t.Fatalf("it went to %s", again)
	}
	o.says(failed, TellsFailed, "torn", "kaizala-drop retry /a/failed/x.pdf")
}

// TestPutBackInOddWays: the same is told of a file that got a number when it was put back, that failed and was put back again and again, that was
// deleted before it was taken, and of one that somebody said was posted.
func TestPutBackInOddWays(t *testing.T) {
	o := newOffice(t, "a")
	failed := o.fail("a", "x.pdf", "content", filing.Note{Reason: "refused"})
	other := o.write("another", "a", "x.pdf")
	back := o.retry(failed)
	if back == other {
		t.Fatal("it was put over another file")
	}
	for _, path := range []string{failed, back, filepath.Base(back)} {
		o.says(path, TellsUnseen, "put back by eve (uid 7)", "x (2).pdf", "refused")
	}
	o.says(other, TellsUnseen, "!put back by", "was not taken yet")
	o.says("x.pdf", TellsUnseen, `2 files called "x.pdf"`, "put back by eve (uid 7)")
	must(t, os.Remove(back))
	for _, path := range []string{failed, back, filepath.Base(back)} {
		o.says(path, TellsFailed, "put back by eve (uid 7)", "not there any more", "!retry ")
	}

	for _, reason := range []string{"first", "second", "third"} {
		o.retry(o.fail("a", "often.pdf", "o", filing.Note{Reason: reason}))
		must(t, os.Remove(o.path("a", "often.pdf"))) // to be written anew, with the very looks
	}
	again := o.fail("a", "more.pdf", "more", filing.Note{Reason: "first"})
	o.retry(again)
	id, identity := o.claim("a", "more.pdf")
	must(t, o.ledger.Failed(t.Context(), id, "second"))
	dest, err := o.filer.Fail(filing.Move{Folder: o.path("a"), Name: "more.pdf", Want: identity, Dir: o.path("a", "failed")}, filing.Note{Reason: "second"})
	must(t, err)
	must(t, o.ledger.FailedFiled(t.Context(), id, []string{dest}))
	o.says(dest, TellsFailed, "failed today", ": second.", "put back by eve (uid 7)", ": first.", "kaizala-drop retry /a/failed/more.pdf", "!Another file")
	o.retry(dest)
	o.says(dest, TellsUnseen, ": second.", ": first.", "!retry ")
	o.says("more.pdf", TellsUnseen, ": second.", ": first.", "!files called")

	doubt := o.fail("a", "doubt.pdf", "doubt", filing.Note{Reason: ledger.MayBePosted + ": no answer", Unknown: true})
	o.says(doubt, TellsFailed, "--was-posted", "--post-again", "Do not delete it", "!Nothing of it was posted")
	done := o.ask(retry.Request{Path: doubt, WasPosted: true})
	for _, path := range []string{doubt, done, o.path("a", "doubt.pdf"), "doubt.pdf"} {
		o.says(path, TellsDelivered, "eve (uid 7) said that it is in the group", `safe to delete "/a/done/doubt.pdf": it is in the group, as eve (uid 7) said`, "!retry ")
	}
}

// TestAdviceIsThatOfTheNote: what is advised for a failed file is what the note beside it says, also when somebody has changed the note or
// deleted it; then the ledger tells.
func TestAdviceIsThatOfTheNote(t *testing.T) {
	o := newOffice(t, "a")
	for name, n := range map[string]filing.Note{
		"torn":    {Reason: "truncated", Advice: "Scan it again.", Same: true, AsItIs: true},
		"type":    {Reason: "no such type", Advice: "Convert it.", Same: true},
		"doubt":   {Reason: ledger.MayBePosted + ": no answer", Advice: "Look in the group first whether the message is there.", Unknown: true},
		"refused": {Reason: "refused", Advice: "Ask them."},
		"plain":   {Reason: "refused"},
	} {
		path := o.fail("a", name+".pdf", name, n)
		note, err := os.ReadFile(path + ".reason.txt")
		must(t, err)
		s, text := o.explain(path)
		_, todo, _ := strings.Cut(string(note), "What to do:\n")
		for line := range strings.Lines(todo) {
			for sentence := range strings.SplitSeq(strings.Trim(line, " \n:"), ". ") {
				sentence = strings.TrimSuffix(sentence, ".")
				if sentence != "" && sentence != "This note can be deleted" && !strings.Contains(strings.Join(s.Advice, "\n"), sentence) {
					t.Errorf("%s: the note says %q, and not: %s", name, sentence, text)
				}
			}
		}
	}
	path := o.fail("a", "late.pdf", "late", filing.Note{Reason: ledger.MayBePosted + ": no answer", Advice: "Look.", Unknown: true})
	must(t, os.Remove(path+".reason.txt"))
	o.says(path, TellsFailed, "--was-posted", "--post-again")
	o.says(path+".reason.txt", TellsAbsent, "There is no", "failed today")
}

// TestStatusCountsWhatIsStillFailed: what somebody took out of failed/ does not count as failed any more, what was renamed there does, and the
// first are named; a file that waits and is not under its name any more is shown so.
func TestStatusCountsWhatIsStillFailed(t *testing.T) {
	o := newOffice(t, "a")
	var all []string
	for i := range 7 {
		all = append(all, o.fail("a", fmt.Sprintf("%d.pdf", i), fmt.Sprint("content", i), filing.Note{Reason: "refused"}))
	}
	deep := o.fail("a", "sub/deep.pdf", "deep", filing.Note{Reason: "refused"})
	must(t, os.Remove(all[0]))
	must(t, os.Remove(all[1]))
	must(t, os.Rename(all[2], o.path("a", "failed", "renamed.pdf")))
	o.write("foreign", "a", "failed", "foreign.pdf")
	o.write("waits", "a", "here.pdf")
	o.queue[o.path("a")] = []view.Queued{{Name: "here.pdf", Files: 1, Stage: view.Uploaded, Behind: view.BehindGroup}, {Name: "gone.pdf", Files: 1, Stage: view.Uploaded, Behind: view.BehindGroup}}
	s, err := o.desk.Status(t.Context())
	must(t, err)
	f := s.Folders[0]
	if want := []string{"sub/deep.pdf", "6.pdf", "5.pdf", "4.pdf", "3.pdf"}; f.Failed != 6 || !slices.Equal(f.FailedNames, want) {
		t.Errorf("%d failed: %q", f.Failed, f.FailedNames)
	}
	if f.Queue[0].Gone || !f.Queue[1].Gone {
		t.Errorf("%+v", f.Queue)
	}
	must(t, os.Remove(deep))
	o.desk.kept.until = time.Time{}
	if s, err = o.desk.Status(t.Context()); err != nil || s.Folders[0].Failed != 5 {
		t.Errorf("%d failed, %v", s.Folders[0].Failed, err)
	}
}

// TestNameIsAnsweredInTime: while no part of the daemon answers, a name that many files have is answered all the same, from the disk and the ledger,
// and each part is waited for once at most.
func TestNameIsAnsweredInTime(t *testing.T) {
	o := newOffice(t, "a", "b", "c")
	for _, folder := range []string{"a", "b", "c"} {
		for range 3 {
			o.deliver(folder, "x.pdf", folder)
		}
	}
	silent := &mute{office: o}
	o.desk.Live = silent
	began := time.Now()
	o.says("x.pdf", TellsDelivered, `9 files called "x.pdf"`, "there may be more of this name")
	if took := time.Since(began); silent.waited.Load() > int64(len(o.folders))*2+1 {
		t.Errorf("the parts were waited for %d times, %s", silent.waited.Load(), took)
	}
}

// mute is an office of which no part answers.
type mute struct {
	*office
	waited atomic.Int64
}

func (m *mute) wait(ctx context.Context) {
	if ctx.Err() == nil {
		m.waited.Add(1)
	}
	<-ctx.Done()
}

func (m *mute) Watched(ctx context.Context, _, _ string, _ bool) (w view.Watched, _ bool) {
	m.wait(ctx)
	return w, false
}

func (m *mute) Posting(ctx context.Context, _, _, _ string, _ bool) (p view.Posting, _ bool) {
	m.wait(ctx)
	return p, false
}

func (m *mute) Doors(ctx context.Context) ([]view.Door, bool) {
	m.wait(ctx)
	return nil, false
}

// TestEveryPathHasAStory: whatever is asked for, the answer is a story, harmless for a terminal, that never advises to move into a folder what was
// posted, and never calls safe to delete what was not.
func TestEveryPathHasAStory(t *testing.T) {
	o := newOffice(t, "a")
	done := o.deliver("a", "x.pdf", "x")
	must(t, os.Symlink(o.path("a"), o.path("link")))
	must(t, os.Symlink(done, o.path("a", "done", "to")))
	hostile := o.write("h", "a", "new\nline\x1b[31m\u202e\xff.pdf")
	for path, state := range map[string]string{
		"/":                          TellsOutside,
		"/proc/1/environ":            TellsOutside,
		"/nowhere/at/all/x.pdf":      TellsAbsent,
		o.path("a") + "/":            TellsFolder,
		o.path("a", "done"):          TellsFolder,
		o.path("a", "failed"):        TellsFolder,
		o.path("state"):              TellsOutside,
		o.path("state", "ledger.db"): TellsOutside,
		done + "/":                   TellsDelivered,
		done + "/x":                  TellsAbsent,
		o.path("a", "done", ".kaizala-drop-filed"): TellsIgnored,
		o.path("a", "done", "to"):                  TellsOutside,
		o.path("link", "done", "x.pdf"):            TellsDelivered,
		o.path("link", "x.pdf"):                    TellsDelivered,
		o.path("link"):                             TellsOutside,
		o.path("a", "no", "where", "y.pdf"):        TellsAbsent,
		o.path("a", "y.tmp"):                       TellsAbsent,
		o.path("a", "failed", "x.pdf.reason.txt"):  TellsAbsent,
		o.path("a", strings.Repeat("n", 300)):      TellsUnseen,
		hostile:                                    TellsUnseen,
		"a\x1b[31m\n\xff":                          TellsAbsent,
	} {
		s, text := o.explain(path)
		if s.State != state || s.Title == "" {
			t.Errorf("%q is %q: %s", path, s.State, text)
		}
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\x1b\u202e\r") || strings.Contains(text, "\n  line") {
			t.Errorf("%q does harm: %q", path, text)
		}
		if strings.Contains(text, "safe to delete") != (state == TellsDelivered) {
			t.Errorf("of %q it is wrong about what is safe to delete: %s", path, text)
		}
	}
	for _, path := range []string{"", "a\x00", "a/b", ".", ".."} {
		if s, err := o.desk.Explain(t.Context(), path, nil); err == nil {
			t.Errorf("%q is answered with %+v", path, s)
		}
	}
}

// TestTimesAreTheAskers: a story says its times on the clock of whoever asks.
func TestTimesAreTheAskers(t *testing.T) {
	o := newOffice(t, "a")
	path := o.deliver("a", "x.pdf", "x")
	for _, z := range []control.Zone{{{Seconds: 14 * 3600}}, {{Seconds: -12 * 3600}}} {
		s, err := o.desk.Explain(t.Context(), path, z)
		must(t, err)
		if want := z.On(s.Entries[0].At).Format(time.TimeOnly); !strings.Contains(s.Title, want) {
			t.Errorf("it says %q, want %s", s.Title, want)
		}
	}
}

// TestChangedAfterItWasMoved: of a file that was changed after it was moved it is told what became of it, and that it was changed since; one that
// may be in the group keeps its warning, and it is never said that nothing is known, nor advised to move it into the folder.
func TestChangedAfterItWasMoved(t *testing.T) {
	o := newOffice(t, "a")
	more := func(path string) string {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteString("more")
		must(t, err)
		must(t, f.Close())
		return path
	}
	never := []string{"!was not moved there", "!forgotten", "!ove it into", "!safe to delete", "!Another file"}
	doubt := more(o.fail("a", "doubt.pdf", "doubt", filing.Note{Reason: ledger.MayBePosted + ": no answer", Advice: "Look in the group first.", Unknown: true}))
	failed := more(o.fail("a", "failed.pdf", "failed", filing.Note{Reason: "refused"}))
	done := more(o.deliver("a", "done.pdf", "done"))
	for _, asked := range []func(string) string{func(path string) string { return path }, filepath.Base} {
		o.says(asked(doubt), TellsFailed, append(never, "may have been posted", "has been changed since", "Look in the group first", "--post-again", "Do not delete it", "!Nothing of it was posted")...)
		o.says(asked(failed), TellsFailed, append(never, "refused", "has been changed since", "kaizala-drop retry /a/failed/failed.pdf")...)
		o.says(asked(done), TellsOutside, append(never, `"done.pdf" was posted`, "has been changed since", "is not what was posted", "to delete it is to lose it")...)
	}
	replaced := o.deliver("a", "same.pdf", "same size A")
	was, err := os.Stat(replaced)
	must(t, err)
	must(t, os.WriteFile(replaced, []byte("same size B"), 0o600))
	must(t, os.Chtimes(replaced, time.Time{}, was.ModTime()))
	for _, asked := range []string{replaced, "same.pdf"} {
		o.says(asked, TellsOutside, append(never, `"same.pdf" was posted`, "has been changed since", "is not what was posted", "!moved it on", "!it lies at")...)
	}
	kept := more(o.deliver("a", "over.pdf", "over"))
	must(t, os.Rename(kept, o.path("a", "done", "renamed.pdf")))
	o.says(kept, TellsDelivered, "!safe to delete", "!What lies there")
	one := o.deliver("a", "one.pdf", "one byte")
	info, err := os.Stat(one)
	must(t, err)
	to := o.path("a", "done", "moved.pdf")
	must(t, os.Rename(one, to))
	must(t, os.WriteFile(to, []byte("one bite"), 0o600))
	must(t, os.Chtimes(to, time.Time{}, info.ModTime()))
	o.says(to, TellsOutside, `"one.pdf" was posted`, "has been changed since", "is not what was posted", "!safe to delete")
}

// TestLargeOneIsNotRead: whether a large file that was touched is what was posted is not said, but how to find out.
func TestLargeOneIsNotRead(t *testing.T) {
	o := newOffice(t, "a")
	path := o.deliver("a", "large.pdf", strings.Repeat("x", sumMost+1))
	o.says(path, TellsDelivered, "safe to delete")
	must(t, os.Chtimes(path, time.Time{}, time.Unix(1, 1)))
	o.says(path, TellsDelivered, "cannot be said quickly", "sha256sum ", "!safe to delete", "!has been changed")
}

// TestFolderIsAway: of a file in a folder that is not there nobody is said to have deleted it.
func TestFolderIsAway(t *testing.T) {
	o := newOffice(t, "a")
	path := o.deliver("a", "x.pdf", "x")
	must(t, os.Rename(o.path("a"), o.path("a-x")))
	o.says(path, TellsDelivered, `There is no folder "/a" now`, "not mounted", "!somebody has moved or deleted it", "!safe to delete")
}

// TestRenamedBeforeItIsFiled: of a file that is posted and was renamed before it is moved to done/ it is never said that it is not in the group,
// whatever the running parts take it for.
func TestRenamedBeforeItIsFiled(t *testing.T) {
	for _, posted := range []bool{true, false} {
		o := newOffice(t, "a")
		o.write("bytes", "a", "mid.pdf")
		id, _ := o.claim("a", "mid.pdf")
		sum := sha256.Sum256([]byte("bytes"))
		must(t, o.ledger.Uploaded(t.Context(), id, "r", [][]byte{sum[:]}))
		must(t, o.ledger.Posting(t.Context(), id, "a@2", "", false))
		state, says := TellsWaiting, "may be in the group already"
		if posted {
			must(t, o.ledger.Posted(t.Context(), id, "ref"))
			state, says = TellsPosted, `"mid.pdf" is posted`
		}
		to := o.path("a", "mid-ren.pdf")
		must(t, os.Rename(o.path("a", "mid.pdf"), to))
		o.queue[o.path("a")] = []view.Queued{{Name: "mid-ren.pdf", Files: 1, Stage: view.Pending, Behind: view.BehindTurn}}
		for _, asked := range []string{to, "mid-ren.pdf"} {
			o.says(asked, state, says, "renamed since then", "!not in the group yet", "!To delete it is to lose it", "!waits to be sent", "!not posted yet", "!safe to delete")
		}
		other := o.write("others", "a", "other.pdf")
		o.says(other, TellsUnseen, "!is posted", "!may be in the group")
	}
}

// TestOldNameLeadsToTheNew: by the name that a file had before somebody renamed it in done/ or failed/ its story says where it lies now, and is
// the same as by the new name.
func TestOldNameLeadsToTheNew(t *testing.T) {
	o := newOffice(t, "a")
	done, failed := o.deliver("a", "done.pdf", "done"), o.fail("a", "half.pdf", "half", filing.Note{Reason: "refused"})
	must(t, os.Rename(done, o.path("a", "done", "new.pdf")))
	must(t, os.Rename(failed, o.path("a", "failed", "half-renamed.pdf")))
	for _, path := range []string{done, o.path("a", "done", "new.pdf"), "done.pdf"} {
		o.says(path, TellsDelivered, `it lies at "/a/done/new.pdf" now`, `safe to delete "/a/done/new.pdf"`, "!moved or deleted it")
	}
	for _, path := range []string{failed, o.path("a", "failed", "half-renamed.pdf"), "half.pdf"} {
		o.says(path, TellsFailed, `it lies at "/a/failed/half-renamed.pdf" now`, "kaizala-drop retry /a/failed/half-renamed.pdf", "!moved or deleted it")
	}
}
