package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// authority stands before the sandbox's token call: it notes the refresh tokens that it is asked with, and may answer
// with a new one, or refuse.
type authority struct {
	mu      sync.Mutex
	asked   []string
	next    string // refresh token of the answer; "": null, as nearly always
	revoked bool
}

func (a *authority) set(next string, revoked bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next, a.revoked = next, revoked
}

func (a *authority) last() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.asked) == 0 {
		return ""
	}
	return a.asked[len(a.asked)-1]
}

func (a *authority) before(w *world) func(rw http.ResponseWriter, r *http.Request) bool {
	return func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v1/accessToken" {
			return false
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.asked = append(a.asked, r.Header.Get("refreshToken"))
		if a.revoked {
			rw.WriteHeader(http.StatusForbidden)
			_, _ = rw.Write([]byte(`{"message":"revoked","errorCode":"InvalidToken","errorCategoryKey":"AuthException"}`))
			return true
		}
		recorded := httptest.NewRecorder()
		w.sandbox.ServeHTTP(recorded, r)
		var answer map[string]any
		if err := json.Unmarshal(recorded.Body.Bytes(), &answer); err != nil {
			w.t.Error(err)
		}
		if a.next != "" {
			answer["refreshToken"] = a.next
		}
		if err := json.NewEncoder(rw).Encode(answer); err != nil {
			w.t.Error(err)
		}
		return true
	}
}

// drop puts a whole file there at once: one that is found half written waits, and others overtake it.
func (w *world) drop(folder, name, content string) {
	w.t.Helper()
	hidden := filepath.Join(w.folder(folder), ".dropped")
	must(w.t, os.WriteFile(hidden, []byte(content), 0o644))
	must(w.t, os.Rename(hidden, filepath.Join(w.folder(folder), name)))
}

// TestNewRefreshTokenOutlivesACrash: it is used after SIGKILL, as long as the configuration holds the one it replaced.
func TestNewRefreshTokenOutlivesACrash(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t, "", "in"), &authority{next: "the-second-token"}
	w.between(a.before(w))
	deliver := func(name, wantAsked string) {
		t.Helper()
		p := w.daemon()
		posts := w.sandbox.Stats().Posts
		w.drop("in", name, "content")
		w.posted(posts + 1)
		if got := a.last(); got != wantAsked {
			t.Errorf("%s: asked for a token with %q, want %q", name, got, wantAsked)
		}
		must(t, p.Process.Kill())
		p.wait()
		if strings.Contains(p.log(), "the-second-token") {
			t.Error("the log shows the token")
		}
	}
	deliver("1.pdf", "c")
	a.set("", false)
	deliver("2.pdf", "the-second-token")

	w.reconfigure(`refresh_token = "c"`, `refresh_token = "newly-configured"`)
	deliver("3.pdf", "newly-configured")
	w.reconfigure(`refresh_token = "newly-configured"`, `refresh_token = "c"`)
	deliver("4.pdf", "the-second-token")

	must(t, os.WriteFile(w.dir+"/state/refresh-token.json", []byte("{"), 0o600))
	deliver("5.pdf", "c")
}

func (w *world) reconfigure(from, to string) {
	w.t.Helper()
	text, err := os.ReadFile(w.config)
	must(w.t, err)
	if !strings.Contains(string(text), from) {
		w.t.Fatalf("the configuration does not hold %q", from)
	}
	must(w.t, os.WriteFile(w.config, []byte(strings.Replace(string(text), from, to, 1)), 0o600))
}

// TestRefreshTokenCannotBeKept: it is used all the same, said once, and kept as soon as that can be.
func TestRefreshTokenCannotBeKept(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t, "", "in"), &authority{next: "the-second-token"}
	w.between(a.before(w))
	obstacle := w.dir + "/state/refresh-token.json"
	must(t, os.MkdirAll(obstacle+"/full", 0o755))
	p := w.daemon()
	w.drop("in", "1.pdf", "content")
	w.posted(1)
	p.waitFor("the new refresh token is not kept")
	if log := p.log(); !strings.Contains(log, "refresh-token.json") || strings.Contains(log, "the-second-token") {
		t.Error("the log does not name the file, or shows the token")
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestRevokedToken: all waits, loudly, and goes on by itself.
func TestRevokedToken(t *testing.T) {
	t.Parallel()
	w, a := newWorld(t, "", "in"), &authority{revoked: true}
	w.between(a.before(w))
	p := w.daemon()
	w.drop("in", "1.pdf", "content")
	p.waitFor("InvalidToken")
	p.waitFor(`"level":"error"`)
	if got := files(t, w.folder("in")); got["1.pdf"] != "content" || len(got) != 1 {
		t.Errorf("files moved: %v", got)
	}
	a.set("", false)
	w.filed("in", 1)
	p.stop()
}
