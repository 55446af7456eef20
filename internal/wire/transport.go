package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// newTransport speaks HTTP/1.1 only: one call then is one connection, so that "connections at once" limits calls, one
// slow upload never holds up another on a shared connection, and what net/http repeats by itself stays simple (see
// bodyReader.attach). There is no ResponseHeaderTimeout: the watchdog knows that bytes still in this kernel's buffer move.
func newTransport(conns int, connect time.Duration) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{
		Timeout: connect,
		// An idle connection whose peer is gone is found out before a call is entrusted to it.
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &conn{Conn: c, over: make(chan struct{})}, nil
		},
		Protocols:              protocols,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    connect,
		ExpectContinueTimeout:  time.Second,
		MaxConnsPerHost:        conns,
		MaxIdleConnsPerHost:    conns,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		WriteBufferSize:        16 << 10, // a whole small request in one packet train
		DisableCompression:     true,
	}
}

// answerGrace is how long a failed write waits for an answer that came before it.
const answerGrace = time.Second

// conn counts what it moves, and gives an early answer its chance: a server that answers 413 and closes makes writing
// fail, and net/http would report that instead of the answer that it is just reading.
type conn struct {
	net.Conn
	read    atomic.Int64 // bytes
	written atomic.Int64
	blocked atomic.Bool // nothing more is to be written
	once    sync.Once
	over    chan struct{} // closed once nothing more is to be read
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	if err != nil {
		c.end()
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	if c.blocked.Load() {
		return 0, errors.New("the request was broken off before it was sent")
	}
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	if err == nil {
		return n, nil
	}
	timer := time.NewTimer(answerGrace)
	defer timer.Stop()
	select {
	case <-c.over:
	case <-timer.C:
	}
	return n, err
}

// Close is what net/http does when it has the answer, and when a call is broken off.
func (c *conn) Close() error {
	c.end()
	return c.Conn.Close()
}

func (c *conn) end() { c.once.Do(func() { close(c.over) }) }
