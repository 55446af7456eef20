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

// Answer is what a call brought back: its headers at least.
type Answer struct {
	Status   int
	Header   http.Header
	Body     []byte // as far as it could be read, without a byte order mark; none of a status below 200
	Err      error  // why Body is not whole: as in Error, or it is longer than the limit
	Early    bool   // it came before all of the files were sent, so that no success can speak of them
	BodySent bool   // bytes of the request's body had left before it, so that the call cost something

	secrets secrets   // of the call
	came    time.Time // by this machine's clock
}

// readAnswer reads the answer to its end, so that its connection can be used again. With an error it is not whole.
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

// JSON decodes a whole answer into v.
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

// Bounded takes the call's secrets out of a text of the answer and cuts it after 300 bytes.
func (a *Answer) Bounded(text string) string { return a.secrets.bounded(text) }

// Clean does what Bounded does, and makes the text safe to print.
func (a *Answer) Clean(text string) string { return a.secrets.clean(text) }

// CleanError does what Clean does with an error that shows a secret. It still unwraps to it.
func (a *Answer) CleanError(err error) error { return a.secrets.cleanError(err) }

// Beginning is how the text of the answer begins, clean, in one line of 100 bytes. It is "" if the answer is not whole: the
// end of what came may be the begin of a secret.
func (a *Answer) Beginning() string {
	if a.Err != nil {
		return ""
	}
	return text.Shorten(a.Clean(strings.Join(strings.Fields(strings.ToValidUTF8(string(a.Body), "?")), " ")), 100)
}

// ServerTime is what the server's clock said when it answered (RFC 9110, 6.6.1), or what this machine's did.
func (a *Answer) ServerTime() time.Time { return serverTime(a.Header, a.came) }

// RetryAfter is how long the answer asks to wait (RFC 9110, 10.2.3), at most 7 days; 0: it does not say.
func (a *Answer) RetryAfter() time.Duration { return retryAfter(a.Header, a.came) }

// longestRetryAfter bounds what a wrong clock or a slip of a server can do. Who asks for more is asked again after it.
const longestRetryAfter = 7 * 24 * time.Hour

// retryAfter reads Retry-After in both its forms.
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
