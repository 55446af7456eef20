package kaizala

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
)

// TestAnswerLost: the server takes the action and says nothing, or not all. It must never get it a second time.
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
		for _, warm := range []bool{false, true} { // on a fresh connection, on one that served before
			t.Run(fmt.Sprintf("%s warm=%t", name, warm), func(t *testing.T) {
				var taken atomic.Int64
				s := rawServer(t, func(n int, c net.Conn) {
					if warm && n == 1 {
						if _, err := readRequest(c); err != nil {
							return
						}
						answer200(c, goodAction)
					}
					if _, err := readRequest(c); err == nil {
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

// TestStaleConnections: a server closes connections just after it answered, while the next post is being sent. Whatever
// comes of that race, what is said of each post is true of it, and none is sent twice.
func TestStaleConnections(t *testing.T) {
	var (
		mu    sync.Mutex
		taken = map[string]int{}
	)
	s := rawServer(t, func(n int, c net.Conn) {
		text, err := readRequest(c)
		if err != nil {
			return
		}
		_, caption, _ := strings.Cut(text, `"caption":"`)
		caption, _, _ = strings.Cut(caption, `"`)
		mu.Lock()
		taken[caption]++
		mu.Unlock()
		answer200(c, goodAction)
	})
	k := fixed(t, s)
	good, lost := 0, 0
	for i := range 2000 {
		caption := fmt.Sprint("n", i)
		_, err := k.Post(t.Context(), post(caption))
		mu.Lock()
		n := taken[caption]
		mu.Unlock()
		switch {
		case err == nil && n == 1:
			good++
		case err != nil && n == 0:
			lost++
		case err != nil && n == 1 && wireError(t, err).MayHaveActed:
			lost++
		default:
			t.Fatalf("post %d: taken %d times, %v", i, n, err)
		}
	}
	t.Logf("%d good, %d lost to the race", good, lost)
	if good == 0 {
		t.Error("none succeeded")
	}
}

// TestIdleConnectionClosed: once the close was seen there is no race, and no error.
func TestIdleConnectionClosed(t *testing.T) {
	closed := make(chan struct{}, 100)
	s := rawServer(t, func(n int, c net.Conn) {
		if _, err := readRequest(c); err == nil {
			answer200(c, goodAction)
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c) // ends when the client has closed too
			closed <- struct{}{}
		}
	})
	k := fixed(t, s)
	for range 20 {
		if _, err := k.Post(t.Context(), post("")); err != nil {
			t.Fatal(err)
		}
		<-closed
	}
}

// TestEarlyRefusal: a server refuses a large body at its start and hangs up. The answer is seen, and little is sent.
func TestEarlyRefusal(t *testing.T) {
	bubbled(t, "Go server", func(t *testing.T) {
		k := serveOnPipes(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(413) })
		var read atomic.Int64
		_, err := k.Upload(t.Context(), []Part{bulk(200<<20, &read)})
		if e := wireError(t, err); e.Status != 413 || e.Fault != FaultFile {
			t.Errorf("got %+v", e)
		}
		if read.Load() != 0 {
			t.Errorf("%d bytes were read", read.Load())
		}
	})
	t.Run("ignores Expect", func(t *testing.T) {
		var read atomic.Int64
		s := rawServer(t, func(n int, c net.Conn) {
			io.ReadFull(c, make([]byte, 100_000))
			io.WriteString(c, "HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 6\r\n\r\nno way")
		}) // closing with bytes unread resets the connection
		_, err := fixed(t, s).Upload(t.Context(), []Part{bulk(200<<20, &read)})
		if e := wireError(t, err); e.Status != 413 || e.Fault != FaultFile {
			t.Errorf("got %+v", e)
		}
		if read.Load() > 50<<20 {
			t.Errorf("%d bytes were read", read.Load())
		}
	})
	for _, status := range []int{401, 413} {
		t.Run(fmt.Sprint("many, ", status), func(t *testing.T) {
			s := rawServer(t, func(n int, c net.Conn) {
				io.ReadFull(c, make([]byte, 20_000))
				fmt.Fprintf(c, "HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n", status)
			})
			seeEarly(t, fixed(t, s), status)
		})
	}
}

// seeEarly makes 100 uploads to a server that refuses them early and resets the connection. Answers are seen: about half are
// without what conn does, about 97 with it. The kernel drops the others for the reset, and they must come back as nobody's
// fault.
func seeEarly(t *testing.T, k *Client, status int) {
	t.Helper()
	seen := 0
	for range 100 {
		_, err := k.Upload(t.Context(), []Part{bulk(1<<20-1000, nil)})
		switch e := wireError(t, err); {
		case e.Status == status:
			seen++
		case e.Status != 0 || e.Fault != FaultDestination || errors.Is(err, ErrContent):
			t.Errorf("got %+v", e)
		}
	}
	t.Logf("%d answers of 100 seen", seen)
	if seen == 0 {
		t.Error("not one answer of 100 was seen")
	}
}

// TestEarlyAnswerIsWaitedFor: writing fails, and the answer comes after that. It is seen, unless it comes too late.
func TestEarlyAnswerIsWaitedFor(t *testing.T) {
	for _, c := range []struct {
		after  time.Duration
		status int
	}{{0, 413}, {answerGrace / 2, 413}, {answerGrace * 9 / 10, 413}, {2 * answerGrace, 0}} {
		bubbled(t, c.after.String(), func(t *testing.T) {
			p := newPipes()
			p.wrap = func(c net.Conn) net.Conn { return &breaking{Conn: c, left: 20_000} }
			rawServerOn(t, p, func(_ int, server net.Conn) {
				io.ReadFull(server, make([]byte, 20_000))
				time.Sleep(c.after)
				io.WriteString(server, "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
			})
			k := p.clientOf(t)
			_, err := k.Upload(t.Context(), []Part{bulk(1<<20-1000, nil)})
			if e := wireError(t, err); e.Status != c.status || (c.status == 0) != (e.Fault == FaultDestination) || errors.Is(err, ErrContent) {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// breaking is a connection that takes some bytes, and no more.
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

// TestTooEarlySuccess: a 200 before the whole file was sent cannot speak of the whole file.
func TestTooEarlySuccess(t *testing.T) {
	k := fixed(t, "https://calls.example", func(o *Options) { o.Transport = hasty{} })
	_, err := k.Upload(t.Context(), []Part{bulk(100_000, nil)})
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

// blockFor is a slow disk.
type blockFor struct{ d time.Duration }

func (b blockFor) Read([]byte) (int, error) {
	time.Sleep(b.d) // of the bubble
	return 0, io.EOF
}

const shortStall = 20 * time.Second

func stallSoon(o *Options) { o.StallTimeout = shortStall }

func TestStall(t *testing.T) {
	for name, c := range map[string]struct {
		serve func(c net.Conn)
		size  int64
	}{
		"black hole": {func(net.Conn) {}, 100 << 20},
		"no answer":  {func(c net.Conn) { readRequest(c) }, 1000},
		"half an answer": {func(c net.Conn) {
			readRequest(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")
		}, 1000},
	} {
		bubbled(t, name, func(t *testing.T) {
			release := make(chan struct{})
			k := rawOnPipes(t, func(_ int, conn net.Conn) { c.serve(conn); <-release }, stallSoon)
			defer close(release)
			start := time.Now()
			_, err := k.Upload(t.Context(), []Part{bulk(c.size, nil)})
			if e := wireError(t, err); !errors.Is(err, ErrStalled) || errors.Is(err, context.Canceled) || e.Fault != FaultDestination {
				t.Errorf("got %+v", e)
			}
			if took := time.Since(start); took < shortStall || took > shortStall*5/4 {
				t.Errorf("broken off after %s", took)
			}
			_, err = k.Post(t.Context(), post(""))
			if e := wireError(t, err); !errors.Is(err, ErrStalled) || e.MayHaveActed != (name != "black hole") {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// TestSlowIsNotStalled: a server that takes its time, with pauses shorter than the limit, is never given up. Nor is one that
// answers byte by byte.
func TestSlowIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, pause = 800_000, shortStall * 9 / 10
		k := rawOnPipes(t, func(n int, c net.Conn) {
			for left := int64(size); left > 0; {
				time.Sleep(pause)
				n, err := io.CopyN(io.Discard, c, min(left, 40_000)) // more than net/http takes at once
				if left -= n; err != nil {
					return
				}
			}
			go io.Copy(io.Discard, c) // the rest of the form
			for _, b := range fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(goodMedia), goodMedia) {
				time.Sleep(pause)
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
			}
		}, stallSoon)
		start := time.Now()
		if _, err := k.Upload(t.Context(), []Part{bulk(size, nil)}); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 20*pause {
			t.Errorf("took %s: nothing was tested", took)
		}
	})
}

// TestSlowDiskIsNotAStall: the network stands still because the disk does.
func TestSlowDiskIsNotAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := serveOnPipes(t, say(200, goodMedia), stallSoon)
		_, err := k.Upload(t.Context(), []Part{{Name: "a.pdf", MIME: "x/y", Size: 60_000, Open: func() io.Reader {
			return io.MultiReader(io.LimitReader(zeros{}, 50_000), blockFor{3 * shortStall}, io.LimitReader(zeros{}, 10_000))
		}}})
		if err != nil {
			t.Error(err)
		}
	})
}

// TestWaitingForAConnectionIsNotAStall: the only connection is busy for longer than the limit.
func TestWaitingForAConnectionIsNotAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := serveOnPipes(t, func(w http.ResponseWriter, r *http.Request) {
			for range 10 { // progress all the time
				time.Sleep(shortStall / 4)
				io.WriteString(w, " ")
				w.(http.Flusher).Flush()
			}
			io.WriteString(w, goodAction)
		}, stallSoon, func(o *Options) { o.MaxConns = 1 })
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if _, err := k.Post(t.Context(), post("")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

func TestCanceledOnTheWay(t *testing.T) {
	for _, name := range []string{callMedia, callActions} {
		ctx, cancel := context.WithCancel(t.Context())
		s := rawServer(t, func(n int, c net.Conn) {
			readRequest(c)
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
	s := rawServer(t, func(n int, c net.Conn) { io.Copy(io.Discard, c) })
	if e := wireError(t, fixed(t, s).tryAll(ctx, callMedia)); !errors.Is(e, context.DeadlineExceeded) || errors.Is(e, ErrStalled) {
		t.Errorf("got %+v", e)
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.TLS == nil || r.ProtoMajor != 1 {
			t.Errorf("got %s over %v", r.Proto, r.TLS)
		}
		io.WriteString(w, `{"mediaResource":"r","referenceId":"x"}`)
	}))
	s.EnableHTTP2 = true
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	defer s.Close()
	if e := wireError(t, fixed(t, s.URL).tryAll(t.Context(), callActions)); e.MayHaveActed || e.Fault != FaultDestination || e.Status != 0 {
		t.Errorf("a stranger's certificate: got %+v", e)
	}
	transport := newTransport(2, time.Second)
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	transport.TLSClientConfig.RootCAs.AddCert(s.Certificate())
	k := fixed(t, s.URL, func(o *Options) { o.Transport = transport })
	for _, name := range []string{callMedia, callActions} {
		if err := k.tryAll(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	s.TLS.MaxVersion = tls.VersionTLS11
	k.Close()
	if e := wireError(t, k.tryAll(t.Context(), callActions)); e.MayHaveActed || e.Status != 0 {
		t.Errorf("TLS 1.1: got %+v", e)
	}
}

// TestTLSEarlyRefusal: an early answer is seen through TLS too.
func TestTLSEarlyRefusal(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, rw, _ := w.(http.Hijacker).Hijack()
		io.CopyN(io.Discard, rw, 20_000)
		io.WriteString(c, "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
		c.(*tls.Conn).NetConn().Close()
	}))
	s.StartTLS()
	defer s.Close()
	transport := newTransport(2, time.Second)
	transport.TLSClientConfig.RootCAs = x509.NewCertPool()
	transport.TLSClientConfig.RootCAs.AddCert(s.Certificate())
	k := fixed(t, s.URL, func(o *Options) { o.Transport = transport })
	seeEarly(t, k, 413)
}
