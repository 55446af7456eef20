package uploader

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/media"
)

// nonsense is an answer of something in between, as the wire gives it to an upload and to a post.
type nonsense struct {
	name string
	at   map[stage]error
}

// proxied asks the real client what it makes of an answer.
func proxied(t testing.TB, name string, answer http.HandlerFunc) nonsense {
	t.Helper()
	s := httptest.NewServer(answer)
	defer s.Close()
	c, err := kaizala.New(kaizala.Options{Endpoint: s.URL, AccessToken: "token"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n := nonsense{name, map[stage]error{}}
	open := func() io.Reader { return strings.NewReader("x") }
	_, n.at[toUpload] = c.Upload(t.Context(), "g", []destination.File{{Name: "x.pdf", MIME: "application/pdf", Size: 1, Open: open}})
	_, n.at[toPost] = c.Post(t.Context(), destination.Message{Target: "g", Kind: media.Document, Ref: "r"})
	for at, err := range n.at {
		if _, ok := errors.AsType[*destination.Error](err); !ok {
			t.Fatalf("%s at %d: %v", name, at, err)
		}
	}
	return n
}

func says(status int, header, value, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if header != "" {
			w.Header().Set(header, value)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// raw answers with these bytes and closes the connection.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
			io.WriteString(c, text)
			c.Close()
		}
	}
}

// proxies is what proxies, gateways and portals without their backend are known to answer.
func proxies(t testing.TB) (all []nonsense) {
	const html = "<html><body>default backend - 404</body></html>"
	for _, status := range []int{404, 400, 403, 410, 411, 413, 414, 415, 422, 405, 501, 502} {
		for name, body := range map[string]string{"HTML": html, "nothing": "", "message": `{"message":"no Route matched"}`} {
			all = append(all, proxied(t, fmt.Sprint(status, " ", name), says(status, "Server", "nginx", body)))
		}
	}
	for _, status := range []int{200, 201, 401, 407, 408, 429, 451, 499, 500, 503, 504, 520, 521, 522, 523, 524, 525, 526} {
		all = append(all, proxied(t, fmt.Sprint(status, " HTML"), says(status, "Content-Type", "text/html", html)))
	}
	for _, status := range []int{301, 302, 303, 307} {
		all = append(all, proxied(t, fmt.Sprint(status), says(status, "Location", "https://portal.example/login", "")))
	}
	for _, body := range []string{`{"errorCode":""}`, `{"errorCode":404}`, `{"error":{"code":"NotFound"}}`, `[{"errorCode":"x"}]`, `{"errorCode":"x"`} {
		all = append(all, proxied(t, "400 "+body, says(400, "Content-Type", "application/json", body)))
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte(html))
	z.Close()
	return append(all,
		proxied(t, "404 gzip", says(404, "Content-Encoding", "gzip", zipped.String())),
		proxied(t, "413 cut off", raw("HTTP/1.1 413 x\r\nContent-Length: 100\r\n\r\n{\"errorCode\":\"x\"}")),
		proxied(t, "404 chunked garbage", raw("HTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{\"errorCode\":\"x\"}")),
		proxied(t, "no HTTP", raw("SSH-2.0-OpenSSH_9.2p1\r\n")),
		proxied(t, "reset", raw("")),
	)
}

// nonsenseRun is one run of TestTenMinutesOfNonsense.
type nonsenseRun struct {
	nonsense
	down           []stage // the calls that it answers
	files, folders int
	uploads        int // at once
	begins         time.Duration
	album          bool
	unsent         bool // it answers before any of the file is sent
}

func (c nonsenseRun) String() string {
	return fmt.Sprintf("%s at %v after %v, %d files, %d folders, %d uploads, album %t, unsent %t",
		c.name, c.down, c.begins, c.files, c.folders, c.uploads, c.album, c.unsent)
}

// mayActed reports whether a post that is answered so may have been made: then no order can be kept.
func (c nonsenseRun) leavesDoubt() bool {
	return slices.Contains(c.down, toPost) && mayHaveActed(c.at[toPost])
}

// counted reports whether an upload that fails so is one in vain.
func counted(err error) bool {
	answer := err.(*destination.Error)
	return answer.BodySent && !isTheirs(err) && (!answer.Answered || answer.OfItself)
}

// play drops half of the files before ten minutes in which something in between answers, and half while it does, and wants
// all of them posted once, and none in failed/. It reports whether they were posted in order.
func (c nonsenseRun) play(t *testing.T) (ordered bool) {
	const lasts = 10 * time.Minute
	var all []Folder
	for i := range c.folders {
		all = append(all, folder(fmt.Sprint("/", i)))
	}
	s := newSim(t, c.uploads, &perMinute{n: 100}, all...)
	start := s.now
	s.ends = func(d *delivery) error {
		at := s.now.Sub(start) - c.begins
		if at < 0 || at >= lasts || !slices.Contains(c.down, d.stage) {
			return nil
		}
		if answer, ok := c.at[d.stage].(*destination.Error); ok && c.unsent {
			return unsent(answer)
		}
		return c.at[d.stage]
	}
	want := map[string][]string{}
	drop := func(i int) {
		f := all[i%len(all)].Path
		if c.album {
			names := []string{fmt.Sprintf("%04d.jpg", i), fmt.Sprintf("%04d-b.jpg", i), fmt.Sprintf("%04d-c.jpg", i)}
			s.q.add(album(f, names...))
			want[f] = append(want[f], joined(names))
			return
		}
		name := fmt.Sprintf("%04d.pdf", i)
		s.add(f, name)
		want[f] = append(want[f], name)
	}
	for i := range (c.files + 1) / 2 {
		drop(i)
	}
	for i := (c.files + 1) / 2; i < c.files; i++ {
		s.pass(lasts / time.Duration(c.files))
		drop(i)
	}
	s.pass(start.Add(c.begins + lasts).Sub(s.now))
	s.run(2 * time.Hour)
	if failed := s.ended(toFail); len(failed) > 0 {
		t.Errorf("%v: in failed/: %v", c, failed)
	}
	if divided := s.ended(toDivide); len(divided) > 0 {
		t.Errorf("%v: divided: %v", c, divided)
	}
	for _, name := range numbered(c.files) {
		name = strings.TrimSuffix(name, ".pdf") + map[bool]string{true: ".jpg", false: ".pdf"}[c.album]
		if n := s.uploads(name); counted(c.at[toUpload]) && n > sentMost+1 && !c.unsent {
			t.Errorf("%v: %s was sent %d times", c, name, n)
		}
	}
	posted, ordered := map[string][]string{}, true
	for _, e := range s.events {
		if e.was == toPost && e.v == advance {
			posted[e.d.Folder] = append(posted[e.d.Folder], joined(e.d.names()))
		}
	}
	for f, names := range posted {
		ordered = ordered && slices.IsSorted(names)
		if slices.Sort(names); !slices.Equal(names, want[f]) {
			t.Errorf("%v: %s: posted %v", c, f, names)
		}
	}
	if len(posted) != min(c.folders, c.files) {
		t.Errorf("%v: %d folders posted", c, len(posted))
	}
	return ordered || c.leavesDoubt() || c.begins > 0 && len(c.down) == 1 // what was uploaded before may be posted meanwhile
}

// TestTenMinutesOfNonsense: whatever proxies answer, to everything or to one kind of call, no file is in failed/, no album
// is taken apart, and all of it is posted exactly once afterwards, in order.
func TestTenMinutesOfNonsense(t *testing.T) {
	for _, n := range proxies(t) {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			runs, lost := 0, 0
			play := func(run nonsenseRun) {
				if runs++; !run.play(t) {
					lost++
					t.Logf("%v: the order was lost", run)
				}
			}
			for _, down := range [][]stage{{toUpload, toPost}, {toUpload}, {toPost}} {
				for _, files := range []int{1, 2, 12, 200} {
					for _, folders := range []int{1, 3} {
						for _, uploads := range []int{1, 4} {
							run := nonsenseRun{nonsense: n, down: down, files: files, folders: folders, uploads: uploads}
							play(run)
							run.begins = 20 * time.Second
							play(run)
							run.begins, run.album = 0, true
							play(run)
							run.album, run.unsent = false, true
							play(run)
						}
					}
				}
			}
			if lost > 2 { // it ended within the moment between a post and the one tried after it
				t.Errorf("the order was lost in %d of %d outages", lost, runs)
			}
		})
	}
}

// TestTenHoursOfNonsense: of few files each is sent a bounded number of times, and all of them are posted, in order, within
// two hours of its end; of many, probes are five minutes apart, and it is over at once.
func TestTenHoursOfNonsense(t *testing.T) {
	for _, c := range []struct {
		files, uploads int // of each
		back           time.Duration
	}{{1, 3 + 12, 2 * time.Hour}, {2, 3 + 12, 2 * time.Hour}, {12, 3 + 12, 2 * time.Hour}, {200, 3 + 12, pauseMost + 10*time.Minute}} {
		s := newSim(t, 4, &perMinute{n: 100}, folder("/a"))
		down := true
		s.ends = func(d *delivery) error {
			if down && d.stage.isCall() {
				return wordless(ofFile(404))
			}
			return nil
		}
		names := numbered(c.files)
		s.add("/a", names...)
		s.pass(10 * time.Hour)
		for _, name := range names {
			if n := s.uploads(name); n > c.uploads {
				t.Errorf("of %d files %s was sent %d times", c.files, name, n)
			}
		}
		t.Logf("%d files: %d calls", c.files, s.calls)
		down = false
		s.run(c.back)
		if !slices.Equal(s.posts, names) || len(s.ended(toFail)) > 0 {
			t.Errorf("of %d files, posted %v, failed %v", c.files, s.posts, s.ended(toFail))
		}
	}
}
