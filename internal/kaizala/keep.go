package kaizala

import (
	"context"
	"errors"
	"time"
)

const (
	// lookEvery is the time between looks whether a login has stored another refresh token.
	lookEvery = 30 * time.Second
	// freshEvery is the time between looks at the access token. They make no call as long as it is good, for a day.
	freshEvery = time.Hour
)

// KeepFresh keeps the access token fresh until ctx ends, also while nothing is posted: the refresh token that replaces an
// ending one is given for some weeks only (documented are the days 328 to 365), and only with an access token. A fixed
// access token is left alone.
//
// It also looks whether another process has stored another refresh token (a login), or removed it, and goes on with what there
// is now.
//
// It logs once that the token is refused, which nobody else would notice in a quiet time. All other failures are left to
// the calls that suffer from them. Its error is that of ctx.
func (c *Client) KeepFresh(ctx context.Context) error {
	refused := false
	for {
		err := c.freshen(ctx)
		answer, _ := errors.AsType[*Error](err)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			refused = false
		case answer != nil && answer.Unauthorized() && !refused:
			refused = true
			c.log.Error().Err(err).Msg("Kaizala gives no access token: nothing can be posted. " +
				adviceAccess)
		default:
			c.log.Debug().Err(err).Stringer("again_in", freshEvery).Msg("no new access token now")
		}
		switch news, err := c.untilNews(ctx); {
		case err != nil:
			return err
		case news:
			refused = false
		}
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

// nextLook never comes where nothing is kept.
func (c *Client) nextLook() <-chan time.Time {
	if c.keeper.file.dir == "" || c.fixed != "" {
		return nil
	}
	return time.After(lookEvery)
}

// Run tries again, until ctx ends, to keep refresh tokens that could not be put on disk when they came. What is not on disk
// by then is tried once more: it would end with the process. A call that hung until then may still bring one, and keeps it
// itself. Its error is that of ctx.
func (c *Client) Run(ctx context.Context) error { return c.keeper.run(ctx) }
