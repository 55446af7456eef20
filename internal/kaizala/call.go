package kaizala

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"kaizala-drop/internal/wire"
)

// The names of the calls in Error.
const (
	callToken   = "accessToken"
	callMedia   = "media"
	callActions = "actions"
	callGroups  = "groups"
	callPIN     = "generatePin"
	callLogin   = "loginWithPinAndApplicationId"
)

const (
	maxMoves  = 3        // how often one call is sent again because the endpoint moved
	maxGroups = 16 << 20 // bytes of an answer with groups
)

// call is one call of Kaizala's without endpoint and token: what is the same each time that it is sent.
type call struct {
	name   string
	method string
	path   string // escaped, from /v1 on
	query  string // with its question mark
	body   *wire.Body
	limit  int      // bytes that the answer may have; 0: the limit of package wire
	hidden []string // what the body holds and no text may repeat
}

// answer is what one request brought back, with what Kaizala says in it.
type answer struct {
	*wire.Answer
	why     error  // what to add to the text of a refusal
	code    string // errorCode
	message string
	spoken  bool // the body is the service's own error body
}

func newAnswer(got *wire.Answer) *answer {
	a := &answer{Answer: got}
	var said struct{ Message, ErrorCode any }
	if json.Unmarshal(a.Body, &said) == nil {
		a.code, a.message = a.Clean(textOf(said.ErrorCode)), a.Clean(textOf(said.Message))
		a.spoken = a.Err == nil && isSpoken(a.Body)
	} else if a.Status/100 != 2 {
		a.message = a.Beginning()
	}
	return a
}

// unauthorized reports whether the token was refused. Kaizala says so with errorCode InvalidToken under any status.
func (a *answer) unauthorized() bool {
	return a.Status == http.StatusUnauthorized || a.code == "InvalidToken"
}

func (a *answer) ok() bool { return a.Status/100 == 2 && !a.unauthorized() }

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
		return k.errorOf(a, a.why)
	}
	if err := a.JSON(v); err != nil {
		return k.errorOf(a, err)
	}
	if err := usable(); err != nil {
		return k.errorOf(a, err)
	}
	return nil
}

// errFixedTokenRefused is the error of a refused access token that cannot be renewed.
var errFixedTokenRefused = errors.New("the fixed access_token was refused: configure another one, or an application instead")

// do makes a call with a token, and once more with a new token if the first was refused.
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
		a.why = errFixedTokenRefused
		return a, nil
	}
	fresh, err := c.token(ctx, token)
	if err != nil || fresh == token {
		return a, err
	}
	return c.deliver(ctx, k, &c.calls, accessHeader(fresh))
}

// accessHeader keeps the documented spelling of the header, which http.Header.Set would change.
func accessHeader(token string) http.Header { return http.Header{"accessToken": {token}} }

// deliver sends a call until its answer is not 308, by which Kaizala says that it did not act and the call belongs to another
// endpoint. header is the header of each request.
func (c *Client) deliver(ctx context.Context, k call, to *base, header http.Header) (*answer, error) {
	for moves := 0; ; moves++ {
		from := to.get()
		a, err := c.send(ctx, k, from, header)
		if err != nil {
			return nil, err
		}
		if a.Status == http.StatusTooManyRequests {
			c.onThrottled(a.RetryAfter())
		}
		if a.Status != http.StatusPermanentRedirect || moves == maxMoves {
			return a, nil
		}
		if err := to.move(from, a, k.path); err != nil {
			return nil, k.errorOf(a, err)
		}
	}
}

func (c *Client) send(ctx context.Context, k call, to string, header http.Header) (*answer, error) {
	a, err := c.wire.Do(ctx, wire.Call{
		Method: k.method, URL: to + k.path + k.query, Header: header, Body: k.body, Limit: k.limit, Secrets: append(secretsOf(header), k.hidden...),
	})
	if err != nil {
		return nil, k.unanswered(err)
	}
	return newAnswer(a), nil
}

// secretsOf lists the values in header that no message may show, even if a server repeats them.
func secretsOf(header http.Header) []string {
	var secrets []string
	for name, values := range header {
		if !strings.EqualFold(name, "applicationId") {
			secrets = append(secrets, values...)
		}
	}
	return secrets
}
