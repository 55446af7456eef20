package uploader

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/kaizala"
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
					w.service.onPost = func(_ context.Context, _ kaizala.Post, nth int) error {
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
				w.service.onPost = func(context.Context, kaizala.Post, int) error { do(w); return nil }
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
		w.service.onPost = func(_ context.Context, _ kaizala.Post, nth int) error {
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
				w.service.onPost = func(context.Context, kaizala.Post, int) error {
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
		w.service.onPost = func(context.Context, kaizala.Post, int) error {
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
		w.service.onPost = func(_ context.Context, _ kaizala.Post, nth int) error {
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
		var log strings.Builder
		w.u.Log = zerolog.New(&log)
		posts := 0
		w.service.onPost = func(context.Context, kaizala.Post, int) error {
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
		w.service.onPost = func(context.Context, kaizala.Post, int) error { return os.Remove(w.dir + "/x.pdf") }
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
		w.service.onPost = func(context.Context, kaizala.Post, int) error {
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
				w.service.onPost = func(context.Context, kaizala.Post, int) error {
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
				w.service.onPost = func(context.Context, kaizala.Post, int) error {
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
