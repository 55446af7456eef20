// Package matrix turns files and captions into posts in the rooms of a Matrix homeserver.
//
// A post takes two calls: Upload sends the bytes of each file, which nobody is shown yet, and Post sends an event for each. Every
// event carries the delivery's own key, so that Find can tell whether a post whose answer was lost is there. Rooms, tokens, addresses
// and statuses stay behind these three. Each failure is a *destination.Error that wraps an *Error.
//
// The calls are those of the Matrix specification, Client-Server API. What only some servers have is asked of them, not assumed of
// their version. Each call is sent once; it is sent again only where the server said that it did not act: with another token after
// one that was refused, and after 417 (package wire). The caller decides about any other retry, and makes one call at a time for a
// delivery: a server that is asked for the same event several times at once may make several.
//
// What is sent to a room that is encrypted is encrypted (package e2ee), or refused: nothing is sent there in the clear but the key.
package matrix

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/matrix/names"
	"kaizala-drop/internal/shape"
	"kaizala-drop/internal/wire"
)

// Options say which homeserver is used, and as whom.
type Options struct {
	Name        string // of the destination, for advice; "": matrix
	Homeserver  string // a server name, whose .well-known is asked, or an address of https or of http on loopback
	User        string // whom the token must belong to; "": whoever it does
	AccessToken string // "": that of a login
	StateDir    string // the folder for the token of a login; "": there is none
	Login       string // the command that gets a token, for people; "": kaizala-drop login NAME
	// Previews makes the thumbnails of large pictures; nil: they go without.
	Previews *shape.Previewer
	// ShownWithin is how long the homeserver may take to show what it has taken, also if it was killed meanwhile. Find does not say sooner
	// that something is not there.
	ShownWithin time.Duration
	Join        bool // enter a room that this account is invited to, or that is open to all
	Encryption  Encryption
	ShareWith   ShareWith // which devices may read what is encrypted

	MaxConns       int           // connections per host at the same time; 0: 4
	StallTimeout   time.Duration // how long no byte of a call may move; 0: 1 minute
	ConnectTimeout time.Duration // for the name and the connection, and once more for TLS; 0: 10 seconds
	UserAgent      string        // "": kaizala-drop

	// Budget lets each request leave. nil: no limit.
	Budget wire.Budget
	// OnThrottled is called for each answer that says that these were too many calls, with how long it asks to wait (0: it does not
	// say). It may be nil.
	OnThrottled func(retryAfter time.Duration)
	Log         zerolog.Logger // the zero Logger logs nothing
	// Transport carries the requests; nil: the one of package wire, over HTTP/1.1. It is for tests.
	Transport http.RoundTripper
}

// Client speaks to one homeserver as one account. It is safe for concurrent use.
type Client struct {
	wire        *wire.Client
	name        string
	login       string // the command
	onThrottled func(retryAfter time.Duration)
	log         zerolog.Logger
	session     *session
	join        bool
	encryption  Encryption
	keys        *keys
	previews    *shape.Previewer
	shownWithin time.Duration

	base   base
	rooms  rooms
	doubts *doubts
	pasts  *pasts

	sightings sightings
	begun     *begun // a login that is not stored yet; nil: there is none. It is for who logs in, one at a time

	mu    sync.Mutex
	limit limit
}

// New makes a client and checks what can be checked without a call. It opens no connection and starts no goroutine.
func New(o Options) (*Client, error) {
	address, err := names.CheckHomeserver(o.Homeserver)
	if err != nil {
		return nil, fmt.Errorf("homeserver: %w", err)
	}
	if o.User != "" {
		if err := names.CheckUser(o.User); err != nil {
			return nil, fmt.Errorf("user: %w", err)
		}
	}
	if err := wire.CheckHeaderValue("access token", o.AccessToken); err != nil {
		return nil, err
	}
	calls, err := wire.New(wire.Options{
		MaxConns: o.MaxConns, StallTimeout: o.StallTimeout, ConnectTimeout: o.ConnectTimeout,
		UserAgent: cmp.Or(o.UserAgent, "kaizala-drop"), Budget: o.Budget, Transport: o.Transport,
	})
	if err != nil {
		return nil, err
	}
	if o.OnThrottled == nil {
		o.OnThrottled = func(time.Duration) {}
	}
	return &Client{
		wire: calls, name: cmp.Or(o.Name, "matrix"), login: cmp.Or(o.Login, "kaizala-drop login "+cmp.Or(o.Name, "matrix")), onThrottled: o.OnThrottled, log: o.Log, join: o.Join, previews: o.Previews,
		shownWithin: o.ShownWithin, encryption: o.Encryption,
		keys:    newKeys(o),
		session: &session{file: tokenFile(o.StateDir, cmp.Or(o.Name, "matrix")), homeserver: o.Homeserver, user: o.User, fixed: o.AccessToken},
		base:    base{server: o.Homeserver, fixed: address != "", url: address}, rooms: newRooms(), doubts: newDoubts(), pasts: newPasts(),
		sightings: newSightings(),
	}, nil
}

// Close closes the idle connections, and the store of the keys once nobody uses it. Other calls under way go on.
func (c *Client) Close() {
	c.wire.Close()
	c.keys.close()
}

// WhoAmI gives the account that the token belongs to. It is asked of the server once for each token.
//
// Its errors are *Error.
func (c *Client) WhoAmI(ctx context.Context) (user string, err error) {
	if me := c.session.whose(); me != "" {
		return me, nil
	}
	token, err := c.token(ctx, "")
	if err != nil {
		return "", err
	}
	said, err := c.ownerOf(ctx, token)
	if answer, ok := errors.AsType[*Error](err); ok && answer.Code == "M_UNKNOWN_TOKEN" {
		fresh, renewErr := c.token(ctx, token)
		if renewErr != nil || fresh == "" {
			return "", cmp.Or(renewErr, err)
		}
		token = fresh
		said, err = c.ownerOf(ctx, token)
	}
	if err != nil {
		return "", err
	}
	if wanted := c.session.user; wanted != "" && wanted != said.UserID {
		return "", &Error{Call: callWhoAmI, Fault: ofAccess, Err: fmt.Errorf("the token belongs to %s, and user says %s", said.UserID, wanted)}
	}
	c.session.isOf(token, said.UserID, said.DeviceID)
	return said.UserID, nil
}

// ownerOf asks whose a token is.
func (c *Client) ownerOf(ctx context.Context, token string) (said grant, err error) {
	k := call{name: callWhoAmI, method: http.MethodGet, path: clientAPI + "/account/whoami"}
	a, err := c.deliver(ctx, k, token)
	if err != nil {
		return said, err
	}
	err = k.decode(a, &said, func() error { return names.CheckUser(said.UserID) })
	return said, err
}

// limit is the server's word on how large an upload may be.
type limit struct {
	bytes int64     // 0: it does not say
	asked time.Time // zero: not yet
}

// limitLife is how long a limit is believed. A refusal for size ends it at once.
const limitLife = time.Hour

// UploadLimit gives the largest upload that the server takes, in bytes; 0: it does not say.
//
// Its errors are *Error.
func (c *Client) UploadLimit(ctx context.Context) (bytes int64, err error) {
	c.mu.Lock()
	known := c.limit
	c.mu.Unlock()
	if !known.asked.IsZero() && time.Since(known.asked) < limitLife {
		return known.bytes, nil
	}
	var said struct {
		Size int64 `json:"m.upload.size"`
	}
	// The old address is for servers before version 1.11 of the specification.
	for _, path := range []string{"/_matrix/client/v1/media/config", "/_matrix/media/v3/config"} {
		k := call{name: callLimit, method: http.MethodGet, path: path}
		_, err = c.result(ctx, k, &said, func() error { return nil })
		if answer, ok := errors.AsType[*Error](err); !ok || answer.Status != http.StatusNotFound {
			break
		}
	}
	if answer, ok := errors.AsType[*Error](err); ok && answer.Status != http.StatusNotFound {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = limit{max(0, said.Size), time.Now()}
	return c.limit.bytes, nil
}

// forgetLimit has the limit asked again.
func (c *Client) forgetLimit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = limit{}
}
