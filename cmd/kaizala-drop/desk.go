package main

import (
	"context"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/inquiry"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/text"
	"kaizala-drop/internal/view"
	"kaizala-drop/uploader"
	"kaizala-drop/watcher"
)

const (
	// askTime is how long a part of the daemon is given to answer a question. They answer between two of their steps.
	askTime = time.Second
	// silentFor is how long one that did not is taken to be silent: a question to several of its folders waits for it once.
	silentFor = 2 * time.Second
)

// live asks the parts of this process. It is safe for concurrent use.
type live struct {
	doors     chan view.Ask[[]view.Door]
	pipelines []*pipeline
	started   time.Time
	silent    sync.Map // silentPart -> the time.Time until which it is not asked again
}

// silentPart is a part that did not answer: it takes no questions at all, or gives no answer about a folder.
type silentPart struct {
	asks   any // the channel of its questions
	folder string
}

func (l *live) isSilent(p silentPart) bool {
	until, was := l.silent.Load(p)
	return was && time.Now().Before(until.(time.Time))
}

// askPart puts a question to a part, and gives its answer. ok is false if it did not answer in time.
func askPart[T any](ctx context.Context, l *live, asks chan<- view.Ask[T], ask view.Ask[T]) (got T, ok bool) {
	part := silentPart{asks: asks}
	if l.isSilent(part) || l.isSilent(silentPart{asks, ask.Folder}) {
		return got, false
	}
	asking, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	answer := make(chan T, 1)
	ask.Answer = answer
	select {
	case asks <- ask:
		part.folder = ask.Folder
		select {
		case got = <-answer:
			return got, true
		case <-asking.Done():
		}
	case <-asking.Done():
	}
	if ctx.Err() == nil {
		l.silent.Store(part, time.Now().Add(silentFor))
	}
	return got, false
}

// Watched asks the watcher that has the folder: only one of them knows it.
func (l *live) Watched(ctx context.Context, folder, name string, below bool) (w view.Watched, ok bool) {
	for _, p := range l.pipelines {
		if p.watches(folder) {
			return askPart(ctx, l, p.watchAsks, view.Ask[view.Watched]{Folder: folder, Name: name, Below: below})
		}
	}
	return w, false
}

// Posting asks the uploader of a destination.
func (l *live) Posting(ctx context.Context, destination, folder, name string, below bool) (view.Posting, bool) {
	for _, p := range l.pipelines {
		if p.name == destination {
			return askPart(ctx, l, p.uploadAsks, view.Ask[view.Posting]{Folder: folder, Name: name, Below: below})
		}
	}
	return view.Posting{}, false
}

// Doors asks who brings the folders up.
func (l *live) Doors(ctx context.Context) ([]view.Door, bool) {
	return askPart(ctx, l, l.doors, view.Ask[[]view.Door]{})
}

// Calls tells how many calls a minute may be made now, and how many are left.
func (l *live) Calls(destination string) (perMinute float64, left int) {
	for _, p := range l.pipelines {
		if p.name == destination {
			return p.calls.Left(time.Now())
		}
	}
	return 0, 0
}

// Notice tells what a person should look at although the destination takes files.
func (l *live) Notice(destination string) (trouble, advice string) {
	for _, p := range l.pipelines {
		if p.name == destination && p.notice != nil {
			return p.notice()
		}
	}
	return "", ""
}

// Process tells which process answers, and since when it runs.
func (l *live) Process() (pid int, started time.Time) { return os.Getpid(), l.started }

// rules tells what names mean, as the watcher and the destinations know it.
type rules struct{ services map[string]service }

// LeftAlone tells the rule for which a name is left alone.
func (rules) LeftAlone(f config.Folder, name string, isDir bool) (rule string, own bool) {
	return watcher.LeftAlone(f.Ignore, name, isDir)
}

// Refuses says why a folder does not take files of that name, or "".
func (r rules) Refuses(f config.Folder, name string) string {
	s, ok := r.services[f.Destination]
	if !ok {
		return ""
	}
	traits := s.traits.Only(f.Only)
	if traits.IsOutside(name) {
		return "Its folder takes only these names: " + text.Printable(strings.Join(traits.Names, " ")) + "."
	}
	if _, ok := traits.TypeOf(name); !ok {
		return traits.Name + " does not take files of its type."
	}
	return ""
}

// Recall tells what helps against what made a delivery fail.
func (r rules) Recall(d ledger.Delivery) filing.Note {
	if s, ok := r.services[d.Destination]; ok {
		return uploader.Recall(d, s.traits)
	}
	return filing.Note{Reason: d.Reason, Unknown: d.MayBePosted()}
}

// Service is what people call a destination.
func (r rules) Service(destination string) string {
	if s, ok := r.services[destination]; ok {
		return s.traits.Name
	}
	return destination
}

// rulesWith knows the destinations of pipelines.
func rulesWith(pipelines []*pipeline) rules {
	known := rules{map[string]service{}}
	for _, p := range pipelines {
		known.services[p.name] = p.service
	}
	return known
}

// newDesk makes the desk of the running daemon.
func newDesk(configs *atomic.Pointer[config.Config], book inquiry.Ledger, pipelines []*pipeline, doors chan view.Ask[[]view.Door], r retries, options string) *inquiry.Desk {
	return &inquiry.Desk{
		Config: func() config.Config { return *configs.Load() }, Version: version(), Ledger: book, Rules: rulesWith(pipelines), Options: options,
		Live: &live{doors: doors, pipelines: pipelines, started: time.Now()}, Retries: r.Do, Now: time.Now,
	}
}

// serveControl answers at the control socket, if there is to be one.
func serveControl(ctx context.Context, socket string, desk control.Desk, log zerolog.Logger) error {
	if socket == "" { // nobody is to ask
		<-ctx.Done()
		return nil
	}
	server := control.Server{Socket: socket, Desk: desk, Log: log}
	return server.Run(ctx)
}
