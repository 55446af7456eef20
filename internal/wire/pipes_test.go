package wire

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/wire/wiretest"
)

// pipes is a network in memory. Unlike sockets, it lets a test run on synctest's clock, on which no machine is too slow.
type pipes struct {
	dialed chan net.Conn
	closed chan struct{}
	once   sync.Once
	wrap   func(net.Conn) net.Conn // wraps a client's end; nil: it is not wrapped
}

func newPipes() *pipes { return &pipes{dialed: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.dialed:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (*pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// callerOf is a caller with this package's connections over the network p.
func (p *pipes) callerOf(t testing.TB, change ...func(*Options)) caller {
	t.Helper()
	o := Options{MaxConns: 4}
	for _, f := range change {
		f(&o)
	}
	transport := newTransport(o.MaxConns, time.Second)
	transport.Proxy = nil
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		if p.wrap != nil {
			ours = p.wrap(ours)
		}
		select {
		case p.dialed <- theirs:
			return &conn{Conn: ours, over: make(chan struct{})}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return callerTo(t, "http://"+p.Addr().String(), append(change, func(o *Options) { o.Transport = transport })...)
}

// rawOnPipes is a server of connections in memory, and a caller of it.
func rawOnPipes(t testing.TB, serve func(n int, c net.Conn), change ...func(*Options)) caller {
	t.Helper()
	p := newPipes()
	wiretest.ServeOn(t, p, serve)
	return p.callerOf(t, change...)
}

// serveOnPipes is a server of requests in memory, and a caller of it.
func serveOnPipes(t testing.TB, h http.HandlerFunc, change ...func(*Options)) caller {
	t.Helper()
	p := newPipes()
	s := &http.Server{Handler: h, ErrorLog: quiet()}
	ended := make(chan error)
	go func() { ended <- s.Serve(p) }()
	t.Cleanup(func() {
		s.Close()
		<-ended
	})
	return p.callerOf(t, change...)
}

// bubbled runs test on synctest's clock.
func bubbled(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}
