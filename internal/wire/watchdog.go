package wire

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// watchdog breaks a call off when no byte of it has moved for a time, however long the call takes. A byte moves when the
// transport takes it from the body, when the peer's kernel acknowledges it (megabytes may wait in this kernel), and when it
// comes with the answer. The watchdog rests while the call waits for a connection, which has its own time limit or needs none.
//
// The standard library has nothing like it: a deadline of a net.Conn takes bytes in this kernel's buffer for sent, and the
// Timeout of an http.Client is for the whole call.
type watchdog struct {
	limit time.Duration
	stall func()
	start time.Time
	last  atomic.Int64 // nanoseconds from start to the last moved byte; 0: resting

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
	traces  bool     // the transport has reported a connection
	conn    net.Conn // which the request is sent on
	written int64    // bytes that had been written on conn before the request
	moved   uint64   // bytes that had moved on conn at the last check
}

// newWatchdog starts a watchdog, which rests at first. The caller calls stop.
func newWatchdog(limit time.Duration, stall func()) *watchdog {
	w := &watchdog{limit: limit, stall: stall, start: time.Now()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.interval(), w.check)
	return w
}

// interval is the time between checks: a stall is noticed at most a quarter of the limit late.
func (w *watchdog) interval() time.Duration { return max(w.limit/4, time.Millisecond) }

func (w *watchdog) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
}

func (w *watchdog) touch() { w.last.Store(max(1, int64(time.Since(w.start)))) }

func (w *watchdog) pause() { w.last.Store(0) }

func (w *watchdog) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	last := w.last.Load()
	if moved := movedBytes(w.conn); moved != w.moved {
		w.moved = moved
		if last != 0 && w.last.CompareAndSwap(last, int64(time.Since(w.start))) {
			last = w.last.Load()
		}
	}
	if last != 0 && time.Since(w.start)-time.Duration(last) >= w.limit {
		w.stall()
		return
	}
	w.timer.Reset(w.interval())
}

// traced makes net/http report to the watchdog. connected is called when there is a connection, before a byte of the request
// is written to it; if it fails, no byte is written.
func (w *watchdog) traced(ctx context.Context, connected func() error) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { w.use(nil); w.pause() },
		GotConn: func(info httptrace.GotConnInfo) {
			w.use(info.Conn)
			if connected() != nil {
				w.block()
			}
			w.touch()
		},
		// The wait for "100 Continue" ends by itself after ExpectContinueTimeout.
		Wait100Continue:      w.pause,
		WroteRequest:         func(httptrace.WroteRequestInfo) { w.touch() },
		GotFirstResponseByte: w.touch,
	})
}

// use notes the connection on which the request is sent. net/http takes another one only while nothing was written to the last
// one.
func (w *watchdog) use(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.traces = true
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	w.conn, w.written, w.moved = c, 0, movedBytes(c)
	if own, ok := c.(*conn); ok {
		w.written = own.written.Load()
	}
}

// block makes writes to the connection fail. net/http writes to a connection even if the context of the request has ended.
func (w *watchdog) block() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if own, ok := w.conn.(*conn); ok {
		own.blocked.Store(true)
	}
}

// movedBytes is the number of bytes that have arrived at either end of a connection of this package.
func movedBytes(c net.Conn) uint64 {
	if own, ok := c.(*conn); ok {
		return uint64(own.read.Load()) + ackedBytes(own.Conn)
	}
	return 0
}

// reached reports whether a byte of the request may have reached the server. That is assumed of a transport that does not
// report its connections, or that has connections of another package.
func (w *watchdog) reached() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if own, ok := w.conn.(*conn); ok {
		return own.written.Load() > w.written
	}
	return w.conn != nil || !w.traces
}

// watchedReader reports each byte that it reads to the watchdog.
type watchedReader struct {
	io.Reader
	watch *watchdog
}

func (r watchedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.watch.touch()
	}
	return n, err
}
