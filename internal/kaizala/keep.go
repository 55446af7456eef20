package kaizala

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	// tokenRetry is the time between tries to save a refresh token on a disk that is full or broken.
	tokenRetry = time.Minute
	// freshEvery is the time between checks of the access token. A check makes a call only if the token, which is good for a
	// day, ends soon.
	freshEvery = time.Hour
)

// KeepFresh keeps the access token fresh until ctx ends, even while nothing is posted. Kaizala gives the refresh token that
// replaces an ending one only with an access token, and only for some weeks (documented: days 328 to 365). KeepFresh does
// nothing for a fixed access token.
//
// It logs once that the token is refused, because nobody else would notice that while nothing is posted. All other failures
// show in the calls that suffer from them. Its error is that of ctx.
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

// Run tries, until ctx ends, to save refresh tokens that could not be saved when they came. When ctx ends, it tries once more,
// because an unsaved token ends with the process. A call that is still under way may bring a token after that, and saves it
// itself. Its error is that of ctx.
func (c *Client) Run(ctx context.Context) error { return c.keeper.run(ctx) }

// keeper saves each new refresh token on disk, and logs whether it could. It is safe for concurrent use.
type keeper struct {
	file   tokenFile
	log    zerolog.Logger
	failed chan struct{} // holds one element after a save that failed

	mu      sync.Mutex // held while the file is written
	unsaved string     // the token to save; "": none
	told    bool       // the log says that a token is not saved
	ended   bool       // run has ended
}

func newKeeper(f tokenFile, log zerolog.Logger) *keeper {
	return &keeper{file: f, log: log, failed: make(chan struct{}, 1)}
}

// keep returns when the token is on disk, or could not be saved; run tries again then.
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
			k.retry()
		case <-ctx.Done():
			k.end()
			return ctx.Err()
		}
	}
}

func (k *keeper) retry() {
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

// save is called with mu held. It logs the first failure, and the success after failures.
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
