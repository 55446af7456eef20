package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"unicode"
	"unicode/utf8"

	"kaizala-drop/internal/wire/wiretest"
)

// TestSecretsStayOut shows that no text shows a secret, in whatever spelling and part of its answer the server repeats it.
func TestSecretsStayOut(t *testing.T) {
	hidden := []string{token, `pass"word <für> 1/2+3`, "pass"}
	var spelled []string
	for _, s := range hidden {
		inJSON, _ := json.Marshal(s)
		spelled = append(spelled, s, url.QueryEscape(s), url.PathEscape(s), html.EscapeString(s), string(inJSON), fmt.Sprintf("%q %+q", s, s))
	}
	said := strings.Join(spelled, " ")
	oneLine := strings.NewReplacer("\r", "", "\n", "").Replace(said)
	for name, answer := range map[string]string{
		"not HTTP":     said + "\r\n\r\n",
		"bad header":   "HTTP/1.1 200 OK\r\n" + oneLine + "\r\n\r\n",
		"bad length":   "HTTP/1.1 200 OK\r\nContent-Length: " + oneLine + "\r\n\r\n",
		"bad encoding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + oneLine + "\r\n\r\n",
		"reason":       "HTTP/1.1 401 " + oneLine + "\r\nContent-Length: 0\r\n\r\n",
		"header":       "HTTP/1.1 401 No\r\nContent-Type: " + oneLine + "\r\nContent-Length: 0\r\n\r\n",
		"body":         fmt.Sprintf("HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n%s", len(said), said),
	} {
		s := wiretest.Serve(t, func(_ int, c net.Conn) {
			wiretest.ReadRequest(c)
			io.WriteString(c, answer)
		})
		c := callerTo(t, s)
		a, err := c.Do(t.Context(), Call{Method: "POST", URL: s, Body: &Body{Pieces: []Piece{textPiece(said)}}, Secrets: hidden})
		var shown string
		if err != nil {
			shown = err.Error()
		} else {
			shown = fmt.Sprint(a.JSON(new(int)), a.Beginning(), a.Clean(a.Header.Get("Content-Type")), a.CleanError(errors.New(said)))
		}
		for _, s := range append(hidden, "token-of", "word", "1/2") {
			if strings.Contains(shown, s) || len(shown) < 10 {
				t.Errorf("%s: %q is shown in %q", name, s, shown)
			}
		}
	}
}

// TestSecretsStayOutOfFailedRequests shows that the errors of requests which do not leave this machine show no secret,
// although they quote the address.
func TestSecretsStayOutOfFailedRequests(t *testing.T) {
	echo := func(o *Options) {
		o.Transport = transport(func(r *http.Request) (*http.Response, error) { return nil, errors.New("no " + r.URL.String()) })
	}
	for _, url := range []string{"https://h/" + token, "https://h/\x7f" + token, "http://example.org/" + token, "://" + token} {
		_, err := callerTo(t, "", echo).Do(t.Context(), Call{Method: "GET", URL: url, Secrets: []string{token}})
		if e := wireError(t, err); strings.Contains(e.Error(), token) {
			t.Errorf("shown in %q", e)
		}
	}
	torn := Piece{File: &File{Name: "a.pdf", Size: 10, Open: func() io.Reader { return iotest.ErrReader(errors.New("disk on fire")) }}}
	_, err := callerTo(t, serve(t, say(200, "")).URL).do(t.Context(), "PUT", torn)
	if e := wireError(t, err); !errors.Is(e, ErrContent) || strings.Contains(e.Error(), token) {
		t.Errorf("got %q", e)
	}
}

// TestLongestSecretFirst shows that hiding a secret which is a part of another leaves nothing of the other, and that words
// which are too short to be secrets are not cut apart.
func TestLongestSecretFirst(t *testing.T) {
	for _, hidden := range []secrets{{"abcd", "abcdefgh", "fgh"}, {"abcdefgh", "", "fgh", "abcd"}} {
		if got := hidden.clean("abcdefgh abcd fgh"); got != "[secret] [secret] fgh" {
			t.Errorf("%q: got %q", hidden, got)
		}
	}
}

// TestCutSecret shows that secrets are taken out before a text is cut, so that no beginning of one is left.
func TestCutSecret(t *testing.T) {
	long := strings.Repeat("0123456789", 40)
	a := Answer{Header: http.Header{"Content-Type": {"x/" + strings.Repeat("y", 200) + long}}, secrets: secrets{long}}
	for _, shown := range []string{a.JSON(nil).Error(), a.Bounded(a.Header.Get("Content-Type")), a.Clean(a.Header.Get("Content-Type"))} {
		if strings.Contains(shown, "012") || !strings.Contains(shown, "[secret]") {
			t.Errorf("got %q", shown)
		}
	}
}

// TestCleanErrorUnwraps shows that an error without a secret is returned as it is, and that one with a secret is wrapped.
func TestCleanErrorUnwraps(t *testing.T) {
	hidden := secrets{token}
	plain, telling := errors.New("plain"), fmt.Errorf("with %s: %w", token, io.ErrUnexpectedEOF)
	if hidden.cleanError(nil) != nil || hidden.cleanError(plain) != plain {
		t.Error("changed what shows no secret")
	}
	if got := hidden.cleanError(telling); got.Error() != "with [secret]: unexpected EOF" || !errors.Is(got, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", got)
	}
}

// FuzzClean shows that a cleaned text is bounded, printable and without the secret, whatever the secret and the text are.
func FuzzClean(f *testing.F) {
	f.Add("bad token", "token")
	f.Add("a\x1b\n", "a\"b\\c ü\u2028")
	f.Add(strings.Repeat("é", 200), strings.Repeat("long", 200))
	f.Add("\xff", "[secret]")
	f.Fuzz(func(t *testing.T, said, secret string) {
		hidden := secrets{secret}
		got := hidden.clean(said)
		if len(got) > 300*len(`\U0010ffff`)+len("…") || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("got %q", got)
		}
		if !isSecret(secret) || strings.ContainsAny(secret, "<>") || strings.Contains("[secret]", secret) {
			return
		}
		for _, spelled := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), unquoted(strconv.Quote(secret))} {
			if got := hidden.clean("<<" + spelled + ">>"); got != "<<[secret]>>" {
				t.Errorf("%q: got %q", spelled, got)
			}
		}
	})
}
