package packaging_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"kaizala-drop/internal/boottest"
	"kaizala-drop/internal/samples"
	"kaizala-drop/internal/sandbox"
)

const (
	configFile = "/etc/kaizala-drop/config.toml"
	stateDir   = "/var/lib/kaizala-drop"
	unit       = "kaizala-drop.service"
	handUnit   = "/etc/systemd/system/" + unit
	handBinary = "/usr/local/bin/kaizala-drop"
	drop       = "/srv/drop"
	nextStep   = "Next: sudo kaizala-drop setup"
)

// house is what is around the installed program: the service it posts to, which outlives it, and what may be posted there.
type house struct {
	box     *sandbox.Server
	address string

	mu    sync.Mutex
	hangs map[string]bool // the next call of this name gets no answer: "media", or the folder's name for a post
}

func newHouse(t *testing.T) *house {
	_ = os.Remove("/var/lib/man-db/auto-update") // else each installation reads every manual page there is
	h := &house{hangs: map[string]bool{}}
	o := sandbox.Options{Dir: t.TempDir(), AccessToken: "fixed"}
	for _, name := range folders {
		o.Groups = append(o.Groups, sandbox.Group{ID: name + "@2"})
	}
	box, err := sandbox.New(o)
	must(t, err)
	h.box = box
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { box.Close(); _ = server.Close() })
	h.address = "http://" + listener.Addr().String()
	return h
}

// folders are watched, each with a group of its own.
var folders = [...]string{"plain", "unknown", "claimed"}

// ServeHTTP is the service's. A call that is to hang is taken, and then nothing more is heard of it.
func (h *house) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := ""
	if strings.HasSuffix(r.URL.Path, "/media") {
		name = "media"
	} else if strings.HasSuffix(r.URL.Path, "/actions") {
		for _, folder := range folders {
			if strings.Contains(r.URL.Path, folder) {
				name = folder
			}
		}
	}
	h.mu.Lock()
	hangs := h.hangs[name]
	delete(h.hangs, name)
	h.mu.Unlock()
	switch {
	case !hangs:
		h.box.ServeHTTP(w, r)
		return
	case name == "media":
		_, _ = io.Copy(io.Discard, r.Body)
	default:
		h.box.ServeHTTP(httptest.NewRecorder(), r)
	}
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

func (h *house) hangNext(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hangs[name] = true
}

// posts counts how often a file was posted.
func (h *house) posts(name string) (n int) {
	for _, p := range h.box.Posts() {
		if p.Media[0].Name == name {
			n++
		}
	}
	return n
}

// configure writes the settings, and makes the folders, as the README says.
func (h *house) configure(t *testing.T) {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, `shutdown_grace = "1s"
[kaizala]
endpoint = %q
access_token = "fixed"
calls_per_minute = 0
stall_timeout = "10m"
[defaults]
settle = "200ms"
rescan = "1s"
truncated_after = "1s"
when_unknown = "hold"
`, h.address)
	for _, name := range folders {
		fmt.Fprintf(&text, "[[folder]]\npath = %q\ngroup_id = %q\n", filepath.Join(drop, name), name+"@2")
		run(t, "install", "-d", "-m", "2770", "-o", "kaizala-drop", "-g", "kaizala-drop", filepath.Join(drop, name))
	}
	write(t, configFile, text.String(), 0o640)
	run(t, "chgrp", "kaizala-drop", configFile)
}

func document() []byte {
	for _, s := range samples.All() {
		if strings.HasSuffix(s.Name, ".pdf") {
			return s.Bytes
		}
	}
	panic("there is no PDF among the samples")
}

// put drops a file as a person does.
func put(t *testing.T, folder, name string) {
	t.Helper()
	hidden := filepath.Join(drop, folder, ".coming")
	write(t, hidden, string(document()), 0o660)
	must(t, os.Rename(hidden, filepath.Join(drop, folder, name)))
}

// awaitIn waits until a file is in done or failed of its folder, whole and nowhere else.
func awaitIn(t *testing.T, folder, end, name string) {
	t.Helper()
	path := filepath.Join(drop, folder, end, name)
	boottest.Await(t, path, func() bool { return exists(path) && !exists(filepath.Join(drop, folder, name)) })
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, document()) {
		t.Errorf("%s is not what was dropped (%v)", path, err)
	}
}

// delivers sees that a file comes through.
func (h *house) delivers(t *testing.T, name string) {
	t.Helper()
	put(t, "plain", name)
	awaitIn(t, "plain", "done", name)
	if n := h.posts(name); n != 1 {
		t.Errorf("%s was posted %d times", name, n)
	}
}

// states are those of the deliveries in the ledger that are not at their end.
func states(t *testing.T) string {
	t.Helper()
	return tidy(run(t, "sqlite3", "-readonly", stateDir+"/ledger.db",
		"SELECT state FROM delivery WHERE state NOT IN ('filed', 'failed') ORDER BY state"))
}

// show gives a property of the service.
func show(t *testing.T, property string) string {
	t.Helper()
	return tidy(run(t, "systemctl", "show", unit, "--value", "--property="+property))
}

func wantActive(t *testing.T, want string) {
	t.Helper()
	if got := show(t, "ActiveState"); got != want {
		t.Errorf("the service is %s, want %s", got, want)
	}
}

// runsPackage sees that the service is the package's program, by the unit of the package.
func runsPackage(t *testing.T) {
	t.Helper()
	wantActive(t, "active")
	exe, err := os.Readlink("/proc/" + show(t, "MainPID") + "/exe")
	if err != nil || exe != "/usr/bin/kaizala-drop" {
		t.Errorf("the service runs %s (%v)", exe, err)
	}
	if from := show(t, "FragmentPath"); from != "/usr/lib/systemd/system/"+unit && from != "/lib/systemd/system/"+unit {
		t.Errorf("its unit is %s", from)
	}
}

// scene is one file in each state, each with the scene's name in front.
type scene struct {
	*house
	name   string
	before *os.File // still being written to
	posted int      // uploads before the upgrade
}

// begin brings files into every state that there is: done, failed, held back, claimed, uploaded, posting with an answer that never comes.
func (h *house) begin(t *testing.T, name string) *scene {
	t.Helper()
	s := &scene{house: h, name: name}
	h.delivers(t, name+" done.pdf")
	put(t, "plain", name+" failed.txt")
	awaitIn(t, "plain", "failed", name+" failed.txt")
	f, err := os.Create(filepath.Join(drop, "plain", name+" held.pdf"))
	must(t, err)
	s.before = f
	_, err = f.Write(document())
	must(t, err)

	h.hangNext("unknown")
	put(t, "unknown", name+" unknown.pdf")
	boottest.Await(t, "a post without an answer", func() bool { return states(t) == "posting" && h.posts(name+" unknown.pdf") == 1 })
	put(t, "unknown", name+" uploaded.pdf")
	boottest.Await(t, "an upload behind it", func() bool { return states(t) == "posting uploaded" })
	h.hangNext("media")
	put(t, "claimed", name+" claimed.pdf")
	boottest.Await(t, "an upload without an answer", func() bool { return states(t) == "claimed posting uploaded" })
	s.posted = h.box.Stats().Uploads
	if n := h.posts(name + " held.pdf"); n != 0 {
		t.Errorf("a file that is open for writing was posted")
	}
	return s
}

// end sees that no file of the scene is lost, and none was posted twice.
func (s *scene) end(t *testing.T) {
	t.Helper()
	must(t, s.before.Close())
	for _, at := range [][3]string{
		{"plain", "done", "done.pdf"}, {"plain", "done", "held.pdf"}, {"unknown", "done", "uploaded.pdf"}, {"claimed", "done", "claimed.pdf"},
		{"plain", "failed", "failed.txt"}, {"unknown", "failed", "unknown.pdf"},
	} {
		awaitIn(t, at[0], at[1], s.name+" "+at[2])
	}
	boottest.Await(t, "the end of every delivery", func() bool { return states(t) == "" })
	for name, want := range map[string]int{"done.pdf": 1, "held.pdf": 1, "uploaded.pdf": 1, "claimed.pdf": 1, "unknown.pdf": 1, "failed.txt": 0} {
		if n := s.posts(s.name + " " + name); n != want {
			t.Errorf("%s %s was posted %d times, want %d", s.name, name, n, want)
		}
	}
	note, err := os.ReadFile(filepath.Join(drop, "unknown", "failed", s.name+" unknown.pdf.reason.txt"))
	if err != nil || !bytes.Contains(note, []byte("may have been posted")) {
		t.Errorf("the note says %q (%v)", note, err)
	}
	if n := s.box.Stats().Uploads - s.posted; n != 2 {
		t.Errorf("%d files were uploaded after the upgrade, want those that were not: 2", n)
	}
}
