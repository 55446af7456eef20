package kaizala

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// tokenRetry is the time between tries to keep a refresh token on a disk that is full or broken.
	tokenRetry = time.Minute
	// freshEvery is the time between looks at the access token. They make no call as long as it is good, for a day.
	freshEvery = time.Hour
)

// KeepFresh keeps the access token fresh until ctx ends, also while nothing is posted: the refresh token that replaces an
// ending one is given for some weeks only (documented are the days 328 to 365), and only with an access token. A fixed
// access token is left alone.
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
		select {
		case <-time.After(freshEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Run tries again, until ctx ends, to keep refresh tokens that could not be put on disk when they came. What is not on disk
// by then is tried once more: it would end with the process. A call that hung until then may still bring one, and keeps it
// itself. Its error is that of ctx.
func (c *Client) Run(ctx context.Context) error { return c.keeper.run(ctx) }

// keeper puts each new refresh token on disk, and logs what becomes of that.
type keeper struct {
	file   tokenFile
	log    zerolog.Logger
	failed chan struct{} // holds one element after a save that failed

	mu      sync.Mutex // held while the file is written
	unsaved string     // "": all is on disk
	told    bool       // that it is not
	ended   bool       // run has
}

func newKeeper(f tokenFile, log zerolog.Logger) *keeper {
	return &keeper{file: f, log: log, failed: make(chan struct{}, 1)}
}

// keep returns when the token is on disk, or could not be put there: then run tries again.
func (k *keeper) keep(token string) {
	if k.file.dir == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.unsaved = token
	k.save()
}

func (k *keeper) run(ctx context.Context) error {
	var retry <-chan time.Time
	for {
		select {
		case <-k.failed:
			retry = time.After(tokenRetry)
		case <-retry:
			k.again()
		case <-ctx.Done():
			k.end()
			return ctx.Err()
		}
	}
}

func (k *keeper) again() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unsaved != "" {
		k.save()
	}
}

func (k *keeper) end() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = true
	if k.unsaved != "" {
		k.save()
	}
}

// save is called with mu. It tells once that it does not work, and once that it does again.
func (k *keeper) save() {
	err := k.file.save(k.unsaved)
	switch {
	case err == nil:
		k.unsaved, k.told = "", false
		k.log.Info().Msg("Kaizala gave a new refresh token: it is kept in state_dir and used from now on instead of the configured one")
		return
	case k.ended:
		k.log.Error().Err(err).Msg("the new refresh token is lost with this process: the next start uses the older one. " +
			"Kaizala gives another one as long as that is good")
	case !k.told:
		k.told = true
		k.log.Error().Err(err).Stringer("again_in", tokenRetry).Msg("the new refresh token is not kept")
	}
	select {
	case k.failed <- struct{}{}:
	default:
	}
}
