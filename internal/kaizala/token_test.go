package kaizala

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/wire"
)

// app is a client with a refresh token.
func app(t testing.TB, endpoint string, change ...func(*Options)) *Client {
	t.Helper()
	return fixed(t, endpoint, append([]func(*Options){func(o *Options) {
		o.AccessToken, o.ApplicationID, o.ApplicationSecret, o.RefreshToken = "", "the-id", "the-secret", "the-refresh"
	}}, change...)...)
}

func grantText(token, endpoint string, expiry any, refresh any) string {
	text, _ := json.Marshal(map[string]any{
		"accessToken": token, "endpointUrl": endpoint, "accessTokenExpiry": expiry, "refreshToken": refresh, "scope": "s",
	})
	return string(text)
}

func in(d time.Duration) int64 { return time.Now().Add(d).UnixMilli() }

// transportFunc is a transport made of a function; it carries requests inside a synctest bubble.
type transportFunc func(*http.Request) (int, string)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	status, body := f(r)
	if status == 0 {
		return nil, errors.New(body)
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// TestTokenOnTheWire shows what the token call sends, and that calls get the token and no other secret.
func TestTokenOnTheWire(t *testing.T) {
	calls := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("accessToken") != "t1" || r.Header.Get("refreshToken")+r.Header.Get("applicationSecret") != "" {
			t.Errorf("got %v", r.Header)
		}
		io.WriteString(w, goodAction)
	})
	tokens := 0
	auth := serve(t, func(w http.ResponseWriter, r *http.Request) {
		tokens++
		h := r.Header
		if r.Method != "GET" || r.RequestURI != "/v1/accessToken" || h.Get("applicationId") != "the-id" ||
			h.Get("applicationSecret") != "the-secret" || h.Get("refreshToken") != "the-refresh" || h.Get("accessToken") != "" {
			t.Errorf("got %s %s %v", r.Method, r.RequestURI, h)
		}
		io.WriteString(w, grantText("t1", calls.URL+"/", in(24*time.Hour), nil))
	})
	budget := 0
	c := app(t, auth.URL, func(o *Options) {
		o.Budget = counted(&budget)
		o.OnNewToken = func(func() error) { t.Error("null is not a new refresh token") }
	})
	for range 3 {
		if _, err := c.Post(t.Context(), post("")); err != nil {
			t.Fatal(err)
		}
	}
	if tokens != 1 || budget != 4 {
		t.Errorf("%d token calls, %d of the budget", tokens, budget)
	}
}

// TestTokenLife shows how long an access token is used, whatever its expiry says.
func TestTokenLife(t *testing.T) {
	for _, c := range []struct {
		name   string
		expiry func() any
		good   time.Duration // how long the token is used
	}{
		{"a day", func() any { return in(24 * time.Hour) }, 24*time.Hour - 5*time.Minute},
		{"ten minutes", func() any { return in(10 * time.Minute) }, 9 * time.Minute},
		{"as a string", func() any { return fmt.Sprint(in(24 * time.Hour)) }, 24*time.Hour - 5*time.Minute},
		{"missing", func() any { return nil }, 55 * time.Minute},
		{"over already", func() any { return in(-time.Hour) }, 55 * time.Minute},
		{"in seconds", func() any { return in(24*time.Hour) / 1000 }, 55 * time.Minute},
		{"in microseconds", func() any { return in(24*time.Hour) * 1000 }, 55 * time.Minute},
		{"words", func() any { return "tomorrow" }, 55 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tokens := 0
				k := app(t, "https://auth.example", func(o *Options) {
					o.Transport = transportFunc(func(r *http.Request) (int, string) {
						if r.URL.Path == "/v1/accessToken" {
							tokens++
							return 200, grantText(fmt.Sprint("t", tokens), "https://calls.example", c.expiry(), "")
						}
						return 200, goodAction
					})
				})
				for _, step := range []struct {
					wait time.Duration
					want int
				}{{0, 1}, {c.good - time.Second, 1}, {2 * time.Second, 2}} {
					time.Sleep(step.wait) // on the bubble's clock
					if _, err := k.Post(t.Context(), post("")); err != nil || tokens != step.want {
						t.Fatalf("after %s: %d tokens, want %d; %v", step.wait, tokens, step.want, err)
					}
				}
			})
		})
	}
}

// TestLifeByTheServersClock shows that the life of a token is right on a machine without a clock of its own, which starts in
// 1970.
func TestLifeByTheServersClock(t *testing.T) {
	real := time.Date(2026, 7, 27, 12, 0, 0, 0, time.UTC)
	header := http.Header{"Date": {real.Format(http.TimeFormat)}}
	expiry := fmt.Append(nil, real.Add(24*time.Hour).UnixMilli())
	if got := lifeOf(expiry, (&wire.Answer{Header: header}).ServerTime()); got != 24*time.Hour {
		t.Errorf("got %s", got)
	}
}

// TestTokenServesOnWhileRenewalFails shows that a failing renewal stops nothing before the present token ends.
func TestTokenServesOnWhileRenewalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens, calls, down := 0, 0, false
		k := app(t, "https://auth.example", func(o *Options) {
			o.Transport = transportFunc(func(r *http.Request) (int, string) {
				if r.URL.Path != "/v1/accessToken" {
					calls++
					return 200, goodAction
				}
				if tokens++; down {
					return 503, ""
				}
				return 200, grantText("t", "https://calls.example", in(24*time.Hour), nil)
			})
		})
		send := func() error { _, err := k.Post(t.Context(), post("")); return err }
		if err := send(); err != nil {
			t.Fatal(err)
		}
		down = true
		time.Sleep(24*time.Hour - 4*time.Minute)
		for range 10 {
			if err := send(); err != nil {
				t.Fatal(err)
			}
		}
		if tokens != 2 || calls != 11 {
			t.Errorf("%d tokens, %d calls", tokens, calls)
		}
		time.Sleep(5 * time.Minute)
		if e := wireError(t, send()); e.Call != callToken || e.Status != 503 || e.Fault != FaultDestination {
			t.Errorf("got %v", e)
		}
		down = false
		if err := send(); err != nil {
			t.Error(err)
		}
	})
}

// TestRefusedTokenIsRenewedOnce shows that a refused token is renewed once and the call sent again, and that a fixed token is
// not renewed.
func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	for _, c := range []struct {
		name       string
		cured      bool
		status     int
		body       string
		fixedToken bool
	}{
		{"401, cured", true, 401, "", false},
		{"InvalidToken, cured", true, 400, `{"errorCode":"InvalidToken"}`, false},
		{"InvalidToken in 200, cured", true, 200, `{"errorCode":"InvalidToken"}`, false},
		{"401, not cured", false, 401, "", false},
		{"401, fixed", false, 401, "", true},
	} {
		for _, name := range []string{callMedia, callActions, callGroups} {
			var tokens, calls, budget int
			s := http.NewServeMux()
			srv := serve(t, s.ServeHTTP)
			s.HandleFunc("/v1/accessToken", func(w http.ResponseWriter, r *http.Request) {
				tokens++
				io.WriteString(w, grantText(fmt.Sprint("t", tokens), srv.URL, in(24*time.Hour), nil))
			})
			s.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
				calls++
				if n, _ := io.Copy(io.Discard, r.Body); r.Method == "POST" && (n == 0 || n != r.ContentLength) {
					t.Errorf("%d of %d bytes", n, r.ContentLength)
				}
				if c.cured && r.Header.Get("accessToken") == "t2" {
					io.WriteString(w, `{"mediaResource":"r","referenceId":"x","groups":[]}`)
					return
				}
				w.WriteHeader(c.status)
				io.WriteString(w, c.body)
			})
			count := func(o *Options) { o.Budget = counted(&budget) }
			client := app(t, srv.URL, count)
			if c.fixedToken {
				client = fixed(t, srv.URL, count)
			}
			err := client.tryAll(t.Context(), name)
			switch {
			case c.fixedToken:
				if e := wireError(t, err); e.Status != 401 || e.Fault != FaultDestination || calls != 1 || budget != 1 ||
					!strings.Contains(e.Error(), "the fixed access_token was refused") {
					t.Errorf("%s %s: %v, %d calls, %d of the budget", c.name, name, err, calls, budget)
				}
			case c.cured != (err == nil), tokens != 2, calls != 2, budget != 4:
				t.Errorf("%s %s: %v after %d tokens, %d calls, %d of the budget", c.name, name, err, tokens, calls, budget)
			case err != nil:
				if e := wireError(t, err); e.Call != name || e.Status != 401 || e.Fault != FaultDestination || e.MayHaveActed ||
					strings.Contains(e.Error(), "fixed") {
					t.Errorf("%s %s: got %+v", c.name, name, e)
				}
			}
		}
	}
}

// TestOneRenewalForAll shows that 50 callers which need a token at the same time, or find theirs refused, share one renewal.
func TestOneRenewalForAll(t *testing.T) {
	var tokens, good atomic.Int64
	mux := http.NewServeMux()
	s := serve(t, mux.ServeHTTP)
	good.Store(1)
	mux.HandleFunc("/v1/accessToken", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, grantText(fmt.Sprint("t", tokens.Add(1)), s.URL, in(24*time.Hour), nil))
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("accessToken") != fmt.Sprint("t", good.Load()) {
			w.WriteHeader(401)
			return
		}
		io.WriteString(w, goodAction)
	})
	c := app(t, s.URL, func(o *Options) { o.MaxConns = 50 })
	for round := range int64(3) {
		good.Store(round + 1)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := c.Post(t.Context(), post("")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := tokens.Load(); got != round+1 {
			t.Fatalf("%d token calls after round %d", got, round)
		}
	}
}

// TestRenewalOutlivesItsFirstCaller shows that callers neither fail nor wait for ever if the one that renews the token gives
// up.
func TestRenewalOutlivesItsFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := 0
		first, giveUp := context.WithCancel(t.Context())
		k := app(t, "https://auth.example", func(o *Options) {
			o.Transport = transportFunc(func(r *http.Request) (int, string) {
				if r.URL.Path != "/v1/accessToken" {
					return 200, goodAction
				}
				if tokens++; tokens == 1 {
					<-r.Context().Done()
					return 0, "gave up"
				}
				return 200, grantText("t", "https://calls.example", in(24*time.Hour), nil)
			})
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := k.Post(first, post("")); !errors.Is(err, context.Canceled) {
				t.Errorf("the first got %v", err)
			}
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() {
				if _, err := k.Post(t.Context(), post("")); err != nil {
					t.Errorf("another got %v", err)
				}
			})
		}
		second, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := k.Post(second, post("")); !errors.Is(err, context.Canceled) {
				t.Errorf("one that waits got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		giveUp()
		wg.Wait()
		if tokens != 2 {
			t.Errorf("%d token calls", tokens)
		}
	})
}

// TestFailedRenewalIsShared shows that fifty callers share one failed renewal.
func TestFailedRenewalIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := 0
		k := app(t, "https://auth.example", func(o *Options) {
			o.Transport = transportFunc(func(r *http.Request) (int, string) {
				tokens++
				time.Sleep(time.Second) // on the bubble's clock; all others come meanwhile
				return 500, ""
			})
		})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				_, err := k.Post(t.Context(), post(""))
				if e := wireError(t, err); e.Call != callToken || e.Status != 500 || e.MayHaveActed {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if tokens != 1 {
			t.Errorf("%d token calls", tokens)
		}
	})
}

// TestFreshen shows that a client which makes no call gets a token when one is due, within its budget, and never with a fixed
// token.
func TestFreshen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens, budget := 0, 0
		var told []string
		dir := t.TempDir()
		transport := transportFunc(func(r *http.Request) (int, string) {
			if tokens++; r.URL.Path != "/v1/accessToken" {
				t.Errorf("called %s", r.URL)
			}
			return 200, grantText("t", "https://calls.example", in(24*time.Hour), "the-next")
		})
		k := app(t, "https://auth.example", func(o *Options) {
			o.Transport, o.Budget, o.OnNewToken, o.StateDir = transport, counted(&budget), saved(t, dir, &told), dir
		})
		for _, step := range []struct {
			wait time.Duration
			want int
		}{{0, 1}, {0, 1}, {23 * time.Hour, 1}, {time.Hour, 2}, {48 * time.Hour, 3}} {
			time.Sleep(step.wait)
			if err := k.freshen(t.Context()); err != nil || tokens != step.want || budget != tokens || strings.Join(told, " ") != "the-next" {
				t.Errorf("%d tokens, want %d, %d of the budget, told %q, %v", tokens, step.want, budget, told, err)
			}
		}
		k = fixed(t, "https://auth.example", func(o *Options) { o.Transport = transport })
		if err := k.freshen(t.Context()); err != nil || tokens != 3 {
			t.Errorf("%d tokens, %v", tokens, err)
		}
		k = app(t, "https://auth.example", func(o *Options) { o.Transport = transportFunc(func(*http.Request) (int, string) { return 403, "" }) })
		if e := wireError(t, k.freshen(t.Context())); e.Status != 403 || !e.Unauthorized() {
			t.Errorf("got %+v", e)
		}
	})
}

// saved saves a new refresh token, and adds the token that a client would find that starts after that.
func saved(t *testing.T, dir string, told *[]string) func(save func() error) {
	return func(save func() error) {
		if err := save(); err != nil {
			t.Error(err)
		}
		token, err := loaded(tokenFile{dir: dir, configured: "the-refresh"})
		if err != nil {
			t.Error(err)
		}
		*told = append(*told, token)
	}
}

// TestNewRefreshToken shows that a new refresh token is reported once and used from then on.
func TestNewRefreshToken(t *testing.T) {
	var used, told []string
	s := serve(t, nil)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/accessToken" {
			w.WriteHeader(401)
			return
		}
		used = append(used, r.Header.Get("refreshToken"))
		replacement := []any{"second", "", nil, "second"}[min(len(used)-1, 3)]
		io.WriteString(w, grantText(fmt.Sprint("t", len(used)), s.URL, in(24*time.Hour), replacement))
	})
	dir := t.TempDir()
	c := app(t, s.URL, func(o *Options) { o.OnNewToken, o.StateDir = saved(t, dir, &told), dir })
	for range 4 {
		c.Post(t.Context(), post(""))
	}
	if got := strings.Join(used, " "); !strings.HasPrefix(got, "the-refresh second second second second") {
		t.Errorf("used %q", got)
	}
	if len(told) != 1 || told[0] != "second" {
		t.Errorf("told %q", told)
	}
}

// TestTokenCallMoved shows that a 308 to the token call is followed.
func TestTokenCallMoved(t *testing.T) {
	next := serve(t, nil)
	next.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/accessToken" {
			io.WriteString(w, grantText("t", next.URL, in(24*time.Hour), nil))
			return
		}
		io.WriteString(w, goodAction)
	})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", next.URL)
		w.WriteHeader(308)
	})
	if _, err := app(t, s.URL).Post(t.Context(), post("")); err != nil {
		t.Error(err)
	}
}

// TestTokenNonsense shows that a grant without a usable token or endpoint is an error of the token call.
func TestTokenNonsense(t *testing.T) {
	s := serve(t, nil)
	for _, body := range []string{
		"", "<html>", "{}", grantText("", s.URL, 0, nil), grantText("t\r\nx: y", s.URL, 0, nil), grantText("t", s.URL, 0, "a\nb"),
		grantText("t", "", 0, nil), grantText("t", "http://example.org", 0, nil), grantText("t", "nowhere", 0, nil),
	} {
		s.Config.Handler = say(200, body)
		e := wireError(t, app(t, s.URL).tryAll(t.Context(), callActions))
		if e.Call != callToken || e.Status != 200 || e.Err == nil || e.Fault != FaultDestination || e.MayHaveActed {
			t.Errorf("%q: got %+v", body, e)
		}
	}
}

// TestSecretsStayOutOfErrors shows that no error shows the secrets of the token call, in whatever part of its answer a server
// repeats them.
func TestSecretsStayOutOfErrors(t *testing.T) {
	s := serve(t, nil)
	bodies := []http.HandlerFunc{
		say(401, `{"message":"the-secret and the-refresh","errorCode":"the-refresh"}`),
		say(200, `{"accessToken":"the-secret`),
		func(w http.ResponseWriter, r *http.Request) {
			c, _, _ := w.(http.Hijacker).Hijack()
			io.WriteString(c, "the-secret the-refresh\r\n\r\n")
			c.Close()
		},
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://example.org/the-secret/the-refresh")
			w.WriteHeader(308)
		},
	}
	for i, h := range bodies {
		s.Config.Handler = h
		e := wireError(t, app(t, s.URL).tryAll(t.Context(), callActions))
		text := fmt.Sprint(e, e.Err, e.Code, e.Message)
		if strings.Contains(text, "the-secret") || strings.Contains(text, "the-refresh") || len(text) < 20 {
			t.Errorf("case %d: secret in %q", i, text)
		}
	}
}

// TestLongSecretsStayOutOfErrors shows that no beginning of a secret is left where an address that repeats it is cut.
func TestLongSecretsStayOutOfErrors(t *testing.T) {
	long := strings.Repeat("0123456789", 40)
	address := "http://example.org/" + strings.Repeat("x", 200) + long
	for _, h := range []http.HandlerFunc{
		say(200, grantText("t", address, in(time.Hour), nil)),
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", address)
			w.WriteHeader(308)
		},
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://example.org/v1/"+strings.Repeat("x", 200)+long)
			w.WriteHeader(308)
		},
		func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Type", address) },
	} {
		c := app(t, serve(t, h).URL, func(o *Options) { o.RefreshToken = long })
		if e := wireError(t, c.tryAll(t.Context(), callActions)); strings.Contains(e.Error(), "0123") || !strings.Contains(e.Error(), "[secret]") {
			t.Errorf("got %q", e)
		}
	}
}

// TestSecretsInRefusals shows that the list of subscribers who did not get a post shows no token.
func TestSecretsInRefusals(t *testing.T) {
	s := serve(t, say(200, `{"referenceId":"x","failedResult":[{"subscriber":"1","errorReason":"bad token-fixed"}]}`))
	got, err := fixed(t, s.URL).Post(t.Context(), post(""))
	if err != nil || len(got.Missed) != 1 || got.Missed[0].Reason != "bad [secret]" {
		t.Errorf("got %+v, %v", got, err)
	}
}
