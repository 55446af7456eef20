package kaizala

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/wire"
	"kaizala-drop/internal/wire/wiretest"
)

// TestAnswerLost shows that an action whose answer is missing or broken may have been taken, and is never sent a second time.
func TestAnswerLost(t *testing.T) {
	for name, end := range map[string]func(c net.Conn){
		"closed":             func(net.Conn) {},
		"reset":              func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) },
		"half a header":      func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nConte") },
		"half a body":        func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"refer") },
		"not HTTP":           func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n\r\n") },
		"endless header":     func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\n"+strings.Repeat("A: b\r\n", 1<<17)) },
		"switching":          func(c net.Conn) { io.WriteString(c, "HTTP/1.1 101 Sure\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n") },
		"closed, connection": func(net.Conn) {},
	} {
		for _, warm := range []bool{false, true} { // on a new connection, and on one that has served a call
			t.Run(fmt.Sprintf("%s warm=%t", name, warm), func(t *testing.T) {
				var taken atomic.Int64
				s := wiretest.Serve(t, func(n int, c net.Conn) {
					if warm && n == 1 {
						if _, err := wiretest.ReadRequest(c); err != nil {
							return
						}
						wiretest.Answer(c, goodAction)
					}
					if _, err := wiretest.ReadRequest(c); err == nil {
						taken.Add(1)
						end(c)
					}
				})
				k := fixed(t, s)
				if warm {
					if _, err := k.Post(t.Context(), post("first")); err != nil {
						t.Fatal(err)
					}
				}
				_, err := k.Post(t.Context(), post("second"))
				if e := wireError(t, err); !e.MayHaveActed || e.Fault != FaultDestination || e.Err == nil && e.Status == 200 {
					t.Errorf("got %+v", e)
				}
				if taken.Load() != 1 {
					t.Errorf("taken %d times", taken.Load())
				}
			})
		}
	}
}

// TestTooEarlySuccess shows that a 200 which came before the whole file was sent is no success.
func TestTooEarlySuccess(t *testing.T) {
	k := fixed(t, "https://calls.example", func(o *Options) { o.Transport = hasty{} })
	_, err := k.Upload(t.Context(), "", []destination.File{bulk(100_000)})
	if e := wireError(t, err); e.Status != 200 || e.Err == nil || e.Fault != FaultDestination {
		t.Errorf("got %+v", e)
	}
}

// hasty is a transport whose server answers after the first 1000 bytes.
type hasty struct{}

func (hasty) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.CopyN(io.Discard, r.Body, 1000); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(goodMedia)), Request: r}, nil
}

// TestCanceledOnTheWay shows that only an action may have been taken if the context ends after its call was sent.
func TestCanceledOnTheWay(t *testing.T) {
	for _, name := range []string{callMedia, callActions} {
		ctx, cancel := context.WithCancel(t.Context())
		s := wiretest.Serve(t, func(n int, c net.Conn) {
			wiretest.ReadRequest(c)
			cancel()
			io.Copy(io.Discard, c) // until the client hangs up
		})
		e := wireError(t, fixed(t, s).tryAll(ctx, name))
		if !errors.Is(e, context.Canceled) || e.MayHaveActed != (name == callActions) || e.Fault != FaultDestination {
			t.Errorf("%s: got %+v", name, e)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s := wiretest.Serve(t, func(n int, c net.Conn) { io.Copy(io.Discard, c) })
	if e := wireError(t, fixed(t, s).tryAll(ctx, callMedia)); !errors.Is(e, context.DeadlineExceeded) || errors.Is(e, wire.ErrStalled) {
		t.Errorf("got %+v", e)
	}
}
