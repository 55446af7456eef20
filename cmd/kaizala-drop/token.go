package main

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/tokenfile"
)

// tokenRetry is the time between tries to keep a refresh token on a disk that is full or broken.
const tokenRetry = time.Minute

// tokenKeeper keeps each new refresh token in state_dir. Its goroutine is the only one that writes there.
type tokenKeeper struct {
	file  tokenfile.File
	fresh chan freshToken
	log   zerolog.Logger
}

type freshToken struct {
	token string
	tried chan struct{} // closed when it was saved, or could not be
}

func newTokenKeeper(f tokenfile.File, log zerolog.Logger) *tokenKeeper {
	return &tokenKeeper{file: f, fresh: make(chan freshToken), log: log}
}

// keep returns when the token is saved, or could not be: then it is tried again. It must not be called after run ended.
func (k *tokenKeeper) keep(token string) {
	f := freshToken{token, make(chan struct{})}
	k.fresh <- f
	<-f.tried
}

// run works until ctx ends.
func (k *tokenKeeper) run(ctx context.Context) error {
	var unsaved string
	var retry <-chan time.Time
	for {
		told := retry != nil
		var tried chan struct{}
		select {
		case f := <-k.fresh:
			unsaved, tried = f.token, f.tried
		case <-retry:
		case <-ctx.Done():
			return ctx.Err()
		}
		retry = k.save(unsaved, told)
		if tried != nil {
			close(tried)
		}
	}
}

// save tells once that it does not work, and once that it does again.
func (k *tokenKeeper) save(token string, told bool) (retry <-chan time.Time) {
	err := k.file.Save(token)
	switch {
	case err == nil:
		k.log.Info().Msg("Kaizala gave a new refresh token: it is kept in state_dir and used from now on instead of the configured one")
		return nil
	case !told:
		k.log.Error().Err(err).Stringer("again_in", tokenRetry).Msg("the new refresh token is not kept")
	}
	return time.After(tokenRetry)
}
