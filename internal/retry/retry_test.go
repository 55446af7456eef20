package retry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// office is a watched folder with a ledger, and failed files.
type office struct {
	t      testing.TB
	root   string // with all but the ledger
	folder Folder
	state  string
	*Retrier
	log *bytes.Buffer
}

// newOffice has its failed/ within the folder, or far away on another device.
func newOffice(t testing.TB, far bool) *office {
	t.Helper()
	root := t.TempDir()
	o := &office{t: t, root: root, state: t.TempDir(), log: &bytes.Buffer{}}
	path := filepath.Join(root, "drop")
	o.folder = Folder{Path: path, Done: path + "/done", Failed: path + "/failed", Recursive: true}
	if far {
		o.folder.Failed = filepath.Join(otherDevice(t, root), "failed")
	}
	must(t, os.MkdirAll(path, 0o755))
	o.open()
	return o
}

// otherDevice is a folder on another device than root.
func otherDevice(t testing.TB, root string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "retry-test-")
	if err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		here, hereErr := file.Lstat(root)
		there, thereErr := file.Lstat(dir)
		if err = errors.Join(hereErr, thereErr); err == nil && here.Dev == there.Dev {
			err = errors.New("the same device")
		}
	}
	if err != nil && os.Getenv("KAIZALA_DROP_CI") != "" {
		t.Fatal(err)
	} else if err != nil {
		t.Skipf("this test needs /dev/shm on another device than the temporary folder: %v", err)
	}
	return dir
}

// open opens the ledger, as a start does.
func (o *office) open() {
	o.t.Helper()
	book, err := ledger.Open(o.state)
	must(o.t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- book.Run(ctx) }()
	o.Retrier = &Retrier{Ledger: book, Filer: filing.New(), Folders: func() []Folder { return []Folder{o.folder} }, Log: zerolog.New(o.log)}
	o.t.Cleanup(func() { stop(); <-ended; book.Close() })
}

// fail has files fail, as the uploader does it: one delivery of them all. It tells it, and where they lie.
func (o *office) fail(reason string, names ...string) (ledger.Delivery, []string) {
	o.t.Helper()
	ctx := context.Background()
	d := ledger.Delivery{Folder: o.folder.Path, Kind: "Document", SettledAt: time.Now(), Destination: "kaizala"}
	for _, name := range names {
		path := filepath.Join(o.folder.Path, name)
		must(o.t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(o.t, os.WriteFile(path, []byte("content of "+name), 0o640))
		info, err := file.Lstat(path)
		must(o.t, err)
		d.Files = append(d.Files, ledger.File{Name: name, ID: info.Identity})
	}
	id, err := o.Ledger.Claim(ctx, d)
	must(o.t, err)
	if strings.HasPrefix(reason, ledger.MayBePosted) {
		must(o.t, o.Ledger.Uploaded(ctx, id, "resource", make32(len(names))))
		must(o.t, o.Ledger.Posting(ctx, id, "group", "", false))
	}
	must(o.t, o.Ledger.Failed(ctx, id, reason))
	var dests []string
	for _, f := range d.Files {
		dest, err := o.Filer.Fail(filing.Move{Folder: d.Folder, Name: f.Name, Want: f.ID, Dir: o.folder.Failed}, filing.Note{Reason: reason, When: time.Now()})
		must(o.t, err)
		dests = append(dests, dest)
	}
	must(o.t, o.Ledger.FailedFiled(ctx, id, dests))
	d, err = o.Ledger.Get(ctx, id)
	must(o.t, err)
	return d, dests
}

func make32(n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = bytes.Repeat([]byte{byte(i)}, 32)
	}
	return all
}

// lie tells what lies in the folder and in failed/, hidden names too, each with what it holds if that is a failed file's.
func (o *office) lie() []string {
	o.t.Helper()
	var all []string
	for _, root := range []string{o.folder.Path, o.folder.Failed} {
		if root == o.folder.Failed && isIn(o.folder.Path, root) {
			continue
		}
		_ = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || e.Name() == filing.Mark {
				return nil
			}
			name, _ := filepath.Rel(root, path)
			if root == o.folder.Failed {
				name = filepath.Join("failed", name)
			}
			content, err := os.ReadFile(path)
			must(o.t, err)
			if !filing.IsNoteName(name) {
				name += "=" + strings.TrimPrefix(string(content), "content of ")
			}
			all = append(all, name)
			return nil
		})
	}
	slices.Sort(all)
	return all
}

func (o *office) want(when string, want ...string) {
	o.t.Helper()
	if got := o.lie(); !slices.Equal(got, want) {
		o.t.Errorf("%s: there lie %q, want %q", when, got, want)
	}
}

func (o *office) asked(delivery int64) []ledger.Asked {
	o.t.Helper()
	all, err := o.Ledger.Asked(context.Background(), ledger.Questions{Delivery: delivery})
	must(o.t, err)
	return all
}

const by = "root (uid 0)"

// TestRetry: a failed file goes back under its own name, never over another, its note is gone, and who asked is in the ledger and
// in the log.
func TestRetry(t *testing.T) {
	for _, far := range []bool{false, true} {
		t.Run(fmt.Sprint("far ", far), func(t *testing.T) {
			o := newOffice(t, far)
			_, _ = o.fail("refused", "scan.pdf")
			d, paths := o.fail("refused", "scan.pdf") // it lies as "scan (2).pdf"
			must(t, os.WriteFile(o.folder.Path+"/scan.pdf", []byte("newer"), 0o600))
			got, err := o.Retry(t.Context(), Request{Path: paths[0], By: by})
			want := Result{Delivery: d.ID, What: ledger.Retry, By: by, From: paths[0], To: o.folder.Path + "/scan (2).pdf"}
			if want.At = got.At; got != want || err != nil || time.Since(got.At) > time.Minute {
				t.Errorf("got %+v, %v\nwant %+v", got, err, want)
			}
			o.want("after it", "failed/scan.pdf.reason.txt", "failed/scan.pdf=scan.pdf", "scan (2).pdf=scan.pdf", "scan.pdf=newer")
			info, err := file.Lstat(got.To)
			must(t, err)
			asked := o.asked(d.ID)
			if len(asked) != 1 || asked[0].State != ledger.Done || asked[0].By != by || asked[0].Dest != got.To || asked[0].File.Ino != info.Ino {
				t.Errorf("asked: %+v", asked)
			}
			for _, part := range []string{`"asked":"retry"`, `"by":"root (uid 0)"`, `"file":"` + paths[0] + `"`, `"to":"` + got.To + `"`} {
				if !strings.Contains(o.log.String(), part) {
					t.Errorf("the log lacks %s: %s", part, o.log)
				}
			}
			again, err := o.Retry(t.Context(), Request{Path: paths[0], By: "anna"})
			if want.At, want.Already = again.At, true; again != want || err != nil || !again.At.Equal(asked[0].DoneAt) {
				t.Errorf("asked again: %+v, %v", again, err)
			}
			if n := len(o.asked(d.ID)); n != 1 {
				t.Errorf("%d questions", n)
			}
			if _, err := os.Lstat(o.folder.Path + "/" + filing.Mark); err == nil {
				t.Error("the watched folder is marked as one of filed files")
			}
		})
	}
}

// TestRetryOfWhatIsGone: where nothing lies the answer is about the file that lay there last. It is that all is done only if it was put
// back as it is asked now.
func TestRetryOfWhatIsGone(t *testing.T) {
	o := newOffice(t, false)
	refused := func(when string, q Request, say string) {
		t.Helper()
		q.Path = o.folder.Failed + "/a.pdf"
		if got, err := o.Retry(t.Context(), q); !errors.Is(err, ErrNotFailed) || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %+v, %v; want %q", when, got, err, say)
		}
	}
	refused("nothing was there", Request{}, "no file of that name is known")
	first, paths := o.fail("refused", "a.pdf")
	_, err := o.Retry(t.Context(), Request{Path: paths[0], By: "anna"})
	must(t, err)
	if got, err := o.Retry(t.Context(), Request{Path: paths[0]}); err != nil || !got.Already || got.By != "anna" || got.Delivery != first.ID {
		t.Errorf("put back: %+v, %v", got, err)
	}
	refused("put back without it", Request{AsItIs: true}, "as anna asked (retry)")
	refused("put back, and not filed", Request{WasPosted: true}, "as anna asked (retry)")
	must(t, os.Remove(o.folder.Path+"/a.pdf"))
	second, again := o.fail("refused", "a.pdf")
	if again[0] != paths[0] {
		t.Fatalf("it lies in %s", again[0])
	}
	must(t, os.Remove(again[0]))
	refused("a later one was removed", Request{}, fmt.Sprintf("delivery %d moved a file there", second.ID))
	third, _ := o.fail("refused", "a.pdf")
	if got, err := o.Retry(t.Context(), Request{Path: paths[0], AsItIs: true, By: "otto"}); err != nil || got.Already {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := o.Retry(t.Context(), Request{Path: paths[0], AsItIs: true}); err != nil || got.By != "otto" || got.Delivery != third.ID {
		t.Errorf("a third one was put back: %+v, %v", got, err)
	}
	refused("the third one was put back as it is", Request{}, "as otto asked (as-it-is)")
	o.fail("refused", "sub/b.pdf")
	o.folder.Failed += "/sub"
	refused("of a name that lies elsewhere", Request{}, "history --name a.pdf")
	if asked := o.asked(second.ID); len(asked) != 0 {
		t.Errorf("%+v", asked)
	}
}

// TestNotSent: what the folder would not send is refused before anything is moved or written down, but it may be filed as posted.
func TestNotSent(t *testing.T) {
	o := newOffice(t, false)
	type call struct {
		path, name string
		size       int64
	}
	var calls []call
	o.Takes = func(path, name string, size int64) error {
		calls = append(calls, call{path, name, size})
		if strings.HasSuffix(name, ".heic") {
			return fmt.Errorf("%w: convert it", ErrNotSent)
		}
		return nil
	}
	d, paths := o.fail("unknown type", "sub/a.heic")
	before := o.lie()
	for _, q := range []Request{{}, {AsItIs: true}, {PostAgain: true}} {
		q.Path = paths[0]
		if got, err := o.Retry(t.Context(), q); !errors.Is(err, ErrNotSent) || !strings.Contains(err.Error(), "convert it") || !strings.Contains(err.Error(), paths[0]) {
			t.Errorf("%+v: %+v, %v", q, got, err)
		}
	}
	if want := (call{o.folder.Path, "sub/a.heic", 21}); calls[0] != want {
		t.Errorf("%+v, want %+v", calls[0], want)
	}
	if o.want("refused", before...); len(o.asked(d.ID)) != 0 {
		t.Errorf("%+v", o.asked(d.ID))
	}
	must(t, os.Rename(paths[0], o.folder.Failed+"/sub/a.jpg"))
	if got, err := o.Retry(t.Context(), Request{Path: o.folder.Failed + "/sub/a.jpg"}); err != nil || got.To != o.folder.Path+"/sub/a.jpg" {
		t.Errorf("renamed: %+v, %v", got, err)
	}
	_, paths = o.fail(ledger.MayBePosted, "b.heic")
	if _, err := o.Retry(t.Context(), Request{Path: paths[0], WasPosted: true}); err != nil {
		t.Error(err)
	}
}

// TestRetryAlbum: an image goes back by itself, into its subfolder; where subfolders are not looked into any more, into the folder.
func TestRetryAlbum(t *testing.T) {
	o := newOffice(t, false)
	d, paths := o.fail("refused", "trip/1.jpg", "trip/2.jpg", "trip/3.jpg")
	must(t, os.Remove(o.folder.Path+"/trip"))
	if got, err := o.Retry(t.Context(), Request{Path: paths[1], By: by}); got.To != o.folder.Path+"/trip/2.jpg" || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	o.folder.Recursive = false
	if got, err := o.Retry(t.Context(), Request{Path: paths[2], By: by}); got.To != o.folder.Path+"/3.jpg" || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	o.want("after it", "3.jpg=trip/3.jpg", "failed/trip/1.jpg.reason.txt", "failed/trip/1.jpg=trip/1.jpg", "trip/2.jpg=trip/2.jpg")
	now, err := o.Ledger.Get(t.Context(), d.ID)
	must(t, err)
	if now.Files[0].Dest != paths[0] || now.Files[1].Dest != "" || now.State != ledger.Failed {
		t.Errorf("%+v", now)
	}
}

// TestMayBePosted: what may have been posted is neither sent nor moved unless somebody says what is known.
func TestMayBePosted(t *testing.T) {
	doubt := ledger.MayBePosted + ": no answer came back"
	t.Run("unsaid", func(t *testing.T) {
		o := newOffice(t, false)
		d, paths := o.fail(doubt, "a.pdf")
		before := o.lie()
		for _, q := range []Request{{}, {AsItIs: true}} {
			q.Path = paths[0]
			_, err := o.Retry(t.Context(), q)
			if !errors.Is(err, ErrMayBePosted) || !strings.Contains(err.Error(), "--post-again") || !strings.Contains(err.Error(), "--was-posted") {
				t.Error(err)
			}
		}
		if o.want("after it", before...); len(o.asked(d.ID)) != 0 {
			t.Error("something was written down")
		}
	})
	for what, q := range map[ledger.What]Request{ledger.PostAgain: {PostAgain: true}, ledger.PostAgainAsItIs: {PostAgain: true, AsItIs: true}} {
		t.Run(string(what), func(t *testing.T) {
			o := newOffice(t, false)
			_, paths := o.fail(doubt, "a.pdf")
			q.Path = paths[0]
			got, err := o.Retry(t.Context(), q)
			if err != nil || got.What != what {
				t.Errorf("%+v, %v", got, err)
			}
			if id := o.claim("a.pdf"); !o.get(id).MaybeTwice {
				t.Error("the new delivery does not say that it may be posted twice")
			}
		})
	}
	t.Run("was posted", func(t *testing.T) {
		o := newOffice(t, false)
		d, paths := o.fail(doubt, "trip/a.jpg", "trip/b.jpg")
		for i := range paths {
			got, err := o.Retry(t.Context(), Request{Path: paths[i], WasPosted: true, By: "anna (uid 1000)"})
			if err != nil || got.What != ledger.WasPosted {
				t.Errorf("%+v, %v", got, err)
			}
		}
		o.want("after it", "done/trip/a.jpg=trip/a.jpg", "done/trip/b.jpg=trip/b.jpg")
		if now := o.get(d.ID); now.State != ledger.Filed || now.Files[1].Dest != o.folder.Done+"/trip/b.jpg" || !strings.Contains(now.Reason, "anna (uid 1000)") {
			t.Errorf("%+v", now)
		}
	})
	t.Run("no doubt", func(t *testing.T) {
		o := newOffice(t, false)
		_, paths := o.fail("refused", "a.pdf")
		if _, err := o.Retry(t.Context(), Request{Path: paths[0], WasPosted: true}); !errors.Is(err, ErrNotInDoubt) {
			t.Error(err)
		}
		got, err := o.Retry(t.Context(), Request{Path: paths[0], PostAgain: true})
		if err != nil || got.What != ledger.Retry || o.get(o.claim("a.pdf")).MaybeTwice {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("both", func(t *testing.T) {
		o := newOffice(t, false)
		_, paths := o.fail(doubt, "a.pdf")
		if _, err := o.Retry(t.Context(), Request{Path: paths[0], WasPosted: true, PostAgain: true}); err == nil {
			t.Error("no error")
		}
	})
}

// claim claims what lies in the folder under a name, as the uploader does.
func (o *office) claim(name string) int64 {
	o.t.Helper()
	info, err := file.Lstat(filepath.Join(o.folder.Path, name))
	must(o.t, err)
	id, err := o.Ledger.Claim(context.Background(), ledger.Delivery{Folder: o.folder.Path, Kind: "Document", SettledAt: time.Now(),
		Files: []ledger.File{{Name: name, ID: info.Identity}}})
	must(o.t, err)
	return id
}

func (o *office) get(id int64) ledger.Delivery {
	o.t.Helper()
	d, err := o.Ledger.Get(context.Background(), id)
	must(o.t, err)
	return d
}

func (o *office) isAsItIs(name string) bool {
	o.t.Helper()
	info, err := file.Lstat(filepath.Join(o.folder.Path, name))
	must(o.t, err)
	is, err := o.Ledger.SentAsItIs(context.Background(), o.folder.Path, info.Identity)
	must(o.t, err)
	return is
}

// TestAsItIs: a torn file is let through this once: after a restart too, not another one of its name, nor itself when it was claimed.
func TestAsItIs(t *testing.T) {
	for _, far := range []bool{false, true} {
		o := newOffice(t, far)
		_, paths := o.fail("truncated: no %%EOF", "a.pdf")
		_, err := o.Retry(t.Context(), Request{Path: paths[0], AsItIs: true})
		must(t, err)
		must(t, os.Chmod(o.folder.Path+"/a.pdf", 0o600))
		if !o.isAsItIs("a.pdf") {
			t.Error("it is not let through")
		}
		must(t, o.Ledger.Close())
		o.open()
		must(t, os.Rename(o.folder.Path+"/a.pdf", o.folder.Path+"/b.pdf"))
		must(t, os.WriteFile(o.folder.Path+"/a.pdf", []byte("content of a.pdf"), 0o600))
		if !o.isAsItIs("b.pdf") || o.isAsItIs("a.pdf") {
			t.Errorf("after a restart: it %t, another one of its name %t", o.isAsItIs("b.pdf"), o.isAsItIs("a.pdf"))
		}
		o.claim("b.pdf")
		if o.isAsItIs("b.pdf") {
			t.Error("it is let through once more")
		}
	}
}

// TestRenamedInFailed: a file that somebody renamed in failed/ goes back under its new name, and so does its old note go; whatever the
// path is spelled like.
func TestRenamedInFailed(t *testing.T) {
	for _, far := range []bool{false, true} {
		o := newOffice(t, far)
		_, paths := o.fail("unknown type", "sub/notes.tx")
		must(t, os.Rename(paths[0], strings.TrimSuffix(paths[0], ".tx")+".txt"))
		link := filepath.Join(t.TempDir(), "link")
		must(t, os.Symlink(o.folder.Failed, link))
		got, err := o.Retry(t.Context(), Request{Path: link + "/sub/notes.txt"})
		if err != nil || got.To != o.folder.Path+"/sub/notes.txt" {
			t.Errorf("%+v, %v", got, err)
		}
		o.want("after it", "sub/notes.txt=sub/notes.tx")
	}
}

// TestMendedInFailed: a file that somebody mended in its place goes back as it is now.
func TestMendedInFailed(t *testing.T) {
	o := newOffice(t, false)
	_, paths := o.fail("truncated: no %%EOF", "a.pdf")
	must(t, os.WriteFile(paths[0], []byte("content of a whole one"), 0o600))
	if _, err := o.Retry(t.Context(), Request{Path: paths[0]}); err != nil {
		t.Error(err)
	}
	o.want("after it", "a.pdf=a whole one")
}

// TestNoteThatWasChanged: a note in which somebody wrote stays, and is named.
func TestNoteThatWasChanged(t *testing.T) {
	o := newOffice(t, false)
	_, paths := o.fail("refused", "a.pdf")
	note := paths[0] + ".reason.txt"
	text, err := os.ReadFile(note)
	must(t, err)
	must(t, os.WriteFile(note, append(text, "I called them\n"...), 0o600))
	if got, err := o.Retry(t.Context(), Request{Path: paths[0]}); err != nil || got.NoteLeft != note {
		t.Errorf("%+v, %v", got, err)
	}
	o.want("after it", "a.pdf=a.pdf", "failed/a.pdf.reason.txt")
}

// TestNotFailed: what is no failed file is left alone, and the error says what it is and what helps.
func TestNotFailed(t *testing.T) {
	o := newOffice(t, false)
	_, paths := o.fail("refused", "a.pdf")
	_, gone := o.fail("refused", "gone.pdf")
	must(t, os.Remove(gone[0]))
	must(t, os.WriteFile(o.folder.Path+"/new.pdf", []byte("content of new.pdf"), 0o600))
	must(t, os.WriteFile(o.folder.Failed+"/mine.pdf", []byte("content of mine.pdf"), 0o600))
	must(t, os.MkdirAll(o.folder.Done, 0o755))
	must(t, os.WriteFile(o.folder.Done+"/b.pdf", []byte("content of b.pdf"), 0o600))
	must(t, os.Symlink(paths[0], o.folder.Failed+"/link.pdf"))
	dragged := o.folder.Path + "/dragged.pdf"
	_, back := o.fail("refused", "dragged.pdf")
	must(t, os.Rename(back[0], dragged))
	elsewhere := filepath.Join(t.TempDir(), "x.pdf")
	must(t, os.WriteFile(elsewhere, nil, 0o600))
	before := o.lie()
	for path, c := range map[string]struct {
		is  error
		say string
	}{
		o.folder.Path + "/new.pdf":          {ErrNotFailed, "lies in its folder"},
		dragged:                             {ErrNotFailed, "lies in its folder"},
		o.folder.Done + "/b.pdf":            {ErrNotFailed, "copy it into"},
		o.folder.Failed + "/mine.pdf":       {ErrNotFailed, "the ledger does not know it"},
		o.folder.Failed + "/link.pdf":       {ErrNotFailed, "no regular file"},
		o.folder.Failed:                     {ErrNotFailed, "it is a folder"},
		paths[0] + ".reason.txt":            {ErrNote, "name the file itself"},
		o.folder.Failed + "/" + filing.Mark: {ErrNotFailed, "kaizala-drop's own"},
		gone[0]:                             {ErrNotFailed, "delivery 2 moved a file there"},
		"/nonexistent/c.pdf":                {ErrNotFailed, "failed files lie in the failed/"},
		elsewhere:                           {ErrNotFailed, "no folder of the configuration"},
		"a.pdf":                             {nil, "absolute path"},
	} {
		_, err := o.Retry(t.Context(), Request{Path: path})
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.say) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	o.want("after all that", before...)
	o.folder.Path += "x"
	if _, err := o.Retry(t.Context(), Request{Path: paths[0]}); !errors.Is(err, ErrNoFolder) {
		t.Error(err)
	}
}

// TestThroughALink: a link that somebody put into failed/ in the place of a subfolder leads nowhere.
func TestThroughALink(t *testing.T) {
	o := newOffice(t, false)
	_, paths := o.fail("refused", "etc/passwd")
	secret := t.TempDir()
	must(t, os.WriteFile(secret+"/passwd", []byte("secret"), 0o600))
	must(t, os.RemoveAll(filepath.Dir(paths[0])))
	must(t, os.Symlink(secret, filepath.Dir(paths[0])))
	if _, err := o.Retry(t.Context(), Request{Path: paths[0]}); !errors.Is(err, ErrNotFailed) || !strings.Contains(err.Error(), "symbolic link") {
		t.Error(err)
	}
	if _, err := os.Stat(secret + "/passwd"); err != nil {
		t.Error(err)
	}
}

// TestFolderAway: nothing is put where a share is to be mounted, and nothing is asked then.
func TestFolderAway(t *testing.T) {
	o := newOffice(t, true)
	d, paths := o.fail("refused", "a.pdf")
	f, err := o.find(t.Context(), paths[0])
	must(t, err)
	must(t, isMounted(o.folder, f))
	f.delivery.Files[0].ID.Dev++
	if err := isMounted(o.folder, f); !errors.Is(err, filing.ErrFolderGone) || !strings.Contains(err.Error(), o.folder.Path) {
		t.Errorf("a bare mount point: %v", err)
	}
	must(t, os.WriteFile(o.folder.Path+"/other.pdf", nil, 0o600))
	if err := isMounted(o.folder, f); err != nil {
		t.Errorf("a folder with files: %v", err)
	}
	must(t, os.RemoveAll(o.folder.Path))
	if _, err := o.Retry(t.Context(), Request{Path: paths[0]}); !errors.Is(err, filing.ErrFolderGone) {
		t.Error(err)
	}
	if asked := o.asked(d.ID); len(asked) != 0 {
		t.Errorf("%+v", asked)
	}
	o.want("after it", "failed/a.pdf.reason.txt", "failed/a.pdf=a.pdf")
}

// TestMoveFails: what cannot be moved stays where it is with its note, and is not asked any more; asked again, it works.
func TestMoveFails(t *testing.T) {
	o := newOffice(t, false)
	d, paths := o.fail("refused", "sub/a.pdf")
	must(t, os.RemoveAll(o.folder.Path+"/sub"))
	must(t, os.WriteFile(o.folder.Path+"/sub", nil, 0o600)) // in the way of the subfolder
	if _, err := o.Retry(t.Context(), Request{Path: paths[0]}); err == nil || !strings.Contains(err.Error(), o.folder.Path+"/sub") {
		t.Error(err)
	}
	o.want("after it", "failed/sub/a.pdf.reason.txt", "failed/sub/a.pdf=sub/a.pdf", "sub=")
	if asked := o.asked(d.ID); len(asked) != 1 || asked[0].State != ledger.Void || asked[0].Reason == "" {
		t.Errorf("%+v", asked)
	}
	must(t, os.Remove(o.folder.Path+"/sub"))
	_, err := o.Retry(t.Context(), Request{Path: paths[0]})
	must(t, err)
	o.want("asked again", "sub/a.pdf=sub/a.pdf")
}

// TestAtOnce: many ask for the same file at once. It is moved once, and nobody is told otherwise.
func TestAtOnce(t *testing.T) {
	o := newOffice(t, false)
	d, paths := o.fail("refused", "a.pdf")
	results := make(chan error)
	const askers = 8
	for range askers {
		go func() {
			_, err := o.Retry(context.Background(), Request{Path: paths[0]})
			results <- err
		}()
	}
	fine := 0
	for range askers {
		if err := <-results; err == nil {
			fine++
		} else if !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
	}
	done := 0
	for _, a := range o.asked(d.ID) {
		if a.State == ledger.Done {
			done++
		}
	}
	if done != 1 || fine == 0 {
		t.Errorf("done %d times, %d were told so", done, fine)
	}
	o.want("after it", "a.pdf=a.pdf")
}
