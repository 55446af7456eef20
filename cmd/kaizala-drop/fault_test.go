package main

import (
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// nginx answers as a proxy does, once it has read what it was sent.
func nginx(w http.ResponseWriter, r *http.Request, status int, body string) bool {
	io.Copy(io.Discard, r.Body)
	w.Header().Set("Server", "nginx")
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	io.WriteString(w, body)
	return true
}

func isCall(r *http.Request, kind string) bool {
	return kind == "" || strings.HasSuffix(r.URL.Path, kind)
}

// TestProxyWithoutItsBackend answers some calls in the service's stead, to everything or to one kind of call: no file is in
// failed/, and all of them are posted once, the albums in one piece.
func TestProxyWithoutItsBackend(t *testing.T) {
	t.Parallel()
	const backend = "default backend - 404"
	for _, c := range []struct {
		name, kind string
		status     int
		body       string
		header     string
		answers    int32 // until the service is there again
	}{
		{"404 to uploads", "/media", 404, backend, "", 8},
		{"413 to uploads", "/media", 413, "<html>413 Request Entity Too Large</html>", "", 8},
		{"400 to everything", "", 400, "", "", 8},
		{"gateway", "/media", 415, `{"message":"no Route matched with those values"}`, "", 8},
		{"400 to posts", "/actions", 400, `{"message":"Bad Request"}`, "", 8},
		{"404 to posts", "/actions", 404, backend, "", 4}, // folders wait longer than all does
		{"portal, uploads", "/media", 200, "<html>please log in</html>", "", 8},
		{"portal, redirect", "", 302, "", "https://portal.example/login", 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "album = \"window\"\nalbum_window = \"300ms\"", "in", "other")
			p := w.daemon()
			var answered atomic.Int32
			w.between(func(rw http.ResponseWriter, r *http.Request) bool {
				if !isCall(r, c.kind) || answered.Add(1) > c.answers {
					return false
				}
				if c.header != "" {
					rw.Header().Set("Location", c.header)
				}
				return nginx(rw, r, c.status, c.body)
			})
			for i := range 6 {
				must(t, os.WriteFile(filepath.Join(w.folder("in"), fmt.Sprint(i, ".jpg")), []byte("picture"), 0o644))
				must(t, os.WriteFile(filepath.Join(w.folder("other"), fmt.Sprint(i, ".pdf")), []byte("scan"), 0o644))
			}
			w.posted(7)
			eventually(t, func() error {
				for _, name := range []string{"in", "other"} {
					if got := len(files(t, w.folder(name)+"/done")); got != 6 {
						return fmt.Errorf("%s: %d files in done/", name, got)
					}
					if failed := files(t, w.folder(name)+"/failed"); len(failed) > 0 {
						t.Fatalf("%s: in failed/: %v", name, failed)
					}
				}
				return nil
			})
			if n := w.sandbox.Stats().Posts; n != 7 {
				t.Errorf("%d messages, want an album and 6 documents", n)
			}
			if answered.Load() <= c.answers {
				t.Errorf("the proxy answered %d calls only", answered.Load())
			}
			p.stop()
		})
	}
}

// waits tells what the ledger says of the delivery that waits.
func (w *world) waits() (reason string) {
	query(w.t, "file:"+w.dir+"/state/ledger.db?mode=ro", func(rows *sql.Rows) { must(w.t, rows.Scan(&reason)) }, "SELECT reason FROM waiting")
	return reason
}

// TestLoneFilmIsHeld: a proxy takes all of it and refuses it. It is sent three times, then a warning and the ledger say that
// it is held; it stays in its folder. Another file that passes has it tried again, so does a start; a run that is to end
// does not wait for it.
func TestLoneFilmIsHeld(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"413": func(rw http.ResponseWriter, r *http.Request) bool {
			return nginx(rw, r, 413, "<html>413 Request Entity Too Large</html>")
		},
		"reset": func(_ http.ResponseWriter, r *http.Request) bool {
			io.CopyN(io.Discard, r.Body, 1<<20)
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", "in")
			var sent atomic.Int32
			w.between(func(rw http.ResponseWriter, r *http.Request) bool {
				if !isCall(r, "/media") || r.ContentLength < 1<<20 {
					return false
				}
				sent.Add(1)
				return answer(rw, r)
			})
			p := w.daemon()
			film := filepath.Join(w.folder("in"), "film.mp4")
			must(t, os.WriteFile(film, make([]byte, 9<<20), 0o644))
			p.waitFor("the file is held")
			eventually(t, func() error {
				if said := w.waits(); !strings.Contains(said, "held: 3 uploads of it failed") {
					return fmt.Errorf("the ledger says %q", said)
				}
				return nil
			})
			if n := sent.Load(); n != 3 {
				t.Errorf("it was sent %d times", n)
			}
			if !strings.Contains(p.log(), `"level":"warn"`) || strings.Contains(p.log(), "Kaizala refused") {
				t.Error("there is no warning, or it claims what nobody said")
			}
			must(t, os.WriteFile(filepath.Join(w.folder("in"), "scan.pdf"), []byte("scan"), 0o644))
			eventually(t, func() error {
				if n := sent.Load(); n != 4 || w.sandbox.Stats().Posts != 1 {
					return fmt.Errorf("sent %d times, %d messages", n, w.sandbox.Stats().Posts)
				}
				return nil
			})
			p.stop()
			once := w.start("run", "--once", "--config", w.config)
			if code := once.wait(); code != 1 || sent.Load() <= 4 || sent.Load() > 4+3 {
				t.Errorf("run --once ended with %d, and sent it %d times in all", code, sent.Load())
			}
			w.between(nil)
			w.daemon()
			w.posted(2)
			eventually(t, func() error {
				if done := files(t, w.folder("in")+"/done"); len(done) != 2 {
					return fmt.Errorf("%d files in done/", len(done))
				}
				return nil
			})
		})
	}
}
