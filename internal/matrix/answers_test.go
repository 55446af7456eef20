package matrix

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/media"
)

// said is an answer that Dendrite does not give.
type said struct {
	status int
	header http.Header
	body   string
}

// scripted makes a client that gets answers by the path of a call, and else what a homeserver with a good room would say.
func scripted(t *testing.T, homeserver string, answers map[string]said) *Client {
	t.Helper()
	c, err := New(Options{Homeserver: homeserver, AccessToken: "syt_secret", Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			io.Copy(io.Discard, r.Body)
		}
		a := said{200, nil, "{}"}
		switch path := r.URL.Path; {
		case strings.Contains(path, "/account/whoami"):
			a.body = `{"user_id":"@bot:here"}`
		case strings.Contains(path, "/state/m.room.member"):
			a.body = `{"membership":"join"}`
		case strings.Contains(path, "/state/"):
			a = said{404, nil, `{"errcode":"M_NOT_FOUND","error":"no"}`}
		case strings.Contains(path, "/upload"):
			a.body = `{"content_uri":"mxc://here/abc"}`
		case strings.Contains(path, "/send/"):
			a.body = `{"event_id":"$e"}`
		}
		for part, other := range answers {
			if strings.Contains(r.URL.String(), part) {
				a = other
			}
		}
		if a.status == 0 {
			return nil, errors.New("connection refused")
		}
		if a.header == nil {
			a.header = http.Header{}
		}
		return &http.Response{StatusCode: a.status, Header: a.header, Body: io.NopCloser(strings.NewReader(a.body)), Request: r}, nil
	})})
	must(t, err)
	return c
}

// TestHowLongToWait shows that both forms in which a server says it are read, the header before the body, that neither nonsense nor a clock that is
// wrong has an effect on anything else, and that a week is the most.
func TestHowLongToWait(t *testing.T) {
	const week = 7 * 24 * time.Hour
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	date := func(d time.Duration) string { return at.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		header, ms string
		want       time.Duration
	}{
		{"", "", 0}, {"7", "", 7 * time.Second}, {"", "1500", 1500 * time.Millisecond}, {"7", "1500", 7 * time.Second}, {"0", "1500", 1500 * time.Millisecond},
		{date(90 * time.Second), "", 90 * time.Second}, {date(-time.Hour), "", 0}, {date(-time.Hour), "20", 20 * time.Millisecond},
		{date(1000 * time.Hour), "", week}, {"99999999999", "", week}, {"99999999999999999999999", "300", 300 * time.Millisecond},
		{"soon", "", 0}, {"-5", "300", 300 * time.Millisecond}, {"1.5", "", 0}, {"2, 3", "300", 300 * time.Millisecond}, {"Fri, 99 Jan 2026 03:04:05 GMT", "", 0},
		{"", "1e300", week}, {"", "1e999", week}, {"", "-1", 0}, {"", "-1e999", 0}, {"", "0", 0}, {"", "0.2", time.Millisecond}, {"", "null", 0}, {"", "true", 0},
		{"", `"2000"`, 2 * time.Second}, {"", `"soon"`, 0}, {"", `"NaN"`, 0}, {"", `"Inf"`, week}, {"", "[1000]", 0}, {"", `{"ms":1}`, 0},
	} {
		for _, status := range []int{429, 403} {
			header := http.Header{"Date": {date(0)}}
			if c.header != "" {
				header.Set("Retry-After", c.header)
			}
			body := `{"errcode":"M_LIMIT_EXCEEDED","error":"slow down"}`
			if c.ms != "" {
				body = `{"errcode":"M_LIMIT_EXCEEDED","error":"slow down","retry_after_ms":` + c.ms + `}`
			}
			told := time.Duration(-1)
			client := scripted(t, "https://here.example", map[string]said{"/send/": {status, header, body}})
			client.onThrottled = func(d time.Duration) { told = d }
			_, err := client.Post(t.Context(), destination.Message{Target: "!r", Kind: media.Document, Ref: `{"room":"!r","at":1,"files":[{"url":"mxc://a/b"}]}`, Key: "K"})
			e := fault(t, err)
			if e.RetryAfter != c.want || told != c.want || e.Fault != destination.OfTraffic || !e.Spoken || e.MayHaveActed || e.Answer.Code != "M_LIMIT_EXCEEDED" {
				t.Errorf("Retry-After %q, retry_after_ms %s: told %v, %+v", c.header, c.ms, told, e)
			}
		}
	}
}

// TestAnswers shows for answers that only other servers give, or what stands before one, whose fault each is, what the evidence is,
// whether it may have acted and how long it asks to wait.
func TestAnswers(t *testing.T) {
	code := func(c string) string { return fmt.Sprintf(`{"errcode":%q,"error":"because syt_secret"}`, c) }
	html := "<html><head><title>413 Request Entity Too Large</title></head></html>"
	header := func(name, value string) http.Header { return http.Header{name: {value}} }
	for _, c := range []struct {
		path   string
		a      said
		fault  destination.Fault
		spoken bool
		acted  bool
		after  time.Duration
	}{
		{"/upload", said{413, header("Server", "nginx"), html}, destination.OfFile, false, false, 0},
		{"/upload", said{413, nil, code("M_TOO_LARGE")}, destination.OfFile, true, false, 0},
		{"/upload", said{400, nil, code("M_TOO_LARGE")}, destination.OfFile, true, false, 0},
		{"/upload", said{400, nil, code("M_UNKNOWN")}, destination.OfDestination, true, false, 0},
		{"/upload", said{403, nil, code("M_FORBIDDEN")}, destination.OfDestination, true, false, 0},
		{"/upload", said{404, nil, code("M_UNRECOGNIZED")}, destination.OfDestination, true, false, 0},
		{"/upload", said{404, nil, "not found"}, destination.OfDestination, false, false, 0},
		{"/upload", said{507, nil, ""}, destination.OfDestination, false, false, 0},
		{"/upload", said{200, nil, "<html>log in</html>"}, destination.OfDestination, false, false, 0},
		{"/upload", said{200, nil, `{"content_uri":"https://x"}`}, destination.OfDestination, false, false, 0},
		{"/upload", said{429, header("Retry-After", "7"), code("M_LIMIT_EXCEEDED")}, destination.OfTraffic, true, false, 7 * time.Second},
		{"/upload", said{429, nil, `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1500}`}, destination.OfTraffic, true, false, 1500 * time.Millisecond},
		{"/upload", said{403, nil, `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1e300}`}, destination.OfTraffic, true, false, 7 * 24 * time.Hour},
		{"/upload", said{429, nil, "slow down"}, destination.OfTraffic, false, false, 0},
		{"/upload", said{401, nil, code("M_UNKNOWN_TOKEN")}, destination.OfAccess, true, false, 0},
		{"/upload", said{403, nil, code("M_CONSENT_NOT_GIVEN")}, destination.OfAccess, true, false, 0},
		{"/upload", said{401, nil, "who are you"}, destination.OfAccess, false, false, 0},
		{"/send/", said{403, nil, code("M_USER_SUSPENDED")}, destination.OfAccess, true, false, 0},
		{"/send/", said{403, nil, code("M_FORBIDDEN")}, destination.OfTarget, true, false, 0},
		{"/send/", said{403, nil, code("M_RESOURCE_LIMIT_EXCEEDED")}, destination.OfDestination, true, false, 0},
		{"/send/", said{403, nil, "forbidden"}, destination.OfTarget, false, false, 0},
		{"/send/", said{404, nil, code("M_NOT_FOUND")}, destination.OfTarget, true, false, 0},
		{"/send/", said{404, nil, code("M_UNRECOGNIZED")}, destination.OfDestination, true, false, 0},
		{"/send/", said{400, nil, code("M_BAD_JSON")}, destination.OfDestination, true, false, 0},
		{"/send/", said{413, nil, code("M_BAD_JSON")}, destination.OfFile, true, false, 0},
		{"/send/", said{500, nil, code("M_UNKNOWN")}, destination.OfDestination, true, true, 0},
		{"/send/", said{502, nil, html}, destination.OfDestination, false, true, 0},
		{"/send/", said{504, nil, ""}, destination.OfDestination, false, true, 0},
		{"/send/", said{503, header("Retry-After", "120"), ""}, destination.OfDestination, false, false, 2 * time.Minute},
		{"/send/", said{200, nil, "{}"}, destination.OfDestination, false, true, 0},
		{"/send/", said{302, header("Location", "https://portal.example"), ""}, destination.OfDestination, false, false, 0},
		{"/state/m.room.encryption", said{500, nil, code("M_UNKNOWN")}, destination.OfDestination, true, false, 0},
		{"/state/m.room.encryption", said{404, nil, "not found"}, destination.OfTarget, false, false, 0},
		{"/media/config", said{503, nil, ""}, destination.OfDestination, false, false, 0},
	} {
		t.Run(fmt.Sprint(c.path, " ", c.a.status, " ", c.a.body), func(t *testing.T) {
			client := scripted(t, "https://here.example", map[string]said{c.path: c.a})
			ref, err := client.Upload(t.Context(), "!r", []destination.File{fileOf("a.txt", "text/plain", "x")})
			if err == nil {
				_, err = client.Post(t.Context(), destination.Message{Target: "!r", Kind: media.Document, Ref: ref, Key: "K"})
			}
			e := fault(t, err)
			if e.Fault != c.fault || e.Spoken != c.spoken || e.MayHaveActed != c.acted || e.RetryAfter != c.after || !e.Answered {
				t.Errorf("got %+v", e)
			}
			if strings.Contains(err.Error(), "syt_secret") || strings.Contains(e.Answer.Message, "syt_secret") {
				t.Errorf("%v shows the token", err)
			}
		})
	}
}

// TestWellKnown shows that the name of a server leads to its homeserver by its .well-known, to itself where there is none, and nowhere
// else.
func TestWellKnown(t *testing.T) {
	const path = "example.org/.well-known/matrix/client"
	found := `{"m.homeserver":{"base_url":"https://matrix.example.org/"}}`
	for _, c := range []struct {
		name    string
		answers map[string]said
		want    string
		trouble string
	}{
		{"found", map[string]said{path: {200, nil, found}}, "https://matrix.example.org", ""},
		{"none", map[string]said{path: {404, nil, "<html>"}}, "https://example.org", ""},
		{"redirected", map[string]said{"//" + path: {301, http.Header{"Location": {"https://www.example.org/x"}}, ""}, "www.example.org/x": {200, nil, found}},
			"https://matrix.example.org", ""},
		{"redirected to http", map[string]said{path: {302, http.Header{"Location": {"http://www.example.org/x"}}, ""}}, "", "or not https"},
		{"redirected for ever", map[string]said{path: {302, http.Header{"Location": {"/.well-known/matrix/client"}}, ""}}, "", "more than 3 times"},
		{"a page", map[string]said{path: {200, nil, "<html>"}}, "", "holds no m.homeserver"},
		{"another file", map[string]said{path: {200, nil, `{"m.server":"x"}`}}, "", "holds no m.homeserver"},
		{"not https", map[string]said{path: {200, nil, `{"m.homeserver":{"base_url":"http://matrix.example.org"}}`}}, "", "https"},
		{"down", map[string]said{path: {503, nil, ""}}, "", "answered 503"},
		{"gone", map[string]said{path: {}}, "", "connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := scripted(t, "example.org", c.answers)
			got, err := client.address(t.Context())
			if got != c.want || (err == nil) != (c.trouble == "") || err != nil && !strings.Contains(err.Error(), c.trouble) {
				t.Errorf("got %q, %v", got, err)
			}
			if err != nil {
				_, err := client.Upload(t.Context(), "!r", []destination.File{fileOf("a.txt", "text/plain", "x")})
				if e := fault(t, err); e.Fault != destination.OfDestination {
					t.Errorf("got %+v", e)
				}
			}
		})
	}
}
