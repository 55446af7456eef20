package kaizala

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/budget"
)

// tokenRoot answers token calls only, on synctest's clock. It keeps what is logged and saved meanwhile.
type tokenRoot struct {
	mu     sync.Mutex
	calls  int
	status int // 0: no answer
	next   string
	log    strings.Builder
	kept   []time.Time
}

func (r *tokenRoot) Write(text []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(text)
}

func (r *tokenRoot) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

func (r *tokenRoot) keep(func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, time.Now())
}

func (r *tokenRoot) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	if req.URL.Path != "/v1/accessToken" || r.status == 0 {
		return nil, errors.New("offline: " + req.URL.Path)
	}
	body := fmt.Sprintf(`{"accessToken":"a%d","endpointUrl":"https://calls.example","accessTokenExpiry":%d,"refreshToken":%q}`,
		r.calls, time.Now().Add(24*time.Hour).UnixMilli(), r.next)
	return &http.Response{StatusCode: r.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
}

// live lets time pass in which r answers with status and next. It returns the calls that were made meanwhile, the times of all
// saved tokens, and how often the log says that the token is refused.
func (r *tokenRoot) live(d time.Duration, status int, next string) (calls int, kept []time.Time, told int) {
	r.mu.Lock()
	r.status, r.next = status, next
	before := r.calls
	r.mu.Unlock()
	time.Sleep(d)
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls - before, r.kept, strings.Count(r.log.String(), `"level":"error"`)
}

// start runs f in a goroutine of its own and sends its error, or nil if its context was canceled.
func start(f func() error) <-chan error {
	ended := make(chan error, 1)
	go func() {
		err := f()
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		ended <- err
	}()
	return ended
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestQuietForAYear shows that a connector which posts nothing gets its next refresh token, with one call a day, although it
// is offline when Kaizala first gives it (on day 28 here, on day 328 in life).
func TestQuietForAYear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		root, calls, begin := &tokenRoot{status: 200}, budget.New(100), time.Now()
		client, err := New(Options{
			Endpoint: "https://auth.example", ApplicationID: "a", ApplicationSecret: "b", RefreshToken: "c", Transport: root,
			Budget: calls.Wait, OnNewToken: root.keep, Log: zerolog.New(root).Level(zerolog.InfoLevel),
		})
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ended := start(func() error { return client.KeepFresh(ctx) })
		if n, _, _ := root.live(28*day, 200, ""); n < 28 || n > 30 {
			t.Errorf("%d token calls in 28 days", n)
		}
		if _, kept, _ := root.live(7*day, 0, "the-next"); len(kept) > 0 || root.log.Len() > 0 {
			t.Errorf("kept %v, logged %s", kept, &root.log)
		}
		if _, kept, _ := root.live(2*day, 200, "the-next"); len(kept) != 1 || kept[0].Sub(begin) > 35*day+2*freshEvery {
			t.Errorf("kept %v", kept)
		}
		calls.Throttled(time.Now(), 3*day)
		if n, _, told := root.live(3*day-1, 200, "the-next"); n > 0 || told > 0 {
			t.Errorf("%d token calls while the service asked to wait, told %d times that the token is refused", n, told)
		}
		root.live(day, 200, "")
		for round := range 2 {
			if _, _, told := root.live(3*day, []int{401, 403}[round], ""); told != round+1 {
				t.Errorf("told %d times that the token is refused: %s", told, &root.log)
			}
			root.live(day, 200, "")
		}
		if strings.Contains(root.log.String(), "the-next") {
			t.Error("the log shows the token")
		}
		stop()
		must(t, <-ended)
	})
}

// TestNewTokenIsKept shows that a new refresh token is kept, and that the next client uses it while the same token is
// configured and the file can be read. Without a StateDir nothing is kept.
func TestNewTokenIsKept(t *testing.T) {
	var asked string
	dir, given := t.TempDir(), any("the-next")
	client := func(stateDir, configured string) *Client {
		t.Helper()
		c := app(t, "https://auth.example", func(o *Options) {
			o.StateDir, o.RefreshToken = stateDir, configured
			o.Transport = transportFunc(func(r *http.Request) (int, string) {
				for name, values := range r.Header { // in the spelling of the request
					if name == "refreshToken" {
						asked = values[0]
					}
				}
				return 200, grantText("t", "https://calls.example", in(time.Hour), given)
			})
		})
		must(t, c.freshen(t.Context()))
		return c
	}
	t.Chdir(t.TempDir())
	client("", "configured")
	if left, err := os.ReadDir("."); len(left) > 0 || err != nil {
		t.Errorf("kept in %v, %v", left, err)
	}
	client(dir, "configured")
	given = nil
	for _, c := range []struct{ content, configured, want string }{
		{"", "configured", "the-next"}, {"", "newly-configured", "newly-configured"}, {"", "configured", "the-next"}, {"{", "configured", "configured"},
	} {
		if c.content != "" {
			must(t, os.WriteFile(filepath.Join(dir, "refresh-token.json"), []byte(c.content), 0o600))
		}
		if got := client(dir, c.configured); asked != c.want || (got.Unread() != nil) != (c.content != "") {
			t.Errorf("%+v: asked with %q, %v", c, asked, got.Unread())
		}
	}
}

// TestKeepTriesAgain shows that a token which could not be saved, even before Run began, is saved as soon as possible. The
// first failure and the success are logged once, however many tokens come meanwhile.
func TestKeepTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root, dir := &tokenRoot{}, filepath.Join(t.TempDir(), "state")
		tokens := newKeeper(tokenFile{dir: dir, configured: "configured"}, zerolog.New(root))
		tokens.keep("the-next")
		ctx, stop := context.WithCancel(t.Context())
		ended := start(func() error { return tokens.run(ctx) })
		time.Sleep(3 * tokenRetry)
		tokens.keep("the-one-after")
		time.Sleep(3 * tokenRetry)
		synctest.Wait()
		if log := root.logged(); strings.Count(log, "\n") != 1 || !strings.Contains(log, "is not kept") {
			t.Errorf("logged %s", log)
		}
		must(t, os.Mkdir(dir, 0o700))
		time.Sleep(tokenRetry + 1)
		synctest.Wait()
		kept, err := loaded(tokens.file)
		must(t, err)
		if log := root.logged(); kept != "the-one-after" || strings.Count(log, "\n") != 2 || !strings.Contains(log, "it is kept in state_dir") {
			t.Errorf("kept %q, logged %s", kept, log)
		}
		must(t, os.RemoveAll(dir))
		tokens.keep("the-last")
		if log := root.logged(); strings.Count(log, "is not kept") != 2 {
			t.Errorf("logged %s", log)
		}
		stop()
		must(t, <-ended)
	})
}

// TestLastTryToKeep shows that an unsaved token is tried once more when the daemon ends, and is called lost only after that.
func TestLastTryToKeep(t *testing.T) {
	for _, mended := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			root, dir := &tokenRoot{}, filepath.Join(t.TempDir(), "state")
			tokens := newKeeper(tokenFile{dir: dir, configured: "configured"}, zerolog.New(root))
			ctx, stop := context.WithCancel(t.Context())
			ended := start(func() error { return tokens.run(ctx) })
			tokens.keep("the-next")
			time.Sleep(tokenRetry / 2)
			if mended {
				must(t, os.Mkdir(dir, 0o700))
			}
			stop()
			must(t, <-ended)
			kept, err := loaded(tokens.file)
			must(t, err)
			lost := strings.Contains(root.log.String(), "is lost with this process")
			if (kept == "the-next") != mended || lost == mended || strings.Contains(root.log.String(), "the-next") {
				t.Errorf("mended %t: kept %q, logged %s", mended, kept, &root.log)
			}
		})
	}
}

// TestNothingLeftToKeep shows that a saved token is not saved again at the end.
func TestNothingLeftToKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root, dir := &tokenRoot{}, t.TempDir()
		tokens := newKeeper(tokenFile{dir: dir, configured: "configured"}, zerolog.New(root))
		ctx, stop := context.WithCancel(t.Context())
		ended := start(func() error { return tokens.run(ctx) })
		tokens.keep("the-next")
		stop()
		must(t, <-ended)
		if n := strings.Count(root.log.String(), "\n"); n != 1 {
			t.Errorf("logged %s", &root.log)
		}
	})
}

// TestKeepAfterTheEnd shows that a token which a call brings after Run has ended is saved, and that keeping it does not block.
func TestKeepAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := newKeeper(tokenFile{dir: t.TempDir(), configured: "configured"}, zerolog.Nop())
		ctx, stop := context.WithCancel(t.Context())
		ended := start(func() error { return tokens.run(ctx) })
		stop()
		must(t, <-ended)
		tokens.keep("the-next")
		kept, err := loaded(tokens.file)
		must(t, err)
		if kept != "the-next" {
			t.Errorf("kept %q", kept)
		}
	})
}

// TestFixedTokenIsLeftAlone shows that KeepFresh makes no call for a fixed token.
func TestFixedTokenIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := &tokenRoot{}
		client, err := New(Options{Endpoint: "https://calls.example", AccessToken: "fixed", Transport: root})
		must(t, err)
		ctx, stop := context.WithTimeout(t.Context(), 48*time.Hour)
		defer stop()
		if err := client.KeepFresh(ctx); !errors.Is(err, context.DeadlineExceeded) || root.calls > 0 {
			t.Errorf("%v, %d calls", err, root.calls)
		}
	})
}
