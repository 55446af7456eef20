package names

import (
	"strings"
	"testing"
)

// TestCheckRoom shows what can name a room, and that what else people write is told apart from it.
func TestCheckRoom(t *testing.T) {
	for s, want := range map[string]string{
		"#scans:example.org":            "",
		"#scans:example.org:8448":       "",
		"#scans:[2001:db8::1]:8448":     "",
		"#Räume & mehr/x:example.org":   "white space",
		"#räume/x:example.org":          "",
		"!opaque:example.org":           "",
		"!31hneApxJ_1o-63DmFrpeqnkFfWp": "", // of a newer room
		"":                              "no room is named",
		"!":                             "neither",
		"#":                             "an alias is #name:server",
		"#scans":                        "such as #scans:example.org",
		"#:example.org":                 "such as #reception:example.org",
		"scans:example.org":             "neither",
		"@anna:example.org":             "that is a person",
		"#scans:exa mple.org":           "white space",
		"#scans:example.org\n":          "control character",
		"#scans:":                       "is not the name of a server",
		"#scans:example..org":           "is not the name of a server",
		"#scans:example.org:0":          "is not a port",
		"#scans:example.org:99999":      "is not a port",
		"#scans:[::zz]":                 "is not an IPv6 address",
		"#scans:[::1]x":                 "is not the name of a server",
		"https://matrix.to/#/%23scans%3Aexample.org?via=a": `write what it leads to, "#scans:example.org"`,
		"https://matrix.to/#/#scans:example.org":           `write what it leads to, "#scans:example.org"`,
		"https://matrix.to/#/@anna:example.org":            "a link is no room",
		"#" + strings.Repeat("a", 250) + ":example.org":    "at most 255",
	} {
		err := CheckRoom(s)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", s, err, want)
		}
	}
}

// TestCheckHomeserver shows what can be a homeserver, how it is called then, and that no error shows a password.
func TestCheckHomeserver(t *testing.T) {
	for s, want := range map[string]string{
		"example.org":                       "",
		"localhost:8008":                    "",
		"192.0.2.1":                         "",
		"https://matrix.example.org":        "https://matrix.example.org",
		"https://matrix.example.org/":       "https://matrix.example.org",
		"https://example.org:8448/a/matrix": "https://example.org:8448/a/matrix",
		"http://127.0.0.1:8008":             "http://127.0.0.1:8008",
		"http://[::1]:8008":                 "http://[::1]:8008",
	} {
		if got, err := CheckHomeserver(s); err != nil || got != want {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
	for s, want := range map[string]string{
		"":                                     "none is named",
		"@scanner:example.org":                 "only what stands behind the colon",
		"#scans:example.org":                   "only what stands behind the colon",
		"example org":                          "is not the name of a server",
		"example.org/_matrix":                  "is not the name of a server",
		"http://example.org":                   "must begin with https://",
		"ftp://example.org":                    "must begin with https://",
		"https://":                             "not a whole address",
		"https://exa mple.org":                 "not an address",
		"https://me:hunter2@example.org":       "holds a user name",
		"https://example.org?access_token=abc": "must end before any ? or #",
		"https://example.org/_matrix/client":   "must end before /_matrix",
		"https://example.org:0":                "not a whole address",
	} {
		_, err := CheckHomeserver(s)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "abc") {
			t.Errorf("%q: %v, want %q", s, err, want)
		}
	}
	for s, ok := range map[string]bool{"@a:b": true, "@a:b.example:1": true, "@:b": false, "a:b": false, "@a": false, "": false, "@a b:c": false, "@a:": false} {
		if err := CheckUser(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}
