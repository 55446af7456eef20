package wire

import (
	"net/url"
	"testing"
)

// TestMayCarrySecrets shows that https may go anywhere, http to this machine only, and nothing else anywhere.
func TestMayCarrySecrets(t *testing.T) {
	for address, want := range map[string]bool{
		"https://example.org":           true,
		"HTTPS://example.org":           true,
		"https://10.1.1.1:8443/x":       true,
		"http://localhost":              true,
		"http://LocalHost:8080/x":       true,
		"http://127.0.0.1:1":            true,
		"http://127.255.255.254":        true,
		"http://[::1]:1":                true,
		"http://[::ffff:127.0.0.1]":     true,
		"http://example.org":            false,
		"http://127.0.0.1.evil.example": false,
		"http://localhost.evil.example": false,
		"http://127.0.0.1@evil.example": false,
		"http://0.0.0.0":                false,
		"http://[::]":                   false,
		"http://10.1.1.1":               false,
		"http://[::ffff:10.1.1.1]":      false,
		"http://2130706433":             false, // 127.0.0.1 for some
		"http://0x7f.1":                 false,
		"http://":                       false,
		"ftp://localhost":               false,
		"localhost":                     false,
		"//localhost":                   false,
		"":                              false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := MayCarrySecrets(u); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
}
