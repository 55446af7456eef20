package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"syscall"
	"testing"
	"time"
)

// TestAddressOf: what is printed can be called, and is what the demo's daemon takes, wherever it listens.
func TestAddressOf(t *testing.T) {
	for _, test := range []struct {
		ip, url, exposed string
		callable         bool
	}{
		{"127.0.0.1", "http://127.0.0.1:8410", "http://127.0.0.1:8410", true},
		{"::1", "http://[::1]:8410", "http://[::1]:8410", true},
		{"::", "http://127.0.0.1:8410", "port 8410 of this machine", true}, // of :8410, and also of 0.0.0.0:8410
		{"0.0.0.0", "http://127.0.0.1:8410", "port 8410 of this machine", true},
		{"192.0.2.7", "http://192.0.2.7:8410", "http://192.0.2.7:8410", false},
	} {
		url, exposed := addressOf(&net.TCPAddr{IP: net.ParseIP(test.ip), Port: 8410})
		if url != test.url || exposed != test.exposed {
			t.Errorf("%s: got %s, %s", test.ip, url, exposed)
		}
		d := demonstration{sandbox: &openedSandbox{url: url}}
		if err := d.callable(); (err == nil) != test.callable {
			t.Errorf("%s: %v", test.ip, err)
		}
	}
}

// TestSecondSignal: what is still under way when it is told to stop holds it up for a while, and for no longer than
// until it is told again.
func TestSecondSignal(t *testing.T) {
	for _, args := range [][]string{
		{"sandbox", "--listen", "127.0.0.1:0"},
		{"demo", "--dir", t.TempDir()},
	} {
		p := (&world{t: t}).start(args...)
		p.waitFor("http://127.0.0.1:")
		stalled(t, regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(p.log()))
		interrupt(p)
		if code := p.ProcessState.ExitCode(); code != 128+int(syscall.SIGINT) {
			t.Errorf("%s ended with %v, want %d for the second SIGINT", args[0], p.ProcessState, 128+int(syscall.SIGINT))
		}
	}
}

// interrupt sends SIGINT again and again, until p has ended.
func interrupt(p *process) {
	for {
		select {
		case err := <-p.exited:
			p.exited <- err
			return
		case <-time.After(20 * time.Millisecond):
			_ = p.Process.Signal(syscall.SIGINT) // it may have ended by now
		}
	}
}

// stalled begins an upload to a sandbox and never ends it.
func stalled(t *testing.T, address string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	answers := bufio.NewReader(conn)
	_, err = fmt.Fprint(conn, "GET /v1/accessToken HTTP/1.1\r\nHost: localhost\r\napplicationId: a\r\napplicationSecret: b\r\nrefreshToken: c\r\n\r\n")
	must(t, err)
	answer, err := http.ReadResponse(answers, nil)
	must(t, err)
	var token struct{ AccessToken string }
	must(t, json.NewDecoder(answer.Body).Decode(&token))
	_, err = fmt.Fprintf(conn, "POST /v1/media HTTP/1.1\r\nHost: localhost\r\naccessToken: %s\r\nContent-Length: 1000\r\n"+
		"Content-Type: multipart/form-data; boundary=b\r\nExpect: 100-continue\r\n\r\n", token.AccessToken)
	must(t, err)
	answer, err = http.ReadResponse(answers, nil)
	must(t, err)
	if answer.StatusCode != http.StatusContinue { // it comes when the body is waited for
		t.Fatalf("the upload was answered with %s", answer.Status)
	}
}
