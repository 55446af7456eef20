package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/matrix/dendritetest"
)

// loggedOut makes a client without a configured token, whose token lies in dir.
func (f *office) loggedOut(t *testing.T, dir string, change ...func(*Options)) *Client {
	t.Helper()
	return f.newClient(t, append([]func(*Options){func(o *Options) { o.AccessToken, o.StateDir = "", dir }}, change...)...)
}

// TestLogin shows that a login by password is stored for the owner alone and used by others, that a client whose token it ended goes on
// with the new one, that the device stays the same, and that a logout ends the token.
func TestLogin(t *testing.T) {
	f, dir := newOffice(t, dendritetest.Options{}), t.TempDir()
	upload := func(c *Client) error {
		_, err := c.Upload(t.Context(), alias, []destination.File{fileOf("a.txt", "text/plain", "x")})
		return err
	}
	daemon := f.loggedOut(t, dir)
	if err := daemon.Ready(); !errors.Is(err, ErrNoToken) || !strings.Contains(err.Error(), "kaizala-drop login matrix") {
		t.Errorf("got %v", err)
	}
	if e := fault(t, upload(daemon)); e.Fault != destination.OfAccess || !errors.Is(e, ErrNoToken) {
		t.Errorf("got %+v", e)
	}
	console := f.loggedOut(t, dir)
	must(t, console.CanStore())
	if ok, _, err := console.TakesPasswords(t.Context()); !ok || err != nil {
		t.Errorf("%t, %v", ok, err)
	}
	if _, err := console.LogIn(t.Context(), "bot", "wrong "+f.bot.Password, "here"); !errors.Is(err, ErrPassword) || strings.Contains(err.Error(), f.bot.Password) {
		t.Errorf("got %v", err)
	}
	who, err := console.LogIn(t.Context(), "bot", f.bot.Password, "here")
	if err != nil || who != f.bot.ID {
		t.Fatalf("got %s, %v", who, err)
	}
	if st, err := os.Stat(dir + "/matrix-token-matrix.json"); err != nil || st.Mode() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	must(t, daemon.Ready())
	must(t, upload(daemon))
	first := keptIn(t, dir)
	if _, err := console.LogIn(t.Context(), f.bot.ID, f.bot.Password, "here"); err != nil {
		t.Fatal(err)
	}
	second := keptIn(t, dir)
	if second.Device != first.Device || second.AccessToken == first.AccessToken {
		t.Errorf("first %+v, second %+v", first, second)
	}
	must(t, upload(daemon)) // whose token the second login ended
	was, told, err := console.LogOut(t.Context())
	if !was || told != nil || err != nil {
		t.Errorf("%t, %v, %v", was, told, err)
	}
	if e := fault(t, upload(daemon)); e.Fault != destination.OfAccess {
		t.Errorf("got %+v", e)
	}
	if was, told, err := console.LogOut(t.Context()); was || told != nil || err != nil {
		t.Errorf("%t, %v, %v", was, told, err)
	}
}

func keptIn(t *testing.T, dir string) (k kept) {
	t.Helper()
	text, err := os.ReadFile(dir + "/matrix-token-matrix.json")
	must(t, err)
	must(t, json.Unmarshal(text, &k))
	return k
}

// TestLoginWithToken shows that a token that was made elsewhere is stored once the server says whose it is, and that neither one of
// another account is, nor one that is none.
func TestLoginWithToken(t *testing.T) {
	f, dir := newOffice(t, dendritetest.Options{}), t.TempDir()
	c := f.loggedOut(t, dir, func(o *Options) { o.User = f.bot.ID })
	for token, want := range map[string]string{"": "no access token", "x\ny": "no access token", "not a token": "401", f.reader.Token: "that is a token of @reader:localhost"} {
		if _, err := c.TakeToken(t.Context(), token); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		if err := c.Ready(); !errors.Is(err, ErrNoToken) {
			t.Errorf("got %v", err)
		}
	}
	who, err := c.TakeToken(t.Context(), f.bot.Token)
	if err != nil || who != f.bot.ID {
		t.Errorf("got %s, %v", who, err)
	}
	if k := keptIn(t, dir); k.AccessToken != f.bot.Token || k.Device != f.bot.Device || k.User != f.bot.ID {
		t.Errorf("got %+v", k)
	}
	if me, err := f.loggedOut(t, dir).WhoAmI(t.Context()); err != nil || me != f.bot.ID {
		t.Errorf("got %s, %v", me, err)
	}
}

// TestLoginOfAnotherAccount: where user names another account than logs in, no token is stored, and none is left alive at the homeserver.
func TestLoginOfAnotherAccount(t *testing.T) {
	f, dir := newOffice(t, dendritetest.Options{}), t.TempDir()
	c := f.loggedOut(t, dir, func(o *Options) { o.User = f.bot.ID })
	if _, err := c.LogIn(t.Context(), f.reader.Name, f.reader.Password, "of nobody"); err == nil || !strings.Contains(err.Error(), "that is a token of @reader:localhost") {
		t.Errorf("got %v", err)
	}
	if err := c.Ready(); !errors.Is(err, ErrNoToken) {
		t.Errorf("got %v", err)
	}
	_, _, devices := f.reader.Do(http.MethodGet, clientAPI+"/devices", nil)
	if !strings.Contains(string(devices), f.reader.Device) || strings.Contains(string(devices), "of nobody") {
		t.Errorf("devices: %s", devices)
	}
}

// TestNoHomeserver: where no homeserver is, the login names the setting to look at.
func TestNoHomeserver(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	for homeserver, want := range map[string]string{
		web.URL:                                "no Matrix homeserver at this address: look at homeserver",
		strings.TrimPrefix(web.URL, "http://"): "look at homeserver, which says \"127.0.0.1:", // it is asked by https
	} {
		c, err := New(Options{Homeserver: homeserver, StateDir: t.TempDir()})
		must(t, err)
		if _, _, err := c.TakesPasswords(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", homeserver, err, want)
		}
		c.Close()
	}
}

// TestTokenIsForOneServer shows that a kept token is sent to no homeserver but the one that it came from, and used for no other account
// than is configured.
func TestTokenIsForOneServer(t *testing.T) {
	dir := t.TempDir()
	content, err := kept{Homeserver: "https://here.example", User: "@bot:here", Device: "D", AccessToken: "t"}.text()
	must(t, err)
	must(t, os.WriteFile(dir+"/matrix-token-matrix.json", content, 0o600))
	for _, c := range []struct {
		homeserver, user string
		ok               bool
	}{{"https://here.example", "", true}, {"https://here.example", "@bot:here", true}, {"https://there.example", "", false}, {"https://here.example", "@other:here", false}} {
		client, err := New(Options{Homeserver: c.homeserver, User: c.user, StateDir: dir})
		must(t, err)
		if err := client.Ready(); (err == nil) != c.ok || err != nil && (!errors.Is(err, ErrNoToken) || !strings.Contains(err.Error(), "of another homeserver or account")) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	must(t, os.WriteFile(dir+"/matrix-token-matrix.json", []byte("{"), 0o600))
	client, err := New(Options{Homeserver: "https://here.example", StateDir: dir})
	must(t, err)
	if err := client.Ready(); !errors.Is(err, ErrNoToken) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v", err)
	}
}

// refresher is a homeserver whose tokens live for a minute: what Dendrite does not have.
type refresher struct {
	n         int // of the token that is good
	refreshes int
	used      int
}

func (r *refresher) RoundTrip(q *http.Request) (*http.Response, error) {
	answer := func(status int, body string) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: q}, nil
	}
	tokens := func() string {
		return fmt.Sprintf(`{"user_id":"@bot:here","device_id":"D","access_token":"access%d","refresh_token":"refresh%d","expires_in_ms":600000}`, r.n, r.n)
	}
	var body []byte
	if q.Body != nil {
		body, _ = io.ReadAll(q.Body)
	}
	switch {
	case strings.HasSuffix(q.URL.Path, "/login"):
		r.n++
		return answer(200, tokens())
	case strings.HasSuffix(q.URL.Path, "/refresh"):
		if !strings.Contains(string(body), fmt.Sprintf(`"refresh%d"`, r.n)) {
			return answer(403, `{"errcode":"M_FORBIDDEN","error":"what is this"}`)
		}
		r.n++
		r.refreshes++
		return answer(200, tokens())
	case q.Header.Get("Authorization") != fmt.Sprint("Bearer access", r.n):
		return answer(401, `{"errcode":"M_UNKNOWN_TOKEN","error":"ended","soft_logout":true}`)
	}
	r.used++
	return answer(200, `{"user_id":"@bot:here"}`)
}

// TestRefresh shows that a token that ends is renewed before its end, or after a refusal, that the new ones are stored, that another
// process goes on with them, and that a login which the server has ended for good is an error.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, dir := &refresher{}, t.TempDir()
		client := func() *Client {
			c, err := New(Options{Homeserver: "https://here.example", StateDir: dir, Transport: server})
			must(t, err)
			return c
		}
		one, two := client(), client()
		_, err := one.LogIn(t.Context(), "bot", "secret", "here")
		must(t, err)
		ask := func(c *Client, refreshes int) {
			t.Helper()
			_, err := c.serverTime(t.Context())
			if err != nil || server.refreshes != refreshes {
				t.Errorf("%v, refreshed %d times, want %d", err, server.refreshes, refreshes)
			}
		}
		ask(one, 0)
		ask(two, 0)
		time.Sleep(9*time.Minute + time.Second)
		ask(one, 1)
		ask(two, 1)
		if k := keptIn(t, dir); k.AccessToken != "access2" || k.RefreshToken != "refresh2" {
			t.Errorf("got %+v", k)
		}
		time.Sleep(time.Hour)
		ask(two, 2)
		ask(one, 2)
		server.n = 77 // it has ended them
		_, err = one.serverTime(t.Context())
		if e, ok := errors.AsType[*Error](err); !ok || e.Fault != ofAccess {
			t.Errorf("got %v", err)
		}
	})
}

// TestAwaitLogins shows that a login of another process is told once, a token that is renewed by another one likewise, and a logout not.
func TestAwaitLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, dir := &refresher{}, t.TempDir()
		client := func() *Client {
			c, err := New(Options{Homeserver: "https://here.example", StateDir: dir, Transport: server})
			must(t, err)
			return c
		}
		daemon, console := client(), client()
		ctx, stop := context.WithCancel(t.Context())
		ended, told := make(chan error, 1), 0
		go func() { ended <- daemon.AwaitLogins(ctx, func() { told++ }) }()
		wait := func(want int) {
			t.Helper()
			time.Sleep(2 * lookEvery)
			synctest.Wait()
			if told != want {
				t.Errorf("told %d times, want %d", told, want)
			}
		}
		wait(0)
		_, err := console.LogIn(t.Context(), "bot", "secret", "here")
		must(t, err)
		wait(1)
		wait(1)
		if _, _, err := console.LogOut(t.Context()); err != nil {
			t.Error(err)
		}
		wait(1)
		if err := daemon.Ready(); !errors.Is(err, ErrNoToken) {
			t.Errorf("after a logout: %v", err)
		}
		_, err = console.LogIn(t.Context(), "bot", "secret", "here")
		must(t, err)
		wait(2)
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// TestDeviceOfOthersStays: a token that was made elsewhere is the session of somebody, which a login neither takes over nor ends; one of a login
// before is ended where another device takes its place.
func TestDeviceOfOthersStays(t *testing.T) {
	f := newOffice(t, dendritetest.Options{})
	c := f.newClient(t, func(o *Options) { o.AccessToken, o.StateDir = "", t.TempDir() })
	_, err := c.TakeToken(t.Context(), f.bot.Token)
	must(t, err)
	_, err = c.LogIn(t.Context(), "bot", f.bot.Password, "first")
	must(t, err)
	if status, _, answer := f.bot.Do(http.MethodGet, "/_matrix/client/v3/account/whoami", nil); status != http.StatusOK {
		t.Errorf("the session of whoever made the token: %d %s", status, answer)
	}
	first, err := c.session.read()
	must(t, err)
	_, err = c.Begin(t.Context(), "bot", f.bot.Password, "second", true)
	must(t, err)
	if now, err := c.session.read(); err != nil || now != first {
		t.Errorf("stored before Keep: %v", err)
	}
	must(t, c.Keep(t.Context()))
	if _, err := c.ownerOf(t.Context(), first.AccessToken); !IsRefused(err) {
		t.Errorf("the device before: %v", err)
	}
	if who, err := c.WhoAmI(t.Context()); err != nil || who != f.bot.ID {
		t.Errorf("%s, %v", who, err)
	}
}

// LogIn is Begin and Keep.
func (c *Client) LogIn(ctx context.Context, user, password, device string) (who string, err error) {
	if who, err = c.Begin(ctx, user, password, device, false); err != nil {
		return who, err
	}
	return who, c.Keep(ctx)
}

// TakeToken is BeginWithToken and Keep.
func (c *Client) TakeToken(ctx context.Context, token string) (who string, err error) {
	if who, err = c.BeginWithToken(ctx, token); err != nil {
		return who, err
	}
	return who, c.Keep(ctx)
}
