package main

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/beat"
	"kaizala-drop/internal/budget"
	"kaizala-drop/internal/config"
	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/shape"
	"kaizala-drop/internal/view"
	"kaizala-drop/uploader"
	"kaizala-drop/watcher"
)

// service is a destination as one package speaks to it, with what works for it alone.
type service struct {
	destination uploader.Destination
	traits      destination.Traits
	calls       *budget.Budget
	// keep and renew work until their context ends; nil: there is nothing to do. keep writes to state_dir, and ends last.
	keep, renew func(ctx context.Context) error
	notice      func() (trouble, advice string) // what a person should look at although files go on; nil: there is never anything
	close       func()
	again       <-chan struct{} // what kept the destination from taking files may be over; nil: that is never known
}

// pipeline is one destination with all that works for it alone: a client, a budget, a watcher and an uploader. So an outage of one
// cannot touch the files of another. The ledger and the filer are shared.
//
//	watched --> watcher --settled--> uploader --> service
//	            watcher <-released-- uploader <-- posted
type pipeline struct {
	service
	name    string
	watch   watcher.Watcher
	upload  uploader.Uploader
	watched chan []watcher.Folder
	posted  chan []uploader.Folder

	watchAsks  chan view.Ask[view.Watched]
	uploadAsks chan view.Ask[view.Posting]
	asItIs     func(folder string) func(name string, id file.Identity) bool
	folders    atomic.Pointer[[]config.Folder] // that were handed to it last
}

// newPipeline joins the parts of one destination of c. It starts nothing. The caller closes it.
func newPipeline(
	c config.Config, to config.Destination, once bool, book *ledger.Ledger, filer *filing.Filer, previews *shape.Previewer,
	beats *beat.Board, log zerolog.Logger,
) (*pipeline, error) {
	own := ""
	if len(c.Destinations) > 1 {
		own = to.Name
		log = log.With().Str("destination", to.Name).Logger()
	}
	k, err := kindOf(to)
	if err != nil {
		return nil, err
	}
	s, err := k.service(c, to, previews, log)
	if err != nil {
		return nil, err
	}
	p := &pipeline{service: s, name: to.Name, watched: make(chan []watcher.Folder), posted: make(chan []uploader.Folder),
		watchAsks: make(chan view.Ask[view.Watched]), uploadAsks: make(chan view.Ask[view.Posting])}
	settled, released := make(chan file.Batch), make(chan file.Release)
	p.watch = watcher.Watcher{Folders: p.watched, Settled: settled, Released: released, Asks: p.watchAsks, Beats: beats, Name: own, Once: once, Log: log}
	p.upload = uploader.Uploader{
		Destination: s.destination, Name: to.Name, Traits: s.traits, Ledger: book, Filer: filer,
		Folders: p.posted, Settled: settled, Released: released, Asks: p.uploadAsks, Beats: beats, Again: s.again,
		MaxUploads: to.Limits.MaxUploads, MaxAttempts: to.Limits.MaxAttempts, Budget: s.calls, Grace: c.ShutdownGrace, Log: log,
	}
	return p, nil
}

// take hands the pipeline its folders, the uploader first: it must know a folder before a file of it settles.
func (p *pipeline) take(ctx context.Context, folders []config.Folder) error {
	toPost, toWatch := stages(folders, p.traits)
	for i := range toWatch {
		toWatch[i].AsItIs = p.asItIs(toWatch[i].Path)
	}
	select {
	case p.posted <- toPost:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case p.watched <- toWatch:
		p.folders.Store(&folders)
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// watches reports whether its watcher has the folder.
func (p *pipeline) watches(folder string) bool {
	folders := p.folders.Load()
	return folders != nil && slices.ContainsFunc(*folders, func(f config.Folder) bool { return f.Path == folder })
}
