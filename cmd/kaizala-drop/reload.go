package main

import (
	"context"
	"os"
	"reflect"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/config"
	"kaizala-drop/uploader"
	"kaizala-drop/watcher"
)

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

// configure hands the folders to their doors: at start, and whenever there is a new configuration. The doors take them at
// once, whatever hangs.
func (d *daemon) configure(ctx context.Context, configured chan<- []config.Folder) error {
	for c := d.config; ; {
		select {
		case configured <- c.Folders:
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

// handOn hands the folders that are up to the two stages.
func handOn(ctx context.Context, up <-chan []config.Folder, posted chan<- []uploader.Folder, watched chan<- []watcher.Folder) error {
	for {
		var folders []config.Folder
		select {
		case folders = <-up:
		case <-ctx.Done():
			return ctx.Err()
		}
		toPost, toWatch := stages(folders)
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

func (d *daemon) tellWarnings(c config.Config) {
	for _, w := range c.Warnings {
		d.log.Warn().Str("config", c.Path).Int("line", w.Line).Msg(w.Text)
	}
}
