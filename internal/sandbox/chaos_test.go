package sandbox_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kaizala-drop/internal/sandbox"
)

// troubled is a sandbox that misbehaves. One file was uploaded to it before it began to.
type troubled struct {
	t      *testing.T
	server *sandbox.Server
	url    string
}

func newTroubled(t *testing.T, c sandbox.Chaos) *troubled {
	t.Helper()
	s, err := sandbox.New(sandbox.Options{
		Dir: t.TempDir(), Groups: []sandbox.Group{{ID: "g@2"}}, AccessToken: "fixed", Chaos: &c,
	})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() { s.Close(); web.Close() })
	return &troubled{t, s, web.URL}
}

const oneFile = "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.pdf\"\r\n" +
	"Content-Type: application/pdf\r\n\r\ncontent\r\n--b--\r\n"

// upload makes a media call.
func (x *troubled) upload() (status int, header http.Header, body string, err error) {
	req, _ := http.NewRequest(http.MethodPost, x.url+"/v1/media", strings.NewReader(oneFile))
	req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	req.Header.Set("accessToken", "fixed")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(text), err
}

// TestDisturbances shows each disturbance as a client sees it, and what the sandbox has taken.
func TestDisturbances(t *testing.T) {
	broken := func(t *testing.T, _ int, _ http.Header, _ string, err error) {
		if err == nil {
			t.Error("no error")
		}
	}
	answered := func(status int, words ...string) func(*testing.T, int, http.Header, string, error) {
		return func(t *testing.T, got int, _ http.Header, body string, err error) {
			if got != status || err != nil {
				t.Errorf("%d, %v, want %d", got, err, status)
			}
			for _, word := range words {
				if !strings.Contains(body, word) {
					t.Errorf("the body %q does not hold %q", body, word)
				}
			}
		}
	}
	for name, c := range map[string]struct {
		rule  sandbox.Rule
		want  func(*testing.T, int, http.Header, string, error)
		taken int
	}{
		"status, JSON":         {sandbox.Rule{Do: "status", Status: 500}, answered(500, `"errorCode"`), 0},
		"status, HTML":         {sandbox.Rule{Do: "status", Status: 502, Body: "html"}, answered(502, "<html>"), 0},
		"early":                {sandbox.Rule{Do: "early"}, answered(413, `"errorCode"`), 0},
		"reset before":         {sandbox.Rule{Do: "reset before"}, broken, 0},
		"reset during":         {sandbox.Rule{Do: "reset during"}, broken, 0},
		"reset after":          {sandbox.Rule{Do: "reset after"}, broken, 0},
		"lose answer":          {sandbox.Rule{Do: "lose answer"}, broken, 1},
		"cut answer":           {sandbox.Rule{Do: "cut answer"}, broken, 1},
		"nonsense":             {sandbox.Rule{Do: "nonsense"}, answered(200, "<html>"), 0},
		"nonsense, cut":        {sandbox.Rule{Do: "nonsense", Body: "cut"}, answered(200, `{"media`), 0},
		"nonsense, array":      {sandbox.Rule{Do: "nonsense", Body: "array"}, answered(200, "[]"), 0},
		"nonsense after":       {sandbox.Rule{Do: "nonsense after", Body: "empty"}, answered(200), 1},
		"invalid token":        {sandbox.Rule{Do: "invalid token"}, answered(401, "InvalidToken"), 0},
		"invalid token by 403": {sandbox.Rule{Do: "invalid token", Status: 403}, answered(403, "InvalidToken"), 0},
		"delay":                {sandbox.Rule{Do: "delay", For: time.Millisecond}, answered(200, "mediaResource"), 1},
		"slow":                 {sandbox.Rule{Do: "slow", For: 20 * time.Millisecond}, answered(200, "mediaResource"), 1},
		"hang":                 {sandbox.Rule{Do: "hang", For: 20 * time.Millisecond}, broken, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c.rule.Chance, c.rule.First = 1, 1
			x := newTroubled(t, sandbox.Chaos{Rules: []sandbox.Rule{c.rule}})
			status, header, body, err := x.upload()
			c.want(t, status, header, body, err)
			if n := x.server.Stats().Uploads; n != c.taken {
				t.Errorf("%d uploads were taken, want %d", n, c.taken)
			}
			if n := x.server.Disturbed()[c.rule.Do]; n != 1 {
				t.Errorf("counted %d times", n)
			}
			if status, _, _, err := x.upload(); status != 200 || err != nil {
				t.Errorf("the next call: %d, %v", status, err)
			}
		})
	}
}

// TestResetIsOne shows that a reset connection fails at the client without an answer.
func TestResetIsOne(t *testing.T) {
	x := newTroubled(t, sandbox.Chaos{Rules: []sandbox.Rule{{Do: "reset after", Chance: 1}}})
	if _, _, _, err := x.upload(); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
}

// TestRetryAfterForms shows that Retry-After is rounded up to seconds, and can be a date.
func TestRetryAfterForms(t *testing.T) {
	seconds := newTroubled(t, sandbox.Chaos{Rules: []sandbox.Rule{{Do: "status", Status: 429, RetryAfter: 1500 * time.Millisecond, Chance: 1}}})
	if status, header, _, _ := seconds.upload(); status != 429 || header.Get("Retry-After") != "2" {
		t.Errorf("%d, %q", status, header.Get("Retry-After"))
	}
	date := newTroubled(t, sandbox.Chaos{Rules: []sandbox.Rule{{Do: "status", Status: 429, RetryAfter: time.Minute, AsDate: true, Chance: 1}}})
	_, header, _, _ := date.upload()
	if at, err := http.ParseTime(header.Get("Retry-After")); err != nil || time.Until(at) < 30*time.Second || time.Until(at) > 2*time.Minute {
		t.Errorf("%q, %v", header.Get("Retry-After"), err)
	}
}

// TestMoved shows the Location of a 308, with and without the path of the call.
func TestMoved(t *testing.T) {
	for _, full := range []bool{false, true} {
		x := newTroubled(t, sandbox.Chaos{Rules: []sandbox.Rule{{Do: "moved", Full: full, Chance: 1}}})
		status, header, _, _ := x.upload()
		want := strings.Replace(x.url, "127.0.0.1", "localhost", 1)
		if full {
			want += "/v1/media"
		}
		if got := header.Get("Location"); status != 308 || got != want {
			t.Errorf("%d, %q, want %q", status, got, want)
		}
	}
}

// TestThrottling shows that calls over the limit get 429 with the time to wait, and that calls are allowed again after the
// window.
func TestThrottling(t *testing.T) {
	x := newTroubled(t, sandbox.Chaos{CallsPerMinute: 3, Window: time.Hour})
	for i := range 5 {
		status, header, _, err := x.upload()
		if err != nil || (status == 200) != (i < 3) {
			t.Errorf("call %d: %d, %v", i, status, err)
		}
		if wait, err := strconv.Atoi(header.Get("Retry-After")); i >= 3 && (err != nil || wait < 3000 || wait > 3600) {
			t.Errorf("Retry-After %q", header.Get("Retry-After"))
		}
	}
	if n := x.server.Disturbed()["throttled"]; n != 2 {
		t.Errorf("%d were throttled", n)
	}
	short := newTroubled(t, sandbox.Chaos{CallsPerMinute: 1, Window: time.Millisecond})
	for range 3 {
		for status := 0; status != 200; status, _, _, _ = short.upload() { // until the window has passed
		}
	}
}

// TestAllTokensEnded shows that issued tokens are refused after they were ended, and that new ones are accepted.
func TestAllTokensEnded(t *testing.T) {
	x := newTroubled(t, sandbox.Chaos{Rules: []sandbox.Rule{{Do: "all tokens ended", Call: "groups", Chance: 1}}})
	get := func(path string, header ...string) (int, string) {
		req, _ := http.NewRequest(http.MethodGet, x.url+path, nil)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	_, body := get("/v1/accessToken", "applicationId", "a", "applicationSecret", "b", "refreshToken", "c")
	_, token, _ := strings.Cut(body, `"accessToken":"`)
	token, _, _ = strings.Cut(token, `"`)
	if status, _ := get("/v1/groups", "accessToken", token); status != 401 || token == "" {
		t.Errorf("%d with the token %q", status, token)
	}
}

// TestChanceIsKept shows that about as many calls are disturbed as the chance says.
func TestChanceIsKept(t *testing.T) {
	x := newTroubled(t, sandbox.Chaos{Seed: 7, Rules: []sandbox.Rule{{Do: "status", Chance: 0.3}}})
	failed := 0
	for range 300 {
		if status, _, _, _ := x.upload(); status != 200 {
			failed++
		}
	}
	if failed < 60 || failed > 120 || failed != x.server.Disturbed()["status"] {
		t.Errorf("%d of 300 were disturbed, and %d counted", failed, x.server.Disturbed()["status"])
	}
}

// TestLoadChaos shows that the example is accepted, and what the error of a wrong file says.
func TestLoadChaos(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chaos.toml")
	load := func(text string) (*sandbox.Chaos, error) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return sandbox.LoadChaos(path)
	}
	c, err := load(sandbox.ChaosExample())
	if err != nil || c.CallsPerMinute != 100 || len(c.Rules) != 4 || c.Rules[1].RetryAfter != 2*time.Second || c.Rules[3].Chance != 0.01 {
		t.Errorf("%+v, %v", c, err)
	}
	for text, want := range map[string]string{
		"seed = \n":                              "line 1",
		"sed = 1":                                "unknown: [sed]",
		"[[rule]]\ndo = 'explode'":               `do = "explode" is not one of`,
		"[[rule]]\ndo = 'hang'\nchance = 1.5":    "chance",
		"[[rule]]\ndo = 'hang'\nchance = 0":      "chance",
		"[[rule]]\ndo = 'hang'\ncall = 'login'":  `call = "login"`,
		"[[rule]]\ndo = 'hang'\nfor = '-1s'":     "negative",
		"[[rule]]\ndo = 'hang'\nfor = 'soon'":    "soon",
		"[[rule]]\ndo = 'status'\nstatus = 999":  "status",
		"[[rule]]\ndo = 'status'\nbody = 'yaml'": "body",
		"calls_per_minute = -1":                  "negative",
	} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "chaos.toml") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := sandbox.LoadChaos(path + ".none"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
