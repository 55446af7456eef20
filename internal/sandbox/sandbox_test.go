package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/media"
)

const (
	goodToken = "fixed-token"
	reception = "0f8b6c52-3d1e-4a7b-9c55-6e2f1d0a8b11@2"
	oddGroup  = "a/b ü%2F\"?#@2"
)

// bench is a sandbox behind real HTTP, and a client for it.
type bench struct {
	testing.TB
	*Server
	http *httptest.Server
}

func newBench(t testing.TB, change func(*Options)) *bench {
	t.Helper()
	o := Options{Dir: t.TempDir(), AccessToken: goodToken, Groups: []Group{{reception, "Reception"}, {oddGroup, ""}}}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(s)
	server.Config.ConnState = s.ConnState
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(s.Close)
	return &bench{t, s, server}
}

// reply is an answer that was read to its end.
type reply struct {
	*http.Response
	body []byte
}

func (r reply) field(name string) string {
	var m map[string]any
	_ = json.Unmarshal(r.body, &m)
	text, _ := m[name].(string)
	return text
}

func (b *bench) do(req *http.Request) reply {
	b.Helper()
	resp, err := b.http.Client().Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	return reply{resp, body}
}

// request makes a request with the fixed token. Headers come in pairs, and may replace the token.
func (b *bench) request(method, path string, body io.Reader, headers ...string) *http.Request {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, b.http.URL+path, body)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("accessToken", goodToken)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return req
}

func (b *bench) get(path string, headers ...string) reply {
	b.Helper()
	return b.do(b.request(http.MethodGet, path, nil, headers...))
}

type part struct {
	disposition, mime string // empty: no such header
	body              string
}

func filePart(name, body string) part {
	typ, _ := media.ByName(name)
	escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "%0D", "\n", "%0A").Replace(name)
	return part{`form-data; name="files"; filename="` + escaped + `"`, typ.MIME, body}
}

func form(parts ...part) (body []byte, contentType string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		if p.disposition != "" {
			h.Set("Content-Disposition", p.disposition)
		}
		if p.mime != "" {
			h.Set("Content-Type", p.mime)
		}
		out, _ := w.CreatePart(h)
		_, _ = io.WriteString(out, p.body)
	}
	_ = w.Close()
	return b.Bytes(), w.FormDataContentType()
}

func (b *bench) upload(parts ...part) reply {
	b.Helper()
	body, kind := form(parts...)
	return b.do(b.request(http.MethodPost, "/v1/media", bytes.NewReader(body), "Content-Type", kind))
}

func (b *bench) mustUpload(parts ...part) (resource string) {
	b.Helper()
	r := b.upload(parts...)
	if r.StatusCode != http.StatusOK {
		b.Fatalf("upload: %d %s", r.StatusCode, r.body)
	}
	return r.field("mediaResource")
}

func action(kind, resource, caption string) string {
	body, _ := json.Marshal(map[string]any{"actionType": kind, "later": 1,
		"actionBody": map[string]any{"mediaResource": resource, "caption": caption, "unknown": []int{1}}})
	return string(body)
}

func (b *bench) act(group, body string, headers ...string) reply {
	b.Helper()
	return b.do(b.request(http.MethodPost, "/v1/groups/"+url.PathEscape(group)+"/actions", strings.NewReader(body),
		append([]string{"Content-Type", "application/json"}, headers...)...))
}

func (b *bench) mustPost(group, kind, caption string, parts ...part) {
	b.Helper()
	if r := b.act(group, action(kind, b.mustUpload(parts...), caption)); r.StatusCode != http.StatusOK {
		b.Fatalf("action: %d %s", r.StatusCode, r.body)
	}
}

// expectProblem fails the test unless the answer has this status and a whole error body.
func (b *bench) expectProblem(r reply, status int) {
	b.Helper()
	if r.StatusCode != status {
		b.Errorf("status %d, want %d; body %s", r.StatusCode, status, r.body)
	}
	if r.field("message") == "" || r.field("errorCode") == "" || r.field("errorCategoryKey") == "" {
		b.Errorf("the error body lacks a field: %s", r.body)
	}
	if status == http.StatusUnauthorized && (r.field("errorCode") != "InvalidToken" || r.field("errorCategoryKey") != "AuthException") {
		b.Errorf("a 401 with the body %s", r.body)
	}
}

func (b *bench) files() (names []string) {
	b.Helper()
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestNewRefuses shows that New refuses a missing or unusable folder, and a group without an ID or with the ID of another.
func TestNewRefuses(t *testing.T) {
	blocked := t.TempDir() + "/file"
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"no folder":         {},
		"folder is a file":  {Dir: blocked},
		"group without ID":  {Dir: t.TempDir(), Groups: []Group{{Name: "x"}}},
		"group given twice": {Dir: t.TempDir(), Groups: []Group{{ID: "x"}, {ID: "x"}}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestGroups shows how groups are listed.
func TestGroups(t *testing.T) {
	b := newBench(t, nil)
	var got struct{ Groups []map[string]string }
	if err := json.Unmarshal(b.get("/v1/groups?fetchAllGroups=true").body, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Groups) != 2 || got.Groups[0]["groupId"] != reception || got.Groups[0]["groupName"] != "Reception" ||
		got.Groups[0]["callerRole"] == "" || got.Groups[0]["groupType"] == "" || got.Groups[1]["groupName"] != oddGroup {
		t.Errorf("groups are %v", got.Groups)
	}
	if listed := b.Groups(); len(listed) != 2 || listed[1] != (Group{oddGroup, oddGroup}) {
		t.Errorf("Groups() = %v", listed)
	}
}

// TestRouting shows the status for each path and method.
func TestRouting(t *testing.T) {
	b := newBench(t, nil)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/v1/nothing", 404, ""},
		{"GET", "//v1/media", 404, ""},
		{"POST", "/v1//media", 404, ""},
		{"POST", "/v1/media/", 404, ""},
		{"POST", "/v1/groups//actions", 404, ""},
		{"POST", "/v1/groups/a/b/actions", 404, ""},
		{"POST", "/v1/groups/unknown/actions", 404, ""},
		{"GET", "/media/0/0", 404, ""},
		{"GET", "/media/-1/0", 404, ""},
		{"GET", "/media/x", 404, ""},
		{"GET", "/page/app.js", 404, ""},
		{"GET", "/timeline?group=unknown", 404, ""},
		{"POST", "/v1/accessToken", 405, "GET"},
		{"GET", "/v1/media", 405, "POST"},
		{"E", "/v1/media", 405, "POST"},
		{"HEAD", "/v1/groups", 405, "GET"},
		{"GET", "/v1/groups/x/actions", 405, "POST"},
		{"POST", "/", 405, "GET, HEAD"},
		{"DELETE", "/events", 405, "GET, HEAD"},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			r := b.do(b.request(c.method, c.path, nil))
			if c.method == http.MethodHead {
				r.body = []byte(`{"message":"-","errorCode":"-","errorCategoryKey":"-"}`)
			}
			(&bench{t, b.Server, b.http}).expectProblem(r, c.status)
			if got := r.Header.Get("Allow"); got != c.allow {
				t.Errorf("Allow is %q, want %q", got, c.allow)
			}
		})
	}
}

// TestForeignHost shows under which names of its host the sandbox answers.
func TestForeignHost(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Endpoint = "http://box.example:8080/" })
	for host, status := range map[string]int{
		"evil.example": 421, "evil.example:80": 421, "127.0.0.1.evil.example": 421,
		"127.0.0.1": 200, "[::1]:80": 200, "[::1]": 200, "localhost:1": 200, "a.localhost": 200, "sandbox:8080": 200,
		"BOX.example:8080": 200,
	} {
		req := b.request(http.MethodGet, "/v1/groups", nil)
		req.Host = host
		r := b.do(req)
		if r.StatusCode != status {
			t.Errorf("Host %q: status %d, want %d", host, r.StatusCode, status)
		}
	}
}

// TestAccessToken shows which values get an access token, what the answer holds, and when the token ends.
func TestAccessToken(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	b := newBench(t, func(o *Options) {
		o.ApplicationID, o.ApplicationSecret, o.AccessToken = "app", "secret", ""
		o.Now = func() time.Time { return now }
	})
	ask := func(id, secret, refresh string) reply {
		return b.get("/v1/accessToken", "applicationId", id, "applicationSecret", secret, "refreshToken", refresh)
	}
	for _, c := range [][3]string{{"app", "wrong", "r"}, {"other", "secret", "r"}, {"app", "secret", ""}, {"", "", ""}} {
		b.expectProblem(ask(c[0], c[1], c[2]), 401)
	}
	r := ask("app", "secret", "any")
	var got map[string]any
	if err := json.Unmarshal(r.body, &got); err != nil || r.StatusCode != 200 {
		t.Fatalf("%d %s: %v", r.StatusCode, r.body, err)
	}
	expiry := float64(now.Add(24 * time.Hour).UnixMilli())
	if refresh, there := got["refreshToken"]; got["accessTokenExpiry"] != expiry || got["endpointUrl"] != b.http.URL || !there || refresh != nil {
		t.Errorf("answer is %s", r.body)
	}
	token := r.field("accessToken")
	if again := ask("app", "secret", "any").field("accessToken"); again == token {
		t.Error("two tokens are equal")
	}
	b.expectProblem(b.get("/v1/groups", "accessToken", ""), 401)
	b.expectProblem(b.get("/v1/groups", "accessToken", token+"x"), 401)
	now = now.Add(24*time.Hour - time.Millisecond)
	if r := b.get("/v1/groups", "accessToken", token); r.StatusCode != 200 {
		t.Errorf("a good token: %d %s", r.StatusCode, r.body)
	}
	now = now.Add(time.Millisecond)
	b.expectProblem(b.get("/v1/groups", "accessToken", token), 401)
}

// TestGivenEndpoint shows that the token call returns Options.Endpoint.
func TestGivenEndpoint(t *testing.T) {
	const endpoint = "https://elsewhere.example/"
	b := newBench(t, func(o *Options) { o.Endpoint = endpoint })
	r := b.get("/v1/accessToken", "applicationId", "a", "applicationSecret", "b", "refreshToken", "c")
	if r.field("endpointUrl") != endpoint {
		t.Errorf("answer is %s", r.body)
	}
}

// TestStats shows what is counted.
func TestStats(t *testing.T) {
	b := newBench(t, nil)
	b.mustPost(reception, "Document", "", filePart("a.pdf", "x"))
	b.mustUpload(filePart("b.pdf", "x"))
	b.get("/")
	b.get("/v1/nothing")
	if got, want := b.Stats(), (Stats{Calls: 4, Uploads: 2, Posts: 1}); got != want {
		t.Errorf("Stats() = %+v, want %+v", got, want)
	}
	if b.MaxConns() < 1 || b.MaxActive() != 1 {
		t.Errorf("%d connections, %d active at once", b.MaxConns(), b.MaxActive())
	}
}

// TestResource shows that each resource leads back to its upload, and that no other string does.
func TestResource(t *testing.T) {
	m, other := newMint(), newMint()
	for n := range 500 {
		r := m.resource(n)
		if len(r) < 600 || len(r) > 1000 || !strings.ContainsRune(r, '+') || !strings.ContainsRune(r, '/') || !strings.HasSuffix(r, "=") {
			t.Fatalf("resource %d is %q", n, r)
		}
		if got, ok := m.number(r); !ok || got != n {
			t.Fatalf("resource %d is read as %d, %v", n, got, ok)
		}
		for _, bad := range []string{"", r[1:], r[:len(r)-4], r + r, "A" + r[1:40] + "A" + r[41:], other.resource(n)} {
			if got, ok := m.number(bad); ok && bad != r {
				t.Fatalf("%q is read as %d", bad, got)
			}
		}
	}
}

// TestUUID shows that newUUID makes UUIDs of version 4.
func TestUUID(t *testing.T) {
	var a, b, c, d, e string
	if _, err := fmt.Sscanf(strings.ReplaceAll(newUUID(), "-", " "), "%8s %4s %4s %4s %12s", &a, &b, &c, &d, &e); err != nil {
		t.Fatal(err)
	}
	if len(a+b+c+d+e) != 32 || c[0] != '4' || !strings.ContainsRune("89ab", rune(d[0])) {
		t.Errorf("%s-%s-%s-%s-%s is no UUID of version 4", a, b, c, d, e)
	}
}
