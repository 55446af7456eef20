package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"kaizala-drop/internal/wire"
)

const clientAPI = "/_matrix/client/v3"

// The names of the calls in Error.
const (
	callWellKnown = "well-known"
	callWhoAmI    = "whoami"
	callLimit     = "limit"
	callAlias     = "alias"
	callJoin      = "join"
	callState     = "state"
	callRooms     = "rooms"
	callUpload    = "upload"
	callSend      = "send"
	callFind      = "find"
	callBeacon    = "beacon"
	callLogin     = "login"
	callRefresh   = "refresh"
	callLogout    = "logout"
	callKeys      = "keys"
)

const maxAnswer = 8 << 20 // bytes of an answer with many events

// call is one call of the Client-Server API without address and token.
type call struct {
	name   string
	method string
	path   string // escaped
	query  string // with its question mark
	body   *wire.Body
	limit  int      // bytes that the answer may have; 0: the limit of package wire
	hidden []string // what the body holds and no text may repeat
	device string   // of which the token must be; "": of any
}

// answer is what one request brought back, with what the server says in it.
type answer struct {
	*wire.Answer
	code       string // errcode
	message    string
	retryAfter time.Duration
	spoken     bool // the body is the homeserver's own error body
}

func newAnswer(got *wire.Answer) *answer {
	a := &answer{Answer: got, retryAfter: got.RetryAfter()}
	if got.Status/100 == 2 {
		return a
	}
	var said struct {
		Code         *string         `json:"errcode"`
		Message      any             `json:"error"`
		RetryAfterMS json.RawMessage `json:"retry_after_ms"`
	}
	if json.Unmarshal(a.Body, &said) != nil || said.Code == nil || strings.TrimSpace(*said.Code) == "" {
		a.message = a.Beginning()
		return a
	}
	text, _ := said.Message.(string)
	a.code, a.message, a.spoken = a.Clean(*said.Code), a.Clean(text), a.Err == nil
	if a.retryAfter == 0 { // the header comes first (specification, "Rate limiting")
		a.retryAfter = milliseconds(said.RetryAfterMS)
	}
	return a
}

// milliseconds reads a number of them, which may be written as a text. What is none, or not above zero, is 0.
func milliseconds(text json.RawMessage) time.Duration {
	ms, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || !(ms > 0) { // NaN is neither
		return 0
	}
	return time.Duration(math.Ceil(min(ms, float64(longestRetryAfter/time.Millisecond)))) * time.Millisecond
}

// longestRetryAfter is the bound of package wire for the header.
const longestRetryAfter = 7 * 24 * time.Hour

func (a *answer) ok() bool { return a.Status/100 == 2 }

// isThrottled reports whether these were too many calls: 429, or the code that some servers send with another status.
func (a *answer) isThrottled() bool {
	return a.Status == http.StatusTooManyRequests || a.code == "M_LIMIT_EXCEEDED"
}

// result makes a call and decodes its answer into v. usable then fails if v lacks what is needed.
func (c *Client) result(ctx context.Context, k call, v any, usable func() error) (*answer, error) {
	a, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	return a, k.decode(a, v, usable)
}

func (k call) decode(a *answer, v any, usable func() error) error {
	if !a.ok() {
		return k.errorOf(a, nil)
	}
	if err := a.JSON(v); err != nil {
		return k.errorOf(a, err)
	}
	if err := usable(); err != nil {
		return k.errorOf(a, err)
	}
	return nil
}

// do makes a call with the token, and once more with another one if that was refused and there is one.
func (c *Client) do(ctx context.Context, k call) (*answer, error) {
	token, err := c.token(ctx, "")
	if err != nil {
		return nil, err
	}
	if !c.session.isFor(token, k.device) {
		return nil, k.ofAnotherDevice()
	}
	a, err := c.deliver(ctx, k, token)
	if err != nil || a.code != "M_UNKNOWN_TOKEN" {
		return a, err
	}
	fresh, err := c.token(ctx, token)
	if err != nil || fresh == "" {
		return a, err
	}
	if !c.session.isFor(fresh, k.device) {
		return nil, k.ofAnotherDevice()
	}
	return c.deliver(ctx, k, fresh)
}

// ofAnotherDevice is the error of a call that was for the device of the login before.
func (k call) ofAnotherDevice() *Error {
	return &Error{Call: k.name, Err: errors.New("there was another login meanwhile: going on with its device")}
}

// deliver sends a call. Its error is an *Error, for there is no answer then.
func (c *Client) deliver(ctx context.Context, k call, token string) (*answer, error) {
	address, err := c.address(ctx)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	got, err := c.wire.Do(ctx, wire.Call{
		Method: k.method, URL: address + k.path + k.query, Header: header, Body: k.body, Limit: k.limit, Secrets: append([]string{token}, k.hidden...),
	})
	if err != nil {
		if ctx.Err() == nil {
			c.doubtAddress()
		}
		return nil, k.unanswered(err)
	}
	a := newAnswer(got)
	switch {
	case a.isThrottled():
		c.onThrottled(a.retryAfter)
	case !a.ok() && !a.spoken:
		c.doubtAddress()
	}
	return a, nil
}

// changes reports whether the call does what must not be done twice.
func (k call) changes() bool { return k.name == callSend }
