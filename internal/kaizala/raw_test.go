package kaizala

import (
	"bufio"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// rawServer hands every connection, numbered from 1, to serve in a goroutine of its own, and closes it afterwards.
// It ends with the test and waits for all of them.
func rawServer(t testing.TB, serve func(n int, c net.Conn)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return rawServerOn(t, l, serve)
}

func rawServerOn(t testing.TB, l net.Listener, serve func(n int, c net.Conn)) (url string) {
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
				defer c.Close()
				serve(n, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return "http://" + l.Addr().String()
}

// readRequest reads one request with its body and brings all of it as text. It must be the only one sent up to now.
func readRequest(c net.Conn) (string, error) {
	var text strings.Builder
	r, err := http.ReadRequest(bufio.NewReader(io.TeeReader(c, &text)))
	if err != nil {
		return text.String(), err
	}
	_, err = io.Copy(io.Discard, r.Body)
	return text.String(), err
}

func answer200(c net.Conn, body string) {
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func filename(t *testing.T, disposition string) string {
	t.Helper()
	kind, params, err := mime.ParseMediaType(disposition)
	if err != nil || kind != "form-data" || len(params) != 2 {
		t.Fatalf("%q parses as %q %q, %v", disposition, kind, params, err)
	}
	return params["filename"]
}
