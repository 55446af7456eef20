package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/budget"
	"kaizala-drop/internal/wire/wiretest"
)

const token = "token-of-the-test"

// caller is a client and the address of the server that it calls.
type caller struct {
	*Client
	url string
}

// callerTo is a caller of the server at url; change may alter its client's options.
func callerTo(t testing.TB, url string, change ...func(*Options)) caller {
	t.Helper()
	var o Options
	for _, f := range change {
		f(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return caller{c, url}
}

// do makes a call with a token, and with pieces as its body if there are any.
func (c caller) do(ctx context.Context, method string, pieces ...Piece) (*Answer, error) {
	call := Call{Method: method, URL: c.url + "/a/path?a=query", Header: http.Header{"theToken": {token}}, Secrets: []string{token}}
	if len(pieces) > 0 {
		call.Body = &Body{ContentType: "x/y", Pieces: pieces}
	}
	return c.Do(ctx, call)
}

func textPiece(s string) Piece { return Piece{Text: []byte(s)} }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// bulk is a file of zeros; read counts the bytes that were read from it.
func bulk(size int64, read *atomic.Int64) Piece {
	return Piece{File: &File{Name: "bulk.mp4", Size: size, Open: func() io.Reader {
		return io.LimitReader(counting{zeros{}, read}, size)
	}}}
}

type counting struct {
	io.Reader
	n *atomic.Int64
}

func (c counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.n != nil {
		c.n.Add(int64(n))
	}
	return n, err
}

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func serve(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// say gives every request the same answer.
func say(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func wireError(t *testing.T, err error) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got %v (%T), want an *Error", err, err)
	}
	return e
}

// transport is a RoundTripper made of a function.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRequestOnTheWire shows the raw bytes of a request: headers have the caller's spelling, and nothing is chunked.
func TestRequestOnTheWire(t *testing.T) {
	heads := make(chan string, 1)
	s := wiretest.Serve(t, func(_ int, c net.Conn) {
		head, _ := wiretest.ReadRequest(c)
		heads <- head
		wiretest.Answer(c, "{}")
	})
	agent := func(o *Options) { o.UserAgent = "an-agent/1" }
	for _, method := range []string{"POST", "PUT"} {
		c := callerTo(t, s, agent)
		if _, err := c.do(t.Context(), method, textPiece("begin "), bulk(3, nil), textPiece(""), textPiece(" end")); err != nil {
			t.Fatal(err)
		}
		got := <-heads
		for _, want := range []string{method + " /a/path?a=query HTTP/1.1\r\n", "\r\ntheToken: " + token + "\r\n", "\r\nContent-Type: x/y\r\n",
			"\r\nUser-Agent: an-agent/1\r\n", "\r\nAccept: application/json\r\n", "\r\nContent-Length: 13\r\n", "\r\n\r\nbegin \x00\x00\x00 end"} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is missing in %q", want, got)
			}
		}
		if strings.Contains(strings.ToLower(got), "transfer-encoding") {
			t.Errorf("chunked: %q", got)
		}
		c.Close()
	}
	c := callerTo(t, s)
	if _, err := c.do(t.Context(), "GET"); err != nil {
		t.Fatal(err)
	}
	if got := <-heads; strings.Contains(got, "User-Agent") || strings.Contains(got, "Content-") {
		t.Errorf("got %q", got)
	}
}

// TestNewRefuses shows that negative numbers, and a user agent with a line break, are refused.
func TestNewRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"conns": {MaxConns: -1}, "stall": {StallTimeout: -1}, "connect": {ConnectTimeout: -1}, "agent": {UserAgent: "a\nb"},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestNothingLeavesInTheClear shows that a call over http to another machine, or over anything else, is not made.
func TestNothingLeavesInTheClear(t *testing.T) {
	sent := func(o *Options) {
		o.Transport = transport(func(*http.Request) (*http.Response, error) { return nil, errors.New("sent") })
	}
	for _, url := range []string{"http://example.org", "http://10.0.0.1", "http://127.0.0.1.evil.example", "ftp://h", "//h", "/", "", "://", "http://\x7f"} {
		_, err := callerTo(t, url, sent).do(t.Context(), "POST", textPiece("x"))
		if e := wireError(t, err); strings.HasSuffix(e.Error(), "sent") || e.MayHaveActed || e.BodySent {
			t.Errorf("%q: got %+v", url, e)
		}
	}
	for _, url := range []string{"https://example.org", "http://localhost:1", "http://[::1]"} {
		if _, err := callerTo(t, url, sent).do(t.Context(), "GET"); wireError(t, err).Error() != "sent" {
			t.Errorf("%q: got %v", url, err)
		}
	}
}

// TestKeepAlive shows that answers of every kind are read to their end, so that one connection serves all calls.
func TestKeepAlive(t *testing.T) {
	var conns, calls atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if calls.Add(1)%10 == 0 {
			http.Error(w, strings.Repeat("no ", 10000), 400)
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c := callerTo(t, s.URL)
	for i := range 100 {
		if a, err := c.do(t.Context(), "POST", textPiece("x")); err != nil || a.Err != nil || (a.Status == 400) != (i%10 == 9) {
			t.Fatalf("call %d: %+v, %v", i, a, err)
		}
	}
	if conns.Load() != 1 || calls.Load() != 100 {
		t.Errorf("%d connections for %d calls", conns.Load(), calls.Load())
	}
}

// TestConnectionsAtOnce shows that no more than MaxConns calls are under way at the same time.
func TestConnectionsAtOnce(t *testing.T) {
	var now, most atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		io.Copy(io.Discard, r.Body)
		now.Add(-1)
	})
	c := callerTo(t, s.URL, func(o *Options) { o.MaxConns = 3 })
	errs := make(chan error)
	for range 30 {
		go func() {
			_, err := c.do(t.Context(), "POST", bulk(200_000, nil))
			errs <- err
		}()
	}
	for range 30 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if most.Load() > 3 {
		t.Errorf("%d calls at once", most.Load())
	}
}

// TestRedirectsAreNotFollowed shows that the caller sees a redirect, which would take the token elsewhere.
func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("followed") })
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(status)
		})
		for _, method := range []string{"GET", "POST", "PUT"} {
			a, err := callerTo(t, s.URL).do(t.Context(), method)
			if err != nil || a.Status != status || a.Header.Get("Location") != elsewhere.URL {
				t.Errorf("%s %d: got %+v, %v", method, status, a, err)
			}
		}
	}
}

// TestExpectationFailed shows that a server which does not know Expect gets the body without it.
func TestExpectationFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the wait for "100 Continue" ends by itself
		var calls, asked int
		c := serveOnPipes(t, func(w http.ResponseWriter, r *http.Request) {
			if calls++; r.Header.Get("Expect") != "" {
				w.WriteHeader(417)
				return
			}
			if n, _ := io.Copy(io.Discard, r.Body); n != r.ContentLength {
				t.Errorf("%d of %d bytes", n, r.ContentLength)
			}
		}, func(o *Options) { o.Budget = counted(&asked) })
		a, err := c.do(t.Context(), "POST", bulk(2<<20, nil))
		if err != nil || a.Status != 200 || calls != 2 || asked != 2 {
			t.Errorf("got %+v, %v after %d calls, %d of the budget", a, err, calls, asked)
		}
	})
}

// TestExpectationFailedInCircles shows that a server which always answers 417 is asked twice if the call had Expect, else
// once.
func TestExpectationFailedInCircles(t *testing.T) {
	calls := 0
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		say(417, "")(w, r)
	})
	for size, want := range map[int64]int{10: 1, 2 << 20: 2} {
		calls = 0
		if a, err := callerTo(t, s.URL).do(t.Context(), "POST", bulk(size, nil)); err != nil || a.Status != 417 || calls != want {
			t.Errorf("got %+v, %v after %d calls, want %d", a, err, calls, want)
		}
	}
}

// TestExpectOnlyForLargeBodies shows that only calls with a body of more than 1 MiB have Expect.
func TestExpectOnlyForLargeBodies(t *testing.T) {
	var expects []string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		expects = append(expects, r.Header.Get("Expect"))
		io.Copy(io.Discard, r.Body)
	})
	c := callerTo(t, s.URL)
	for _, pieces := range [][]Piece{{bulk(10, nil)}, {bulk(1<<20, nil)}, {textPiece("x"), bulk(1<<20, nil)}, {textPiece("{}")}, nil} {
		if _, err := c.do(t.Context(), "PUT", pieces...); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(expects, ","); got != ",,100-continue,," {
		t.Errorf("got %q", got)
	}
}

// counted is a budget without a limit that counts the requests.
func counted(n *int) Budget {
	unlimited := budget.New(0)
	return func(ctx context.Context, last budget.Permit) (budget.Permit, error) {
		if last == (budget.Permit{}) {
			*n++
		}
		return unlimited.Wait(ctx, last)
	}
}

// TestBudgetRefuses shows that nothing is sent, and nothing may have been done, when the budget refuses the first sending, the
// connection, or the second sending after 417. The connection is used for nothing else.
func TestBudgetRefuses(t *testing.T) {
	spent := errors.New("spent")
	for asked, arrive := range map[int]int64{1: 0, 2: 0, 3: 1, 4: 1} {
		for _, warm := range []bool{false, true} {
			var arrived atomic.Int64
			warming := warm
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if !warming {
					arrived.Add(1)
					w.WriteHeader(417)
				}
			})
			n, unlimited := 0, budget.New(0)
			c := callerTo(t, s.URL, func(o *Options) {
				o.Budget = func(ctx context.Context, last budget.Permit) (budget.Permit, error) {
					if n++; n >= asked && !warming {
						return budget.Permit{}, spent
					}
					return unlimited.Wait(ctx, last)
				}
			})
			if warm {
				if _, err := c.do(t.Context(), "POST", textPiece("x")); err != nil {
					t.Fatal(err)
				}
				warming, n = false, 0
			}
			_, err := c.do(t.Context(), "POST", bulk(2<<20, nil))
			if e := wireError(t, err); e.Err != spent || e.MayHaveActed || e.BodySent || arrived.Load() != arrive {
				t.Errorf("asked %d times, warm %t: got %+v, and %d calls arrived", asked, warm, e, arrived.Load())
			}
		}
	}
}

// TestBudgetIsAskedTwice shows that the budget is first asked without a permit, and then, when there is a connection, with the
// one that it gave.
func TestBudgetIsAskedTwice(t *testing.T) {
	s := serve(t, say(200, ""))
	b := budget.New(0)
	var given, shown []budget.Permit
	c := callerTo(t, s.URL, func(o *Options) {
		o.Budget = func(ctx context.Context, last budget.Permit) (budget.Permit, error) {
			p, err := b.Wait(ctx, last)
			given, shown = append(given, p), append(shown, last)
			return p, err
		}
	})
	for range 3 {
		given, shown = nil, nil
		if _, err := c.do(t.Context(), "GET"); err != nil {
			t.Fatal(err)
		}
		if len(shown) != 2 || shown[0] != (budget.Permit{}) || shown[1] != given[0] || shown[1] == (budget.Permit{}) {
			t.Errorf("shown %v, given %v", shown, given)
		}
	}
}

// TestCanceledBeforehand shows that no call is made with a context that has ended, and that its error wraps the cause.
func TestCanceledBeforehand(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a call was made") })
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("closing time")
	cancel(why)
	_, err := callerTo(t, s.URL).do(ctx, "POST", textPiece("x"))
	if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || wireError(t, err).MayHaveActed {
		t.Errorf("got %v", err)
	}
}

// TestCanceledOnTheWay shows that a call whose context ends after it was sent may have been acted on, and is no stall.
func TestCanceledOnTheWay(t *testing.T) {
	for _, method := range []string{"GET", "POST", "PUT"} {
		ctx, cancel := context.WithCancel(t.Context())
		s := wiretest.Serve(t, func(_ int, c net.Conn) {
			wiretest.ReadRequest(c)
			cancel()
			io.Copy(io.Discard, c) // until the client hangs up
		})
		_, err := callerTo(t, s).do(ctx, method, textPiece("x"))
		if e := wireError(t, err); !errors.Is(e, context.Canceled) || !e.MayHaveActed || !e.BodySent {
			t.Errorf("%s: got %+v", method, e)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c := rawOnPipes(t, func(_ int, c net.Conn) { io.Copy(io.Discard, c) })
		if _, err := c.do(ctx, "POST", textPiece("x")); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrStalled) {
			t.Errorf("got %+v", err)
		}
	})
}

// TestNobodyThere shows that nothing was sent, and no token is shown, if no connection can be made.
func TestNobodyThere(t *testing.T) {
	for name, url := range map[string]string{"refused": "http://127.0.0.1:1", "dns": "https://nobody.invalid"} {
		_, err := callerTo(t, url).do(t.Context(), "PUT", textPiece("x"))
		if e := wireError(t, err); e.MayHaveActed || e.BodySent || errors.Is(e, ErrContent) || strings.Contains(e.Error(), token) {
			t.Errorf("%s: got %+v", name, e)
		}
	}
}

// TestUntracedTransport shows that a transport which does not report its connections may have sent the request.
func TestUntracedTransport(t *testing.T) {
	c := callerTo(t, "https://calls.example", func(o *Options) {
		o.Transport = transport(func(*http.Request) (*http.Response, error) { return nil, errors.New("gone") })
	})
	if _, err := c.do(t.Context(), "POST", textPiece("x")); !wireError(t, err).MayHaveActed {
		t.Errorf("got %+v", err)
	}
}

// TestBodySent shows that no byte of the file counts as sent if nobody listened, or if the headers alone were refused.
func TestBodySent(t *testing.T) {
	large, small := bulk(2<<20, nil), bulk(1, nil)
	for _, c := range []struct {
		name   string
		file   Piece
		handle http.HandlerFunc // nil: nobody listens
		want   bool
	}{
		{"nobody", small, nil, false},
		{"small, not read", small, say(404, ""), true},
		{"large, asked first", large, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(413) }, false},
		{"large, read", large, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); w.WriteHeader(413) }, true},
		{"large, reset in the middle", large, func(w http.ResponseWriter, r *http.Request) {
			io.CopyN(io.Discard, r.Body, 1<<20)
			panic(http.ErrAbortHandler)
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			url := "http://127.0.0.1:1"
			if c.handle != nil {
				url = serve(t, c.handle).URL
			}
			a, err := callerTo(t, url).do(t.Context(), "POST", c.file)
			var got bool
			if err != nil {
				got = wireError(t, err).BodySent
			} else {
				got = a.BodySent
			}
			if got != c.want {
				t.Errorf("%t: got %+v, %v", got, a, err)
			}
		})
	}
}

// TestLimit shows that an answer may be as long as the limit, and not longer.
func TestLimit(t *testing.T) {
	for _, limit := range []int{0, 100} {
		for over := range 2 {
			length := max(limit, 1) - 2 + over
			if limit == 0 {
				length = defaultLimit - 2 + over
			}
			s := serve(t, say(200, `"`+strings.Repeat("x", length)+`"`))
			a, err := callerTo(t, s.URL).Do(t.Context(), Call{Method: "GET", URL: s.URL, Limit: limit})
			if err != nil {
				t.Fatal(err)
			}
			var got string
			err = a.JSON(&got)
			if (err != nil) != (over == 1) || err != a.Err || (len(got) == length) != (over == 0) {
				t.Errorf("limit %d, over %d: %d bytes, %v, %v", limit, over, len(got), err, a.Err)
			}
			if err != nil && !strings.Contains(err.Error(), fmt.Sprint("longer than ", len(a.Body)-1, " bytes")) {
				t.Errorf("got %v", err)
			}
		}
	}
}
