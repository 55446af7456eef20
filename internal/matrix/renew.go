package matrix

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"kaizala-drop/internal/wire"
)

const (
	renewMargin = time.Minute      // how long before its end a token is renewed; a tenth of its life if that is shorter
	renewAgain  = 10 * time.Second // how long a token that is still good is used after it could not be renewed
)

// token gives the token to make a call with: another one than refused, or the error of its call. A token that ends soon is renewed.
func (c *Client) token(ctx context.Context, refused string) (string, error) {
	k, err := c.session.get()
	if err != nil {
		return "", &Error{Call: callWhoAmI, Fault: ofAccess, Err: c.noToken(err)}
	}
	if k.AccessToken != refused && !k.endsSoon(time.Now()) {
		return k.AccessToken, nil
	}
	if c.session.fixed != "" {
		return "", nil
	}
	if k.AccessToken != refused && c.session.mayWait(k, time.Now()) {
		return k.AccessToken, nil
	}
	fresh, err := c.renew(ctx, k.AccessToken)
	if err != nil {
		c.session.failedNow()
	}
	if err != nil && k.AccessToken != refused && c.session.mayWait(k, time.Now()) {
		c.log.Warn().Err(err).Msg("the token ends soon, and could not be renewed: using it until then")
		return k.AccessToken, nil
	}
	return fresh, err
}

func (k kept) endsSoon(now time.Time) bool {
	return k.Ends != 0 && k.RefreshToken != "" && now.UnixMilli() >= k.Renew
}

// renew gives another token than old: one that another process has stored meanwhile, or one that the server gives for the refresh token.
// It is "" if there is none. The server is asked under the lock of the file: of two processes that ask, one would lose its token.
func (c *Client) renew(ctx context.Context, old string) (token string, err error) {
	s := c.session
	s.turn.Lock()
	defer s.turn.Unlock()
	if k, err := s.get(); err == nil && k.AccessToken != old { // while this call waited for its turn
		return k.AccessToken, nil
	}
	k, err := s.read()
	k = s.newest(k)
	switch {
	case err != nil, k.AccessToken == old && k.RefreshToken == "", k.AccessToken == "":
		return "", nil //nolint:nilerr // the refusal of the old one is what is told
	case k.AccessToken != old:
		c.log.Info().Msg("another token was stored: going on with it")
		s.use(k, true)
		return k.AccessToken, nil
	}
	var next kept
	err = s.file.Change(func(content []byte, readErr error) ([]byte, error) {
		now, err := s.keptIn(content, readErr)
		if err != nil {
			return nil, err
		}
		if next = s.newest(now); next.AccessToken == old {
			if next, err = c.refresh(ctx, next); err != nil {
				return nil, err
			}
		}
		return next.text()
	})
	if next.AccessToken != "" && next.AccessToken != old {
		if err != nil {
			c.log.Error().Err(err).Str("file", s.file.Path()).Msg("the new token cannot be stored: it ends with this process. " +
				"Make the folder writable and see that its disk has room, and log in again")
		}
		s.use(next, err == nil) // also if it is not stored: the old one is of no use any more
		return next.AccessToken, nil
	}
	if _, ok := errors.AsType[*Error](err); err != nil && !ok { // the file is what fails
		err = &Error{Call: callRefresh, Fault: ofAccess, Err: fmt.Errorf("the token in %q: %w", s.file.Path(), err)}
	}
	return "", err
}

// refresh asks for another token (specification, "Refreshing access tokens").
func (c *Client) refresh(ctx context.Context, now kept) (kept, error) {
	body, err := wire.JSON(map[string]string{"refresh_token": now.RefreshToken})
	if err != nil {
		return kept{}, err
	}
	k := call{name: callRefresh, method: http.MethodPost, path: clientAPI + "/refresh", body: body, hidden: []string{now.RefreshToken}}
	var said grant
	if err := c.open(ctx, k, &said, said.usable); err != nil {
		return kept{}, err
	}
	next := now
	next.take(said, time.Now())
	return next, nil
}

// grant is an answer with tokens.
type grant struct {
	UserID       string `json:"user_id"`
	DeviceID     string `json:"device_id"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresInMS  int64  `json:"expires_in_ms"`
}

func (g *grant) usable() error {
	if g.AccessToken == "" || !wire.IsHeaderValue(g.AccessToken) {
		return errors.New("no access_token in the answer")
	}
	return nil
}

// take takes over the tokens of an answer.
func (k *kept) take(g grant, now time.Time) {
	k.AccessToken, k.Ends, k.Renew = g.AccessToken, 0, 0
	if g.RefreshToken != "" { // else the one before stays good
		k.RefreshToken = g.RefreshToken
	}
	if life := time.Duration(g.ExpiresInMS) * time.Millisecond; g.ExpiresInMS > 0 && life > 0 {
		k.Ends, k.Renew = now.Add(life).UnixMilli(), now.Add(life-min(renewMargin, life/10)).UnixMilli()
	}
}
