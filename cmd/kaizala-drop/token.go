package main

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/tokenfile"
)

const (
	// tokenRetry is the time between tries to keep a refresh token on a disk that is full or broken.
	tokenRetry = time.Minute
	// freshEvery is the time between looks at the access token. They make no call as long as it is good, for a day.
	freshEvery = time.Hour
)

// keepFresh keeps the client's access token fresh until ctx ends, also while nothing is posted: the refresh token that
// replaces an ending one is given for some weeks only (WIRE: from day 328 to 365), and only with an access token.
//
// It says once that the token is refused, which nobody else would notice in a quiet time. All other failures are left to
// the calls that suffer from them.
func keepFresh(ctx context.Context, client *kaizala.Client, every time.Duration, log zerolog.Logger) error {
	refused := false
	for {
		err := client.KeepFresh(ctx)
		answer, _ := errors.AsType[*kaizala.Error](err)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			refused = false
		case answer != nil && answer.Unauthorized() && !refused:
			refused = true
			log.Error().Err(err).Msg("Kaizala gives no access token: nothing can be posted. " +
				"Look at application_id, application_secret and refresh_token (which ends after a year)")
		default:
			log.Debug().Err(err).Stringer("again_in", every).Msg("no new access token now")
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tokenKeeper keeps each new refresh token in state_dir. Its goroutine is the only one that writes there, as long as it runs.
type tokenKeeper struct {
	file  tokenfile.File
	fresh chan freshToken
	ended chan struct{} // closed when run has ended
	log   zerolog.Logger
}

type freshToken struct {
	token string
	tried chan struct{} // closed when it was saved, or could not be
}

func newTokenKeeper(f tokenfile.File, log zerolog.Logger) *tokenKeeper {
	return &tokenKeeper{file: f, fresh: make(chan freshToken), ended: make(chan struct{}), log: log}
}

// keep returns when the token is saved, or could not be: then it is tried again. After run has ended it keeps the token
// itself: a call that hung until then still brings one, and it would end with the process.
func (k *tokenKeeper) keep(token string) {
	f := freshToken{token, make(chan struct{})}
	select {
	case k.fresh <- f:
	case <-k.ended:
		k.saveLast(token)
		return
	}
	<-f.tried
}

// run works until ctx ends. What could not be saved by then is tried once more: it would end with the process.
func (k *tokenKeeper) run(ctx context.Context) error {
	defer close(k.ended)
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
			if retry != nil {
				k.saveLast(unsaved)
			}
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
		k.tellSaved()
		return nil
	case !told:
		k.log.Error().Err(err).Stringer("again_in", tokenRetry).Msg("the new refresh token is not kept")
	}
	return time.After(tokenRetry)
}

func (k *tokenKeeper) saveLast(token string) {
	if err := k.file.Save(token); err != nil {
		k.log.Error().Err(err).Msg("the new refresh token is lost with this process: the next start uses the older one. " +
			"Kaizala gives another one as long as that is good")
		return
	}
	k.tellSaved()
}

func (k *tokenKeeper) tellSaved() {
	k.log.Info().Msg("Kaizala gave a new refresh token: it is kept in state_dir and used from now on instead of the configured one")
}
