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
	client, err := newClient(c, to, calls, nil, log)
	if err != nil {
		return service{}, err
	}
	if err := client.Unread(); err != nil {
		log.Error().Err(err).Msg("an older refresh token is used")
	}
	return service{
		destination: client, traits: kaizala.Traits(), calls: calls,
		maxUploads: to.Kaizala.MaxUploads, maxAttempts: to.Kaizala.MaxAttempts,
		keep: client.Run, renew: client.KeepFresh, close: client.Close,
	}, nil
}

// newClient makes the client of a destination. onNewToken keeps new refresh tokens; nil: the client does.
func newClient(
	c config.Config, to config.Destination, calls *budget.Budget, onNewToken func(save func() error), log zerolog.Logger,
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
		RefreshToken: k.RefreshToken.Reveal(), AccessToken: k.AccessToken.Reveal(), StateDir: c.StateDir, OnNewToken: onNewToken,
		MaxConns: k.MaxUploads + uploader.Connections, StallTimeout: k.StallTimeout, ConnectTimeout: k.ConnectTimeout,
		UserAgent: "kaizala-drop/" + version(), Budget: calls.Wait, OnThrottled: throttled, Log: log,
	})
}
