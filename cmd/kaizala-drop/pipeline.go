package main

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/budget"
	"kaizala-drop/internal/config"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/uploader"
	"kaizala-drop/watcher"
)

// pipeline is one destination with all that works for it alone: a client, a budget, a watcher and an uploader. So an outage of one
// cannot touch the files of another. The ledger and the filer are shared.
//
//	watched --> watcher --settled--> uploader --> client
//	            watcher <-released-- uploader <-- posted
type pipeline struct {
	name    string
	client  *kaizala.Client
	watch   watcher.Watcher
	upload  uploader.Uploader
	watched chan []watcher.Folder
	posted  chan []uploader.Folder
}

// newPipeline joins the parts of one destination of c. It starts nothing. The caller closes its client.
func newPipeline(c config.Config, to config.Destination, once bool, book *ledger.Ledger, filer *filing.Filer, log zerolog.Logger) (*pipeline, error) {
	if len(c.Destinations) > 1 {
		log = log.With().Str("destination", to.Name).Logger()
	}
	calls := budget.New(to.Kaizala.CallsPerMinute)
	client, err := newClient(c, to, calls, nil, log)
	if err != nil {
		return nil, err
	}
	if err := client.Unread(); err != nil {
		log.Error().Err(err).Msg("an older refresh token is used")
	}
	p := &pipeline{name: to.Name, client: client, watched: make(chan []watcher.Folder), posted: make(chan []uploader.Folder)}
	settled, released := make(chan file.Batch), make(chan file.Release)
	p.watch = watcher.Watcher{Folders: p.watched, Settled: settled, Released: released, Once: once, Log: log}
	p.upload = uploader.Uploader{
		Destination: client, Name: to.Name, Traits: kaizala.Traits(), Ledger: book, Filer: filer,
		Folders: p.posted, Settled: settled, Released: released,
		MaxUploads: to.Kaizala.MaxUploads, MaxAttempts: to.Kaizala.MaxAttempts,
		Budget: calls, Grace: c.ShutdownGrace, Log: log,
	}
	return p, nil
}

// take hands the pipeline its folders, the uploader first: it must know a folder before a file of it settles.
func (p *pipeline) take(ctx context.Context, folders []config.Folder) error {
	toPost, toWatch := stages(folders, p.upload.Traits)
	select {
	case p.posted <- toPost:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case p.watched <- toWatch:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
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
