package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/beat"
	"kaizala-drop/internal/config"
	"kaizala-drop/internal/door"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/shape"
	"kaizala-drop/internal/text"
	"kaizala-drop/internal/view"
	"kaizala-drop/uploader"
)

// daemon is the whole at work: the only place that knows all the parts and starts every goroutine.
//
//	configs --> folders --> doors --up--> pipelines, one for each destination (pipeline.go)
type daemon struct {
	config  config.Config
	configs <-chan config.Config // later ones
	once    bool
	options string // of the commands that it names: optionsFor of the path of the configuration
	log     zerolog.Logger

	beats beat.Board // of all loops, and of the ledger's writer

	now atomic.Pointer[config.Config] // with the folders of the last reload: for those who ask
}

// run works until ctx ends or, with once, until what is there is delivered. It ends at most shutdown_grace and leaveAfter
// after ctx did, plus what the disk of state_dir takes, whatever else hangs; what does is named then.
func (d *daemon) run(ctx context.Context) (uploader.Summary, error) {
	defer d.guard()() // also while it starts and stops
	book, err := d.openLedger()
	if err != nil {
		return uploader.Summary{}, err
	}
	if kept := book.Kept(); kept != "" {
		d.log.Info().Str("copy", text.Printable(kept)).Msg("the ledger was brought up to date; it is kept as it was, for a day")
	}
	book.Beats = &d.beats
	filer := filing.New() // one for all: moves at the same time share their syncs
	filer.Options = d.options
	pipelines, err := d.join(book, filer)
	defer func() {
		for _, p := range pipelines {
			p.close()
		}
	}()
	if err != nil {
		return uploader.Summary{}, errors.Join(err, book.Close())
	}
	d.tellOrphans(ctx, book)
	d.tellWarnings(d.config)

	lasting, stopWriting := context.WithCancel(context.WithoutCancel(ctx)) // what is written to state_dir ends last
	defer stopWriting()
	writing := part{"the ledger in " + text.Printable(d.config.StateDir), start(func() error { return book.Run(lasting) })}
	keeping := d.keeping(lasting, pipelines)
	sum, hanging, err := d.work(ctx, book, filer, pipelines)
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
	late, ended := await(closeIn, append(keeping, closing)...)
	if len(late) > 0 {
		d.log.Error().Strs("hanging", late).Msg("the disk of state_dir does not answer: ending without it")
	}
	d.log.Info().Int("delivered", sum.Delivered).Int("failed", sum.Failed).Int("left", sum.Left).Msg("stopped")
	return sum, errors.Join(err, ended)
}

// keeping lets each pipeline that has a token write it to state_dir.
func (d *daemon) keeping(ctx context.Context, pipelines []*pipeline) (parts []part) {
	for _, p := range pipelines {
		if p.keep != nil {
			parts = append(parts, part{"the token in " + text.Printable(d.config.StateDir), start(func() error { return p.keep(ctx) })})
		}
	}
	return parts
}

// close gives the ledger back. That it cannot be tidied up, because somebody reads it, is no failure: no step is lost.
func (d *daemon) close(book *ledger.Ledger) error {
	if err := book.Close(); err != nil {
		d.log.Info().Err(err).Msg("the ledger was not closed as it should be: the next start takes care of that")
	}
	return nil
}

// join makes a pipeline for each destination. With an error it gives those that were made before.
func (d *daemon) join(book *ledger.Ledger, filer *filing.Filer) (all []*pipeline, err error) {
	previews := shape.NewPreviewer()
	for _, to := range d.config.Destinations {
		p, err := newPipeline(d.config, to, d.once, book, filer, previews, &d.beats, d.log)
		if err != nil {
			return all, err
		}
		all = append(all, p)
	}
	return all, nil
}

// work lets the stages work, and gives what became of the deliveries and what hangs at the end.
func (d *daemon) work(
	ctx context.Context, book *ledger.Ledger, filer *filing.Filer, pipelines []*pipeline,
) (sum uploader.Summary, hanging []string, err error) {
	configured, up, asks := make(chan []config.Folder), make(chan []config.Folder), make(chan view.Ask[[]view.Door])
	doors := door.Doors{
		Folders: configured, Up: up, Probe: filer.Probe, Busy: busyIn(book), StateDir: d.config.StateDir,
		Files: d.config.Files, Asks: asks, Beats: &d.beats, Once: d.once, Log: d.log,
	}
	asked := make(chan struct{}) // closed when what was asked of failed files was tried
	back := d.retries(book, filer, pipelines)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	working, stopWorking := context.WithCancel(ctx)
	defer stopWorking()
	leave, leaveNow := context.WithCancel(context.WithoutCancel(ctx))
	defer leaveNow()
	context.AfterFunc(ctx, func() { time.AfterFunc(d.config.ShutdownGrace+leaveAfter+leaveMargin, leaveNow) })
	stuck, sums := make(chan []string, 1), make(chan uploader.Summary, len(pipelines)) // of those that have ended
	parts := []part{
		{"the folders", start(func() error { h, err := doors.Run(working); stuck <- h; return err })},
		{"reloading", start(func() error { return d.configure(working, configured, asked) })},
		{"handing on the folders", start(func() error { return d.handOn(working, up, pipelines) })},
		{"removing old history", start(func() error { return d.prune(working, book) })},
		{"what was asked of failed files", start(func() error { return d.finish(working, back, asked) })},
		{"the control socket", start(func() error {
			return serveControl(working, d.socket(), newDesk(&d.now, book, pipelines, asks, back, d.options), d.log)
		})},
	}
	var uploading []part
	for _, p := range pipelines {
		parts = append(parts, d.watching(working, p)...)
		uploading = append(uploading, part{"posting", start(func() error {
			sum, err := p.upload.Run(ctx)
			sums <- sum
			if err != nil {
				stop() // the others are not left to work alone
			}
			return err
		})})
	}
	d.log.Info().Str("version", version()).Int("folders", len(d.config.Folders)).Msg("started")
	notifyReady()

	hanging, err = await(leave, uploading...)
	stopWorking()
	time.AfterFunc(leaveAfter, leaveNow)
	late, others := await(leave, parts...)
	return added(sums), slices.Concat(hanging, late, take(stuck)), errors.Join(err, others)
}

// watching lets the watcher of a pipeline work, and what keeps its token fresh.
func (d *daemon) watching(ctx context.Context, p *pipeline) []part {
	parts := []part{{"watching the folders", start(func() error { return p.watch.Run(ctx) })}}
	if p.renew != nil && !d.once { // a run with once is too short for that
		parts = append(parts, part{"renewing the token", start(func() error { return p.renew(ctx) })})
	}
	return parts
}

// retries makes what takes failed files back, and lets the watchers ask it.
func (d *daemon) retries(book *ledger.Ledger, filer *filing.Filer, pipelines []*pipeline) retries {
	d.now.Store(&d.config)
	back := newRetries(book, filer, func() []config.Folder { return d.now.Load().Folders }, rulesWith(pipelines), d.log)
	for _, p := range pipelines {
		p.asItIs = back.retrier.AsItIs
	}
	return back
}

// added adds up what is in sums.
func added(sums <-chan uploader.Summary) (all uploader.Summary) {
	for range len(sums) {
		one := <-sums
		all.Delivered, all.Failed, all.Left = all.Delivered+one.Delivered, all.Failed+one.Failed, all.Left+one.Left
	}
	return all
}

// tellOrphans tells of deliveries whose destination is not configured any more. They wait, and nobody else posts their files.
func (d *daemon) tellOrphans(ctx context.Context, book *ledger.Ledger) {
	unfinished, err := book.Unfinished(ctx, "")
	if err != nil {
		return // who takes them up says so
	}
	waiting := map[string]int{}
	for _, one := range unfinished {
		if !d.knows(one.Destination) {
			waiting[one.Destination]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(waiting)) {
		d.log.Warn().Str("destination", name).Int("deliveries", waiting[name]).
			Msg("deliveries wait for a destination that is not configured any more: configure it again, under that name")
	}
}

// knows reports whether there is a destination of that name.
func (d *daemon) knows(destination string) bool {
	return slices.ContainsFunc(d.config.Destinations, func(to config.Destination) bool { return to.Name == destination })
}

// take gives what is in c, or nothing.
func take[T any](c <-chan T) (t T) {
	select {
	case t = <-c:
	default:
	}
	return t
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

// socket is where this run answers. One that ends by itself does so nowhere.
func (d *daemon) socket() string {
	if d.once {
		return ""
	}
	return d.config.Control.Socket
}

// finishEvery is the time between two tries of what was asked of failed files and could not be done.
const finishEvery = time.Minute

// finish brings to its end what was asked of failed files before a crash. It closes tried after its first try.
func (d *daemon) finish(ctx context.Context, back retries, tried chan<- struct{}) error {
	for first := true; ; first = false {
		_, err := back.retrier.Finish(ctx)
		if first {
			close(tried)
		}
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		select {
		case <-time.After(finishEvery):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
