package uploader

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
)

// looksChange are ways in which a file gets other looks and keeps its bytes. Each tells the name it has then.
func looksChange(w *world) map[string]func(name string) string {
	same := func(f func(path string)) func(string) string {
		return func(name string) string { f(filepath.Join(w.dir, name)); return name }
	}
	return map[string]func(name string) string{
		"chmod": same(func(path string) { w.must(os.Chmod(path, 0o640)) }),
		"touch": same(func(path string) { w.must(os.Chtimes(path, time.Now(), time.Now().Add(time.Hour))) }),
		"saved again": same(func(path string) { // another inode and mtime
			content, err := os.ReadFile(path)
			w.must(err)
			w.must(os.WriteFile(path+".tmp", content, 0o600))
			w.must(os.Rename(path+".tmp", path))
		}),
		"written over": same(func(path string) { // with the same bytes, in place
			content, err := os.ReadFile(path)
			w.must(err)
			w.must(os.WriteFile(path, content, 0o600))
			w.must(os.Chtimes(path, time.Now(), time.Now().Add(time.Hour)))
		}),
		"renamed": func(name string) string {
			w.must(os.Rename(filepath.Join(w.dir, name), filepath.Join(w.dir, "renamed "+name)))
			return "renamed " + name
		},
		"renamed and touched": func(name string) string {
			path := filepath.Join(w.dir, "renamed "+name)
			w.must(os.Rename(filepath.Join(w.dir, name), path))
			w.must(os.Chtimes(path, time.Now(), time.Now().Add(time.Hour)))
			return "renamed " + name
		},
		"its folder renamed": func(name string) string {
			w.must(os.Rename(filepath.Join(w.dir, "sub"), filepath.Join(w.dir, "other")))
			return "other" + strings.TrimPrefix(name, "sub")
		},
	}
}

// names below which looksChange work.
func nameFor(change string) string {
	if change == "its folder renamed" {
		return "sub/x.pdf"
	}
	return "x.pdf"
}

// TestOtherLooksDuringThePost: a file that gets other looks while it is posted is filed, and not posted again when it
// settles in its new looks.
func TestOtherLooksDuringThePost(t *testing.T) {
	for _, change := range []string{"chmod", "touch", "saved again", "written over", "renamed", "renamed and touched", "its folder renamed"} {
		for _, size := range []int{7, 3 << 20} {
			t.Run(fmt.Sprint(change, " ", size), func(t *testing.T) {
				bubble(t, func(w *world, book *memory) {
					content := strings.Repeat("x", size)
					now := ""
					w.service.onPost = func(_ context.Context, _ destination.Message, nth int) error {
						if now == "" {
							now = looksChange(w)[change](nameFor(change))
						}
						return nil
					}
					w.must(os.Mkdir(filepath.Join(w.dir, "sub"), 0o755))
					w.start(w.t.Context(), w.folder())
					w.drop(nameFor(change), content)
					time.Sleep(5 * time.Second)
					synctest.Wait()
					if info, err := file.Lstat(filepath.Join(w.dir, now)); err == nil {
						w.settled <- file.Batch{{Folder: w.dir, Name: now, ID: info.Identity, At: time.Now()}}
					}
					time.Sleep(time.Minute)
					synctest.Wait()
					w.wantPosted(content)
					if w.lies("done/"+now) != content || w.lies(now) != "" {
						t.Errorf("it is not in done/ as %q alone", now)
					}
					if open := w.unfinished(); len(open) > 0 {
						t.Errorf("not at its end: %+v", open[0])
					}
					w.end()
				})
			})
		}
	}
}

// TestOtherLooksDuringTheUpload: attributes that change without end neither restart an upload nor keep it from being posted.
func TestOtherLooksDuringTheUpload(t *testing.T) {
	for change, do := range map[string]func(w *world){
		"chmod": func(w *world) { w.must(os.Chmod(w.dir+"/x.pdf", 0o640)) },
		"chown": func(w *world) { w.must(os.Chown(w.dir+"/x.pdf", os.Getuid(), os.Getgid())) },
		"linked": func(w *world) {
			w.must(os.Link(w.dir+"/x.pdf", w.dir+"/.second"))
			w.must(os.Remove(w.dir + "/.second"))
		},
	} {
		t.Run(change, func(t *testing.T) {
			bubble(t, func(w *world, book *memory) {
				content := strings.Repeat("x", 10<<20)
				w.service.onUpload = func(context.Context, string, int) error { do(w); return nil }
				w.service.onPost = func(context.Context, destination.Message, int) error { do(w); return nil }
				w.start(w.t.Context(), w.folder())
				w.drop("x.pdf", content)
				time.Sleep(time.Minute)
				synctest.Wait()
				w.wantPosted(content)
				if n := len(w.service.uploads); n != 1 || w.lies("done/x.pdf") != content {
					t.Errorf("%d uploads; filed: %v", n, w.lies("done/x.pdf") == content)
				}
				w.end()
			})
		})
	}
}

// TestTouchedDuringTheUpload: a file whose mtime or inode changes may be written to, so it settles anew; but its bytes are
// not sent again if they are the same then.
func TestTouchedDuringTheUpload(t *testing.T) {
	for _, change := range []string{"touch", "written over", "saved again"} {
		for _, same := range []bool{true, false} {
			t.Run(fmt.Sprint(change, " ", same), func(t *testing.T) {
				bubble(t, func(w *world, book *memory) {
					content, after := strings.Repeat("x", 3<<20), strings.Repeat("x", 3<<20)
					w.service.onUpload = func(_ context.Context, _ string, nth int) error {
						if nth == 1 {
							looksChange(w)[change]("x.pdf")
						}
						return nil
					}
					w.start(w.t.Context(), w.folder())
					w.drop("x.pdf", content)
					if r := <-w.released; r.Name != "x.pdf" {
						t.Fatalf("%+v", r)
					}
					w.wantPosted()
					if !same {
						after = strings.Repeat("y", 3<<20)
						w.write("x.pdf", after)
					}
					w.settled <- file.Batch{w.look("x.pdf")}
					time.Sleep(time.Minute)
					synctest.Wait()
					w.wantPosted(after)
					if n := len(w.service.uploads); (n == 1) != same || w.lies("done/x.pdf") != after {
						t.Errorf("%d uploads", n)
					}
					w.end()
				})
			})
		}
	}
}

// TestOtherBytesAreAnotherFile: bytes that differ are never taken for the posted ones, whatever the looks say; and what is
// posted is never taken for what was put in its place.
func TestOtherBytesAreAnotherFile(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		w.service.onPost = func(_ context.Context, _ destination.Message, nth int) error {
			path := filepath.Join(w.dir, "x.pdf")
			info, err := os.Stat(path)
			w.must(err)
			if len(w.service.posted) == 0 {
				w.must(os.WriteFile(path, []byte("CONTENT"), 0o600))
				w.must(os.Chtimes(path, info.ModTime(), info.ModTime()))
			}
			return nil
		}
		w.start(w.t.Context(), w.folder())
		w.drop("x.pdf", "content")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		w.settled <- file.Batch{w.look("x.pdf")}
		time.Sleep(time.Hour)
		synctest.Wait()
		w.wantPosted("content", "CONTENT")
		if w.lies("done/x.pdf") != "CONTENT" {
			t.Errorf("done/x.pdf holds %q", w.lies("done/x.pdf"))
		}
		w.end()
	})
}

// TestReplacedDuringThePost: a file that takes the place of one that is just being posted waits for nothing: neither if it
// settles before the posted one is missed, nor after.
func TestReplacedDuringThePost(t *testing.T) {
	for _, early := range []bool{true, false} {
		t.Run(fmt.Sprint("early ", early), func(t *testing.T) {
			bubble(t, func(w *world, book *memory) {
				first := true
				w.service.onPost = func(context.Context, destination.Message, int) error {
					if first {
						first = false
						w.must(os.WriteFile(w.dir+"/new", []byte("CONTENT, and more"), 0o600))
						w.must(os.Rename(w.dir+"/new", w.dir+"/x.pdf"))
						if early {
							w.settled <- file.Batch{w.look("x.pdf")}
						}
					}
					return nil
				}
				w.start(w.t.Context(), w.folder())
				w.drop("x.pdf", "content")
				if !early {
					time.Sleep(5 * time.Second)
					synctest.Wait()
					w.settled <- file.Batch{w.look("x.pdf")}
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				w.wantPosted("content", "CONTENT, and more")
				if w.lies("done/x.pdf") != "CONTENT, and more" {
					t.Error("the new one is not filed")
				}
				w.end()
			})
		})
	}
}

// TestOneFileIsKnownAgainOnce: of two files with the bytes of one that was renamed while it was posted, one is posted.
func TestOneFileIsKnownAgainOnce(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		first := true
		w.service.onPost = func(context.Context, destination.Message, int) error {
			if first {
				first = false
				w.must(os.Rename(w.dir+"/x.pdf", w.dir+"/y.pdf"))
			}
			return nil
		}
		w.start(w.t.Context(), w.folder())
		w.drop("x.pdf", "content")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		w.settled <- file.Batch{w.look("y.pdf")}
		w.drop("z.pdf", "content")
		w.drop("other.pdf", "CONTENT")
		time.Sleep(time.Minute)
		synctest.Wait()
		w.wantPosted("content", "content", "CONTENT")
		if w.lies("done/y.pdf") != "content" || w.lies("done/z.pdf") != "content" {
			t.Error("not filed")
		}
		w.end()
	})
}

// TestCopyOfAPostedFileIsPosted: what still lies under its name is not what was dropped beside it, whatever the bytes.
func TestCopyOfAPostedFileIsPosted(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		w.service.onPost = func(_ context.Context, _ destination.Message, nth int) error {
			if len(w.service.posted) == 0 {
				w.must(os.WriteFile(w.dir+"/done", nil, 0o600)) // so that it is not filed
			}
			return nil
		}
		w.start(w.t.Context(), w.folder())
		w.drop("x.pdf", "content")
		time.Sleep(time.Minute)
		synctest.Wait()
		w.drop("copy of x.pdf", "content")
		time.Sleep(time.Minute)
		synctest.Wait()
		w.must(os.Remove(w.dir + "/done"))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		w.wantPosted("content", "content")
		if w.lies("done/x.pdf") != "content" || w.lies("done/copy of x.pdf") != "content" {
			t.Error("not filed")
		}
		w.end()
	})
}

// TestPostedFileThatIsTakenAway is looked for for a while, holds up nobody, and is let go then: the same bytes that are
// dropped after that are posted.
func TestPostedFileThatIsTakenAway(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		var log logged
		w.u.Log = zerolog.New(&log)
		posts := 0
		w.service.onPost = func(context.Context, destination.Message, int) error {
			if posts++; posts <= 6 {
				w.must(os.Remove(fmt.Sprintf("%s/%d.pdf", w.dir, posts)))
			}
			return nil
		}
		w.start(w.t.Context(), w.folder())
		for i := 1; i <= 6; i++ {
			w.drop(fmt.Sprint(i, ".pdf"), fmt.Sprint("content ", i))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		w.drop("other.pdf", "other")
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.lies("done/other.pdf") != "other" {
			t.Error("the folder waits for files that were taken away")
		}
		time.Sleep(awayFor)
		synctest.Wait()
		if open := w.unfinished(); len(open) != 0 {
			t.Errorf("%d are still looked for", len(open))
		}
		w.drop("1.pdf", "content 1")
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.lies("done/1.pdf") != "content 1" || len(w.service.posted) != 8 {
			t.Errorf("posted %q", w.service.posted)
		}
		if n := strings.Count(log.String(), "looked for"); n != 6 || strings.Contains(log.String(), `"level":"warn"`) {
			t.Errorf("it was said %d times:\n%s", n, log.String())
		}
		w.end()
	})
}

// TestDrainedRunLooksForNothing: a run whose input has ended does not wait for a file that nobody will bring.
func TestDrainedRunLooksForNothing(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		w.service.onPost = func(context.Context, destination.Message, int) error { return os.Remove(w.dir + "/x.pdf") }
		w.start(w.t.Context(), w.folder())
		w.drop("x.pdf", "content")
		begun := time.Now()
		if sum := w.end(); sum != (Summary{Delivered: 1}) || time.Since(begun) > time.Minute {
			t.Errorf("%+v after %v", sum, time.Since(begun))
		}
	})
}

// TestImagesRenamedDuringThePost: of an album each image is known again by itself, also among images of another album.
func TestImagesRenamedDuringThePost(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		first := true
		w.service.onPost = func(context.Context, destination.Message, int) error {
			if first {
				first = false
				w.must(os.Rename(w.dir+"/1.jpg", w.dir+"/5.jpg"))
				w.must(os.Rename(w.dir+"/2.jpg", w.dir+"/6.jpg"))
			}
			return nil
		}
		w.start(w.t.Context(), w.folder())
		w.settled <- w.writeAlbum("0.jpg", "1.jpg", "2.jpg", "3.jpg")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		b := w.writeAlbum("4.jpg")
		b = append(b, w.look("5.jpg"), w.look("6.jpg"))
		b = append(b, w.writeAlbum("7.jpg")...)
		w.settled <- b
		time.Sleep(time.Hour)
		synctest.Wait()
		w.wantAt("done", "0.jpg", "3.jpg", "4.jpg", "5.jpg", "6.jpg", "7.jpg")
		if len(w.service.posted) != 2 || strings.Count(w.service.posted[1], "+") != 1 {
			t.Errorf("posted %q", w.service.posted)
		}
		w.end()
	})
}

// TestRenamedWhileTheDaemonWasDown: what the ledger knows to be posted is known again under another name, and with another
// inode.
func TestRenamedWhileTheDaemonWasDown(t *testing.T) {
	for _, change := range []string{"renamed", "saved again", "its folder renamed", "renamed and touched", "touch"} {
		t.Run(change, func(t *testing.T) {
			bubble(t, func(w *world, book *memory) {
				name := nameFor(change)
				w.must(os.Mkdir(filepath.Join(w.dir, "sub"), 0o755))
				ctx, stop := context.WithCancel(w.t.Context())
				w.service.onPost = func(context.Context, destination.Message, int) error {
					w.must(os.WriteFile(w.dir+"/done", nil, 0o600)) // so that it is not filed
					return nil
				}
				w.start(ctx, w.folder())
				w.drop(name, "content")
				time.Sleep(time.Minute)
				synctest.Wait()
				stop()
				<-w.result
				if d := book.rows[1]; d.State != ledger.Posted {
					t.Fatalf("it is %s", d.State)
				}
				w.must(os.Remove(w.dir + "/done"))
				now := looksChange(w)[change](name)
				w.start(w.t.Context(), w.folder())
				synctest.Wait()
				if info, err := file.Lstat(filepath.Join(w.dir, now)); err == nil {
					w.settled <- file.Batch{{Folder: w.dir, Name: now, ID: info.Identity, At: time.Now()}}
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				w.wantPosted("content")
				if w.lies("done/"+now) != "content" || len(w.unfinished()) > 0 {
					t.Errorf("not filed as %q: %+v", now, w.unfinished())
				}
				w.end()
			})
		})
	}
}

// TestRenamedWhileTheAnswerIsUnknown: a file that may be posted is not posted twice because it was renamed.
func TestRenamedWhileTheAnswerIsUnknown(t *testing.T) {
	for _, hold := range []bool{false, true} {
		t.Run(fmt.Sprint("hold ", hold), func(t *testing.T) {
			bubble(t, func(w *world, book *memory) {
				tries := 0
				w.service.onPost = func(context.Context, destination.Message, int) error {
					if tries++; tries == 1 {
						w.must(os.Rename(w.dir+"/x.pdf", w.dir+"/y.pdf"))
						return doubtful(504)
					}
					return nil
				}
				f := w.folder()
				f.HoldUnknown = hold
				w.start(w.t.Context(), f)
				w.drop("x.pdf", "content")
				time.Sleep(6 * time.Second)
				synctest.Wait()
				w.settled <- file.Batch{w.look("y.pdf")}
				time.Sleep(time.Hour)
				synctest.Wait()
				if hold && (tries != 1 || w.lies("failed/y.pdf") != "content") {
					t.Errorf("%d tries, with when_unknown = hold; failed/y.pdf holds %q", tries, w.lies("failed/y.pdf"))
				}
				if !hold && (tries > 2 || w.lies("done/y.pdf")+w.lies("failed/y.pdf") != "content") {
					t.Errorf("%d tries; done holds %q, failed %q", tries, w.lies("done/y.pdf"), w.lies("failed/y.pdf"))
				}
				w.end()
			})
		})
	}
}

// left is a delivery as an earlier run left it in the ledger, of these files as they lie in the folder now or did.
func (w *world) left(book *memory, state ledger.State, files ...file.Settled) *ledger.Delivery {
	book.last++
	d := &ledger.Delivery{ID: book.last, Folder: w.dir, Kind: "Document", State: state, SettledAt: files[0].At}
	for _, s := range files {
		content, err := os.ReadFile(filepath.Join(w.dir, s.Name))
		w.must(err)
		sum := sha256.Sum256(content)
		f := ledger.File{Name: s.Name, ID: s.ID}
		if state != ledger.Claimed {
			d.Resource, f.SHA256 = "left", sum[:]
		}
		d.Files = append(d.Files, f)
	}
	if len(files) > 1 {
		d.Kind = "Album"
	}
	book.rows[d.ID] = d
	time.Sleep(time.Second)
	return d
}

// settles hands files over as they lie in the folder now, those that are there.
func (w *world) settles(names ...string) {
	for _, name := range names {
		if info, err := file.Lstat(filepath.Join(w.dir, name)); err == nil {
			w.settled <- file.Batch{{Folder: w.dir, Name: name, ID: info.Identity, At: time.Now()}}
		}
	}
}

func (w *world) rename(from, to string) {
	w.must(os.Rename(filepath.Join(w.dir, from), filepath.Join(w.dir, to)))
}

// wantEnd wants exactly these messages, and nothing but these files below done/ and failed/.
func (w *world) wantEnd(posted []string, lies map[string]string) {
	w.t.Helper()
	w.wantPosted(posted...)
	found := map[string]string{}
	w.must(filepath.WalkDir(w.dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() != filing.Mark && !strings.HasSuffix(path, ".reason.txt") {
			name, _ := filepath.Rel(w.dir, path)
			found[name] = w.lies(name)
		}
		return err
	}))
	if !maps.Equal(found, lies) {
		w.t.Errorf("there lie %q, want %q", found, lies)
	}
	if open := w.unfinished(); len(open) > 0 {
		w.t.Errorf("not at its end: %+v", open)
	}
}

// TestTouchedAfterItSettled: a renamed file that is touched after it has settled, or was sent, is known again all the same.
func TestTouchedAfterItSettled(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		w.left(book, ledger.Posted, w.write("x.pdf", "content"))
		w.rename("x.pdf", "y.pdf")
		w.left(book, ledger.Uploaded, w.look("y.pdf"))
		w.must(os.Chtimes(w.dir+"/y.pdf", time.Now(), time.Now().Add(time.Hour)))
		w.start(w.t.Context(), w.folder())
		time.Sleep(time.Second)
		w.settles("y.pdf")
		time.Sleep(time.Hour)
		synctest.Wait()
		w.wantEnd(nil, map[string]string{"done/y.pdf": "content"})
		w.end()
	})
}

// TestRefusedFileSettlesAgain: a refused file that cannot be filed, and settles once more because it was touched, is filed once, and
// stays so: what was made of the first time is not cleared up after the second.
func TestRefusedFileSettlesAgain(t *testing.T) {
	for change, touch := range map[string]func(path string) error{
		"chmod": func(path string) error { return os.Chmod(path, 0o600) },
		"touch": func(path string) error { return os.Chtimes(path, time.Now(), time.Now().Add(time.Hour)) },
	} {
		t.Run(change, func(t *testing.T) {
			bubble(t, func(w *world, _ *memory) {
				w.must(os.WriteFile(w.dir+"/failed", nil, 0o600)) // so that nothing is filed there
				w.write("x.txt", "content")
				w.start(w.t.Context(), w.folder())
				w.settles("x.txt")
				time.Sleep(time.Second)
				for range 2 {
					w.must(touch(w.dir + "/x.txt"))
					w.settles("x.txt")
					time.Sleep(time.Second)
				}
				w.must(os.Remove(w.dir + "/failed"))
				time.Sleep(time.Hour)
				synctest.Wait()
				w.wantEnd(nil, map[string]string{"failed/x.txt": "content"})
				w.end()
			})
		})
	}
}

// TestTouchedBetweenTwoLooks: a file that was posted and renamed is known again although somebody touches it between the look
// that comes before its post and the one that compares it.
func TestTouchedBetweenTwoLooks(t *testing.T) {
	dir := t.TempDir()
	path, sum := dir+"/y.pdf", sha256.Sum256([]byte("content"))
	if err := os.WriteFile(path, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	info, err := file.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	of := func(name string) *delivery {
		return &delivery{lane: &lane{}, facts: facts{
			Delivery: ledger.Delivery{Folder: dir, Files: []ledger.File{{Name: name, ID: info.Identity, SHA256: sum[:]}}}}}
	}
	posted, j := of("x.pdf"), of("y.pdf").job()
	j.suspects = []suspect{{of: posted, file: posted.Files[0]}}
	if err := os.Chtimes(path, time.Time{}, time.Unix(1_700_000_000, 0)); err != nil {
		t.Fatal(err)
	}
	if err := newWork(nil, j).isNew(); !isKnown(err) {
		t.Errorf("%v", err)
	}
}

// TestRefusedFileIsKnownByItsCopy: a refused file whose copy lies in failed/ already, and which was renamed and touched, is known
// again before anything of it is sent, by the sum of the copy. One that holds other bytes is not.
func TestRefusedFileIsKnownByItsCopy(t *testing.T) {
	for content, known := range map[string]bool{"content": true, "another": false} {
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/y.pdf", []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		info, err := file.Lstat(dir + "/y.pdf")
		if err != nil {
			t.Fatal(err)
		}
		sum, before := sha256.Sum256([]byte("content")), info.Identity
		before.Mtime--
		copied := suspect{of: &delivery{}, file: ledger.File{Name: "x.pdf", ID: before, SHA256: sum[:]}, copied: true}
		d := &delivery{lane: &lane{}, facts: facts{Delivery: ledger.Delivery{Folder: dir, Files: []ledger.File{{Name: "y.pdf", ID: info.Identity}}}}}
		j := d.job()
		j.suspects = []suspect{copied}
		if err := newWork(nil, j).isNew(); isKnown(err) != known {
			t.Errorf("%s: %v", content, err)
		}
	}
}

// TestLooksAreWrittenBeforeTheMove: the ledger knows what a file looks like before anything is made of it in done/, so that what a
// crash leaves there is found by it.
func TestLooksAreWrittenBeforeTheMove(t *testing.T) {
	for _, during := range []bool{true, false} {
		t.Run(fmt.Sprint("during the post ", during), func(t *testing.T) {
			bubble(t, func(w *world, book *memory) {
				touch := func() { w.must(os.Chtimes(w.dir+"/x.pdf", time.Now(), time.Now().Add(time.Hour))) }
				w.left(book, ledger.Uploaded, w.write("x.pdf", "content"))
				if !during {
					book.rows[1].State = ledger.Posted
				}
				touch()
				touched := w.look("x.pdf").ID
				book.fail = func(step string, d *ledger.Delivery) error {
					if step == "Filed" && d.Files[0].ID != touched {
						t.Errorf("moved as %+v, and the ledger has %+v", touched, d.Files[0].ID)
					}
					return nil
				}
				w.start(w.t.Context(), w.folder())
				time.Sleep(time.Hour)
				synctest.Wait()
				if w.lies("done/x.pdf") != "content" || len(w.unfinished()) > 0 {
					t.Error("not filed")
				}
				w.end()
			})
		})
	}
}

// TestOneFileIsOneMatch: of two posted twins that are both missed, a file with their bytes is one; the next is the other.
func TestOneFileIsOneMatch(t *testing.T) {
	bubble(t, func(w *world, book *memory) {
		w.left(book, ledger.Posted, w.write("a.pdf", "content"))
		w.left(book, ledger.Posted, w.write("b.pdf", "content"))
		w.rename("a.pdf", "../a")
		w.rename("b.pdf", "../b")
		w.start(w.t.Context(), w.folder())
		lies := map[string]string{}
		for _, name := range []string{"c.pdf", "d.pdf"} {
			time.Sleep(time.Minute)
			w.drop(name, "content")
			time.Sleep(time.Minute)
			synctest.Wait()
			lies["done/"+name] = "content"
			if n := len(w.unfinished()); n != 2-len(lies) {
				t.Errorf("%d are looked for after %d came", n, len(lies))
			}
		}
		w.wantEnd(nil, lies)
		w.end()
	})
}

// TestCrashAroundTheRecognition: whatever step of the ledger came last when a renamed file was found again, the next run
// posts nothing twice, sends nothing that was recognised, and files all: with its folder in order, and after done/ could not be
// written for a while.
func TestCrashAroundTheRecognition(t *testing.T) {
	for name, before := range map[string]func(w *world, book *memory){
		"renamed, not claimed": func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("x.pdf", "content"))
			w.rename("x.pdf", "y.pdf")
		},
		"claimed, not recognised": func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("x.pdf", "content"))
			w.rename("x.pdf", "y.pdf")
			w.left(book, ledger.Claimed, w.look("y.pdf"))
		},
		"uploaded, not recognised": func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("x.pdf", "content"))
			w.rename("x.pdf", "y.pdf")
			w.left(book, ledger.Uploaded, w.look("y.pdf"))
		},
		"recognised, claimed": func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("y.pdf", "content"))
			w.left(book, ledger.Claimed, w.look("y.pdf"))
		},
		"recognised, uploaded": func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("y.pdf", "content"))
			w.left(book, ledger.Uploaded, w.look("y.pdf"))
		},
		"recognised, claimed before": func(w *world, book *memory) {
			claimed := w.left(book, ledger.Claimed, w.write("y.pdf", "content"))
			posted := w.left(book, ledger.Posted, w.look("y.pdf"))
			claimed.SettledAt, posted.SettledAt = posted.SettledAt, claimed.SettledAt
		},
		"recognised and filed, claimed": func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("y.pdf", "content"))
			w.left(book, ledger.Claimed, w.look("y.pdf"))
			w.must(os.MkdirAll(w.dir+"/done", 0o755))
			w.rename("y.pdf", "done/y.pdf")
		},
		"recognised and filed, uploaded": func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("y.pdf", "content"))
			w.left(book, ledger.Uploaded, w.look("y.pdf"))
			w.must(os.MkdirAll(w.dir+"/done", 0o755))
			w.rename("y.pdf", "done/y.pdf")
		},
	} {
		for _, blocked := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", blocked ", blocked), func(t *testing.T) {
				bubble(t, func(w *world, book *memory) {
					before(w, book)
					if blocked {
						w.must(os.MkdirAll(w.dir+"/done", 0o755))
						w.rename("done", "done before")
						w.must(os.WriteFile(w.dir+"/done", nil, 0o600))
					}
					w.start(w.t.Context(), w.folder())
					time.Sleep(time.Second)
					w.settles("y.pdf")
					time.Sleep(time.Minute)
					if blocked {
						w.must(os.Remove(w.dir + "/done"))
						w.rename("done before", "done")
					}
					time.Sleep(time.Hour)
					synctest.Wait()
					w.wantEnd(nil, map[string]string{"done/y.pdf": "content"})
					if uploads, _ := w.soFar(); len(uploads) > 0 && strings.HasPrefix(name, "recognised") {
						t.Errorf("uploaded %q once more", uploads)
					}
					w.end()
				})
			})
		}
	}
}

// TestFilesThatChangePlaces while the daemon is down, posted and not filed: each is filed under the name it has then, and what
// is new is posted, whichever settles first.
func TestFilesThatChangePlaces(t *testing.T) {
	for name, c := range map[string]struct {
		before func(w *world, book *memory)
		posted []string
		lies   map[string]string
	}{
		"two swap their names": {func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("a.pdf", "content of a"))
			w.left(book, ledger.Posted, w.write("b.pdf", "content of b"))
			w.rename("a.pdf", "c")
			w.rename("b.pdf", "a.pdf")
			w.rename("c", "b.pdf")
		}, nil, map[string]string{"done/a.pdf": "content of b", "done/b.pdf": "content of a"}},
		"two of one album swap their names": {func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("a.pdf", "content of a"), w.write("b.pdf", "content of b"), w.write("o.pdf", "other"))
			w.rename("a.pdf", "c")
			w.rename("b.pdf", "a.pdf")
			w.rename("c", "b.pdf")
		}, nil, map[string]string{"done/a.pdf": "content of b", "done/b.pdf": "content of a", "done/o.pdf": "other"}},
		"two swap their names, with new inodes": {func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("a.pdf", "content of a"))
			w.left(book, ledger.Posted, w.write("b.pdf", "content of b"))
			w.must(os.Remove(w.dir + "/a.pdf"))
			w.write("a.pdf", "content of b")
			w.must(os.Remove(w.dir + "/b.pdf"))
			w.write("b.pdf", "content of a")
		}, nil, map[string]string{"done/a.pdf": "content of b", "done/b.pdf": "content of a"}},
		"one of two twins is renamed": {func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("a.pdf", "content"))
			w.left(book, ledger.Posted, w.write("b.pdf", "content"))
			w.rename("b.pdf", "c.pdf")
		}, nil, map[string]string{"done/a.pdf": "content", "done/c.pdf": "content"}},
		"one of two twins is renamed, one touched": {func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("a.pdf", "content"))
			w.left(book, ledger.Posted, w.write("b.pdf", "content"))
			w.rename("b.pdf", "c.pdf")
			w.must(os.Chtimes(w.dir+"/a.pdf", time.Now(), time.Now().Add(time.Hour)))
		}, nil, map[string]string{"done/a.pdf": "content", "done/c.pdf": "content"}},
		"both twins are renamed": {func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("a.pdf", "content"))
			w.left(book, ledger.Posted, w.write("b.pdf", "content"))
			w.rename("a.pdf", "d.pdf")
			w.rename("b.pdf", "c.pdf")
		}, nil, map[string]string{"done/d.pdf": "content", "done/c.pdf": "content"}},
		"one takes the name of its twin that is renamed": {func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("a.pdf", "content"))
			w.left(book, ledger.Posted, w.write("b.pdf", "content"))
			w.rename("a.pdf", "c.pdf")
			w.rename("b.pdf", "a.pdf")
		}, nil, map[string]string{"done/a.pdf": "content", "done/c.pdf": "content"}},
		"a new one takes its name": {func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("a.pdf", "content"))
			w.rename("a.pdf", "c.pdf")
			w.write("a.pdf", "CONTENT")
		}, []string{"CONTENT"}, map[string]string{"done/a.pdf": "CONTENT", "done/c.pdf": "content"}},
		"a new one takes its name, and a twin comes": {func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("a.pdf", "content"))
			w.rename("a.pdf", "c.pdf")
			w.write("a.pdf", "CONTENT")
			w.write("b.pdf", "content")
		}, []string{"CONTENT", "content"}, map[string]string{"done/a.pdf": "CONTENT", "done/b.pdf": "content", "done/c.pdf": "content"}},
		"the same bytes take its name": {func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("a.pdf", "content"))
			w.rename("a.pdf", "c.pdf")
			w.write("a.pdf", "content")
		}, []string{"content"}, map[string]string{"done/a.pdf": "content", "done/c.pdf": "content"}},
		"a new one takes the name of what is claimed": {func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("a.pdf", "content of a"))
			w.left(book, ledger.Claimed, w.write("b.pdf", "content of b"))
			w.rename("b.pdf", "c.pdf")
			w.rename("a.pdf", "b.pdf")
		}, []string{"content of b"}, map[string]string{"done/b.pdf": "content of a", "done/c.pdf": "content of b"}},
		"three go round": {func(w *world, book *memory) {
			w.left(book, ledger.Posted, w.write("a.pdf", "content of a"))
			w.left(book, ledger.Uploaded, w.write("b.pdf", "content of b"))
			w.left(book, ledger.Posted, w.write("c.pdf", "content of c"))
			w.rename("c.pdf", "d")
			w.rename("b.pdf", "c.pdf")
			w.rename("a.pdf", "b.pdf")
			w.rename("d", "a.pdf")
		}, []string{"content of b"}, map[string]string{
			"done/a.pdf": "content of c", "done/b.pdf": "content of a", "done/c.pdf": "content of b",
		}},
	} {
		for _, order := range [][]string{{"a.pdf", "b.pdf", "c.pdf", "d.pdf"}, {"d.pdf", "c.pdf", "b.pdf", "a.pdf"}, {"c.pdf", "a.pdf", "b.pdf", "d.pdf"}} {
			for _, wait := range []time.Duration{0, 5 * time.Second} {
				t.Run(fmt.Sprint(name, ", settling ", order, " after ", wait), func(t *testing.T) {
					bubble(t, func(w *world, book *memory) {
						c.before(w, book)
						w.start(w.t.Context(), w.folder())
						go func() {
							for r := range w.released { // as the watcher does
								go func() { time.Sleep(time.Second); w.settles(r.Name) }()
							}
						}()
						time.Sleep(wait)
						w.settles(order...)
						time.Sleep(time.Hour)
						synctest.Wait()
						slices.Sort(w.service.posted)
						w.wantEnd(c.posted, c.lies)
						w.end()
						close(w.released)
					})
				})
			}
		}
	}
}

// TestWhatIsLookedForIsAwaited: what settled in time, and is sent only when the destination is back, is compared with the posted
// file that is looked for, however long that took; also by a run whose input has ended.
func TestWhatIsLookedForIsAwaited(t *testing.T) {
	for _, drained := range []bool{false, true} {
		t.Run(fmt.Sprint("drained ", drained), func(t *testing.T) {
			bubble(t, func(w *world, book *memory) {
				w.left(book, ledger.Posted, w.write("x.pdf", "content"))
				content, err := os.ReadFile(w.dir + "/x.pdf")
				w.must(err)
				w.must(os.Remove(w.dir + "/x.pdf"))
				w.write("y.pdf", string(content)) // another inode: only the sum tells
				begun := time.Now()
				w.service.onUpload = func(context.Context, string, int) error {
					if !drained && time.Since(begun) < 3*time.Hour {
						return ofDestination(503)
					}
					time.Sleep(30 * time.Second)
					return nil
				}
				w.start(w.t.Context(), w.folder())
				w.settles("y.pdf")
				if !drained {
					time.Sleep(5 * time.Hour)
					synctest.Wait()
				}
				w.end()
				w.wantEnd(nil, map[string]string{"done/y.pdf": "content"})
			})
		})
	}
}

// TestRenamedInDoubtIsPostedAgain: a crash left it without an answer, and it is renamed. Where such a file is posted again, it is
// as soon as it is found, under its new name; if it is not found, nothing is.
func TestRenamedInDoubtIsPostedAgain(t *testing.T) {
	for _, found := range []bool{true, false} {
		t.Run(fmt.Sprint("found ", found), func(t *testing.T) {
			bubble(t, func(w *world, book *memory) {
				w.left(book, ledger.Posting, w.write("x.pdf", "content"))
				w.rename("x.pdf", "y.pdf")
				w.start(w.t.Context(), w.folder())
				time.Sleep(10 * time.Second)
				w.drop("other.pdf", "other")
				time.Sleep(10 * time.Second)
				want, lies := []string{"other", "left"}, map[string]string{"done/other.pdf": "other", "done/y.pdf": "content"}
				if found {
					w.settles("y.pdf")
				} else {
					w.must(os.Remove(w.dir + "/y.pdf"))
					delete(lies, "done/y.pdf")
					want = want[:1]
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				w.wantEnd(want, lies)
				w.end()
			})
		})
	}
}

// TestHeldFileThatIsRenamed: what may have been posted, and is not to be posted again, is not because a crash came before it lay
// in failed/ and somebody renamed it then. What surely was not posted is tried again.
func TestHeldFileThatIsRenamed(t *testing.T) {
	for _, posting := range []bool{true, false} {
		t.Run(fmt.Sprint("posting ", posting), func(t *testing.T) {
			bubble(t, func(w *world, book *memory) {
				d := w.left(book, ledger.Uploaded, w.write("x.pdf", "content"))
				if posting {
					d.State = ledger.Posting
				}
				w.must(book.Failed(w.t.Context(), d.ID, "it may have been posted"))
				w.rename("x.pdf", "y.pdf")
				f := w.folder()
				f.HoldUnknown = true
				w.start(w.t.Context(), f)
				w.settles("y.pdf")
				time.Sleep(time.Hour)
				synctest.Wait()
				if posting {
					w.wantEnd(nil, map[string]string{"failed/y.pdf": "content"})
				} else {
					w.wantEnd([]string{"content"}, map[string]string{"done/y.pdf": "content"})
				}
				w.end()
			})
		})
	}
}

// TestPostedFileThatGetsAnEndingOfNone: renamed to what would be refused, a posted file is filed as it is called now.
func TestPostedFileThatGetsAnEndingOfNone(t *testing.T) {
	for _, drained := range []bool{false, true} {
		t.Run(fmt.Sprint("drained ", drained), func(t *testing.T) {
			bubble(t, func(w *world, book *memory) {
				w.left(book, ledger.Posted, w.write("x.pdf", "content"))
				w.rename("x.pdf", "x.bak")
				w.start(w.t.Context(), w.folder())
				w.settles("x.bak")
				w.drop("other.txt", "other")
				if !drained {
					time.Sleep(time.Hour)
					synctest.Wait()
				}
				w.end()
				w.wantEnd(nil, map[string]string{"done/x.bak": "content", "failed/other.txt": "other"})
			})
		})
	}
}
