// Package wiretest serves connections byte by byte, for tests of what no HTTP server would answer.
package wiretest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Serve accepts connections, numbered from 1. It hands each of them to serve in a goroutine of its own, and closes it
// afterwards. It ends with the test, and waits for all goroutines.
func Serve(t testing.TB, serve func(n int, c net.Conn)) (url string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ServeOn(t, l, serve)
}

// ServeOn is Serve on a listener of the caller's, which it closes.
func ServeOn(t testing.TB, l net.Listener, serve func(n int, c net.Conn)) (url string) {
	t.Helper()
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		conns []net.Conn
	)
	wg.Go(func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				serve(n, c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return "http://" + l.Addr().String()
}

// ReadRequest reads one request with its body, and returns it as text. The client must have sent nothing else.
func ReadRequest(c net.Conn) (string, error) {
	var text strings.Builder
	r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(c, &text)))
	if err != nil {
		return text.String(), err
	}
	_, err = io.Copy(io.Discard, r.Body)
	return text.String(), err
}

// Answer sends an answer with status 200 and this body.
func Answer(c net.Conn, body string) {
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}
