package kaizala

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/budget"
)

// paced is a transport whose answers have headers and whose connections take time.
type paced struct {
	connecting func() time.Duration // how long a connection takes; nil: no time
	answer     func(r *http.Request) (status int, header http.Header, body string)
}

func (p *paced) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.connecting != nil {
		time.Sleep(p.connecting())
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if err := context.Cause(r.Context()); err != nil {
		return nil, err
	}
	if r.Body != nil {
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	status, header, body := p.answer(r)
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// TestRetryAfterIsNotUndercut shows that nothing more leaves before the time that a 429 of another call asks for, whatever
// this call was waiting for, and whatever answer makes it be sent again.
func TestRetryAfterIsNotUndercut(t *testing.T) {
	const asked = 200 * time.Millisecond // when the 429 comes
	later := func(status int, header http.Header) func(string) (int, http.Header, string) {
		return func(body string) (int, http.Header, string) {
			time.Sleep(time.Second)
			return status, header, body
		}
	}
	for name, c := range map[string]struct {
		inLine, connecting time.Duration
		cold               bool                                                         // the client has no token yet
		first              func(body string) (status int, header http.Header, _ string) // the first answer; nil: the same as later ones
	}{
		"waiting in line":              {inLine: time.Second},
		"waiting for its connection":   {connecting: 350 * time.Millisecond},
		"waiting long for it":          {connecting: 5 * time.Second},
		"waiting for the token":        {cold: true, first: later(200, http.Header{})},
		"sent again with a new token":  {first: later(401, http.Header{})},
		"sent again to a new endpoint": {first: later(308, http.Header{"Location": {"https://new.example"}})},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent []time.Duration
				var begin time.Time
				b, tokens, first, p := budget.New(0), 0, c.first, &paced{}
				p.answer = func(r *http.Request) (int, http.Header, string) {
					sent = append(sent, time.Since(begin))
					body := goodAction
					if strings.HasSuffix(r.URL.Path, callToken) {
						tokens++
						body = grantText(fmt.Sprint("t", tokens), "https://calls.example", in(24*time.Hour), nil)
					}
					if answer := first; begin.IsZero() || answer == nil {
						return 200, http.Header{}, body
					} else {
						first = nil
						return answer(body)
					}
				}
				k := app(t, "https://auth.example", func(o *Options) { o.Transport, o.Budget = p, b.Wait })
				send := func() {
					if _, err := k.Post(t.Context(), post("")); err != nil {
						t.Fatal(err)
					}
				}
				if !c.cold {
					send()
				}
				sent, begin, p.connecting = nil, time.Now(), func() time.Duration { return c.connecting }
				b.Throttled(begin, c.inLine)
				time.AfterFunc(asked, func() { b.Throttled(time.Now(), time.Minute) })
				send()
				if c.first != nil && sent[0] == 0 {
					sent = sent[1:]
				}
				if len(sent) == 0 || sent[0] < asked+time.Minute {
					t.Errorf("sent after %v", sent)
				}
			})
		})
	}
}

// TestHeldForLong shows that a call waits neither for hours nor longer than its caller, and was surely not made then.
func TestHeldForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(100)
		k := fixed(t, "https://calls.example", func(o *Options) {
			o.Budget, o.Transport = b.Wait, transportFunc(func(*http.Request) (int, string) { t.Error("sent"); return 200, goodAction })
		})
		begin := time.Now()
		b.Throttled(begin, time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := k.Post(ctx, post(""))
		if e := wireError(t, err); e.MayHaveActed || e.Err != context.DeadlineExceeded || time.Since(begin) != time.Second {
			t.Errorf("got %+v after %v", e, time.Since(begin))
		}
		b.Throttled(begin, 24*time.Hour)
		_, err = k.Post(t.Context(), post(""))
		if e := wireError(t, err); e.MayHaveActed || e.Fault != FaultDestination || !strings.Contains(e.Error(), "another 23h59m59s") ||
			time.Since(begin) != time.Second {
			t.Errorf("got %+v after %v", e, time.Since(begin))
		}
	})
}

// TestConnectionsTakeTime shows that calls which get their connections at the same moment do not leave together.
func TestConnectionsTakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var sent []time.Time
		p := &paced{answer: func(*http.Request) (int, http.Header, string) {
			mu.Lock()
			defer mu.Unlock()
			sent = append(sent, time.Now())
			return 200, http.Header{}, goodAction
		}}
		b := budget.New(100)
		k := fixed(t, "https://calls.example", func(o *Options) { o.Transport, o.Budget = p, b.Wait })
		back := time.Now().Add(10 * time.Second) // when the network is back
		p.connecting = func() time.Duration { return time.Until(back) }
		ended := make(chan error)
		for range 5 {
			go func() {
				_, err := k.Post(t.Context(), post(""))
				ended <- err
			}()
			time.Sleep(time.Second)
		}
		for range 5 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		for i := 1; i < len(sent); i++ {
			if apart := sent[i].Sub(sent[i-1]); apart < 550*time.Millisecond { // 615 ms, less 50 ms for late timers
				t.Errorf("sent %v apart", apart)
			}
		}
	})
}
