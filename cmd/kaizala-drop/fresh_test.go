package main

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
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/tokenfile"
)

// tokenRoot answers token calls, and nothing else, on synctest's clock. It keeps what is logged and told meanwhile.
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

func (r *tokenRoot) keep(string) {
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

// live lets time go by in which it answers like this, and tells the calls that were made, all that was kept, and how
// often it was said that the token is refused.
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

// TestQuietForAYear: a connector that posts nothing, and is offline when its next refresh token is given (on day 28 here,
// 328 in life), gets that all the same, with one call a day.
func TestQuietForAYear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		root, calls, begin := &tokenRoot{status: 200}, budget.New(100), time.Now()
		client, err := kaizala.New(kaizala.Options{
			Endpoint: "https://auth.example", ApplicationID: "a", ApplicationSecret: "b", RefreshToken: "c", Transport: root,
			Budget: calls.Wait, OnRefreshToken: root.keep,
		})
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		ended := start(func() error { return keepFresh(ctx, client, freshEvery, zerolog.New(root).Level(zerolog.InfoLevel)) })
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

// TestLastTryToKeep: what could not be saved is tried once more when the daemon ends, and only then said to be lost.
func TestLastTryToKeep(t *testing.T) {
	for _, mended := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			root, dir := &tokenRoot{}, filepath.Join(t.TempDir(), "state")
			tokens := newTokenKeeper(tokenfile.File{Dir: dir, Configured: "configured"}, zerolog.New(root))
			ctx, stop := context.WithCancel(t.Context())
			ended := start(func() error { return tokens.run(ctx) })
			tokens.keep("the-next")
			time.Sleep(tokenRetry / 2)
			if mended {
				must(t, os.Mkdir(dir, 0o700))
			}
			stop()
			must(t, <-ended)
			kept, err := tokens.file.Load()
			must(t, err)
			lost := strings.Contains(root.log.String(), "is lost with this process")
			if (kept == "the-next") != mended || lost == mended || strings.Contains(root.log.String(), "the-next") {
				t.Errorf("mended %t: kept %q, logged %s", mended, kept, &root.log)
			}
		})
	}
}

// TestNothingLeftToKeep: a token that was saved is not saved again at the end.
func TestNothingLeftToKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root, dir := &tokenRoot{}, t.TempDir()
		tokens := newTokenKeeper(tokenfile.File{Dir: dir, Configured: "configured"}, zerolog.New(root))
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

// TestKeepAfterTheEnd: a call that hung until the end still brings a token, which is kept, and is not waited for for ever.
func TestKeepAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := newTokenKeeper(tokenfile.File{Dir: t.TempDir(), Configured: "configured"}, zerolog.Nop())
		ctx, stop := context.WithCancel(t.Context())
		ended := start(func() error { return tokens.run(ctx) })
		stop()
		must(t, <-ended)
		tokens.keep("the-next")
		kept, err := tokens.file.Load()
		must(t, err)
		if kept != "the-next" {
			t.Errorf("kept %q", kept)
		}
	})
}

// TestFixedTokenIsLeftAlone: there is nothing to renew.
func TestFixedTokenIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := &tokenRoot{}
		client, err := kaizala.New(kaizala.Options{Endpoint: "https://calls.example", AccessToken: "fixed", Transport: root})
		must(t, err)
		ctx, stop := context.WithTimeout(t.Context(), 48*time.Hour)
		defer stop()
		if err := keepFresh(ctx, client, freshEvery, zerolog.Nop()); !errors.Is(err, context.DeadlineExceeded) || root.calls > 0 {
			t.Errorf("%v, %d calls", err, root.calls)
		}
	})
}
