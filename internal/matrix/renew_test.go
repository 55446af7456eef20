package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/destination"
)

// issuer is a homeserver with tokens that end, which Dendrite has not. As the specification has it, a refresh token is good until one of those
// that came for it is used.
type issuer struct {
	hasty  bool          // a refresh token ends when it is used
	life   time.Duration // of an access token; 0: it is not said, and it does not end by itself
	onCall func(path string) (had, lost bool)

	mu        sync.Mutex
	n         int
	access    map[string]time.Time // those that are good, until when
	refresh   map[string]bool      // those that are good
	before    map[string]string    // the refresh token that each token came for
	refreshes int                  // asked for
	devices   []string             // that logged in
	uploaded  []string
}

func (s *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	had, lost := true, false
	if s.onCall != nil {
		had, lost = s.onCall(r.URL.Path)
	}
	status, text := 503, `{"errcode":"M_UNKNOWN"}`
	if had {
		status, text = s.answer(r, body)
	}
	if lost {
		return nil, errors.New("connection reset by peer")
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

func (s *issuer) answer(r *http.Request, body []byte) (status int, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var said map[string]any
	_ = json.Unmarshal(body, &said) // an upload is none
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/login"):
		device, _ := said["device_id"].(string)
		s.devices = append(s.devices, device)
		s.access, s.refresh, s.before = map[string]time.Time{}, map[string]bool{}, map[string]string{}
		return 200, s.issue("")
	case strings.HasSuffix(path, "/refresh"):
		s.refreshes++
		old, _ := said["refresh_token"].(string)
		if !s.refresh[old] {
			return 401, `{"errcode":"M_UNKNOWN_TOKEN","error":"what is this"}`
		}
		s.used(old)
		return 200, s.issue(old)
	case !s.isGood(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")):
		return 401, `{"errcode":"M_UNKNOWN_TOKEN","error":"ended","soft_logout":true}`
	case strings.HasSuffix(path, "/upload"):
		s.uploaded = append(s.uploaded, string(body))
		return 200, `{"content_uri":"mxc://here/abc"}`
	case strings.Contains(path, "/state/"):
		return 404, `{"errcode":"M_NOT_FOUND"}`
	}
	return 200, `{"user_id":"@bot:here"}`
}

func (s *issuer) isGood(access string) bool {
	until, ok := s.access[access]
	if !ok || s.life > 0 && !time.Now().Before(until) {
		return false
	}
	s.used(access)
	return true
}

// used ends the refresh token for which a token came.
func (s *issuer) used(token string) {
	delete(s.refresh, s.before[token])
}

func (s *issuer) issue(old string) string {
	s.n++
	access, refresh := fmt.Sprint("access", s.n), fmt.Sprint("refresh", s.n)
	s.access[access], s.refresh[refresh] = time.Now().Add(s.life), true
	s.before[access], s.before[refresh] = old, old
	if s.hasty {
		delete(s.refresh, old)
	}
	life := ""
	if s.life > 0 {
		life = fmt.Sprintf(`,"expires_in_ms":%d`, s.life.Milliseconds())
	}
	return fmt.Sprintf(`{"user_id":"@bot:here","device_id":"D","access_token":%q,"refresh_token":%q%s}`, access, refresh, life)
}

// end ends all access tokens.
func (s *issuer) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.access)
}

func (s *issuer) client(t *testing.T, dir string) *Client {
	t.Helper()
	c, err := New(Options{Homeserver: "https://here.example", StateDir: dir, Transport: s})
	must(t, err)
	return c
}

// loggedIn makes a client that is, and the folder with its token.
func (s *issuer) loggedIn(t *testing.T) (c *Client, dir string) {
	t.Helper()
	dir = t.TempDir()
	c = s.client(t, dir)
	_, err := c.LogIn(t.Context(), "bot", "secret", "here")
	must(t, err)
	return c, dir
}

func (s *issuer) wantRefreshes(t *testing.T, n int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refreshes != n {
		t.Errorf("refreshed %d times, want %d", s.refreshes, n)
	}
}

func upload(ctx context.Context, c *Client, content string) error {
	_, err := c.Upload(ctx, "!r", []destination.File{fileOf("a.txt", "text/plain", content)})
	return err
}

// wantAccess says that a call failed for want of a login.
func wantAccess(t *testing.T, err error) {
	t.Helper()
	if e := fault(t, err); e.Fault != destination.OfAccess || !strings.Contains(e.Advice, "kaizala-drop login") {
		t.Errorf("got %+v", e)
	}
}

// TestTokenEndsDuringUploads shows that uploads which are refused in the end because the token ended meanwhile are sent whole once more, and
// that the token is renewed once for all of them.
func TestTokenEndsDuringUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{}
		c, dir := s.loggedIn(t)
		const uploads = 4
		waiting := 0
		s.onCall = func(path string) (had, lost bool) {
			if strings.HasSuffix(path, "/upload") {
				s.mu.Lock()
				waiting++
				first := waiting <= uploads
				s.mu.Unlock()
				if first {
					time.Sleep(time.Second) // until all are under way
					s.end()
					time.Sleep(time.Second)
				}
			}
			return true, false
		}
		var all sync.WaitGroup
		for i := range uploads {
			all.Go(func() {
				if err := upload(t.Context(), c, fmt.Sprint("content ", i)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		s.wantRefreshes(t, 1)
		if got := strings.Join(s.uploaded, ", "); len(s.uploaded) != uploads || !strings.Contains(got, "content 0") || !strings.Contains(got, "content 3") {
			t.Errorf("uploaded %s", got)
		}
		if k := keptIn(t, dir); k.AccessToken != "access2" || k.RefreshToken != "refresh2" {
			t.Errorf("got %+v", k)
		}
	})
}

// TestRefreshAnswerIsLost shows that a token whose successor did not come, or came to a process that crashed before it was kept, is renewed
// once more where the old refresh token is still good, and that a login helps where it is not.
func TestRefreshAnswerIsLost(t *testing.T) {
	for _, hasty := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &issuer{hasty: hasty}
			c, dir := s.loggedIn(t)
			must(t, upload(t.Context(), c, "x"))
			s.end()
			s.onCall = func(path string) (had, lost bool) { return true, strings.HasSuffix(path, "/refresh") }
			if e := fault(t, upload(t.Context(), c, "x")); e.Fault != destination.OfDestination || e.Answered {
				t.Errorf("got %+v", e)
			}
			s.onCall = nil
			for _, c := range []*Client{c, s.client(t, dir)} {
				if !hasty {
					must(t, upload(t.Context(), c, "x"))
					continue
				}
				wantAccess(t, upload(t.Context(), c, "x"))
			}
			if hasty {
				_, err := s.client(t, dir).LogIn(t.Context(), "bot", "secret", "here")
				must(t, err)
				must(t, upload(t.Context(), c, "x"))
			}
		})
	}
}

// TestTokenIsUsedToItsEnd shows that a token that is still good is used while it cannot be renewed, that this is tried now and then only,
// and that there is an error when it has ended.
func TestTokenIsUsedToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{life: time.Hour}
		c, _ := s.loggedIn(t)
		tries := 0
		s.onCall = func(path string) (had, lost bool) {
			if strings.HasSuffix(path, "/refresh") {
				tries++
				return false, false
			}
			return true, false
		}
		time.Sleep(time.Hour - renewMargin + time.Second)
		for range 50 {
			must(t, upload(t.Context(), c, "x"))
			time.Sleep(time.Second)
		}
		if tries == 0 || tries > 6 {
			t.Errorf("tried %d times in 50 seconds", tries)
		}
		time.Sleep(renewMargin)
		if e := fault(t, upload(t.Context(), c, "x")); e.Fault != destination.OfDestination || !e.Answered {
			t.Errorf("got %+v", e)
		}
		s.onCall = nil
		must(t, upload(t.Context(), c, "x"))
		s.wantRefreshes(t, 1)
	})
}

// TestShortLives shows that a token with a life of seconds is not renewed at each call.
func TestShortLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{life: 30 * time.Second}
		c, _ := s.loggedIn(t)
		for range 60 {
			must(t, upload(t.Context(), c, "x"))
			time.Sleep(time.Second)
		}
		s.wantRefreshes(t, 2)
	})
}

// TestSoftLogout shows that without a refresh token nothing is asked for one, and that a login takes the same device again.
func TestSoftLogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{}
		_, dir := s.loggedIn(t)
		k := keptIn(t, dir)
		k.RefreshToken = ""
		content, err := k.text()
		must(t, err)
		must(t, os.WriteFile(dir+"/matrix-token-matrix.json", content, 0o600))
		c := s.client(t, dir)
		s.end()
		wantAccess(t, upload(t.Context(), c, "x"))
		s.wantRefreshes(t, 0)
		_, err = c.LogIn(t.Context(), "bot", "secret", "here")
		must(t, err)
		must(t, upload(t.Context(), c, "x"))
		if len(s.devices) != 2 || s.devices[1] != "D" {
			t.Errorf("logged in as the devices %q", s.devices)
		}
	})
}

// TestServerWithoutRefresh shows that a server which refuses to renew tokens, in whatever words, leaves but a login to be done, and that one
// which only has too many calls does not.
func TestServerWithoutRefresh(t *testing.T) {
	for answer, want := range map[string]destination.Fault{
		`404 {"errcode":"M_UNRECOGNIZED"}`: destination.OfAccess, `403 {"errcode":"M_FORBIDDEN"}`: destination.OfAccess, `403 no`: destination.OfAccess,
		`401 {"errcode":"M_UNKNOWN_TOKEN","soft_logout":true}`: destination.OfAccess, `400 {"errcode":"M_BAD_JSON"}`: destination.OfAccess,
		`404 not found`: destination.OfDestination, `429 {"errcode":"M_LIMIT_EXCEEDED"}`: destination.OfTraffic, `502 <html>`: destination.OfDestination,
		`200 {"access_token":""}`: destination.OfDestination, `200 <html>`: destination.OfDestination,
	} {
		var status int
		_, err := fmt.Sscan(answer, &status)
		must(t, err)
		dir := t.TempDir()
		content, err := kept{Homeserver: "https://here.example", User: "@bot:here", AccessToken: "access1", RefreshToken: "refresh1"}.text()
		must(t, err)
		must(t, os.WriteFile(dir+"/matrix-token-matrix.json", content, 0o600))
		c := scripted(t, "https://here.example", map[string]said{"/whoami": {401, nil, `{"errcode":"M_UNKNOWN_TOKEN"}`}, "/refresh": {status, nil, answer[4:]}})
		c.session = &session{file: tokenFile(dir, "matrix"), homeserver: "https://here.example"}
		if e := fault(t, upload(t.Context(), c, "x")); e.Fault != want || strings.Contains(e.Error(), "refresh1") {
			t.Errorf("%s: %+v", answer, e)
		}
		if k := keptIn(t, dir); k.RefreshToken != "refresh1" {
			t.Errorf("%s: kept %+v", answer, k)
		}
	}
}

// TestTokenThatCannotBeStored shows that a process whose new token could not be stored goes on with it, renews that one and not the one in the
// file, and stores it once that is possible; and that the login of another process comes first all the same.
func TestTokenThatCannotBeStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &issuer{life: 10 * time.Minute}
		c, dir := s.loggedIn(t)
		inTheWay := dir + "/matrix-token-matrix.json.new"
		must(t, os.MkdirAll(inTheWay+"/x", 0o700))
		for i := range 3 {
			time.Sleep(10 * time.Minute)
			must(t, upload(t.Context(), c, "x"))
			s.wantRefreshes(t, i+1)
		}
		if k := keptIn(t, dir); k.AccessToken != "access1" {
			t.Errorf("kept %+v", k)
		}
		must(t, os.RemoveAll(inTheWay))
		time.Sleep(10 * time.Minute)
		must(t, upload(t.Context(), c, "x"))
		if k := keptIn(t, dir); k.AccessToken != "access5" || k.RefreshToken != "refresh5" {
			t.Errorf("kept %+v", k)
		}
		must(t, os.MkdirAll(inTheWay+"/x", 0o700))
		time.Sleep(10 * time.Minute)
		must(t, upload(t.Context(), c, "x"))
		must(t, os.RemoveAll(inTheWay))
		_, err := s.client(t, dir).LogIn(t.Context(), "bot", "secret", "here")
		must(t, err)
		must(t, upload(t.Context(), c, "x"))
		s.wantRefreshes(t, 5)
		if k := keptIn(t, dir); k.AccessToken != "access7" {
			t.Errorf("kept %+v", k)
		}
	})
}

// TestLoginWhileRenewing shows that of a login and a renewal at the same time the login is what is kept, whichever the server has first, and
// that the process that renewed goes on with it.
func TestLoginWhileRenewing(t *testing.T) {
	for _, renewedFirst := range []bool{true, false} {
		s := &issuer{}
		daemon, dir := s.loggedIn(t)
		console := s.client(t, dir)
		s.end()
		renewing, goOn, loggedIn := make(chan struct{}), make(chan struct{}), make(chan struct{})
		var once, twice sync.Once
		s.onCall = func(path string) (had, lost bool) {
			switch {
			case strings.HasSuffix(path, "/refresh") && !renewedFirst:
				once.Do(func() { close(renewing) })
				<-goOn // with the lock of the file
			case strings.HasSuffix(path, "/login"):
				twice.Do(func() { close(loggedIn) })
			}
			return true, false
		}
		ended := make(chan error, 2)
		go func() { ended <- upload(t.Context(), daemon, "x") }()
		if renewedFirst {
			must(t, <-ended)
		} else {
			<-renewing
		}
		go func() {
			_, err := console.LogIn(t.Context(), "bot", "secret", "here")
			ended <- err
		}()
		<-loggedIn
		close(goOn)
		for range map[bool]int{true: 1, false: 2}[renewedFirst] {
			if err := <-ended; err != nil {
				wantAccess(t, err) // whose token the login ended
			}
		}
		must(t, upload(t.Context(), daemon, "x"))
		k := keptIn(t, dir)
		s.mu.Lock()
		if _, good := s.access[k.AccessToken]; !good {
			t.Errorf("kept %+v, and the server has %v", k, s.access)
		}
		s.mu.Unlock()
	}
}
