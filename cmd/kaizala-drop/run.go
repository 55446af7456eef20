package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"kaizala-drop/internal/budget"
	"kaizala-drop/internal/config"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/uploader"
	"kaizala-drop/watcher"
)

const defaultConfig = "/etc/kaizala-drop/config.toml"

func newRun() *cobra.Command {
	var path string
	var once bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Watch the folders and post what is dropped into them",
		Long: `run watches the folders of the configuration and posts what is dropped into them, until it is stopped.

SIGHUP reads the configuration again: folders come, go and change without a restart; a wrong file is refused and the
old settings stay. SIGTERM and SIGINT stop it: steps under way get shutdown_grace to end, whatever is not done goes on
at the next start. A second one stops it at once; nothing is lost by that either.`,
		Example: `  kaizala-drop run
  kaizala-drop run --config config.toml
  kaizala-drop run --config config.toml --once   # for cron: exit 0 if all is well, 1 if something failed or waits`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runUntilSignalled(cmd.Context(), path, once, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", defaultConfig, "the configuration `FILE`")
	cmd.Flags().BoolVar(&once, "once", false, "deliver what is there, then exit")
	return cmd
}

// runUntilSignalled is run as a process: configuration from a file, stopped and reloaded by signals.
func runUntilSignalled(ctx context.Context, path string, once bool, out io.Writer) error {
	c, err := loadConfig(path)
	if err != nil {
		return err
	}
	ctx, stop := untilSignalled(ctx)
	defer stop()
	context.AfterFunc(ctx, func() { notifyStopping(c.ShutdownGrace + leaveAfter) })
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)

	log := newLog(out, c)
	configs := make(chan config.Config)
	go reload(ctx, path, hup, configs, log)
	d := daemon{config: c, configs: configs, once: once, log: log}
	sum, err := d.run(ctx)
	switch {
	case err != nil:
		return failed(err)
	case once && sum.Failed+sum.Left > 0:
		return failed(fmt.Errorf("%d delivered, %d failed, %d left for the next run", sum.Delivered, sum.Failed, sum.Left))
	}
	return nil
}

// reload reads the configuration again at each SIGHUP and hands it over if it is right. It is the only sender.
func reload(ctx context.Context, path string, hup <-chan os.Signal, configs chan<- config.Config, log zerolog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		}
		notifyReloading()
		c, err := loadConfig(path)
		if err != nil {
			log.Error().Err(err).Msg("the configuration was not reloaded: the old settings stay")
			notifyReady()
			continue
		}
		select {
		case configs <- c:
		case <-ctx.Done():
			return
		}
		notifyReady()
	}
}

// daemon is the whole at work: the only place that knows all the parts and starts every goroutine.
//
//	configs --> folders --> watcher --settled--> uploader --> destination, ledger, filer
//	                        watcher <-released-- uploader
type daemon struct {
	config  config.Config
	configs <-chan config.Config // later ones
	once    bool
	log     zerolog.Logger
}

// run works until ctx ends or, with once, until what is there is delivered.
func (d *daemon) run(ctx context.Context) (uploader.Summary, error) {
	book, err := ledger.Open(d.config.StateDir)
	if err != nil {
		return uploader.Summary{}, err
	}
	defer book.Close()
	calls := budget.New(d.config.Kaizala.CallsPerMinute)
	tokens := newTokenKeeper(tokenFileOf(d.config), d.log)
	refreshToken, err := tokens.file.Load()
	if err != nil {
		d.log.Error().Err(err).Msg("an older refresh token is used")
	}
	client, err := newClient(d.config, calls, refreshToken, tokens.keep, d.log)
	if err != nil {
		return uploader.Summary{}, err
	}
	defer client.Close()
	d.tellWarnings(d.config)

	settled, released := make(chan file.Batch), make(chan file.Release)
	watched, posted := make(chan []watcher.Folder), make(chan []uploader.Folder)
	watch := watcher.Watcher{Folders: watched, Settled: settled, Released: released, Once: d.once, Log: d.log}
	upload := uploader.Uploader{
		Destination: client, Ledger: book, Filer: filing.New(),
		Folders: posted, Settled: settled, Released: released,
		MaxUploads: d.config.Kaizala.MaxUploads, MaxAttempts: d.config.Kaizala.MaxAttempts,
		Budget: calls, Grace: d.config.ShutdownGrace, Log: d.log,
	}

	working, stopWorking := context.WithCancel(ctx)
	defer stopWorking()
	lasting, stopWriting := context.WithCancel(context.WithoutCancel(ctx)) // what is written to state_dir ends last
	defer stopWriting()
	writing := start(func() error { return book.Run(lasting) })
	keeping := start(func() error { return tokens.run(lasting) })
	watching := start(func() error { return watch.Run(working) })
	configuring := start(func() error { return d.configure(working, posted, watched) })
	pruning := start(func() error { return d.prune(working, book) })
	renewing := start(func() error { return d.renew(working, client) })
	d.log.Info().Str("version", version()).Int("folders", len(d.config.Folders)).Msg("started")
	notifyReady()

	sum, err := upload.Run(ctx)
	stopWorking()
	err = errors.Join(err, d.await(watching), <-configuring, <-pruning, <-renewing)
	stopWriting()
	err = errors.Join(err, <-writing, <-keeping)
	d.log.Info().Int("delivered", sum.Delivered).Int("failed", sum.Failed).Int("left", sum.Left).Msg("stopped")
	return sum, err
}

// start runs f in a goroutine and gives what it returned. That a context ended is no error.
func start(f func() error) <-chan error {
	result := make(chan error, 1)
	go func() {
		err := f()
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		result <- err
	}()
	return result
}

// leaveAfter is how long the end waits for the watcher. With shutdown_grace, the unit's TimeoutStopSec= must hold it.
const leaveAfter = 5 * time.Second

// await waits for the watcher. A look at a dead share can hang for ever in the kernel; it is left behind then.
func (d *daemon) await(watching <-chan error) error {
	select {
	case err := <-watching:
		return err
	case <-time.After(leaveAfter):
		d.log.Warn().Msg("the file system of a watched folder does not answer: leaving it")
		return nil
	}
}

// configure hands the folders to the two stages: at start, and whenever there is a new configuration.
func (d *daemon) configure(ctx context.Context, posted chan<- []uploader.Folder, watched chan<- []watcher.Folder) error {
	for c := d.config; ; {
		toPost, toWatch := stages(c.Folders)
		select { // the uploader first: it must know a folder before a file of it settles
		case posted <- toPost:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case watched <- toWatch:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case c = <-d.configs:
			d.tellReloaded(c)
			d.tellWarnings(c)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *daemon) tellReloaded(c config.Config) {
	now, then := c, d.config
	now.Folders, then.Folders, now.Warnings, then.Warnings = nil, nil, nil, nil
	if !reflect.DeepEqual(now, then) {
		d.log.Warn().Msg("what changed outside of [[folder]] and [defaults] takes effect after a restart")
	}
	d.log.Info().Int("folders", len(c.Folders)).Msg("configuration reloaded")
}

// renew keeps the tokens alive, however long nothing is posted. A run with once is too short for that.
func (d *daemon) renew(ctx context.Context, client *kaizala.Client) error {
	if d.once {
		return nil
	}
	return keepFresh(ctx, client, freshEvery, d.log)
}

func (d *daemon) tellWarnings(c config.Config) {
	for _, w := range c.Warnings {
		d.log.Warn().Str("config", c.Path).Int("line", w.Line).Msg(w.Text)
	}
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
