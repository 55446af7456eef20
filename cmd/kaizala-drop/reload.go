package main

import (
	"context"
	"os"
	"reflect"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/text"
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

// askedWait is how long the folders wait for what was asked of failed files.
const askedWait = 5 * time.Second

// configure hands the folders to their doors: at start, and whenever there is a new configuration. The doors take them at
// once, whatever hangs.
//
// Before the first ones, what was asked of failed files is brought to its end: what lies half way is not to be taken for new. It is
// not waited for longer than askedWait, because a folder of theirs may hang.
func (d *daemon) configure(ctx context.Context, configured chan<- []config.Folder, asked <-chan struct{}) error {
	select {
	case <-asked:
	case <-time.After(askedWait):
	case <-ctx.Done():
		return ctx.Err()
	}
	for c := d.config; ; {
		select {
		case configured <- c.Folders:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case c = <-d.configs:
			c.Folders = d.served(c.Folders)
			d.now.Store(&c)
			d.tellReloaded(c)
			d.tellWarnings(c)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// handOn hands the folders that are up to the pipelines of their destinations. A folder that changes its destination leaves the one
// pipeline, which brings what it has claimed to its end, and comes to the other.
func (d *daemon) handOn(ctx context.Context, up <-chan []config.Folder, pipelines []*pipeline) error {
	for {
		var folders []config.Folder
		select {
		case folders = <-up:
		case <-ctx.Done():
			return ctx.Err()
		}
		for _, p := range pipelines {
			if err := p.take(ctx, foldersOf(p.name, folders)); err != nil {
				return err
			}
		}
	}
}

// foldersOf gives the folders that post to the destination of that name.
func foldersOf(destination string, folders []config.Folder) (its []config.Folder) {
	for _, f := range folders {
		if f.Destination == destination {
			its = append(its, f)
		}
	}
	return its
}

// served leaves out the folders whose destination was not there at start.
func (d *daemon) served(folders []config.Folder) (can []config.Folder) {
	for _, f := range folders {
		if d.knows(f.Destination) {
			can = append(can, f)
			continue
		}
		d.log.Warn().Str("folder", text.Printable(f.Path)).Str("destination", f.Destination).
			Msg("the destination is new: the folder is served after a restart")
	}
	return can
}

func (d *daemon) tellReloaded(c config.Config) {
	now, then := c, d.config
	now.Folders, then.Folders, now.Warnings, then.Warnings, now.Examples, then.Examples = nil, nil, nil, nil, nil, nil
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
