package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"kaizala-drop/internal/matrix/dendritetest"
)

// matrixWorld is a real homeserver behind a proxy, an account that posts and one that reads, and drop folders with a room for each.
type matrixWorld struct {
	t           testing.TB
	dir, config string
	server      *dendritetest.Server
	reader, bot *dendritetest.User
	rooms       map[string]string // by folder
	url         string            // of the proxy

	mu      sync.Mutex
	onCall  func(rw http.ResponseWriter, r *http.Request) bool
	calls   []string       // the last ones
	taken   map[string]int // how often the homeserver has answered that it took a post, by its transaction
	forward *httputil.ReverseProxy

	read map[string]string // sums of media that were read back, by address
}

// alias is the local part of the alias of a folder's room.
func alias(folder string) string { return strings.ReplaceAll(folder, " ", "-") }

// newMatrixWorld makes a world with these drop folders. Each has a room with the alias "#NAME:localhost", with dashes for spaces.
func newMatrixWorld(t testing.TB, o dendritetest.Options, settings string, folders ...string) *matrixWorld {
	t.Helper()
	s := dendritetest.Start(t, o)
	w := &matrixWorld{t: t, dir: t.TempDir(), server: s, reader: s.NewUser("reader"), bot: s.NewUser("bot"), rooms: map[string]string{}, read: map[string]string{}, taken: map[string]int{}}
	w.config = w.dir + "/config.toml"
	for _, name := range folders {
		w.rooms[name] = w.reader.NewRoom(dendritetest.Room{Name: name, Alias: alias(name), Users: []*dendritetest.User{w.bot}})
		must(t, os.MkdirAll(w.folder(name), 0o755))
	}
	to, err := url.Parse(s.URL)
	must(t, err)
	w.forward = httputil.NewSingleHostReverseProxy(to)
	w.forward.ModifyResponse = w.noteTaken
	w.forward.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) } // as if there was no proxy
	front := httptest.NewServer(w)
	t.Cleanup(front.Close)
	w.url = front.URL
	w.configure(settings, folders...)
	t.Cleanup(func() {
		if t.Failed() {
			w.mu.Lock()
			defer w.mu.Unlock()
			t.Logf("the last calls:\n%s", strings.Join(w.calls, "\n"))
		}
	})
	return w
}

// ServeHTTP is the homeserver, and what a test put before it.
func (w *matrixWorld) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	onCall := w.onCall
	w.calls = append(w.calls[max(0, len(w.calls)-99):], r.Method+" "+r.URL.String())
	w.mu.Unlock()
	if onCall == nil || !onCall(rw, r) {
		w.forward.ServeHTTP(rw, r)
	}
}

// noteTaken counts the posts that the homeserver has taken.
func (w *matrixWorld) noteTaken(answer *http.Response) error {
	if isSend(answer.Request) && answer.StatusCode == http.StatusOK {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.taken[path.Base(answer.Request.URL.Path)]++
	}
	return nil
}

// between lets a test answer a request in the homeserver's stead.
func (w *matrixWorld) between(f func(rw http.ResponseWriter, r *http.Request) (handled bool)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.onCall = f
}

func (w *matrixWorld) folder(name string) string { return filepath.Join(w.dir, name) }

// configure writes the configuration, for a homeserver that shows nothing late: a test that kills it says otherwise. Lines of settings that begin with "NAME: " are for that folder, others for all.
func (w *matrixWorld) configure(settings string, folders ...string) {
	w.t.Helper()
	var b, all strings.Builder
	own := map[string]string{}
	for line := range strings.Lines(settings) {
		if name, rest, ok := strings.Cut(line, ": "); ok && w.rooms[name] != "" {
			own[name] += rest
		} else {
			all.WriteString(line)
		}
	}
	fmt.Fprintf(&b, "state_dir = %q\nlog_format = \"json\"\n[destination.chat]\ntype = \"matrix\"\nhomeserver = %q\naccess_token = %q\nshown_within = \"0s\"\n"+
		"[defaults]\nsettle = \"100ms\"\nrescan = \"1s\"\ntruncated_after = \"1s\"\nalbum_window = \"100ms\"\n%s\n", w.dir+"/state", w.url, w.bot.Token, all.String())
	for _, name := range folders {
		fmt.Fprintf(&b, "[[folder]]\npath = %q\nroom = \"#%s:localhost\"\n%s\n", w.folder(name), alias(name), own[name])
	}
	must(w.t, os.WriteFile(w.config, []byte(b.String()), 0o600))
}

// share has a folder post to the room of another one.
func (w *matrixWorld) share(folder, with string) {
	w.t.Helper()
	w.reconfigure(fmt.Sprintf("room = \"#%s:localhost\"", folder), fmt.Sprintf("room = \"#%s:localhost\"", with))
	w.rooms[folder] = w.rooms[with]
}

// reconfigure replaces text in the configuration.
func (w *matrixWorld) reconfigure(from, to string) {
	w.t.Helper()
	text, err := os.ReadFile(w.config)
	must(w.t, err)
	if !strings.Contains(string(text), from) {
		w.t.Fatalf("the configuration does not hold %q", from)
	}
	must(w.t, os.WriteFile(w.config, []byte(strings.Replace(string(text), from, to, 1)), 0o600))
}

// start starts the program.
func (w *matrixWorld) start(args ...string) *process {
	w.t.Helper()
	cmd := exec.Command(os.Args[0], append(args, "--config", w.config)...)
	cmd.Env = append(os.Environ(), runMain+"=1")
	return startProcess(w.t, cmd)
}

func (w *matrixWorld) daemon() *process {
	w.t.Helper()
	p := w.start("run")
	p.waitFor(`"message":"watching"`)
	return p
}

// says runs a command to its end, and gives what it printed.
func (w *matrixWorld) says(code int, stdin string, args ...string) string {
	w.t.Helper()
	cmd := exec.Command(os.Args[0], append(args, "--config", w.config)...)
	cmd.Env, cmd.Stdin = append(os.Environ(), runMain+"=1"), strings.NewReader(stdin)
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		w.t.Fatalf("%q: exit code %d, want %d:\n%s", args, got, code, out)
	}
	return string(out)
}

// drop moves a file in that is whole.
func (w *matrixWorld) drop(folder, name, content string) {
	w.t.Helper()
	made := filepath.Join(w.dir, "made")
	must(w.t, os.WriteFile(made, []byte(content), 0o644))
	must(w.t, os.Rename(made, filepath.Join(w.folder(folder), name)))
}

// shown gives what the room of a folder shows, oldest first.
func (w *matrixWorld) shown(folder string) []dendritetest.Event {
	return w.reader.Messages(w.rooms[folder])
}

// sumOf gives the checksum of what an event shows, as the reader gets it.
func (w *matrixWorld) sumOf(e dendritetest.Event) string {
	w.t.Helper()
	mxc, _ := e.Content["url"].(string)
	if w.read[mxc] == "" {
		content, _ := w.reader.Download(mxc)
		sum := sha256.Sum256(content)
		w.read[mxc] = hex.EncodeToString(sum[:])
	}
	return w.read[mxc]
}

// filed waits until nothing lies in a drop folder but what was filed, and n files lie in done/.
func (w *matrixWorld) filed(folder string, n int) {
	w.t.Helper()
	eventually(w.t, func() error {
		done, open := 0, 0
		for name := range files(w.t, w.folder(folder)) {
			if strings.HasPrefix(name, "done/") {
				done++
			} else {
				open++
			}
		}
		if done != n || open > 0 {
			return fmt.Errorf("%d files in done/, want %d, and %d elsewhere", done, n, open)
		}
		return nil
	})
}

// lose answers nothing to a request, after the homeserver has had it or before.
func (w *matrixWorld) lose(r *http.Request, had bool) {
	if had {
		w.forward.ServeHTTP(httptest.NewRecorder(), r)
	} else {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	panic(http.ErrAbortHandler)
}

func isSend(r *http.Request) bool { return strings.Contains(r.URL.Path, "/send/m.room.message/") }
