package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/budget"
	"kaizala-drop/internal/config"
	"kaizala-drop/internal/door"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/uploader"
	"kaizala-drop/watcher"
)

// daemon is the whole at work: the only place that knows all the parts and starts every goroutine.
//
//	configs --> folders --> doors --up--> watcher --settled--> uploader --> destination, ledger, filer
//	                                      watcher <-released-- uploader
type daemon struct {
	config  config.Config
	configs <-chan config.Config // later ones
	once    bool
	log     zerolog.Logger
}

// run works until ctx ends or, with once, until what is there is delivered. It ends at most shutdown_grace and leaveAfter
// after ctx did, plus what the disk of state_dir takes, whatever else hangs; what does is named then.
func (d *daemon) run(ctx context.Context) (uploader.Summary, error) {
	book, err := ledger.Open(d.config.StateDir)
	if err != nil {
		return uploader.Summary{}, err
	}
	if kept := book.Kept(); kept != "" {
		d.log.Info().Str("copy", file.Printable(kept)).Msg("the ledger was brought up to date; it is kept as it was, for a day")
	}
	calls := budget.New(d.config.Kaizala.CallsPerMinute)
	client, err := newClient(d.config, calls, nil, d.log)
	if err != nil {
		return uploader.Summary{}, errors.Join(err, book.Close())
	}
	defer client.Close()
	if err := client.Unread(); err != nil {
		d.log.Error().Err(err).Msg("an older refresh token is used")
	}
	d.tellWarnings(d.config)

	lasting, stopWriting := context.WithCancel(context.WithoutCancel(ctx)) // what is written to state_dir ends last
	defer stopWriting()
	writing := part{"the ledger in " + file.Printable(d.config.StateDir), start(func() error { return book.Run(lasting) })}
	keeping := part{"the token in " + file.Printable(d.config.StateDir), start(func() error { return client.Run(lasting) })}
	sum, hanging, err := d.work(ctx, book, client, calls)
	if len(hanging) > 0 {
		d.log.Warn().Strs("hanging", hanging).Msg("stopping without waiting any longer for what does not answer: " +
			"look at these file systems. What was under way there is found out at the next start")
		book.Leaving(strings.Join(hanging, "; "))
		if d.once && err == nil {
			err = fmt.Errorf("no answer from the file system: %s", strings.Join(hanging, "; "))
		}
	}
	stopWriting()
	closing := part{writing.name, start(func() error { return errors.Join(<-writing.ended, d.close(book)) })}
	closeIn, cancel := context.WithTimeout(context.WithoutCancel(ctx), endMargin)
	defer cancel()
	late, ended := await(closeIn, keeping, closing)
	if len(late) > 0 {
		d.log.Error().Strs("hanging", late).Msg("the disk of state_dir does not answer: ending without it")
	}
	d.log.Info().Int("delivered", sum.Delivered).Int("failed", sum.Failed).Int("left", sum.Left).Msg("stopped")
	return sum, errors.Join(err, ended)
}

// close gives the ledger back. That it cannot be tidied up, because somebody reads it, is no failure: no step is lost.
func (d *daemon) close(book *ledger.Ledger) error {
	if err := book.Close(); err != nil {
		d.log.Warn().Err(err).Msg("the ledger was not closed as it should be: the next start takes care of that")
	}
	return nil
}

// work lets the stages work, and gives what became of the deliveries and what hangs at the end.
func (d *daemon) work(
	ctx context.Context, book *ledger.Ledger, client *kaizala.Client, calls *budget.Budget,
) (sum uploader.Summary, hanging []string, err error) {
	configured, up := make(chan []config.Folder), make(chan []config.Folder)
	watched, posted := make(chan []watcher.Folder), make(chan []uploader.Folder)
	settled, released := make(chan file.Batch), make(chan file.Release)
	filer := filing.New()
	doors := door.Doors{
		Folders: configured, Up: up, Probe: filer.Probe, Busy: busyIn(book), StateDir: d.config.StateDir, Once: d.once, Log: d.log,
	}
	watch := watcher.Watcher{Folders: watched, Settled: settled, Released: released, Once: d.once, Log: d.log}
	upload := uploader.Uploader{
		Destination: client, Traits: kaizala.Traits(), Ledger: book, Filer: filer,
		Folders: posted, Settled: settled, Released: released,
		MaxUploads: d.config.Kaizala.MaxUploads, MaxAttempts: d.config.Kaizala.MaxAttempts,
		Budget: calls, Grace: d.config.ShutdownGrace, Log: d.log,
	}

	working, stopWorking := context.WithCancel(ctx)
	defer stopWorking()
	leave, leaveNow := context.WithCancel(context.WithoutCancel(ctx))
	defer leaveNow()
	context.AfterFunc(ctx, func() { time.AfterFunc(d.config.ShutdownGrace+leaveAfter+leaveMargin, leaveNow) })
	stuck, sums := make(chan []string, 1), make(chan uploader.Summary, 1) // of those that have ended
	parts := []part{
		{"the folders", start(func() error { h, err := doors.Run(working); stuck <- h; return err })},
		{"watching the folders", start(func() error { return watch.Run(working) })},
		{"reloading", start(func() error { return d.configure(working, configured) })},
		{"handing on the folders", start(func() error { return handOn(working, up, posted, watched) })},
		{"removing old history", start(func() error { return d.prune(working, book) })},
		{"renewing the token", start(func() error { return d.renew(working, client) })},
	}
	uploading := part{"posting", start(func() error { sum, err := upload.Run(ctx); sums <- sum; return err })}
	d.log.Info().Str("version", version()).Int("folders", len(d.config.Folders)).Msg("started")
	notifyReady()

	hanging, err = await(leave, uploading)
	stopWorking()
	time.AfterFunc(leaveAfter, leaveNow)
	late, others := await(leave, parts...)
	return take(sums), slices.Concat(hanging, late, take(stuck)), errors.Join(err, others)
}

// take gives what is in c, or nothing.
func take[T any](c <-chan T) (t T) {
	select {
	case t = <-c:
	default:
	}
	return t
}

// renew keeps the tokens alive, however long nothing is posted. A run with once is too short for that.
func (d *daemon) renew(ctx context.Context, client *kaizala.Client) error {
	if d.once {
		return nil
	}
	return client.KeepFresh(ctx)
}

// prune removes the history that is older than keep_history, at start and once a day.
func (d *daemon) prune(ctx context.Context, book *ledger.Ledger) error {
	const daily = 24 * time.Hour
	for {
		switch n, err := book.Prune(ctx, time.Now().Add(-d.config.KeepHistory)); {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			d.log.Warn().Err(err).Msg("cannot remove old history from the ledger; trying again tomorrow")
		case n > 0:
			d.log.Info().Int("deliveries", n).Stringer("older_than", d.config.KeepHistory).Msg("old history removed")
		}
		select {
		case <-time.After(daily):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
