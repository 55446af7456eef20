package main

import (
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/budget"
	"kaizala-drop/internal/config"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/uploader"
)

// newKaizala makes a connector of Kaizala's.
func newKaizala(c config.Config, to config.Destination, log zerolog.Logger) (service, error) {
	calls := budget.New(to.Kaizala.CallsPerMinute)
	again := make(chan struct{}, 1)
	client, err := newClient(c, to, calls, tokenHooks{loggedIn: func() {
		select {
		case again <- struct{}{}:
		default: // it is to be tried again already
		}
	}}, log)
	if err != nil {
		return service{}, err
	}
	if err := client.Unread(); err != nil {
		log.Error().Err(err).Msg("an older refresh token is used")
	}
	return service{
		destination: client, traits: kaizala.Traits(), calls: calls, again: again,
		maxUploads: to.Kaizala.MaxUploads, maxAttempts: to.Kaizala.MaxAttempts,
		keep: client.Run, renew: client.KeepFresh, close: client.Close,
	}, nil
}

// tokenHooks are told about refresh tokens. Each may be nil.
type tokenHooks struct {
	keep     func(save func() error) // keeps a new one in the client's stead
	loggedIn func()                  // another process stored one, and it is good
}

// newClient makes the client of a destination.
func newClient(
	c config.Config, to config.Destination, calls *budget.Budget, hooks tokenHooks, log zerolog.Logger,
) (*kaizala.Client, error) {
	k := to.Kaizala
	throttled := func(retryAfter time.Duration) {
		if perMinute, fewer := calls.Throttled(time.Now(), retryAfter); fewer {
			log.Warn().Int("calls_per_minute", int(perMinute)).Stringer("retry_after", retryAfter).
				Msg("Kaizala says that these are too many calls: making fewer for a while. Does another program use this connector?")
		}
	}
	return kaizala.New(kaizala.Options{
		Name: to.Name, Endpoint: k.Endpoint, ApplicationID: k.ApplicationID, ApplicationSecret: k.ApplicationSecret.Reveal(),
		RefreshToken: k.RefreshToken.Reveal(), AccessToken: k.AccessToken.Reveal(), StateDir: c.StateDir, OnNewToken: hooks.keep, OnLogin: hooks.loggedIn,
		MaxConns: k.MaxUploads + uploader.Connections, StallTimeout: k.StallTimeout, ConnectTimeout: k.ConnectTimeout,
		UserAgent: "kaizala-drop/" + version(), Budget: calls.Wait, OnThrottled: throttled, Log: log,
	})
}
