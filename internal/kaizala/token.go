package kaizala

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"kaizala-drop/internal/wire"
)

const (
	assumedLife = time.Hour            // of an access token whose expiry is missing or absurd
	longestLife = 366 * 24 * time.Hour // a longer life is absurd; access tokens are documented to live a day
	renewMargin = 5 * time.Minute      // how long before its end a token is renewed; a tenth of the life if that is shorter
	renewRetry  = 30 * time.Second     // between renewals that fail while the token is still good
)

// access is the client's access token and what is needed to get the next one.
type access struct {
	turn chan struct{} // holds one element while a renewal is under way

	mu      sync.Mutex
	refresh string
	token   string
	renewAt time.Time
	endsAt  time.Time
	round   int   // how many renewals have ended
	failure error // of the last renewal
}

// token returns an access token other than the refused one. Of many callers one renews the token, and the others share the
// result. If that caller gives up, the next one renews, so that no caller fails because of another's context.
func (c *Client) token(ctx context.Context, refused string) (string, error) {
	if c.fixed != "" {
		return c.fixed, nil
	}
	token, round := c.access.usable(refused, time.Now())
	if token != "" {
		return token, nil
	}
	select {
	case c.access.turn <- struct{}{}:
		defer func() { <-c.access.turn }()
	case <-ctx.Done():
		return "", &Error{Call: callToken, Err: wire.Canceled(ctx)}
	}
	if token, err, shared := c.access.since(round); shared {
		return token, err
	}
	return c.renew(ctx, refused)
}

// freshen gets a new access token if there is none or the present one ends soon. Calls do that by themselves.
func (c *Client) freshen(ctx context.Context) error {
	_, err := c.token(ctx, "")
	return err
}

// takeUp goes on with the refresh token that another process stored meanwhile, or without the one that it removed, and reports
// whether there was such a change. Its caller has the turn.
func (c *Client) takeUp() bool {
	if c.fixed != "" {
		return false
	}
	token, changed := c.keeper.news()
	if !changed || !c.access.startOver(token) {
		return false
	}
	if token == "" {
		c.log.Warn().Msg("the refresh token was removed from state_dir, and none is configured: nothing can be posted")
	} else {
		c.log.Info().Msg("another refresh token was stored, or the one in state_dir removed: going on with what there is now")
	}
	return true
}

// renew gets a new access token. Its caller has the turn.
func (c *Client) renew(ctx context.Context, refused string) (string, error) {
	c.takeUp()
	g, err := c.fetch(ctx)
	if err != nil {
		return c.access.fail(err, refused, time.Now(), ctx.Err() == nil)
	}
	if g.RefreshToken != "" && c.access.replaceRefresh(g.RefreshToken) {
		c.keep(g.RefreshToken)
	}
	c.access.succeed(g, time.Now())
	return g.AccessToken, nil
}

// keep saves a new refresh token. Its caller has the turn.
func (c *Client) keep(refreshToken string) {
	if c.onNewToken == nil {
		c.keeper.keep(refreshToken)
		return
	}
	c.onNewToken(func() error { return c.keeper.store(refreshToken) })
}

// grant is the answer of the token call. RefreshToken is "" if it is null or missing.
type grant struct {
	AccessToken  string          `json:"accessToken"`
	EndpointURL  string          `json:"endpointUrl"`
	Expiry       json.RawMessage `json:"accessTokenExpiry"`
	RefreshToken string          `json:"refreshToken"`

	life time.Duration
}

func (c *Client) fetch(ctx context.Context) (grant, error) {
	k := call{name: callToken, method: http.MethodGet, path: "/v1/accessToken"}
	refresh := c.access.refreshToken()
	if refresh == "" {
		return grant{}, &Error{Call: callToken, Err: c.noToken()}
	}
	header := http.Header{
		"applicationId":     {c.id},
		"applicationSecret": {c.secret},
		"refreshToken":      {refresh},
	}
	a, err := c.deliver(ctx, k, &c.root, header)
	if err != nil {
		return grant{}, err
	}
	var g grant
	err = k.decode(a, &g, func() error {
		if err := requireText("accessToken", g.AccessToken); err != nil {
			return err
		}
		if !wire.IsHeaderValue(g.AccessToken) || !wire.IsHeaderValue(g.RefreshToken) {
			return errors.New("a token in the answer holds a control character")
		}
		return c.calls.set(a, g.EndpointURL)
	})
	g.life = lifeOf(g.Expiry, a.ServerTime())
	return g, err
}

// lifeOf is the time from now to expiry, which is in epoch milliseconds. now is the server's clock if that is known, because
// this machine's clock may be wrong by years before it is set.
func lifeOf(expiry json.RawMessage, now time.Time) time.Duration {
	ms, err := strconv.ParseInt(strings.Trim(string(expiry), `"`), 10, 64)
	if life := time.UnixMilli(ms).Sub(now); err == nil && life > 0 && life <= longestLife {
		return life
	}
	return assumedLife
}

func (x *access) refreshToken() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.refresh
}

// replaceRefresh sets the refresh token, and reports whether it differs from the one before.
func (x *access) replaceRefresh(token string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	changed := x.refresh != token
	x.refresh = token
	return changed
}

// startOver forgets the access token if it belongs to another refresh token, and reports whether it does.
func (x *access) startOver(refresh string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.refresh == refresh {
		return false
	}
	x.refresh, x.token, x.renewAt, x.endsAt = refresh, "", time.Time{}, time.Time{}
	return true
}

// usable returns the token, or "" if it was refused or must be renewed, and the number of renewals so far.
func (x *access) usable(refused string, now time.Time) (token string, round int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.token == refused || !now.Before(x.renewAt) {
		return "", x.round
	}
	return x.token, x.round
}

// since returns the result of the last renewal, and whether one has ended after the given round.
func (x *access) since(round int) (token string, err error, shared bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.token, x.failure, x.round != round
}

func (x *access) succeed(g grant, now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.token = g.AccessToken
	x.endsAt = now.Add(g.life)
	x.renewAt = x.endsAt.Add(-min(renewMargin, g.life/10))
	x.round++
	x.failure = nil
}

// fail records a failed renewal. Waiting callers share it, unless it is only due to the caller's own context (shared is
// false). A token that has not ended and was not refused is returned instead of err, because the trouble may have passed when
// it ends.
func (x *access) fail(err error, refused string, now time.Time, shared bool) (string, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !shared {
		return "", err
	}
	x.round++
	if x.failure = err; x.token == "" || x.token == refused || !now.Before(x.endsAt) {
		return "", err
	}
	x.failure = nil
	x.renewAt = now.Add(renewRetry)
	if x.renewAt.After(x.endsAt) {
		x.renewAt = x.endsAt
	}
	return x.token, nil
}
