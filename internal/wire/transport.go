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

// newTransport makes a transport that speaks HTTP/1.1 only. So each call has a connection of its own: the limit of connections
// limits calls, a slow upload does not slow others on a shared connection, and net/http repeats hardly anything
// (bodyReader.attach says what). There is no ResponseHeaderTimeout, because the watchdog knows when bytes in this kernel's
// buffer still move.
func newTransport(conns int, connect time.Duration) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{
		Timeout: connect,
		// Keep-alive probes find an idle connection whose peer is gone before a call uses it.
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: refusedByProxy,
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
		WriteBufferSize:        16 << 10, // a small request is written at once
		DisableCompression:     true,
	}
}

// answerGrace is how long a failed write waits for an answer that came before it.
const answerGrace = time.Second

// conn counts the bytes that it moves, and lets an early answer be read. When a server answers 413 and closes, writing fails,
// and net/http would report that error instead of the answer that it is about to read.
type conn struct {
	net.Conn
	read    atomic.Int64 // bytes
	written atomic.Int64
	blocked atomic.Bool // further writes fail
	once    sync.Once
	over    chan struct{} // closed once nothing more can be read
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

// Close is called by net/http after the answer, and when a call is broken off.
func (c *conn) Close() error {
	c.end()
	return c.Conn.Close()
}

func (c *conn) end() { c.once.Do(func() { close(c.over) }) }
