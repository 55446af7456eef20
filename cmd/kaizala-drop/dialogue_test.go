package main

import (
	"errors"
	"strings"
	"testing"
)

// TestTyped: what is typed where nothing is shown is what a person means by the usual keys.
func TestTyped(t *testing.T) {
	for keys, want := range map[string]string{
		"123456\r": "123456", "123456\n": "123456", "12\r34\r": "12", "12\x7f3\r": "13", "1\b\b\b2\r": "2", "99\x1512\r": "12", "12\x04": "12", "\r": "",
		strings.Repeat("1", 2*maxLine) + "\r": strings.Repeat("1", maxLine),
	} {
		if got, err := typed(strings.NewReader(keys)); got != want || err != nil {
			t.Errorf("%.20q: got %.20q, %v", keys, got, err)
		}
	}
	for keys, want := range map[string]error{"": errNoAnswer, "12": errNoAnswer, "\x04": errNoAnswer, "12\x03": errInterrupted, "12\x15\x04": errNoAnswer} {
		if got, err := typed(strings.NewReader(keys)); got != "" || !errors.Is(err, want) {
			t.Errorf("%q: got %q, %v", keys, got, err)
		}
	}
}
