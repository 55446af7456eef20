package kaizala

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"kaizala-drop/internal/budget"
)

// The calls, as Error names them.
const (
	callToken   = "accessToken"
	callMedia   = "media"
	callActions = "actions"
	callGroups  = "groups"
)

const (
	maxMoves      = 3       // times that one call is sent again because the endpoint moved
	maxAnswer     = 1 << 20 // bytes of an answer
	maxGroups     = 16 << 20
	expectMinimum = 1 << 20 // bytes of a body that the server is asked for first
)

// call is one call of the wire, before it has an endpoint and a token: what all its sendings share.
type call struct {
	name   string
	method string
	path   string // escaped, from /v1 on
	query  string // with its question mark
	body   *payload
}

func (k call) limit() int64 {
	if k.name == callGroups {
		return maxGroups
	}
	return maxAnswer
}

// answer is what one sending brought back: headers at least.
type answer struct {
	status   int
	header   http.Header
	body     []byte // as far as it could be read
	err      error  // why not further
	why      error  // what is to be said of a refusal besides what it says itself
	code     string // errorCode
	message  string
	spoken   bool     // it is the service's own error body
	bodySent bool     // bytes of the request's body had left
	secrets  []string // that the request carried: no text may show them
}

// unauthorized reports whether the token was refused. Kaizala says so with errorCode InvalidToken under any status.
func (a *answer) unauthorized() bool {
	return a.status == http.StatusUnauthorized || a.code == "InvalidToken"
}

func (a *answer) ok() bool { return a.status/100 == 2 && !a.unauthorized() }

// result makes a call and decodes its answer into v; usable says whether what was needed was there.
func (c *Client) result(ctx context.Context, k call, v any, usable func() error) error {
	a, err := c.do(ctx, k)
	if err != nil {
		return err
	}
	return k.decode(a, v, usable)
}

func (k call) decode(a *answer, v any, usable func() error) error {
	if !a.ok() {
		return k.refused(a, a.why)
	}
	if a.err != nil {
		return k.refused(a, a.err)
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		return k.refused(a, fmt.Errorf("the answer is not what was expected (Content-Type %q): %w",
			bounded(a.header.Get("Content-Type")), err))
	}
	if err := usable(); err != nil {
		return k.refused(a, err)
	}
	return nil
}

// errFixedRefused tells the one case in which there is no application to look at, nor a new token to be had.
var errFixedRefused = errors.New("it is the fixed access_token that was refused: get another one and configure it, or an application instead")

// do makes a call with a token, and once more with a new one if that was refused.
func (c *Client) do(ctx context.Context, k call) (*answer, error) {
	token, err := c.token(ctx, "")
	if err != nil {
		return nil, err
	}
	a, err := c.deliver(ctx, k, &c.calls, accessHeader(token))
	if err != nil || !a.unauthorized() {
		return a, err
	}
	if c.fixed != "" {
		a.why = errFixedRefused
		return a, nil
	}
	fresh, err := c.token(ctx, token)
	if err != nil || fresh == token {
		return a, err
	}
	return c.deliver(ctx, k, &c.calls, accessHeader(fresh))
}

// accessHeader keeps the documented spelling, which http.Header.Set would not.
func accessHeader(token string) http.Header { return http.Header{"accessToken": {token}} }

// deliver sends a call until its answer is not one of those that mean "not acted on, send it again like this".
func (c *Client) deliver(ctx context.Context, k call, to *base, header http.Header) (*answer, error) {
	expect := k.body != nil && k.body.length > expectMinimum
	for moves := 0; ; {
		from := to.get()
		a, err := c.send(ctx, k, from, header, expect)
		switch {
		case err != nil:
			return nil, err
		case a.status == http.StatusPermanentRedirect && moves < maxMoves:
			moves++
			if err := to.move(from, a.header.Get("Location"), k.path); err != nil {
				return nil, k.refused(a, err)
			}
		case a.status == http.StatusExpectationFailed && expect:
			expect = false
		case a.status == http.StatusTooManyRequests:
			c.onThrottled(retryAfter(a.header, time.Now()))
			return a, nil
		default:
			return a, nil
		}
	}
}

// send sends a call once and reads the answer. Errors are those of a call without an answer.
func (c *Client) send(ctx context.Context, k call, to string, header http.Header, expect bool) (*answer, error) {
	permit, err := c.budget(ctx, budget.Permit{})
	if ctx.Err() != nil {
		err = canceled(ctx)
	}
	if err != nil {
		return nil, &Error{Call: k.name, Err: err}
	}
	watched, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := newWatchdog(c.stall, func() { cancel(errStalledFor(c.stall)) })
	defer w.stop()
	s := newSending(k.body, w)
	defer s.Close() // the transport may still be reading when it returns
	connected := func() (err error) {
		if permit, err = c.budget(watched, permit); err != nil {
			cancel(err)
		}
		return err
	}
	req, err := c.request(s.traced(w.traced(watched, connected)), k, to, header, s)
	if err != nil {
		return nil, &Error{Call: k.name, Err: err}
	}
	if expect {
		req.Header.Set("Expect", "100-continue")
	}
	// Not through an http.Client: that follows redirects, takes headers such as accessToken to any host, and has nothing
	// else to add.
	resp, err := c.transport.RoundTrip(req)
	var a *answer
	if err == nil {
		a = readAnswer(resp, k.limit(), w, secretsOf(header))
		err = a.err
	}
	s.Close()
	switch {
	case s.failed() != nil:
		return nil, &Error{Call: k.name, Fault: FaultFile, Err: s.failed()}
	case err != nil:
		err = cause(ctx, watched, err, header)
	}
	bodySent := s.begun() && w.reached()
	if a == nil {
		return nil, &Error{Call: k.name, BodySent: bodySent, MayHaveActed: k.name == callActions && w.reached(), Err: err}
	}
	a.bodySent = bodySent
	if a.err = err; a.ok() && a.err == nil && !s.complete() {
		a.err = errors.New("the answer came before the whole request was sent")
	}
	return a, nil
}

func (c *Client) request(ctx context.Context, k call, to string, header http.Header, s *sending) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, k.method, to+k.path+k.query, nil)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept", "application/json")
	if k.body == nil {
		return req, nil
	}
	req.Header.Set("Content-Type", k.body.contentType)
	req.ContentLength = k.body.length
	req.Body = s
	// With GetBody, net/http sends the request on a new connection if an idle one turned out to be closed, but only while
	// not one byte was written; POST without Idempotency-Key is never repeated after that (http.Transport).
	req.GetBody = func() (io.ReadCloser, error) { s.rewind(); return s, nil }
	return req, nil
}

// readAnswer reads the answer to its end, so that its connection can be used again.
func readAnswer(resp *http.Response, limit int64, w *watchdog, secrets []string) *answer {
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header, secrets: secrets}
	if a.status < 200 { // 101: the body would be the connection
		return a
	}
	a.body, a.err = io.ReadAll(io.LimitReader(watchedReader{resp.Body, w}, limit+1))
	if int64(len(a.body)) > limit && a.err == nil {
		a.err = fmt.Errorf("the answer is longer than %d bytes", limit)
	}
	a.body = bytes.TrimPrefix(a.body, []byte("\uFEFF"))
	var said struct{ Message, ErrorCode any }
	if json.Unmarshal(a.body, &said) == nil {
		a.code, a.message = shown(said.ErrorCode, secrets), shown(said.Message, secrets)
		a.spoken = a.err == nil && isSpoken(a.body)
	} else if a.err == nil && a.status/100 != 2 { // a part of one could show a part of a secret
		a.message = beginning(a.body, secrets)
	}
	return a
}

// secretsOf lists what a request carries that no message may repeat, not even one that a server echoes.
func secretsOf(header http.Header) []string {
	var secrets []string
	for name, values := range header {
		if !strings.EqualFold(name, "applicationId") {
			secrets = append(secrets, values...)
		}
	}
	return secrets
}

// cause says what broke a call off: the caller, the watchdog, or else the network.
func cause(ctx, watched context.Context, err error, header http.Header) error {
	if ctx.Err() != nil {
		return canceled(ctx)
	}
	if stalled := context.Cause(watched); stalled != nil {
		return stalled
	}
	text := clean(err.Error(), secretsOf(header))
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		text = "the connection was closed before the answer ended"
	}
	return &cleanError{text: text, err: err}
}

// canceled keeps context.Canceled and context.DeadlineExceeded visible beside a cause of the caller's own.
func canceled(ctx context.Context) error {
	if err, why := ctx.Err(), context.Cause(ctx); !errors.Is(why, err) {
		return fmt.Errorf("%w: %w", err, why)
	}
	return ctx.Err()
}
