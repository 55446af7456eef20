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

// watchdog breaks a call off when no byte of it moved for a time, however long it takes in all. Bytes move when the
// transport takes them from the body, when the peer's kernel acknowledges them (megabytes may wait in this one's), and
// when bytes of the answer come. It rests while a connection is waited for, which has its own limit or should have none.
type watchdog struct {
	limit time.Duration
	stall func()
	start time.Time
	last  atomic.Int64 // nanoseconds from start to the last progress; 0: resting

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
	tells   bool     // the transport tells of its connections
	conn    net.Conn // of the sending under way
	written int64    // bytes it had written before
	moved   uint64   // bytes that had moved on it at the last check
}

// newWatchdog begins resting. The caller calls stop.
func newWatchdog(limit time.Duration, stall func()) *watchdog {
	w := &watchdog{limit: limit, stall: stall, start: time.Now()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.interval(), w.check)
	return w
}

// interval keeps a stall from being noticed later than a quarter of the limit after it is one.
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

// traced has net/http tell the watchdog what happens. connected is called when there is a connection, before a byte of the
// request is written to it; if it fails, none is.
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

// use notes the connection of a sending. net/http takes another one only while nothing was written on the last.
func (w *watchdog) use(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tells = true
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	w.conn, w.written, w.moved = c, 0, movedBytes(c)
	if own, ok := c.(*conn); ok {
		w.written = own.written.Load()
	}
}

// block keeps the connection from being written to. net/http writes to one that it has even for a request whose context
// has ended.
func (w *watchdog) block() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if own, ok := w.conn.(*conn); ok {
		own.blocked.Store(true)
	}
}

// movedBytes is how many bytes arrived at either end of this package's connections.
func movedBytes(c net.Conn) uint64 {
	if own, ok := c.(*conn); ok {
		return uint64(own.read.Load()) + ackedBytes(own.Conn)
	}
	return 0
}

// reached reports whether any byte of the request may have reached the server. A transport that does not tell of its
// connections, or has others than this package's, may have sent them.
func (w *watchdog) reached() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if own, ok := w.conn.(*conn); ok {
		return own.written.Load() > w.written
	}
	return w.conn != nil || !w.tells
}

// watchedReader is progress wherever it brings bytes.
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
