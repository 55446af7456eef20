// Package kaizala turns files and captions into posts in Kaizala groups.
//
// A post takes two calls: Upload sends the files and brings back an opaque resource, Post shows that resource in a
// group. Tokens, endpoints and headers stay behind these two. What goes wrong comes back as an *Error, which says whose
// fault it seems, whether that is more than a status claims (Error.Proven), whether the action may have been taken all the
// same, and how long to wait.
//
// A client keeps its own tokens: a new refresh token is put on disk and used in place of the configured one, also after a
// restart (Options.StateDir, Run), and is asked for before the old one ends (KeepFresh).
//
// The wire is that of Microsoft's reference page for /media and of its Kaizala connector pages. Every call is sent once;
// it is sent again only after an answer that says it was not acted on: 401 (with a new token), 308 (the endpoint moved)
// and 417 (see package wire, which makes the requests). Retrying everything else is the caller's decision.
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
	Endpoint          string // where tokens come from; with AccessToken, where the calls go. A trailing slash is dropped
	ApplicationID     string
	ApplicationSecret string
	RefreshToken      string // the configured one; the one that is kept in StateDir replaces it. "": only that one, or a login's
	AccessToken       string // a fixed token: never renewed

	// Name is that of the destination, where there are several: each keeps its token in a file of its own. "", "kaizala": the one in
	// [kaizala].
	Name     string
	StateDir string // where a refresh token is kept that replaces the configured one; "": nowhere, it ends with the process

	MaxConns       int           // connections per host, at once; 0: 4. A Post waits while long uploads hold all of them
	StallTimeout   time.Duration // a call in which no byte moved for so long is broken off; 0: 1 minute
	ConnectTimeout time.Duration // for name, connection and TLS; 0: 10 seconds
	UserAgent      string        // "": kaizala-drop

	// Budget lets requests leave, also those of tokens and those that are sent again. nil: no limit.
	Budget wire.Budget
	// OnThrottled is told of every answer 429, with how long it asks to wait; 0: it does not say. nil: it is not told.
	OnThrottled func(retryAfter time.Duration)
	// OnNewToken is told of each refresh token that replaces the one before for good, and calls save to keep it. It is called
	// by one goroutine at a time, before the call that brought the token returns. nil: the client saves it, tries again in
	// Run, and logs what becomes of it.
	OnNewToken func(save func() error)
	Log        zerolog.Logger // the zero Logger: nothing is logged
	// Transport carries the requests; nil: the wire's own, over HTTP/1.1. For tests.
	Transport http.RoundTripper
}

// Client speaks to one Kaizala endpoint as one connector. It is safe for concurrent use.
type Client struct {
	wire        *wire.Client
	onThrottled func(retryAfter time.Duration)
	log         zerolog.Logger

	id, secret string
	fixed      string // the fixed access token; "" if there is none
	root       base   // where tokens come from
	calls      base   // where every other call goes
	access     access
	keeper     *keeper
	onNewToken func(save func() error) // nil: keeper keeps it
	unread     error                   // why a kept refresh token could not be read
}

// New makes a client and checks what can be checked without a call. It reads the refresh token that is kept; if that cannot
// be read, Unread says why. It opens no connection and starts nothing.
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
		keeper:      newKeeper(tokenFile{o.StateDir, o.Name, o.RefreshToken}, o.Log),
		onNewToken:  o.OnNewToken,
	}
	c.root.url, c.root.plain = endpoint.String(), endpoint.Scheme == "http"
	c.calls.url, c.calls.plain = c.root.url, c.root.plain
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
}

// Unread says why a kept refresh token cannot be read, so that the older, configured one is used; nil if that is not so.
func (c *Client) Unread() error { return c.unread }

// Close closes the connections that are idle. Calls under way go on.
func (c *Client) Close() { c.wire.Close() }

// Upload sends the files in one call and brings back the resource to post: opaque, up to some 10 kB. Several images make
// one album. Nothing is shown in any group yet, so uploading twice is harmless. No target is needed for it.
//
// The content streams with its length known beforehand. If reading it fails, or it does not have exactly File.Size bytes, the
// request is broken off before its end. When Upload returns, no reader of File.Open is in use any more: a Read that hangs keeps
// Upload from returning.
//
// Its errors are *destination.Error, each of which wraps an *Error.
func (c *Client) Upload(ctx context.Context, _ string, files []destination.File) (ref string, err error) {
	k := call{name: callMedia, method: http.MethodPost, path: "/v1/media"}
	if k.body, err = newForm(files); err != nil {
		return "", outward(&Error{Call: k.name, Fault: FaultFile, Err: err})
	}
	var answer struct {
		MediaResource string `json:"mediaResource"`
	}
	_, err = c.result(ctx, k, &answer, func() error { return present("mediaResource", answer.MediaResource) })
	if err != nil {
		return "", outward(err)
	}
	return answer.MediaResource, nil
}

// Post shows what Upload brought back in a group. The wire has no key that would make a second sending harmless: after an error
// with MayHaveActed, posting again may show the message twice.
//
// Its errors are *destination.Error, each of which wraps an *Error.
func (c *Client) Post(ctx context.Context, m destination.Message) (destination.Receipt, error) {
	receipt, err := c.post(ctx, m)
	return receipt, outward(err)
}

func (c *Client) post(ctx context.Context, m destination.Message) (receipt destination.Receipt, err error) {
	k := call{name: callActions, method: http.MethodPost, path: "/v1/groups/" + url.PathEscape(m.Target) + "/actions"}
	switch {
	case m.Target == "", m.Target == ".", m.Target == "..": // dots would be taken for steps in the path
		return receipt, &Error{Call: k.name, Fault: FaultGroup, Err: fmt.Errorf("%q is not a group id", m.Target)}
	case m.Ref == "" || actionType(m.Kind) == "":
		return receipt, &Error{Call: k.name, Fault: FaultFile, Err: errors.New("a post needs an action and a resource")}
	}
	if k.body, err = newAction(m); err != nil {
		return receipt, &Error{Call: k.name, Fault: FaultFile, Err: err}
	}
	var said struct {
		ReferenceID  string          `json:"referenceId"`
		FailedResult json.RawMessage `json:"failedResult"`
	}
	a, err := c.result(ctx, k, &said, func() error { return present("referenceId", said.ReferenceID) })
	if err != nil {
		return receipt, err
	}
	return destination.Receipt{ID: said.ReferenceID, Missed: a.missed(said.FailedResult)}, nil
}

func present(name, value string) error {
	if strings.TrimSpace(value) == "" {
		return fmt.Errorf("no %s in the answer", name)
	}
	return nil
}
