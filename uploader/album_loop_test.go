package uploader

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/media"
	"kaizala-drop/internal/sandbox"
)

// writeAlbum puts images into the folder, each with its own name as its content, and returns them as a batch.
func (w *world) writeAlbum(names ...string) (b file.Batch) {
	for _, name := range names {
		b = append(b, w.write(name, name))
	}
	return b
}

// wantAt checks that each file lies at its place in the directory, and no more in the folder.
func (w *world) wantAt(dir string, names ...string) {
	w.t.Helper()
	for _, name := range names {
		if w.lies(dir+"/"+name) == "" || w.lies(name) != "" {
			w.t.Errorf("%s is not in %s", name, dir)
		}
	}
}

func TestAlbumArrives(t *testing.T) {
	both(t, func(w *world) {
		var captions []string
		w.service.onPost = func(_ context.Context, p destination.Message, _ int) error {
			captions = append(captions, fmt.Sprint(p.Kind, " ", p.Caption))
			return nil
		}
		w.start(w.t.Context(), w.folder())
		w.settled <- w.writeAlbum(images(10)...)
		w.settled <- w.writeAlbum("single.png")
		if sum := w.end(); sum != (Summary{Delivered: 2}) {
			t.Errorf("%+v", sum)
		}
		w.wantPosted(joined(images(10)), "single.png")
		w.wantAt("done", append(images(10), "single.png")...)
		want := []string{"Album caption of " + strings.Join(images(10), ", "), "Image caption of single.png"}
		if !slices.Equal(captions, want) || len(w.service.uploads) != 2 {
			t.Errorf("posted as %q, uploaded %q", captions, w.service.uploads)
		}
		if open := w.unfinished(); len(open) != 0 {
			t.Errorf("unfinished: %+v", open)
		}
	})
}

// TestAlbumOfTen, of which one is torn (the watcher hands it over by itself), one refused, and one vanishes: the other
// seven arrive as one album.
func TestAlbumOfTen(t *testing.T) {
	both(t, func(w *world) {
		names := images(10)
		gone := false
		w.service.onUpload = func(_ context.Context, name string, _ int) error {
			if !gone {
				gone = true
				w.must(os.Remove(w.dir + "/6.jpg"))
			}
			if slices.Contains(strings.Split(name, "+"), "3.jpg") {
				return ofFile(415)
			}
			return nil
		}
		w.start(w.t.Context(), w.folder())
		all := w.writeAlbum(names...)
		torn := all[8]
		torn.Torn = "no end of image"
		w.settled <- append(slices.Clone(all[:8]), all[9])
		w.settled <- file.Batch{torn}
		if r := <-w.released; r != (file.Release{Folder: w.dir, Name: "6.jpg"}) {
			t.Errorf("released %+v", r)
		}
		if sum := w.end(); sum != (Summary{Delivered: 1, Failed: 2}) {
			t.Errorf("%+v", sum)
		}
		seven := []string{"0.jpg", "1.jpg", "2.jpg", "4.jpg", "5.jpg", "7.jpg", "9.jpg"}
		w.wantPosted(joined(seven))
		w.wantAt("done", seven...)
		w.wantAt("failed", "3.jpg", "8.jpg")
		refused, cut := w.lies("failed/3.jpg.reason.txt"), w.lies("failed/8.jpg.reason.txt")
		if !strings.Contains(refused, "3.jpg") || !strings.Contains(refused, "415") || !strings.Contains(refused, "Image") {
			t.Error(refused)
		}
		if !strings.Contains(cut, "8.jpg") || !strings.Contains(cut, "truncated") {
			t.Error(cut)
		}
	})
}

// TestAlbumRestart goes on from each state that a crash can leave, without a second upload or post where none is
// promised.
func TestAlbumRestart(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	sums := [][]byte{make([]byte, 32), make([]byte, 32), make([]byte, 32)}
	resource := func(w *world, id int64) { w.must(w.ledger.Uploaded(ctx, id, "kept", sums)) }
	posting := func(w *world, id int64) { resource(w, id); w.must(w.ledger.Posting(ctx, id, "g@2", "", false)) }
	posted := func(w *world, id int64) { posting(w, id); w.must(w.ledger.Posted(ctx, id, "r")) }
	failed := func(w *world, id int64) { posting(w, id); w.must(w.ledger.Failed(ctx, id, "bad")) }
	moved := func(w *world, dir string, names ...string) {
		w.must(os.Mkdir(w.dir+"/"+dir, 0o755))
		for _, name := range names {
			w.must(os.Rename(w.dir+"/"+name, w.dir+"/"+dir+"/"+name))
		}
	}
	names := images(3)
	for _, c := range []struct {
		name    string
		before  func(w *world, id int64)
		hold    bool
		uploads []string
		posts   []string
		done    []string
		failed  []string
	}{
		{"claimed", func(*world, int64) {}, false, []string{joined(names)}, []string{joined(names)}, names, nil},
		{"uploaded", resource, false, nil, []string{"kept"}, names, nil},
		{"posting", posting, false, nil, []string{"kept"}, names, nil},
		{"posting, hold", posting, true, nil, nil, nil, names},
		{"posted", posted, false, nil, nil, names, nil},
		{"posted, one moved", func(w *world, id int64) { posted(w, id); moved(w, "done", "1.jpg") }, false, nil, nil, names, nil},
		{"posted, all moved", func(w *world, id int64) { posted(w, id); moved(w, "done", names...) }, false, nil, nil, names, nil},
		{"failed", failed, false, nil, nil, nil, names},
		{"failed, one moved", func(w *world, id int64) { failed(w, id); moved(w, "failed", "0.jpg") }, false, nil, nil, nil, names},
		{"claimed, one gone", func(w *world, _ int64) { w.must(os.Remove(w.dir + "/1.jpg")) }, false,
			[]string{"0.jpg+2.jpg"}, []string{"0.jpg+2.jpg"}, []string{"0.jpg", "2.jpg"}, nil},
		{"uploaded, one gone", func(w *world, id int64) { resource(w, id); w.must(os.Remove(w.dir + "/0.jpg")) }, false,
			[]string{"1.jpg+2.jpg"}, []string{"1.jpg+2.jpg"}, []string{"1.jpg", "2.jpg"}, nil},
		{"uploaded, all but one gone", func(w *world, id int64) {
			resource(w, id)
			w.must(errors.Join(os.Remove(w.dir+"/0.jpg"), os.Remove(w.dir+"/1.jpg")))
		}, false, []string{"2.jpg"}, []string{"2.jpg"}, []string{"2.jpg"}, nil},
		{"posting, one gone", func(w *world, id int64) { posting(w, id); w.must(os.Remove(w.dir + "/1.jpg")) }, false,
			nil, nil, nil, []string{"0.jpg", "2.jpg"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			both(t, func(w *world) {
				b := w.writeAlbum(names...)
				row := ledger.Delivery{Folder: w.dir, Kind: media.Album, SettledAt: b[0].At}
				for _, s := range b {
					row.Files = append(row.Files, ledger.File{Name: s.Name, ID: s.ID})
				}
				id, err := w.ledger.Claim(ctx, row)
				w.must(err)
				c.before(w, id)
				var again file.Batch // the watcher finds them anew
				for _, s := range b {
					if w.lies(s.Name) != "" {
						again = append(again, s)
					}
				}
				f := w.folder()
				f.HoldUnknown = c.hold
				w.start(w.t.Context(), f)
				w.settled <- again
				w.end()
				if !slices.Equal(w.service.uploads, c.uploads) {
					t.Errorf("uploaded %q, want %q", w.service.uploads, c.uploads)
				}
				w.wantPosted(c.posts...)
				w.wantAt("done", c.done...)
				w.wantAt("failed", c.failed...)
				for _, name := range c.failed {
					note := w.lies("failed/" + name + ".reason.txt")
					if c.name != "failed, one moved" && !strings.Contains(note, name) {
						t.Errorf("the note of %s: %s", name, note)
					}
					if c.hold && !strings.Contains(note, "may have been posted, in an album of 3 images") {
						t.Error(note)
					}
				}
				if open := w.unfinished(); len(open) != 0 {
					t.Errorf("unfinished: %+v", open)
				}
			})
		})
	}
}

// TestAlbumCrash: the process dies at each step of the ledger and each call, with one image refused and one vanished; a
// new one goes on. Nothing is lost, nothing but an unanswered post is shown twice.
func TestAlbumCrash(t *testing.T) {
	for dies := 1; ; dies++ {
		died := ""
		t.Run(fmt.Sprint("at ", dies), func(t *testing.T) {
			bubble(t, func(w *world, book *memory) { died = crashAlbum(t, w, book, dies) })
		})
		if died == "" {
			if dies < 20 {
				t.Errorf("it lived through %d steps", dies)
			}
			return
		}
	}
}

// crashAlbum lets the process die at its nth step, and returns what step that was, or "".
func crashAlbum(t *testing.T, w *world, book *memory, nth int) (died string) {
	var mu sync.Mutex
	n, dead := 0, false
	alive := func(what string) error {
		mu.Lock()
		defer mu.Unlock()
		if n++; n == nth && !dead {
			dead, died = true, what
		}
		if dead {
			return errors.New("died")
		}
		return nil
	}
	gone := false
	book.fail = func(step string, _ *ledger.Delivery) error { return alive(step) }
	w.service.onUpload = func(_ context.Context, name string, _ int) error {
		if !gone {
			gone = true
			w.must(os.Remove(w.dir + "/4.jpg"))
		}
		if err := alive("upload"); err != nil {
			return ofDestination(0)
		}
		if strings.Contains(name, "1.jpg") {
			return ofFile(400)
		}
		return nil
	}
	w.service.onPost = func(context.Context, destination.Message, int) error {
		if alive("post") != nil {
			return ofDestination(0)
		}
		return nil
	}
	ctx, stop := context.WithCancel(w.t.Context())
	w.start(ctx, w.folder())
	w.settled <- w.writeAlbum(images(6)...)
	synctest.Wait()
	stop()
	<-w.result
	w.u.Released, w.released = make(chan file.Release), nil
	mu.Lock()
	nth, dead = 0, false // the second life has no end
	mu.Unlock()
	var found file.Batch
	for _, name := range images(6) {
		if w.lies(name) != "" {
			found = append(found, w.look(name))
		}
	}
	w.start(w.t.Context(), w.folder())
	w.settled <- found
	w.end()
	if died == "" {
		return
	}
	good := []string{"0.jpg", "2.jpg", "3.jpg", "5.jpg"}
	w.wantAt("done", good...)
	w.wantAt("failed", "1.jpg")
	posts := slices.Clone(w.service.posted)
	if died == "Posted" {
		posts = slices.Compact(posts)
	}
	if !slices.Equal(posts, []string{joined(good)}) {
		t.Errorf("died at %s; posted %q", died, w.service.posted)
	}
	for _, d := range book.rows {
		if !d.Finished {
			t.Errorf("unfinished: %+v", d)
		}
	}
	return died
}

// TestImagesChangeUnderWay: at each step, in each way. What settled is posted once or not at all; the others arrive
// together; what is newer is delivered after them.
func TestImagesChangeUnderWay(t *testing.T) {
	changes := map[string]func(w *world){
		"written":  func(w *world) { w.write("1.jpg", "newer") },
		"replaced": func(w *world) { w.write("y.tmp", "newer"); w.must(os.Rename(w.dir+"/y.tmp", w.dir+"/1.jpg")) },
		"removed":  func(w *world) { w.must(os.Remove(w.dir + "/1.jpg")) },
	}
	for how, change := range changes {
		for _, at := range []string{"Claim", "upload", "Uploaded", "Posting", "post", "Posted"} {
			t.Run(how+" at "+at, func(t *testing.T) {
				bubble(t, func(w *world, book *memory) {
					done := false
					once := func(now string) {
						if now == at && !done {
							done = true
							change(w)
						}
					}
					book.fail = func(step string, _ *ledger.Delivery) error { once(step); return nil }
					w.service.onUpload = func(context.Context, string, int) error { once("upload"); return nil }
					w.service.onPost = func(context.Context, destination.Message, int) error { once("post"); return nil }
					w.start(w.t.Context(), w.folder())
					w.settled <- w.writeAlbum(images(3)...)
					synctest.Wait()
					want := []string{"0.jpg+1.jpg+2.jpg"}
					if at == "Claim" || at == "upload" || at == "Uploaded" {
						want = []string{"0.jpg+2.jpg"}
						if r := <-w.released; r.Name != "1.jpg" {
							t.Errorf("released %+v", r)
						}
					}
					if how != "removed" {
						w.settled <- file.Batch{w.look("1.jpg")}
						want = append(want, "newer")
					}
					w.end()
					w.wantPosted(want...)
					w.wantAt("done", "0.jpg", "2.jpg")
					if how != "removed" && w.lies("done/1.jpg") != "newer" {
						t.Error("the newer one is not in done/")
					}
					if open := w.unfinished(); !done || len(open) != 0 {
						t.Errorf("unfinished: %+v", open)
					}
				})
			})
		}
	}
}

// TestLedgerForgets what is under way, or has it in another state, because somebody put back a copy of it. What may be
// in the group is not posted again, and nothing stays in the folder to be taken for new.
func TestLedgerForgets(t *testing.T) {
	for _, step := range []string{"Uploaded", "Posting", "Posted", "Filed", "Failed", "FailedFiled", "Withdraw"} {
		for _, how := range []error{ledger.ErrUnknown, ledger.ErrState} {
			t.Run(fmt.Sprint(step, " ", how), func(t *testing.T) {
				bubble(t, func(w *world, book *memory) {
					failures := 0
					book.fail = func(now string, _ *ledger.Delivery) error {
						if now == step {
							failures++
							return fmt.Errorf("delivery 1: %w", how)
						}
						return nil
					}
					changed := false
					w.service.onUpload = func(_ context.Context, name string, _ int) error {
						switch {
						case strings.HasPrefix(name, "bad"):
							return ofFile(415)
						case strings.HasPrefix(name, "changing") && !changed:
							changed = true
							w.write(name, "changed")
						}
						return nil
					}
					var log logged
					w.u.Log = zerolog.New(&log)
					w.start(w.t.Context(), w.folder())
					w.drop("x.pdf", "content")
					w.drop("bad.pdf", "bad")
					w.drop("changing.pdf", "content")
					time.Sleep(24 * time.Hour)
					w.end()
					if left := len(w.inFolder()); left > 1 { // the one that changed settles anew
						t.Errorf("%d files are in the folder", left)
					}
					if n := len(w.service.posted); n > 1 || failures == 0 || failures > 6 {
						t.Errorf("%d posts; the ledger was asked %d times", n, failures)
					}
					if posted := step == "Posted" || step == "Filed"; posted && w.lies("done/x.pdf") != "content" {
						t.Error("not filed")
					}
					silent := step == "Withdraw" && how == ledger.ErrUnknown // what was to be forgotten is
					if said := strings.Contains(log.String(), "was it edited or put back"); said == silent {
						t.Error(log.String())
					}
				})
			})
		}
	}
}

// inFolder are those that lie in the folder itself.
func (w *world) inFolder() (names []string) {
	entries, err := os.ReadDir(w.dir)
	w.must(err)
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestEmptiedSubfolders go with their last file, if the folder is set up so; and only they.
func TestEmptiedSubfolders(t *testing.T) {
	for _, remove := range []bool{true, false} {
		t.Run(fmt.Sprint(remove), func(t *testing.T) {
			both(t, func(w *world) {
				for _, dir := range []string{"trip/day 1", "trip/day 2/deep", "kept", "empty", "bad"} {
					w.must(os.MkdirAll(filepath.Join(w.dir, dir), 0o755))
				}
				w.must(os.WriteFile(w.dir+"/kept/.hidden", []byte("x"), 0o644))
				f := w.folder()
				f.RemoveEmptied = remove
				w.start(w.t.Context(), f)
				w.settled <- w.writeAlbum("trip/day 1/1.jpg", "trip/day 1/2.jpg")
				w.settled <- w.writeAlbum("trip/day 2/deep/1.jpg", "trip/day 2/deep/2.jpg")
				w.settled <- w.writeAlbum("kept/1.jpg", "kept/2.jpg")
				w.settled <- w.writeAlbum("bad/notes.txt")
				w.settled <- w.writeAlbum("1.jpg", "2.jpg")
				w.end()
				w.wantAt("done", "trip/day 1/1.jpg", "trip/day 2/deep/2.jpg", "kept/1.jpg", "1.jpg")
				w.wantAt("failed", "bad/notes.txt", "bad/notes.txt.reason.txt")
				for dir, gone := range map[string]bool{
					"trip": remove, "trip/day 2": remove, "bad": remove, "kept": false, "empty": false, ".": false,
				} {
					if _, err := os.Stat(filepath.Join(w.dir, dir)); errors.Is(err, os.ErrNotExist) != gone {
						t.Errorf("%s: %v", dir, err)
					}
				}
			})
		})
	}
}

// TestCrashAfterTheFolderWasRemoved: the run before moved everything, removed the emptied subfolder or its inner one, and
// died before the ledger knew.
func TestCrashAfterTheFolderWasRemoved(t *testing.T) {
	for _, dir := range []string{"done", "failed"} {
		for _, gone := range [][]string{{"trip/day"}, {"trip/day", "trip"}} {
			t.Run(dir+" "+joined(gone), func(t *testing.T) {
				both(t, func(w *world) {
					ctx := context.Background()
					w.must(os.MkdirAll(w.dir+"/trip/day", 0o755))
					b := w.writeAlbum("trip/day/1.jpg", "trip/day/2.jpg")
					row := ledger.Delivery{Folder: w.dir, Kind: media.Album, SettledAt: b[0].At}
					for _, s := range b {
						row.Files = append(row.Files, ledger.File{Name: s.Name, ID: s.ID})
					}
					id, err := w.ledger.Claim(ctx, row)
					w.must(err)
					w.must(w.ledger.Uploaded(ctx, id, "kept", [][]byte{make([]byte, 32), make([]byte, 32)}))
					w.must(w.ledger.Posting(ctx, id, "g@2", "", false))
					if dir == "failed" {
						w.must(w.ledger.Failed(ctx, id, "bad"))
					} else {
						w.must(w.ledger.Posted(ctx, id, "r"))
					}
					w.must(os.MkdirAll(filepath.Join(w.dir, dir, "trip/day"), 0o755))
					for _, s := range b {
						w.must(os.Rename(filepath.Join(w.dir, s.Name), filepath.Join(w.dir, dir, s.Name)))
					}
					for _, sub := range gone {
						w.must(os.Remove(filepath.Join(w.dir, sub)))
					}
					f := w.folder()
					f.RemoveEmptied = true
					w.start(w.t.Context(), f)
					sum := w.end()
					if open := w.unfinished(); sum.Left > 0 || len(open) > 0 {
						t.Errorf("%+v; unfinished: %+v", sum, open)
					}
					w.wantAt(dir, "trip/day/1.jpg", "trip/day/2.jpg")
					if _, err := os.Stat(w.dir + "/trip"); !errors.Is(err, os.ErrNotExist) {
						t.Errorf("the emptied folder is still there: %v", err)
					}
				})
			})
		}
	}
}

// TestImagesExportedAgain over the names of an album that is under way are an album again.
func TestImagesExportedAgain(t *testing.T) {
	bubble(t, func(w *world, _ *memory) {
		w.service.onUpload = func(context.Context, string, int) error { time.Sleep(30 * time.Second); return nil }
		w.start(w.t.Context(), w.folder())
		names := images(12)
		w.settled <- w.writeAlbum(names...)
		time.Sleep(10 * time.Second)
		go func() { // the watcher
			for range names {
				r := <-w.released
				w.settled <- file.Batch{w.look(r.Name)}
			}
			close(w.settled)
		}()
		var newer []string
		for i := range names {
			name := names[len(names)-1-i]
			w.settled <- file.Batch{w.write(name, "newer "+name)}
			newer = append([]string{"newer " + name}, newer...)
		}
		if sum := <-w.result; sum.Left > 0 {
			t.Errorf("%+v", sum)
		}
		w.wantPosted(joined(newer))
	})
}

// TestChangedImageBreaksTheRequestOff at its first byte or after its last: what follows it is not sent.
func TestChangedImageBreaksTheRequestOff(t *testing.T) {
	w := newWorld(t, newMemory())
	d := newAlbum(&lane{}, w.writeAlbum(images(4)...))
	src, err := openSource(newWork(w.u, d.job()))
	w.must(err)
	defer src.close()
	parts := src.toUpload()
	if content, err := io.ReadAll(parts[0].Open()); err != nil || string(content) != "0.jpg" {
		t.Errorf("%q, %v", content, err)
	}
	w.write("1.jpg", "other")
	if content, err := io.ReadAll(parts[1].Open()); !errors.Is(err, errChanged) || len(content) != 0 {
		t.Errorf("%q, %v", content, err)
	}
	r := parts[2].Open()
	if _, err := io.ReadFull(r, make([]byte, 2)); err != nil {
		t.Error(err)
	}
	w.must(os.Remove(w.dir + "/2.jpg"))
	if _, err := io.ReadAll(r); !errors.Is(err, errVanished) {
		t.Error(err)
	}
	if got, ok := src.trouble().(troubles); !ok || len(got) != 2 || got[0].name != "1.jpg" || got[1].name != "2.jpg" {
		t.Errorf("%v", src.trouble())
	}
}

// TestTouchedFileIsSentOn: a file that is touched under way is sent on as long as its bytes are those that were sent, and
// what was sent of it is read again twice at most.
func TestTouchedFileIsSentOn(t *testing.T) {
	w := newWorld(t, newMemory())
	content := strings.Repeat("0123456789abcdef", 8<<16)
	d := newDelivery(&lane{}, w.write("x.pdf", content))
	src, err := openSource(newWork(w.u, d.job()))
	w.must(err)
	defer src.close()
	r := src.toUpload()[0].Open()
	read := func(n int) error {
		_, err := io.ReadFull(r, make([]byte, n))
		return err
	}
	for i := range 5 {
		w.must(read(lookEvery))
		w.must(os.Chtimes(w.dir+"/x.pdf", time.Now(), time.Now().Add(time.Duration(i)*time.Hour)))
	}
	if src.rereads[0] != rereadsMost {
		t.Errorf("read again %d times, want %d", src.rereads[0], rereadsMost)
	}
	if _, err := io.ReadAll(r); err != nil {
		t.Errorf("a file that was only touched: %v", err)
	}

	r = src.toUpload()[0].Open()
	src.rereads[0] = 0
	src.looks[0] = w.look("x.pdf").ID
	w.must(read(lookEvery))
	f, err := os.OpenFile(w.dir+"/x.pdf", os.O_WRONLY, 0)
	w.must(err)
	_, err = f.WriteAt([]byte("X"), 100)
	w.must(err)
	w.must(f.Close())
	if _, err := io.ReadAll(r); !errors.Is(err, errChanged) {
		t.Errorf("a file of which a byte changed that was sent: %v", err)
	}
}

// TestAlbumMemoryIsConstant sends an album of large images over real HTTP: what is allocated on the way is a small part
// of it, and does not grow with it.
func TestAlbumMemoryIsConstant(t *testing.T) {
	size := int64(8 << 20)
	if raceEnabled {
		size = 2 << 20
	}
	var requests []string
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		requests = append(requests, fmt.Sprint(r.URL.Path, " ", n == r.ContentLength && n > 10*size, err, r.TransferEncoding))
		fmt.Fprint(rw, `{"mediaResource":"r"}`)
	}))
	defer web.Close()
	client, err := kaizala.New(kaizala.Options{Endpoint: web.URL, AccessToken: "token-of-the-test"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	w := newWorld(t, newMemory())
	w.u.Destination = client
	for _, name := range images(10) {
		w.write(name, "")
		w.must(os.Truncate(filepath.Join(w.dir, name), size))
	}
	var b file.Batch
	for _, name := range images(10) {
		b = append(b, w.look(name))
	}
	of := newWork(w.u, newAlbum(&lane{folder: w.folder()}, b).job())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w.must(of.upload(t.Context()))
	runtime.ReadMemStats(&after)
	if want := []string{"/v1/media true <nil> []"}; !slices.Equal(requests, want) || of.got.resource != "r" {
		t.Errorf("requests %q", requests)
	}
	if grew := int64(after.TotalAlloc - before.TotalAlloc); grew > size {
		t.Errorf("%d bytes were allocated to send 10 images of %d", grew, size)
	}
	if len(of.file(9).SHA256) != 32 {
		t.Error("no checksum of the last image")
	}
}

// TestLogOfAlbums: a person finds each file in it.
func TestLogOfAlbums(t *testing.T) {
	bubble(t, func(w *world, _ *memory) {
		var log logged
		w.u.Log = zerolog.New(&log)
		w.service.onUpload = func(_ context.Context, name string, _ int) error {
			if slices.Contains(strings.Split(name, "+"), "2.jpg") {
				return ofFile(415)
			}
			return nil
		}
		w.must(os.Mkdir(w.dir+"/trip", 0o755))
		w.start(w.t.Context(), w.folder())
		w.settled <- w.writeAlbum(images(4)...)
		var many []string
		for i := range 12 {
			many = append(many, fmt.Sprintf("trip/p%d.jpg", i))
		}
		w.settled <- w.writeAlbum(many...)
		w.end()
		said := map[string]map[string]any{}
		for line := range strings.Lines(log.String()) {
			var fields map[string]any
			w.must(json.Unmarshal([]byte(line), &fields))
			said[fmt.Sprint(fields["message"], " ", fields["file"])] = fields
		}
		small, large := said["delivered 0.jpg"], said["delivered trip/p0.jpg"]
		if fmt.Sprint(small["to"]) != "[done/0.jpg done/1.jpg done/3.jpg]" || small["last"] != "3.jpg" || small["images"] != 3.0 {
			t.Errorf("%v", small)
		}
		if large["to"] != "done/trip/" || large["last"] != "trip/p11.jpg" || large["images"] != 12.0 || large["as"] != "Album" {
			t.Errorf("%v", large)
		}
		if failed := said["failed 2.jpg"]; failed["to"] != "failed/2.jpg" || failed["reason"] == "" {
			t.Errorf("%v", failed)
		}
		if said["the album is refused: looking for the image that is to blame 0.jpg"] == nil {
			t.Error("nothing is said of the search")
		}
		if n := strings.Count(log.String(), "looking for the image"); n != 1 {
			t.Errorf("it is said %d times", n)
		}
	})
}

// TestAlbumsOverTheWire: 40 images in 4 albums, with a real client, server and ledger. It takes 8 calls, and the search
// for one that is refused a few more; all arrive byte for byte and in order.
func TestAlbumsOverTheWire(t *testing.T) {
	server, err := sandbox.New(sandbox.Options{Dir: t.TempDir(), AccessToken: "token-of-the-test",
		Groups: []sandbox.Group{{ID: "g@2"}}})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || bytes.Contains(body, []byte(`filename="23.jpg"`)) {
			http.Error(rw, `{"message":"not an image","errorCode":"UnsupportedMedia"}`, http.StatusUnsupportedMediaType)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		server.ServeHTTP(rw, r)
	}))
	defer web.Close()
	client, err := kaizala.New(kaizala.Options{Endpoint: web.URL, AccessToken: "token-of-the-test", MaxConns: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	w := newWorld(t, realLedger(t))
	w.u.Destination = client
	w.start(t.Context(), w.folder())
	names := images(40)
	for i := 0; i < len(names); i += 10 {
		w.settled <- w.writeAlbum(names[i : i+10]...)
	}
	if sum := w.end(); sum != (Summary{Delivered: 4, Failed: 1}) {
		t.Errorf("%+v", sum)
	}
	w.wantAt("failed", "23.jpg")
	names = slices.Delete(names, 23, 24)
	w.wantAt("done", names...)
	var arrived []string
	for _, p := range server.Posts() {
		for _, m := range p.Media {
			content, err := os.ReadFile(m.Path)
			w.must(err)
			if string(content) != m.Name || p.ActionType != "Album" {
				t.Errorf("%s holds %q, and came as %s", m.Name, content, p.ActionType)
			}
			arrived = append(arrived, m.Name)
		}
	}
	if !slices.Equal(arrived, names) || len(server.Posts()) != 4 {
		t.Errorf("%d posts of %q", len(server.Posts()), arrived)
	}
}

// TestChangedFileBreaksTheRequestOff a megabyte later at most, however long it is.
func TestChangedFileBreaksTheRequestOff(t *testing.T) {
	w := newWorld(t, newMemory())
	b := w.write("film.mp4", strings.Repeat("x", 8*lookEvery))
	d := newDelivery(&lane{}, b)
	src, err := openSource(newWork(w.u, d.job()))
	w.must(err)
	defer src.close()
	r := src.toUpload()[0].Open()
	_, err = io.CopyN(io.Discard, r, 3*lookEvery)
	w.must(err)
	w.write("film.mp4", "another")
	if n, err := io.Copy(io.Discard, r); !errors.Is(err, errChanged) || n > lookEvery+32<<10 {
		t.Errorf("%d bytes more, %v", n, err)
	}
}
