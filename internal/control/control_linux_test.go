package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if socket := os.Getenv("ASK_SOCKET"); socket != "" { // this process is one that asks
		os.Exit(askOnce(socket))
	}
	goleak.VerifyTestMain(m)
}

// askOnce asks for a retry, and tells by its exit code what happened.
func askOnce(socket string) int {
	c := NewClient(socket)
	defer c.Close()
	got, err := c.Retry(context.Background(), Retry{Paths: []string{"/x"}}, "")
	switch {
	case errors.Is(err, fs.ErrPermission):
		return 13
	case err != nil:
		fmt.Println(err)
		return 1
	}
	fmt.Println(got[0].To)
	return 0
}

// fixed is a desk that knows what it was told.
type fixed struct {
	mu      sync.Mutex
	status  Status
	filters []Filter
	err     error
}

func (f *fixed) Status(context.Context) (Status, error) { return f.status, f.err }
func (f *fixed) Explain(_ context.Context, path string, z Zone) (Story, error) {
	return Story{Path: path, Title: "about " + path, Lines: []string{z.String()}}, f.err
}

func (f *fixed) History(_ context.Context, q Filter) ([]Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.filters = append(f.filters, q)
	return []Entry{{Name: "a\x1b[31m\xff.pdf"}}, f.err
}

func (f *fixed) Retry(_ context.Context, r Retry, by string) ([]Retried, error) {
	return []Retried{{Path: r.Paths[0], To: by}}, f.err
}

// serve lets a server answer until the test ends, and gives its socket.
func serve(t *testing.T, desk Desk) (socket string, log *bytes.Buffer) {
	t.Helper()
	dir, err := os.MkdirTemp("", "kz") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	socket, log = filepath.Join(dir, "c.sock"), &bytes.Buffer{}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	s := Server{Socket: socket, Desk: desk, Log: zerolog.New(log)}
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		_ = os.RemoveAll(dir)
	})
	deadline := time.After(time.Minute)
	for tick := time.Tick(time.Millisecond); ; {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			return socket, log
		}
		select {
		case <-tick:
		case <-deadline:
			t.Fatal("nobody answers")
		}
	}
}

// TestClientGetsWhatTheDeskSays: every question and every answer come whole, and a refusal stays one.
func TestClientGetsWhatTheDeskSays(t *testing.T) {
	desk := &fixed{status: Status{API: Version, PID: 7, Folders: []Folder{{Path: "/a\n"}}}}
	socket, _ := serve(t, desk)
	c := NewClient(socket)
	defer c.Close()
	ctx := t.Context()
	if s, err := c.Status(ctx); err != nil || s.PID != 7 || s.Folders[0].Path != "/a\n" {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := c.Explain(ctx, "/srv/a b/ü&=%?\xff.pdf", Zone{{Seconds: 5400}}); err != nil || s.Title != "about /srv/a b/ü&=%?\xff.pdf" || s.Lines[0] != "+01:30" {
		t.Errorf("%+v, %v", s, err)
	}
	want := Filter{Folder: "/srv/a", Name: "x y", State: "failed", Since: time.Unix(1, 5).UTC(), Until: time.Unix(9, 0).UTC(), Limit: 3}
	if _, err := c.History(ctx, want); err != nil || desk.filters[0] != want {
		t.Errorf("%+v, %v", desk.filters, err)
	}
	me := Peer{UID: os.Getuid()}.String()
	if got, err := c.Retry(ctx, Retry{Paths: []string{"/f"}}, "somebody else"); err != nil || got[0].To != me {
		t.Errorf("it was asked by %+v, %v; want %q", got, err, me)
	}
	desk.err = &Refusal{"no such state"}
	if _, err := c.History(ctx, Filter{}); err == nil || err.Error() != "no such state" {
		t.Errorf("%v", err)
	} else if _, refused := errors.AsType[*Refusal](err); !refused {
		t.Errorf("%v is no refusal any more", err)
	}
	desk.err = errors.New("the ledger is ill")
	if _, err := c.Status(ctx); err == nil || err.Error() != "the ledger is ill" {
		t.Errorf("%v", err)
	}
}

// TestNobodyAnswers: a socket that is not there, and one that a killed daemon left, are told as no daemon; the next daemon takes the
// place of the second, and a file is never replaced.
func TestNobodyAnswers(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "left")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: left, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	for _, socket := range []string{filepath.Join(dir, "none"), left} {
		c := NewClient(socket)
		if _, err := c.Status(t.Context()); !errors.Is(err, ErrNoDaemon) {
			t.Errorf("%s: %v", socket, err)
		}
		c.Close()
	}
	again, _, err := listen(left)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := listen(left); err == nil || !strings.Contains(err.Error(), "another program answers") {
		t.Errorf("two daemons have one socket: %v", err)
	}
	_ = again.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := listen(file); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("%v", err)
	}
	if text, _ := os.ReadFile(file); string(text) != "mine" {
		t.Error("a file was replaced")
	}
}

// TestKilledWhileItIsAsked: a daemon that ends in the middle of a question is no daemon any more for one that changes nothing, and for
// one that does it is said to ask again.
func TestKilledWhileItIsAsked(t *testing.T) {
	for _, answer := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"} {
		socket := filepath.Join(t.TempDir(), "c.sock")
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
				_, _ = conn.Read(make([]byte, 1))
				_, _ = io.WriteString(conn, answer)
				conn.Close()
			}
		}()
		c := NewClient(socket)
		if _, err := c.Status(t.Context()); !errors.Is(err, ErrNoDaemon) {
			t.Errorf("%q: %v", answer, err)
		}
		if _, err := c.Retry(t.Context(), Retry{Paths: []string{"/x"}}, ""); err == nil || errors.Is(err, ErrNoDaemon) || !strings.Contains(err.Error(), "ask again") {
			t.Errorf("%q: %v", answer, err)
		}
		c.Close()
		l.Close()
		<-ended
	}
}

// TestWithoutADirectory: where there can be no socket that is said once, and nothing else happens.
func TestWithoutADirectory(t *testing.T) {
	var log bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	s := Server{Socket: filepath.Join(t.TempDir(), "away", "c.sock"), Desk: &fixed{}, Log: zerolog.New(&log)}
	go func() { ended <- s.Run(ctx) }()
	stop()
	if err := <-ended; err != nil || strings.Count(log.String(), "no control socket") != 1 {
		t.Errorf("%v: %s", err, &log)
	}
}

// TestWhoMay: root and the daemon's user may ask, and so may the admin group where there is one; nobody else can even connect. Who asks
// for a change is known by the kernel's word.
func TestWhoMay(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be somebody else")
	}
	socket, log := serve(t, &fixed{})
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(filepath.Dir(socket), "asks") // where everybody can reach it
	text, err := os.ReadFile(me)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, text, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(binary) })
	as := func(uid uint32, groups ...uint32) (int, string) {
		cmd := exec.Command(binary)
		cmd.Env = []string{"ASK_SOCKET=" + socket}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, Groups: groups}}
		out, _ := cmd.CombinedOutput()
		return cmd.ProcessState.ExitCode(), string(out)
	}
	const stranger = 65534
	if code, out := as(0); code != 0 || !strings.HasPrefix(out, "root (uid 0)") {
		t.Errorf("root: %d, %s", code, out)
	}
	if code, out := as(stranger); code != 13 {
		t.Errorf("a stranger: %d, %s", code, out)
	}
	group, err := user.LookupGroup(AdminGroup)
	if err != nil {
		if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 || !strings.Contains(log.String(), AdminGroup) {
			t.Errorf("without the group the socket has the mode %v, %v: %s", info.Mode(), err, log)
		}
		return
	}
	var gid uint32
	fmt.Sscan(group.Gid, &gid)
	if code, out := as(stranger, gid); code != 0 || !strings.Contains(out, fmt.Sprint("uid ", stranger)) {
		t.Errorf("an administrator: %d, %s", code, out)
	}
}

// TestHostileQuestions: nonsense is answered with an error in JSON, and the next question is answered.
func TestHostileQuestions(t *testing.T) {
	socket, _ := serve(t, &fixed{})
	c := NewClient(socket)
	defer c.Close()
	for _, q := range []struct{ method, path, body string }{
		{"GET", "/", ""}, {"GET", "/v2/status", ""}, {"DELETE", "/v1/status", ""}, {"POST", "/v1/retry", ""}, {"POST", "/v1/retry", "{"},
		{"POST", "/v1/retry", `{"pathz":[]}`}, {"POST", "/v1/retry", "{\"paths\":[\"/a\xff.pdf\"]}"}, {"POST", "/v1/retry", `{"paths":["/a\udcff.pdf"]}`},
		{"POST", "/v1/retry", `{"paths":["/a\ufffd.pdf"]}`}, {"POST", "/v1/retry", `{"paths":["/a\ufffd41.pdf"]}`}, {"POST", "/v1/retry", `{"paths":["` + strings.Repeat("x", maxQuestion) + `"]}`},
		{"GET", "/v1/history?since=yesterday", ""}, {"GET", "/v1/history?limit=-1", ""}, {"GET", "/v1/history?limit=99999999999999999999", ""},
		{"GET", "/v1/../../etc/passwd", ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), q.method, "http://daemon"+q.path, strings.NewReader(q.body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := c.web.Do(r)
		if err != nil {
			t.Errorf("%s %.60s: %v", q.method, q.path, err)
			continue
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		var f failure
		if err := json.Unmarshal(text, &f); response.StatusCode < 400 || err != nil || f.Error == "" {
			t.Errorf("%s %.60s: %s %.80s", q.method, q.path, response.Status, text)
		}
	}
	if _, err := c.Status(t.Context()); err != nil {
		t.Error(err)
	}
}
