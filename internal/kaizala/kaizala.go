// Package kaizala turns files and captions into posts in Kaizala groups.
//
// A post takes two calls: Upload sends the files and returns an opaque resource, and Post shows that resource in a group.
// Tokens, endpoints and headers stay behind these two. Each failure is an *Error, which says whose fault it seems to be,
// whether that is proven, whether the action may have been taken all the same, and how long to wait.
//
// A client keeps its own tokens. It saves a new refresh token and uses it in place of the configured one, even after a restart
// (Options.StateDir, Run), and it asks for a new one before the old one ends (KeepFresh).
//
// The calls are those of Microsoft's reference page for /media and of its pages about Kaizala connectors. Each call is sent
// once. It is sent again only after an answer by which the server says that it did not act: 401 (with a new token), 308 (the
// endpoint moved) and 417 (see package wire, which makes the requests). The caller decides about any other retry.
package kaizala

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/wire"
)

// Options say how to reach Kaizala and as whom. Either AccessToken is set, or ApplicationID and ApplicationSecret are.
type Options struct {
	Endpoint          string // gives tokens, or gets the calls if there is an AccessToken; a slash at its end is dropped
	ApplicationID     string
	ApplicationSecret string
	RefreshToken      string // the configured one; one that is kept in StateDir replaces it. "": only the kept one is used
	AccessToken       string // a fixed token, which is never renewed

	// Name is the name of the destination: each keeps its token in a file of its own. "" and "kaizala" are the one in [kaizala].
	Name     string
	StateDir string // the folder for a newer refresh token; "": it is not kept, and ends with the process
	Login    string // the command that gets a token, for people; "": kaizala-drop login NAME

	MaxConns       int           // connections per host at the same time; 0: 4. A Post waits while uploads hold all of them
	StallTimeout   time.Duration // how long no byte of a call may move; 0: 1 minute
	ConnectTimeout time.Duration // for the name and the connection, and once more for TLS; 0: 10 seconds
	UserAgent      string        // "": kaizala-drop

	// Budget lets each request leave, including those for tokens and those that are sent again. nil: no limit.
	Budget wire.Budget
	// OnThrottled is called for each answer 429, with how long it asks to wait (0: it does not say). It may be nil.
	OnThrottled func(retryAfter time.Duration)
	// OnNewToken is called for each refresh token that replaces the one before, and calls save to keep it. It is called by one
	// goroutine at a time, before the call that brought the token returns. If it is nil, the client saves the token, tries
	// again in Run, and logs whether it could.
	OnNewToken func(save func() error)
	// OnLogin is called by KeepFresh when another process has stored a refresh token, and it was good: what failed for want of access
	// can be tried again. It may be nil.
	OnLogin func()
	Log     zerolog.Logger // the zero Logger logs nothing
	// Transport carries the requests; nil: the one of package wire, over HTTP/1.1. It is for tests.
	Transport http.RoundTripper
}

// Client speaks to one Kaizala endpoint as one connector. It is safe for concurrent use.
type Client struct {
	wire        *wire.Client
	onThrottled func(retryAfter time.Duration)
	log         zerolog.Logger

	id, secret string
	fixed      string // the fixed access token, or ""
	root       base   // of the calls for tokens
	calls      base   // of all other calls
	access     access
	keeper     *keeper
	onNewToken func(save func() error) // nil: keeper saves the token
	onLogin    func()
	unread     error  // why a kept refresh token could not be read
	login      string // the command that gets a token; "": kaizala-drop login NAME
}

// New makes a client and checks what can be checked without a call. It reads the kept refresh token; if that cannot be read,
// Unread says why. It opens no connection and starts no goroutine.
func New(o Options) (*Client, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o.fill()
	endpoint, err := parseEndpoint(o.Endpoint, true, wire.Bounded)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	calls, err := wire.New(wire.Options{
		MaxConns: o.MaxConns, StallTimeout: o.StallTimeout, ConnectTimeout: o.ConnectTimeout, UserAgent: o.UserAgent,
		Budget: o.Budget, Transport: o.Transport,
	})
	if err != nil {
		return nil, err
	}
	c := &Client{
		wire:        calls,
		onThrottled: o.OnThrottled,
		log:         o.Log,
		id:          o.ApplicationID,
		secret:      o.ApplicationSecret,
		fixed:       o.AccessToken,
		login:       o.Login,
		keeper:      newKeeper(tokenFile{o.StateDir, o.Name, o.RefreshToken}, o.Log),
		onNewToken:  o.OnNewToken,
		onLogin:     o.OnLogin,
	}
	c.root.url, c.root.plainHTTP = endpoint.String(), endpoint.Scheme == "http"
	c.calls.url, c.calls.plainHTTP = c.root.url, c.root.plainHTTP
	c.access.refresh, c.unread = c.keeper.first()
	c.access.turn = make(chan struct{}, 1)
	return c, nil
}

func (o *Options) check() error {
	application := o.ApplicationID != "" || o.ApplicationSecret != "" || o.RefreshToken != ""
	switch {
	case o.AccessToken != "" && application:
		return errors.New("an access token and an application are both given: leave one of them out")
	case o.AccessToken == "" && (o.ApplicationID == "" || o.ApplicationSecret == ""):
		return errors.New("application id and application secret are needed, or an access token instead")
	}
	return cmp.Or(
		wire.CheckHeaderValue("application id", o.ApplicationID),
		wire.CheckHeaderValue("application secret", o.ApplicationSecret),
		wire.CheckHeaderValue("refresh token", o.RefreshToken),
		wire.CheckHeaderValue("access token", o.AccessToken),
	)
}

func (o *Options) fill() {
	if o.UserAgent == "" {
		o.UserAgent = "kaizala-drop"
	}
	if o.OnThrottled == nil {
		o.OnThrottled = func(time.Duration) {}
	}
	if o.OnLogin == nil {
		o.OnLogin = func() {}
	}
}

// Unread returns why a kept refresh token cannot be read, so that the older, configured one is used; nil if there is no such
// reason.
func (c *Client) Unread() error { return c.unread }

// Close closes the idle connections. Calls under way go on.
func (c *Client) Close() { c.wire.Close() }

// Upload sends the files in one call, and returns the resource to post: opaque, up to some 10 kB. Several images make one
// album. No group shows anything yet, so uploading twice is harmless. The target is ignored.
//
// The content streams with its length known beforehand. If a file cannot be read, or has not exactly File.Size bytes, the
// request is broken off before its end. When Upload returns, no reader of a File.Open is in use any more, so that a Read that
// hangs keeps Upload from returning.
//
// Its errors are *destination.Error, each of which wraps an *Error.
func (c *Client) Upload(ctx context.Context, _ string, files []destination.File) (ref string, err error) {
	k := call{name: callMedia, method: http.MethodPost, path: "/v1/media"}
	if k.body, err = newForm(files); err != nil {
		return "", destinationError(&Error{Call: k.name, Fault: FaultFile, Err: err})
	}
	var answer struct {
		MediaResource string `json:"mediaResource"`
	}
	_, err = c.result(ctx, k, &answer, func() error { return requireText("mediaResource", answer.MediaResource) })
	if err != nil {
		return "", destinationError(err)
	}
	return answer.MediaResource, nil
}

// Post shows an uploaded resource in a group. Kaizala has no key that would make a second sending harmless: after an error
// with MayHaveActed, posting again may show the message twice.
//
// Its errors are *destination.Error, each of which wraps an *Error.
func (c *Client) Post(ctx context.Context, m destination.Message) (destination.Receipt, error) {
	receipt, err := c.post(ctx, m)
	return receipt, destinationError(err)
}

func (c *Client) post(ctx context.Context, m destination.Message) (receipt destination.Receipt, err error) {
	k := call{name: callActions, method: http.MethodPost, path: "/v1/groups/" + url.PathEscape(m.Target) + "/actions"}
	switch {
	case m.Target == "", m.Target == ".", m.Target == "..": // a server would resolve dots in the path
		return receipt, &Error{Call: k.name, Fault: FaultGroup, Err: fmt.Errorf("%q is not a group id", m.Target)}
	case m.Ref == "" || actionType(m.Kind) == "":
		return receipt, &Error{Call: k.name, Fault: FaultFile, Err: errors.New("a post needs a resource, and a kind that Kaizala has")}
	}
	if k.body, err = newAction(m); err != nil {
		return receipt, &Error{Call: k.name, Fault: FaultFile, Err: err}
	}
	var said struct {
		ReferenceID  string          `json:"referenceId"`
		FailedResult json.RawMessage `json:"failedResult"`
	}
	a, err := c.result(ctx, k, &said, func() error { return requireText("referenceId", said.ReferenceID) })
	if err != nil {
		return receipt, err
	}
	return destination.Receipt{ID: said.ReferenceID, Missed: a.missed(said.FailedResult)}, nil
}

// requireText fails if a field of the answer is missing or blank.
func requireText(name, value string) error {
	if strings.TrimSpace(value) == "" {
		return fmt.Errorf("no %s in the answer", name)
	}
	return nil
}
