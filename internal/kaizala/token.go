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
	assumedLife = time.Hour            // of an access token that does not say, or says something absurd
	longestLife = 366 * 24 * time.Hour // what counts as absurd; access tokens are documented to live a day
	renewMargin = 5 * time.Minute      // before the end, at most; a tenth of the life of short ones
	renewRetry  = 30 * time.Second     // between renewals while they fail and the token is still good
)

// access is the client's access token and how to get the next.
type access struct {
	turn chan struct{} // holds one element while a renewal is under way

	mu      sync.Mutex
	refresh string
	token   string
	renewAt time.Time
	endsAt  time.Time
	round   int   // renewals that came to an end
	failure error // of the last round
}

// token brings an access token that is not the refused one. Of many callers one renews it and the others share what
// comes of it; if the one gives up, the next takes its turn, so that nobody fails with somebody else's context.
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

// freshen gets a new access token if there is none or it is about to end. Calls do that by themselves.
func (c *Client) freshen(ctx context.Context) error {
	_, err := c.token(ctx, "")
	return err
}

// takeUp goes on with the refresh token that another process has stored meanwhile, or without the one that it removed, and
// reports whether that was so. It is called by whoever has the turn.
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

// renew is called by whoever has the turn.
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

// keep is called by whoever has the turn.
func (c *Client) keep(refreshToken string) {
	if c.onNewToken == nil {
		c.keeper.keep(refreshToken)
		return
	}
	c.onNewToken(func() error { return c.keeper.store(refreshToken) })
}

// grant is the answer of the token call. A null or missing refreshToken is left empty.
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
		if err := present("accessToken", g.AccessToken); err != nil {
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

// lifeOf turns epoch milliseconds into what is left of them. now is the server's clock, if it told: this machine's may
// be wrong by years before it is set.
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

// replaceRefresh reports whether the token is another one than before.
func (x *access) replaceRefresh(token string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	changed := x.refresh != token
	x.refresh = token
	return changed
}

// startOver forgets the access token, which came for another refresh token. It reports whether that is so.
func (x *access) startOver(refresh string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.refresh == refresh {
		return false
	}
	x.refresh, x.token, x.renewAt, x.endsAt = refresh, "", time.Time{}, time.Time{}
	return true
}

// usable brings the token if it can be used as it is, else "", and the number of renewals up to now.
func (x *access) usable(refused string, now time.Time) (token string, round int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.token == refused || !now.Before(x.renewAt) {
		return "", x.round
	}
	return x.token, x.round
}

// since brings the outcome of the last renewal if one ended after the given round.
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

// fail notes that a renewal failed; unless it is the one caller's own doing, those who wait share it. A token that has
// not ended yet and was not refused serves on: the trouble may have passed when it does end.
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
