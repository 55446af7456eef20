package wire

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/wire/wiretest"
)

// TestRetryAfter shows how both forms of Retry-After are read, and that a date is compared with the server's clock.
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 7, 27, 12, 0, 0, 0, time.UTC)
	date := func(t time.Time) string { return t.Format(http.TimeFormat) }
	for _, c := range []struct {
		said, date string
		want       time.Duration
	}{
		{"", "", 0},
		{"30", "", 30 * time.Second},
		{" 0 ", "", 0},
		{"-5", "", 0},
		{"1.5", "", 0},
		{"soon", "", 0},
		{"172800", "", 48 * time.Hour}, // a long wait is not shortened
		{"9000000000000000000", "", longestRetryAfter},
		{date(now.Add(time.Minute)), "", time.Minute},
		{date(now.Add(-time.Minute)), "", 0},
		{date(now.AddDate(0, 0, 6)), "", 6 * 24 * time.Hour},
		{date(now.AddDate(300, 0, 0)), "", longestRetryAfter},
		{date(now.Add(time.Minute)), date(now.Add(30 * time.Second)), 30 * time.Second}, // the server's clock counts
	} {
		a := Answer{Header: http.Header{"Retry-After": {c.said}, "Date": {c.date}}, came: now}
		if got := a.RetryAfter(); got != c.want {
			t.Errorf("%q at %q: got %s, want %s", c.said, c.date, got, c.want)
		}
	}
}

// FuzzRetryAfter shows that any Retry-After gives a time from 0 to the longest one.
func FuzzRetryAfter(f *testing.F) {
	f.Add("30", "Mon, 27 Jul 2026 12:00:00 GMT")
	f.Add("Mon, 27 Jul 2026 12:00:00 GMT", "")
	f.Add(strconv.Itoa(1<<62), "x")
	f.Fuzz(func(t *testing.T, said, date string) {
		got := retryAfter(http.Header{"Retry-After": {said}, "Date": {date}}, time.Now())
		if got < 0 || got > longestRetryAfter {
			t.Errorf("got %s", got)
		}
	})
}

// TestServerTime shows that the server's clock counts, and else the time at which the answer came.
func TestServerTime(t *testing.T) {
	said, came := time.Date(2026, 7, 27, 12, 0, 0, 0, time.UTC), time.Unix(0, 0)
	for date, want := range map[string]time.Time{said.Format(http.TimeFormat): said, "": came, "noon": came} {
		a := Answer{Header: http.Header{"Date": {date}}, came: came}
		if got := a.ServerTime(); !got.Equal(want) {
			t.Errorf("%q: got %v, want %v", date, got, want)
		}
	}
}

// TestJSON shows that only a whole answer is decoded, and what the bounded error of any other says.
func TestJSON(t *testing.T) {
	for _, c := range []struct {
		name string
		a    Answer
		want string // of the error; "": none
	}{
		{"plain", Answer{Body: []byte(`{"N":7}`)}, ""},
		{"not whole", Answer{Body: []byte(`{"N":7}`), Err: errors.New("cut off")}, "cut off"},
		{"too early", Answer{Body: []byte(`{"N":7}`), Early: true}, "before the whole request was sent"},
		{"empty", Answer{}, `(Content-Type ""): unexpected end`},
		{"HTML", Answer{Body: []byte("<html>"), Header: http.Header{"Content-Type": {"text/html"}}}, `(Content-Type "text/html"): invalid character '<'`},
		{"long number", Answer{Body: []byte(`{"N":` + strings.Repeat("1", 5000) + `}`)}, "cannot unmarshal number 111"},
		{"long header", Answer{Header: http.Header{"Content-Type": {strings.Repeat("x", 5000)}}}, "unexpected end"},
		{"secret", Answer{Body: []byte(`{"N":"`), Header: http.Header{"Content-Type": {token}}, secrets: secrets{token}}, `"[secret]"`},
	} {
		var got struct{ N int }
		err := c.a.JSON(&got)
		if (err == nil) != (c.want == "") || err == nil && got.N != 7 {
			t.Errorf("%s: got %+v, %v", c.name, got, err)
		}
		if err != nil && (!strings.Contains(err.Error(), c.want) || len(err.Error()) > 800 || strings.Contains(err.Error(), token)) {
			t.Errorf("%s: got %q", c.name, err)
		}
	}
}

// TestByteOrderMark shows that an answer is decoded although it begins with a byte order mark, as gateways send it.
func TestByteOrderMark(t *testing.T) {
	s := serve(t, say(200, "\uFEFF"+`"x"`))
	a, err := callerTo(t, s.URL).do(t.Context(), "GET")
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := a.JSON(&got); err != nil || got != "x" || string(a.Body) != `"x"` {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestBeginning shows that Beginning is one short printable line of a whole answer, without secrets.
func TestBeginning(t *testing.T) {
	for body, want := range map[string]string{
		"":                              "",
		"<html>\n\t<p>  no\r\n":         "<html> <p> no",
		"a\x1b[31m\xff\u202eb":          `a\x1b[31m?\u202eb`,
		"bad " + token + " here":        "bad [secret] here",
		strings.Repeat("é", 100_000):    strings.Repeat("é", 50) + "…",
		strings.Repeat("y", 95) + token: strings.Repeat("y", 95) + "[secr…",
	} {
		a := Answer{Body: []byte(body), secrets: secrets{token}}
		if got := a.Beginning(); got != want {
			t.Errorf("%.40q: got %q, want %q", body, got, want)
		}
		if a.Err = io.ErrUnexpectedEOF; a.Beginning() != "" {
			t.Errorf("%.40q: shown although it was cut off", body)
		}
	}
}

// TestAnswerCutOff shows that the part of a broken answer is there, and the reason why it is not whole.
func TestAnswerCutOff(t *testing.T) {
	for _, sent := range []string{"Content-Length: 100\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n9\r\n"} {
		s := wiretest.Serve(t, func(_ int, c net.Conn) {
			wiretest.ReadRequest(c)
			io.WriteString(c, "HTTP/1.1 404 Not Found\r\n"+sent+`{"a":"b"}`)
		})
		a, err := callerTo(t, s).do(t.Context(), "POST", textPiece("x"))
		if err != nil || a.Status != 404 || string(a.Body) != `{"a":"b"}` || !a.BodySent || a.Err == nil {
			t.Fatalf("%q: got %+v, %v", sent, a, err)
		}
		if a.Err.Error() != "the connection was closed before the answer ended" || !errors.Is(a.Err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: got %v", sent, a.Err)
		}
	}
}
