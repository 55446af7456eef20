package main

import (
	"net"
	"testing"
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
