package kaizala

import (
	"context"
	"errors"
	"time"
)

const (
	// lookEvery is the time between looks for a refresh token that another process stored.
	lookEvery = 2 * time.Second
	// freshEvery is the time between checks of the access token. A check makes a call only if the token, which is good for a
	// day, ends soon.
	freshEvery = time.Hour
)

// KeepFresh keeps the access token fresh until ctx ends, even while nothing is posted. Kaizala gives the refresh token that
// replaces an ending one only with an access token, and only for some weeks (documented: days 328 to 365). KeepFresh does
// nothing for a fixed access token.
//
// It also looks whether another process stored another refresh token, with a login, or removed it, and goes on with what there is
// then.
//
// It logs once that the token is refused, because nobody else would notice that while nothing is posted. All other failures
// show in the calls that suffer from them. Its error is that of ctx.
func (c *Client) KeepFresh(ctx context.Context) error {
	refused, loggedIn := false, false
	for {
		err := c.freshen(ctx)
		answer, _ := errors.AsType[*Error](err)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			if refused = false; loggedIn {
				c.onLogin()
			}
		case answer != nil && answer.Unauthorized() && !refused:
			refused = true
			c.log.Error().Err(err).Msg("Kaizala gives no access token: nothing can be posted. " +
				adviceAccess)
		default:
			c.log.Debug().Err(err).Stringer("again_in", freshEvery).Msg("no new access token now")
		}
		if loggedIn, err = c.untilNews(ctx); err != nil {
			return err
		}
		refused = refused && !loggedIn
	}
}

// untilNews returns after freshEvery, or when there is another refresh token, which it reports.
func (c *Client) untilNews(ctx context.Context) (news bool, err error) {
	end := time.After(freshEvery)
	for {
		select {
		case <-end:
			return false, nil
		case <-c.nextLook():
		case <-ctx.Done():
			return false, ctx.Err()
		}
		select {
		case c.access.turn <- struct{}{}:
		case <-ctx.Done():
			return false, ctx.Err()
		}
		news = c.takeUp()
		<-c.access.turn
		if news {
			return true, nil
		}
	}
}

// nextLook returns a channel that never sends if nothing is kept.
func (c *Client) nextLook() <-chan time.Time {
	if c.keeper.file.dir == "" || c.fixed != "" {
		return nil
	}
	return time.After(lookEvery)
}

// Run tries, until ctx ends, to save refresh tokens that could not be saved when they came. When ctx ends, it tries once more,
// because an unsaved token ends with the process. A call that is still under way may bring a token after that, and saves it
// itself. Its error is that of ctx.
func (c *Client) Run(ctx context.Context) error { return c.keeper.run(ctx) }
