package config

import (
	"fmt"
	"io"
	"unique"
)

// Secret holds a text that must not be seen. However it is printed, logged or encoded, only a stand-in shows: Reveal is
// the one way to it. The text lies behind a pointer, so that even a struct that hides a Secret in an unexported field,
// where fmt can call no methods, prints an address.
//
// Secrets compare with ==. The zero value is the empty text.
type Secret struct {
	handle unique.Handle[string]
}

// NewSecret hides text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{unique.Make(text)}
}

// Reveal is the text itself: for the header or body it is meant for, and for nothing else.
func (s Secret) Reveal() string {
	if s == (Secret{}) {
		return ""
	}
	return s.handle.Value()
}

// String is a stand-in, or empty when there is nothing to hide.
func (s Secret) String() string {
	if s == (Secret{}) {
		return ""
	}
	return "[secret]"
}

// GoString is String for %#v.
func (s Secret) GoString() string { return fmt.Sprintf("config.NewSecret(%q)", s.String()) }

// Format prints the stand-in for every verb, those that make no sense for it included.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = io.WriteString(f, s.GoString())
		return
	}
	_, _ = io.WriteString(f, s.String())
}

// MarshalText gives the stand-in to encoders of text, and to log/slog.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON gives the stand-in to encoding/json, and so to zerolog.
func (s Secret) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", s.String()), nil }
