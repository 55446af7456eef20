package kaizala

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/wire"
)

func (c *Client) tryAll(ctx context.Context, name string) error {
	var err error
	switch name {
	case callMedia:
		_, err = c.Upload(ctx, "", []destination.File{part("a.pdf", "x")})
	case callActions:
		_, err = c.Post(ctx, post(""))
	default:
		_, err = c.Groups(ctx)
	}
	return err
}

// TestClassification shows the fault of every status for every call, with a real server.
func TestClassification(t *testing.T) {
	file := map[int]bool{400: true, 411: true, 413: true, 414: true, 415: true, 422: true}
	doubt := map[int]bool{303: true, 408: true, 500: true, 502: true, 504: true}
	none := map[int]bool{501: true, 503: true, 505: true}
	cases := 0
	for status := 200; status < 600; status++ {
		if status == 308 { // TestMoved tests it
			continue
		}
		s := serve(t, say(status, ""))
		for _, name := range []string{callMedia, callActions, callGroups, callToken} {
			c := fixed(t, s.URL, func(o *Options) {
				if name == callToken {
					o.AccessToken, o.ApplicationID, o.ApplicationSecret, o.RefreshToken = "", "i", "ssss", "rrrr"
				}
			})
			var want Fault
			switch {
			case name == callMedia && (file[status] || status == 404 || status == 410):
				want = FaultFile
			case name == callActions && file[status]:
				want = FaultFile
			case name == callActions && (status == 403 || status == 404 || status == 410):
				want = FaultGroup
			}
			acted := name == callActions && (status < 300 || doubt[status] || status > 505)
			if none[status] {
				acted = false
			}
			e := wireError(t, c.tryAll(t.Context(), name))
			if e.Call != name || e.Status != status || e.Fault != want || e.MayHaveActed != acted {
				t.Errorf("%s %d: got %s %d, fault of the %s, may have acted %t; want the %s's, %t",
					name, status, e.Call, e.Status, e.Fault, e.MayHaveActed, want, acted)
			}
			cases++
			c.Close()
		}
		s.Close()
	}
	if cases != 399*4 {
		t.Errorf("%d cases", cases)
	}
}

// TestInvalidTokenCountsAs401UnderAnyStatus shows that errorCode InvalidToken means a refused token under any status.
func TestInvalidTokenCountsAs401UnderAnyStatus(t *testing.T) {
	for _, status := range []int{200, 400, 401, 403, 404, 413, 500} {
		s := serve(t, say(status, `{"message":"m","errorCode":"InvalidToken","errorCategoryKey":"AuthException"}`))
		for _, name := range []string{callMedia, callActions, callGroups} {
			e := wireError(t, fixed(t, s.URL).tryAll(t.Context(), name))
			want := Error{Call: name, Status: status, Code: "InvalidToken", Message: "m", Spoken: true, BodySent: name != callGroups,
				Err: errFixedTokenRefused}
			if *e != want {
				t.Errorf("%s %d: got %+v", name, status, e)
			}
		}
	}
}

// TestWhoseWordItIs shows that only the service's documented and whole error body proves a fault, and that the error names any
// other server that answered.
func TestWhoseWordItIs(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte(`{"message":"m","errorCode":"TooLarge"}`))
	z.Close()
	for body, spoken := range map[string]bool{
		`{"message":"m","errorCode":"TooLarge","errorCategoryKey":"x"}`: true,
		"\uFEFF" + `{"errorCode":"TooLarge"}`:                           true,
		``:                                                              false,
		`default backend - 404`:                                         false,
		`<html><title>404</title></html>`:                               false,
		`{"message":"no Route matched with those values"}`:              false,
		`{"errorCode":""}`:                                              false,
		`{"errorCode":" \t"}`:                                           false,
		`{"errorCode":null}`:                                            false,
		`{"errorCode":404}`:                                             false,
		`{"errorCode":{"code":"TooLarge"}}`:                             false,
		`{"errorCode":["TooLarge"]}`:                                    false,
		`{"ErrorCode":"TooLarge"}`:                                      false,
		`{"error":{"code":"TooLarge"}}`:                                 false,
		`{"error":{"errorCode":"TooLarge"}}`:                            false,
		`[{"errorCode":"TooLarge"}]`:                                    false,
		`"errorCode"`:                                                   false,
		`null`:                                                          false,
		`{"message":"m","errorCode":"TooLarge"`:                         false,
		`{"message":"m","errorCode":"TooLarge"} <!>`:                    false,
		zipped.String():                                                 false,
	} {
		for _, status := range []int{400, 404, 413, 403} {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Server", "nginx/1.2")
				w.WriteHeader(status)
				io.WriteString(w, body)
			})
			for _, name := range []string{callMedia, callActions} {
				e := wireError(t, fixed(t, s.URL).tryAll(t.Context(), name))
				if e.Spoken != spoken || e.Proven() != spoken || !e.BodySent || len(e.Message) > 200 {
					t.Errorf("%s answered %d %q: got %+v", name, status, body, *e)
				}
				doubt := e.Fault != FaultDestination && !spoken
				if strings.Contains(e.Error(), "without an error code of Kaizala's, as something in between would (it calls itself nginx/1.2)") != doubt {
					t.Errorf("%s answered %d %q: %q", name, status, body, e)
				}
			}
			s.Close()
		}
	}
}

// TestWordThatWasCutOff shows that an answer whose end was lost proves nothing, even if the part that came looks whole.
func TestWordThatWasCutOff(t *testing.T) {
	for _, sent := range []string{"Content-Length: 100\r\n\r\n%s", "Transfer-Encoding: chunked\r\n\r\n26\r\n%s\r\nzz\r\n"} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			c, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				fmt.Fprintf(c, "HTTP/1.1 404 Not Found\r\n"+sent, `{"message":"m","errorCode":"TooLarge"}`)
				c.Close()
			}
		})
		e := wireError(t, fixed(t, s.URL).tryAll(t.Context(), callMedia))
		if e.Spoken || e.Status != 404 || !e.BodySent {
			t.Errorf("%q: got %+v", sent, *e)
		}
	}
}

// TestUnanswered shows the errors of calls without an answer: only an action may have been taken, and only a file that cannot
// be read is not the destination's fault.
func TestUnanswered(t *testing.T) {
	content := fmt.Errorf("%w: EIO", wire.ErrContent)
	for _, name := range []string{callMedia, callActions, callGroups, callToken} {
		for _, err := range []error{content, wire.ErrStalled, context.Canceled, io.ErrUnexpectedEOF} {
			for bits := range 4 {
				reached, bodySent := bits&1 != 0, bits&2 != 0
				got := call{name: name}.unanswered(&wire.Error{BodySent: bodySent, MayHaveActed: reached, Err: err})
				want := Error{Call: name, BodySent: bodySent, MayHaveActed: reached && name == callActions, Err: err}
				if err == content {
					want.Fault = FaultFile
				}
				if *got != want || !errors.Is(got, err) || errors.Is(got, wire.ErrContent) != (err == content) {
					t.Errorf("got %+v, want %+v", *got, want)
				}
			}
		}
	}
}

// TestNonsense shows that a success which cannot be understood is the destination's fault, and that an action may have been
// taken.
func TestNonsense(t *testing.T) {
	for _, body := range []string{
		"", "<html>captive portal</html>", "{}", "null", `[]`, `"x"`,
		`{"mediaResource":null,"referenceId":null}`,
		`{"mediaResource":" ","referenceId":""}`,
		`{"mediaResource":7,"referenceId":{},"groups":{}}`,
		`{"mediaResource":"x","referenceId":"x"`,
		`{"mediaResource":"` + strings.Repeat("x", maxGroups) + `"}`,
	} {
		s := serve(t, say(200, body))
		for _, name := range []string{callMedia, callActions, callGroups} {
			e := wireError(t, fixed(t, s.URL).tryAll(t.Context(), name))
			acted := name == callActions
			if e.Call != name || e.Fault != FaultDestination || e.Status != 200 || e.Err == nil || e.MayHaveActed != acted {
				t.Errorf("%s answered %.40q: got %+v", name, body, e)
			}
			if len(e.Error()) > 600 {
				t.Errorf("%d bytes of error", len(e.Error()))
			}
		}
	}
}

// TestRetryAfter shows that an error says how long the answer asks to wait.
func TestRetryAfter(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "17")
		w.WriteHeader(429)
	})
	if e := wireError(t, fixed(t, s.URL).tryAll(t.Context(), callActions)); e.RetryAfter != 17*time.Second || e.MayHaveActed {
		t.Errorf("got %+v", e)
	}
}

// TestMessagesAreSafe shows that error texts are bounded and printable, and hide the secrets that a server repeats.
func TestMessagesAreSafe(t *testing.T) {
	said, _ := json.Marshal(map[string]any{
		"message":   "bad token token-fixed\x1b[31m\n" + strings.Repeat("é", 5000),
		"errorCode": 4711,
	})
	s := serve(t, say(400, string(said)))
	e := wireError(t, fixed(t, s.URL).tryAll(t.Context(), callMedia))
	if !strings.HasPrefix(e.Message, `bad token [secret]\x1b[31m\né`) || len(e.Message) > 320 || e.Code != "4711" {
		t.Errorf("got %q, %q", e.Message, e.Code)
	}
	if strings.ContainsAny(e.Error(), "\x1b\n") || strings.Contains(e.Error(), "token-fixed") {
		t.Errorf("got %q", e)
	}
}

// TestNoAnswerIsNobodysFile shows that a missing connection is the destination's fault, and that the error shows no token.
func TestNoAnswerIsNobodysFile(t *testing.T) {
	for name, endpoint := range map[string]string{
		"refused": "http://127.0.0.1:1",
		"dns":     "https://kaizala.invalid",
	} {
		c := fixed(t, endpoint)
		for _, call := range []string{callMedia, callActions, callGroups} {
			e := wireError(t, c.tryAll(t.Context(), call))
			if e.Fault != FaultDestination || e.MayHaveActed || e.Status != 0 || e.Call != call || errors.Is(e, wire.ErrContent) {
				t.Errorf("%s %s: got %+v", name, call, e)
			}
			if strings.Contains(e.Error(), "token-fixed") {
				t.Errorf("secret in %q", e)
			}
		}
	}
}

// TestThrottledIsTold shows that OnThrottled hears of each 429, including that of the client's own token call.
func TestThrottledIsTold(t *testing.T) {
	at := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for _, c := range []struct {
		header   string
		min, max time.Duration
	}{{"7", 7 * time.Second, 7 * time.Second}, {at, 50 * time.Minute, time.Hour + time.Second}, {"", 0, 0}, {"soon", 0, 0}} {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", c.header)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		var told []time.Duration
		hear := func(o *Options) { o.OnThrottled = func(d time.Duration) { told = append(told, d) } }
		renewing := func(o *Options) {
			o.AccessToken, o.ApplicationID, o.ApplicationSecret, o.RefreshToken = "", "id", "secret", "refresh"
		}
		for _, client := range []*Client{fixed(t, server.URL, hear), fixed(t, server.URL, renewing, hear)} {
			told = nil
			if _, err := client.Upload(t.Context(), "", []destination.File{part("a.pdf", "x")}); err == nil {
				t.Error("no error")
			}
			if len(told) != 1 || told[0] < c.min || told[0] > c.max {
				t.Errorf("Retry-After %q: told %v", c.header, told)
			}
		}
	}
}
