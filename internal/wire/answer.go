package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"kaizala-drop/internal/text"
)

// Answer is what a call brought back: at least a status and headers.
type Answer struct {
	Status   int
	Header   http.Header
	Body     []byte // as far as it could be read, without a byte order mark; empty for a status below 200
	Err      error  // why Body is not whole: an error as in Error.Err, or the limit was exceeded
	Early    bool   // the answer came before all files were sent, so that a success cannot be about all of them
	BodySent bool   // bytes of the request's body left before the answer came, so that the call cost something

	secrets secrets   // of the call
	came    time.Time // when the answer came, by this machine's clock
}

// readAnswer reads the answer to its end, so that its connection can be used again. With an error, the answer is not whole.
func readAnswer(resp *http.Response, call Call, w *watchdog) (*Answer, error) {
	defer resp.Body.Close()
	a := &Answer{Status: resp.StatusCode, Header: resp.Header, secrets: call.Secrets, came: time.Now()}
	if a.Status < 200 { // 101: the body would be the connection
		return a, nil
	}
	limit := call.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	body, err := io.ReadAll(io.LimitReader(watchedReader{resp.Body, w}, int64(limit)+1))
	if len(body) > limit && err == nil {
		err = fmt.Errorf("the answer is longer than %d bytes", limit)
	}
	a.Body = bytes.TrimPrefix(body, []byte("\uFEFF")) // RFC 8259, 8.1
	return a, err
}

var errEarly = errors.New("the answer came before the whole request was sent")

// JSON decodes the answer into v. It fails if the answer is not whole, came early, or is not such JSON. The error shows no
// secret.
func (a *Answer) JSON(v any) error {
	switch {
	case a.Err != nil:
		return a.Err
	case a.Early:
		return errEarly
	}
	if err := json.Unmarshal(a.Body, v); err != nil {
		return fmt.Errorf("the answer is not what was expected (Content-Type %q): %w",
			a.Bounded(a.Header.Get("Content-Type")), &cleanError{text: a.Bounded(err.Error()), err: err})
	}
	return nil
}

// Bounded takes the call's secrets out of a text of the answer, and cuts it after 300 bytes.
func (a *Answer) Bounded(text string) string { return a.secrets.bounded(text) }

// Clean is Bounded for a text that is printed: it replaces control characters as well.
func (a *Answer) Clean(text string) string { return a.secrets.clean(text) }

// CleanError returns err, or, if its text shows a secret, an error with a clean text that wraps err.
func (a *Answer) CleanError(err error) error { return a.secrets.cleanError(err) }

// Beginning is the beginning of the answer's text, clean, in one line of at most 100 bytes. It is "" if the answer is not
// whole, because the end of a broken text may be the beginning of a secret.
func (a *Answer) Beginning() string {
	if a.Err != nil {
		return ""
	}
	return text.Shorten(a.Clean(strings.Join(strings.Fields(strings.ToValidUTF8(string(a.Body), "?")), " ")), 100)
}

// ServerTime is the time at which the answer was made, by the server's clock (RFC 9110, 6.6.1), or else the time at which it
// came by this machine's clock.
func (a *Answer) ServerTime() time.Time { return serverTime(a.Header, a.came) }

// RetryAfter is how long the answer asks to wait (RFC 9110, 10.2.3), at most 7 days. It is 0 if the answer does not say.
func (a *Answer) RetryAfter() time.Duration { return retryAfter(a.Header, a.came) }

// longestRetryAfter limits the effect of a wrong clock or a mistake of a server. A server that really wants more is asked
// again after it.
const longestRetryAfter = 7 * 24 * time.Hour

// retryAfter reads both forms of Retry-After: seconds and a date.
func retryAfter(header http.Header, now time.Time) time.Duration {
	said := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(said, 10, 63); err == nil {
		return time.Duration(min(seconds, uint64(longestRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(said)
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(serverTime(header, now)), longestRetryAfter))
}

func serverTime(header http.Header, now time.Time) time.Time {
	if t, err := http.ParseTime(header.Get("Date")); err == nil {
		return t
	}
	return now
}
