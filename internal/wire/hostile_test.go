package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/wire/wiretest"
)

// TestAnswerLost shows that a request whose answer is missing or broken may have been acted on, and is never sent a second
// time.
func TestAnswerLost(t *testing.T) {
	for name, end := range map[string]func(c net.Conn){
		"closed":         func(net.Conn) {},
		"reset":          func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) },
		"half a header":  func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nConte") },
		"half a body":    func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"refer") },
		"not HTTP":       func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n\r\n") },
		"endless header": func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\n"+strings.Repeat("A: b\r\n", 1<<17)) },
	} {
		for _, method := range []string{"POST", "PUT"} {
			for _, warm := range []bool{false, true} { // on a new connection, and on one that has served a call
				t.Run(fmt.Sprintf("%s %s warm=%t", name, method, warm), func(t *testing.T) {
					var taken atomic.Int64
					s := wiretest.Serve(t, func(n int, c net.Conn) {
						if warm && n == 1 {
							if _, err := wiretest.ReadRequest(c); err != nil {
								return
							}
							wiretest.Answer(c, "{}")
						}
						if _, err := wiretest.ReadRequest(c); err == nil {
							taken.Add(1)
							end(c)
						}
					})
					c := callerTo(t, s)
					if warm {
						if _, err := c.do(t.Context(), method, textPiece("first")); err != nil {
							t.Fatal(err)
						}
					}
					a, err := c.do(t.Context(), method, textPiece("second"))
					if err == nil && (a.Status != 200 || a.Err == nil || !a.BodySent) {
						t.Errorf("got %+v", a)
					} else if e, ok := errors.AsType[*Error](err); err != nil && (!ok || !e.MayHaveActed || !e.BodySent) {
						t.Errorf("got %+v", err)
					}
					if (err == nil) != (name == "half a body") || taken.Load() != 1 {
						t.Errorf("taken %d times, %v", taken.Load(), err)
					}
				})
			}
		}
	}
}

// TestStaleConnections shows that the reported outcome of each call is true, and that no call is sent twice, while a server
// closes connections just after its answers.
func TestStaleConnections(t *testing.T) {
	var (
		mu    sync.Mutex
		taken = map[string]int{}
	)
	s := wiretest.Serve(t, func(_ int, c net.Conn) {
		request, err := wiretest.ReadRequest(c)
		if err != nil {
			return
		}
		_, body, _ := strings.Cut(request, "\r\n\r\n")
		mu.Lock()
		taken[body]++
		mu.Unlock()
		wiretest.Answer(c, "{}")
	})
	for _, method := range []string{"POST", "PUT"} {
		c := callerTo(t, s)
		good, lost := 0, 0
		for i := range 1000 {
			body := fmt.Sprint(method, i)
			_, err := c.do(t.Context(), method, textPiece(body))
			mu.Lock()
			n := taken[body]
			mu.Unlock()
			switch {
			case err == nil && n == 1:
				good++
			case err != nil && n == 0:
				lost++
			case err != nil && n == 1 && wireError(t, err).MayHaveActed:
				lost++
			default:
				t.Fatalf("%s: taken %d times, %v", body, n, err)
			}
		}
		t.Logf("%s: %d good, %d lost to the race", method, good, lost)
		if good == 0 {
			t.Error("none succeeded")
		}
	}
}

// TestIdleConnectionClosed shows that a call does not fail if the close of its idle connection was seen before.
func TestIdleConnectionClosed(t *testing.T) {
	closed := make(chan struct{}, 100)
	s := wiretest.Serve(t, func(_ int, c net.Conn) {
		if _, err := wiretest.ReadRequest(c); err == nil {
			wiretest.Answer(c, "{}")
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c) // ends when the client has closed its end
			closed <- struct{}{}
		}
	})
	c := callerTo(t, s)
	for range 20 {
		if _, err := c.do(t.Context(), "POST", textPiece("x")); err != nil {
			t.Fatal(err)
		}
		<-closed
	}
}

// TestEarlyRefusal shows that the answer of a server which refuses a large body at its start and hangs up is seen, and that
// little is sent.
func TestEarlyRefusal(t *testing.T) {
	bubbled(t, "Go server", func(t *testing.T) {
		c := serveOnPipes(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(413) })
		var read atomic.Int64
		a, err := c.do(t.Context(), "POST", bulk(200<<20, &read))
		if err != nil || a.Status != 413 {
			t.Errorf("got %+v, %v", a, err)
		}
		if read.Load() != 0 {
			t.Errorf("%d bytes were read", read.Load())
		}
	})
	t.Run("ignores Expect", func(t *testing.T) {
		var read atomic.Int64
		s := wiretest.Serve(t, func(_ int, c net.Conn) {
			io.ReadFull(c, make([]byte, 100_000))
			io.WriteString(c, "HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 6\r\n\r\nno way")
		}) // closing with bytes unread resets the connection
		a, err := callerTo(t, s).do(t.Context(), "POST", bulk(200<<20, &read))
		if err != nil || a.Status != 413 {
			t.Errorf("got %+v, %v", a, err)
		}
		if read.Load() > 50<<20 {
			t.Errorf("%d bytes were read", read.Load())
		}
	})
	for _, status := range []int{401, 413} {
		t.Run(fmt.Sprint("many, ", status), func(t *testing.T) {
			s := wiretest.Serve(t, func(_ int, c net.Conn) {
				io.ReadFull(c, make([]byte, 20_000))
				fmt.Fprintf(c, "HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n", status)
			})
			seeEarly(t, callerTo(t, s), status)
		})
	}
}

// seeEarly makes 100 calls to a server that refuses them early and resets the connection. Without conn, the answers of about
// half of them are seen, with it those of about 97. The kernel drops the others because of the reset, and they must be
// reported as failures of the network.
func seeEarly(t *testing.T, c caller, status int) {
	t.Helper()
	seen := 0
	for range 100 {
		a, err := c.do(t.Context(), "POST", bulk(1<<20-1000, nil))
		switch {
		case err == nil && a.Status == status:
			seen++
		case err == nil:
			t.Errorf("got %+v", a)
		case errors.Is(wireError(t, err), ErrContent):
			t.Errorf("got %v", err)
		}
	}
	t.Logf("%d answers of 100 seen", seen)
	if seen == 0 {
		t.Error("not one answer of 100 was seen")
	}
}

// TestEarlyAnswerIsWaitedFor shows that an answer which comes after a write has failed is seen, unless it comes too late.
func TestEarlyAnswerIsWaitedFor(t *testing.T) {
	for _, c := range []struct {
		after  time.Duration
		status int
	}{{0, 413}, {answerGrace / 2, 413}, {answerGrace * 9 / 10, 413}, {2 * answerGrace, 0}} {
		bubbled(t, c.after.String(), func(t *testing.T) {
			p := newPipes()
			p.wrap = func(c net.Conn) net.Conn { return &breaking{Conn: c, left: 20_000} }
			wiretest.ServeOn(t, p, func(_ int, server net.Conn) {
				io.ReadFull(server, make([]byte, 20_000))
				time.Sleep(c.after)
				io.WriteString(server, "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
			})
			k := p.callerOf(t)
			a, err := k.do(t.Context(), "POST", bulk(1<<20-1000, nil))
			if (err != nil) != (c.status == 0) || err == nil && a.Status != c.status || errors.Is(err, ErrContent) {
				t.Errorf("got %+v, %v", a, err)
			}
		})
	}
}

// breaking is a connection that takes some bytes and then fails.
type breaking struct {
	net.Conn
	left int
}

func (b *breaking) Write(p []byte) (int, error) {
	n, err := b.Conn.Write(p[:min(len(p), b.left)])
	if b.left -= n; err == nil && n < len(p) {
		err = syscall.EPIPE
	}
	return n, err
}

// blockFor is a slow disk.
type blockFor struct{ d time.Duration }

func (b blockFor) Read([]byte) (int, error) {
	time.Sleep(b.d) // on the bubble's clock
	return 0, io.EOF
}

const shortStall = 20 * time.Second

func stallSoon(o *Options) { o.StallTimeout = shortStall }

// TestStall shows that a call is broken off when the server takes nothing, answers nothing, or stops in the middle of its
// answer.
func TestStall(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(c net.Conn)
		size  int64
	}{
		"black hole": {func(net.Conn) {}, 100 << 20},
		"no answer":  {func(c net.Conn) { wiretest.ReadRequest(c) }, 1000},
		"half an answer": {func(c net.Conn) {
			wiretest.ReadRequest(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")
		}, 1000},
	} {
		bubbled(t, name, func(t *testing.T) {
			release := make(chan struct{})
			k := rawOnPipes(t, func(_ int, conn net.Conn) { c.serve(conn); <-release }, stallSoon)
			defer close(release)
			for _, body := range []Piece{bulk(c.size, nil), textPiece("{}")} {
				start := time.Now()
				a, err := k.do(t.Context(), "POST", body)
				if err == nil {
					err = a.Err
				} else if e := wireError(t, err); e.MayHaveActed != (name != "black hole") {
					t.Errorf("got %+v", e)
				}
				if !errors.Is(err, ErrStalled) || errors.Is(err, context.Canceled) || (a != nil) != (name == "half an answer") {
					t.Errorf("got %+v, %v", a, err)
				}
				if took := time.Since(start); took < shortStall || took > shortStall*5/4 {
					t.Errorf("broken off after %s", took)
				}
			}
		})
	}
}

// TestSlowIsNotStalled shows that a server which pauses for less than the limit, or answers byte by byte, is not given up.
func TestSlowIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, pause = 800_000, shortStall * 9 / 10
		c := rawOnPipes(t, func(_ int, c net.Conn) {
			for left := int64(size); left > 0; {
				time.Sleep(pause)
				n, err := io.CopyN(io.Discard, c, min(left, 40_000)) // more than net/http takes at once
				if left -= n; err != nil {
					return
				}
			}
			go io.Copy(io.Discard, c) // the rest of the request
			for _, b := range []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") {
				time.Sleep(pause)
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
			}
		}, stallSoon)
		start := time.Now()
		if a, err := c.do(t.Context(), "POST", bulk(size, nil)); err != nil || a.JSON(&struct{}{}) != nil {
			t.Errorf("got %+v, %v", a, err)
		}
		if took := time.Since(start); took < 20*pause {
			t.Errorf("took %s: nothing was tested", took)
		}
	})
}

// TestSlowDiskIsNotAStall shows that a call does not stall while its file is read slowly.
func TestSlowDiskIsNotAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serveOnPipes(t, say(200, "{}"), stallSoon)
		_, err := c.do(t.Context(), "POST", Piece{File: &File{Name: "a.pdf", Size: 60_000, Open: func() io.Reader {
			return io.MultiReader(io.LimitReader(zeros{}, 50_000), blockFor{3 * shortStall}, io.LimitReader(zeros{}, 10_000))
		}}})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestWaitingForAConnectionIsNotAStall shows that a call does not stall while it waits for longer than the limit for a busy
// connection.
func TestWaitingForAConnectionIsNotAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serveOnPipes(t, func(w http.ResponseWriter, _ *http.Request) {
			for range 10 { // bytes move all the time
				time.Sleep(shortStall / 4)
				io.WriteString(w, " ")
				w.(http.Flusher).Flush()
			}
			io.WriteString(w, "{}")
		}, stallSoon, func(o *Options) { o.MaxConns = 1 })
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if a, err := c.do(t.Context(), "POST", textPiece("{}")); err != nil || a.JSON(&struct{}{}) != nil {
					t.Errorf("got %+v, %v", a, err)
				}
			})
		}
		wg.Wait()
	})
}

// TestTLS shows that a server with an unknown certificate or an old version of TLS gets no byte of a request, and that others
// are spoken to in HTTP/1.1.
func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.TLS == nil || r.ProtoMajor != 1 {
			t.Errorf("got %s over %v", r.Proto, r.TLS)
		}
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	defer s.Close()
	_, err := callerTo(t, s.URL).do(t.Context(), "POST", textPiece("x"))
	if e := wireError(t, err); e.MayHaveActed || e.BodySent {
		t.Errorf("a stranger's certificate: got %+v", e)
	}
	c := callerTo(t, s.URL, trusting(s))
	for _, body := range []Piece{textPiece("x"), bulk(2<<20, nil)} {
		if a, err := c.do(t.Context(), "POST", body); err != nil || a.Status != 200 {
			t.Errorf("got %+v, %v", a, err)
		}
	}
	s.TLS.MaxVersion = tls.VersionTLS11
	c.Close()
	_, err = c.do(t.Context(), "POST", textPiece("x"))
	if e := wireError(t, err); e.MayHaveActed || e.BodySent {
		t.Errorf("TLS 1.1: got %+v", e)
	}
}

func trusting(s *httptest.Server) func(*Options) {
	transport := newTransport(2, time.Second)
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	transport.TLSClientConfig.RootCAs.AddCert(s.Certificate())
	return func(o *Options) { o.Transport = transport }
}

// TestTLSEarlyRefusal shows that an early answer is seen through TLS as well.
func TestTLSEarlyRefusal(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, rw, _ := w.(http.Hijacker).Hijack()
		io.CopyN(io.Discard, rw, 20_000)
		io.WriteString(c, "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
		c.(*tls.Conn).NetConn().Close()
	}))
	s.StartTLS()
	defer s.Close()
	seeEarly(t, callerTo(t, s.URL, trusting(s)), 413)
}
