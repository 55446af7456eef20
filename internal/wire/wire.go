// Package wire turns one call into one HTTP request and its answer, for any service.
//
// A call has no limit on its whole time: it is broken off when no byte of it moves for the stall timeout. It may stream
// gigabytes in constant memory. The length of a body is known beforehand, and a body is never chunked. If a file in it changes
// its size or cannot be read, the request is broken off before its end, so that no server gets a whole request with a torn
// file. An answer is read to its end, up to a limit.
//
// Each request waits for its permit of the budget, and is sent once. There are two exceptions: after 417 it is sent again
// without Expect (RFC 9110, 10.1.1), and net/http sends it on another connection if the first one turns out to be closed, but
// never after a byte of a POST or PUT was written. Redirects are not followed. Requests go over https, or over http that stays
// on this machine.
//
// No secret that a Call names appears in the texts of its errors, or in the texts that the methods of its Answer return.
//
// The caller decides what a status means, whose fault it is and whether to try again.
package wire

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"kaizala-drop/internal/budget"
)

// Budget blocks until one more request may leave. It is called twice for each request: before the connection is asked for,
// with the zero Permit, and when there is a connection, which may take a while, with the Permit that the first call returned.
// If it fails, nothing is sent.
type Budget func(ctx context.Context, last budget.Permit) (budget.Permit, error)

// Options say how calls are made.
type Options struct {
	MaxConns       int           // connections per host at the same time, for which further calls wait; 0: 4
	StallTimeout   time.Duration // how long no byte of a call may move; 0: 1 minute
	ConnectTimeout time.Duration // for the name and the connection, and once more for TLS; 0: 10 seconds
	UserAgent      string        // "": none
	Budget         Budget        // nil: no limit
	// Transport carries the requests; nil: this package's own, over HTTP/1.1. It is for tests.
	Transport http.RoundTripper
}

// Client makes calls. It is safe for concurrent use.
type Client struct {
	transport http.RoundTripper
	agent     string
	stall     time.Duration
	budget    Budget
}

// New makes a client. It opens no connection and starts no goroutine. It fails if a number is negative or the user agent
// cannot be a header.
func New(o Options) (*Client, error) {
	if o.MaxConns < 0 || o.StallTimeout < 0 || o.ConnectTimeout < 0 {
		return nil, errors.New("connections and timeouts cannot be negative")
	}
	if err := CheckHeaderValue("user agent", o.UserAgent); err != nil {
		return nil, err
	}
	o.fill()
	return &Client{transport: o.Transport, agent: o.UserAgent, stall: o.StallTimeout, budget: o.Budget}, nil
}

func (o *Options) fill() {
	if o.MaxConns == 0 {
		o.MaxConns = 4
	}
	if o.StallTimeout == 0 {
		o.StallTimeout = time.Minute
	}
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = 10 * time.Second
	}
	if o.Budget == nil {
		o.Budget = func(ctx context.Context, last budget.Permit) (budget.Permit, error) { return last, ctx.Err() }
	}
	if o.Transport == nil {
		o.Transport = newTransport(o.MaxConns, o.ConnectTimeout)
	}
}

// Close closes the idle connections. Calls under way go on.
func (c *Client) Close() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// IsHeaderValue reports whether s can be the value of a header (RFC 9110, 5.5).
func IsHeaderValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// CheckHeaderValue returns an error if value cannot be the value of a header. The error shows name and never value.
func CheckHeaderValue(name, value string) error {
	if !IsHeaderValue(value) {
		return fmt.Errorf("the %s holds a control character: look for a line break in it", name)
	}
	return nil
}

// Call is one request to be made. Do changes nothing in it, so that it can be made any number of times.
type Call struct {
	Method string
	URL    string // its path and query are escaped
	// Header is sent in the spelling of its keys. User-Agent, Content-Type, Content-Length and Expect are added to it, and an
	// Accept for JSON unless it has one.
	Header  http.Header
	Body    *Body    // nil: none
	Limit   int      // bytes that an answer may have; 0: 1 MiB
	Secrets []string // no text shows these; secrets of less than 4 bytes are not hidden
}

const (
	defaultLimit  = 1 << 20 // bytes of an answer
	expectMinimum = 1 << 20 // bytes: before it sends a longer body, a call asks the server whether it wants that
)

// Do makes a call and reads its answer, whose status may be any. It returns an error only if there is no answer; Answer.Err
// says why an answer is not whole. When Do returns, no reader of a File.Open is in use any more, so that a Read that hangs
// keeps Do from returning.
//
// Its errors are *Error.
func (c *Client) Do(ctx context.Context, call Call) (*Answer, error) {
	expect := call.Body != nil && call.Body.Length() > expectMinimum
	a, err := c.send(ctx, call, expect)
	if expect && err == nil && a.Status == http.StatusExpectationFailed {
		return c.send(ctx, call, false)
	}
	return a, err
}

// send sends one request and reads its answer.
func (c *Client) send(ctx context.Context, call Call, expect bool) (*Answer, error) {
	permit, err := c.budget(ctx, budget.Permit{})
	if ctx.Err() != nil {
		err = Canceled(ctx)
	}
	if err != nil {
		return nil, &Error{Err: err}
	}
	watched, end := context.WithCancelCause(ctx)
	defer end(nil)
	w := newWatchdog(c.stall, func() { end(errStalledFor(c.stall)) })
	defer w.stop()
	body := newBodyReader(call.Body, w)
	defer body.stop() // the transport may still be reading when RoundTrip returns
	// net/http calls this within RoundTrip (httptrace.ClientTrace.GotConn), so only this goroutine uses permit.
	connected := func() (err error) {
		if permit, err = c.budget(watched, permit); err != nil {
			end(err)
		}
		return err
	}
	req, err := c.request(body.traced(w.traced(watched, connected)), call, body, expect)
	if err != nil {
		return nil, &Error{Err: secrets(call.Secrets).cleanError(err)}
	}
	a, err := c.roundTrip(req, call, w)
	body.stop()
	if err != nil {
		err = cause(ctx, watched, err, call.Secrets)
	}
	return outcome(a, err, body, w)
}

// outcome joins the result of the answer with that of the request.
func outcome(a *Answer, err error, body *bodyReader, w *watchdog) (*Answer, error) {
	if torn := body.failed(); torn != nil {
		return nil, &Error{Err: torn}
	}
	bodySent := body.begun() && w.reached()
	if a == nil {
		return nil, &Error{BodySent: bodySent, MayHaveActed: w.reached(), Err: err}
	}
	a.Err, a.BodySent, a.Early = err, bodySent, !body.complete()
	return a, nil
}

func (c *Client) request(ctx context.Context, call Call, body *bodyReader, expect bool) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, call.Method, call.URL, nil)
	if err != nil {
		return nil, err
	}
	if !MayCarrySecrets(req.URL) {
		return nil, fmt.Errorf("%q is not https: secrets would travel in the clear", Bounded(req.URL.Host))
	}
	req.Header.Set("Accept", "application/json")
	maps.Copy(req.Header, call.Header)
	req.Header.Set("User-Agent", c.agent)
	if expect {
		req.Header.Set("Expect", "100-continue")
	}
	if call.Body != nil {
		return req, body.attach(req)
	}
	return req, nil
}

// roundTrip sends the request and reads the answer. If only the end of the answer is missing, it returns both an answer and an
// error.
//
// An http.Client is not used, because it follows redirects and takes the headers with the secrets to any host.
func (c *Client) roundTrip(req *http.Request, call Call, w *watchdog) (*Answer, error) {
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	return readAnswer(resp, call, w)
}
