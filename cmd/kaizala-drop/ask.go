package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/inquiry"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/text"
)

// asker is how a command asks: the running daemon, or, where none answers, the ledger.
type asker struct {
	config string // path
	json   bool
	cmd    *cobra.Command
	quiet  bool // there is no room for warnings: they are part of the answer
}

func (a *asker) flags(cmd *cobra.Command) {
	a.cmd = cmd
	cmd.Flags().StringVarP(&a.config, "config", "c", defaultConfig, "the configuration `FILE`")
	cmd.Flags().BoolVar(&a.json, "json", false, "for programs: one JSON value (docs/control.md)")
}

// command is a command line of this program with the same configuration.
func (a *asker) command(args ...string) string {
	return text.Command(a.options(), args[0], args[1:]...)
}

// warn says something beside the answer.
func (a *asker) warn(err error) {
	fmt.Fprintln(a.cmd.ErrOrStderr(), "kaizala-drop: "+text.Printable(err.Error()))
}

// reading is a desk for questions: the running daemon answers them, and where none does the ledger. Each is put to the daemon anew, so
// that one which starts, stops or hangs meanwhile is seen.
type reading struct {
	*asker
	c      config.Config
	unread error  // why there is no configuration
	client *asked // nil: there is no socket
}

// desk opens a desk. The caller closes it.
func (a *asker) desk(context.Context) (control.Desk, func(), error) {
	r, err := a.find()
	if err != nil {
		return nil, nil, err
	}
	return r, r.close, nil
}

// find reads the configuration for where the daemon answers.
func (a *asker) find() (*reading, error) {
	c, err := loadConfigIn(a.config, config.Environment{Getenv: os.Getenv, WithoutCredentials: true})
	r := &reading{asker: a, c: c}
	switch {
	case errors.Is(err, fs.ErrPermission): // an administrator who may ask need not be one who may read the secrets
		r.unread, r.c.Control.Socket = err, config.DefaultSocket
	case err != nil:
		return nil, err
	}
	if socket := r.c.Control.Socket; socket != "" {
		r.client = &asked{control.NewClient(socket), socket}
	}
	return r, nil
}

func (r *reading) close() {
	if r.client != nil {
		r.client.Close()
	}
}

func (r *reading) Status(ctx context.Context) (control.Status, error) {
	return answer(ctx, r, briefly, func(ctx context.Context, d control.Desk) (control.Status, error) { return d.Status(ctx) })
}

func (r *reading) Explain(ctx context.Context, path string, z control.Zone) (control.Story, error) {
	return answer(ctx, r, briefly, func(ctx context.Context, d control.Desk) (control.Story, error) { return d.Explain(ctx, path, z) })
}

func (r *reading) History(ctx context.Context, f control.Filter) ([]control.Entry, error) {
	return answer(ctx, r, patiently, func(ctx context.Context, d control.Desk) ([]control.Entry, error) { return d.History(ctx, f) })
}

// Retry is none of the questions.
func (r *reading) Retry(context.Context, control.Retry, string) ([]control.Retried, error) {
	return nil, errors.ErrUnsupported
}

// answer has the daemon answer, or, where none does, the ledger. That a daemon is there and silent is a warning.
func answer[T any](
	ctx context.Context, r *reading, daemon func(context.Context, *asked, question[T]) (T, error), ask question[T],
) (got T, err error) {
	if r.client != nil {
		if got, err = daemon(ctx, r.client, ask); err == nil || !errors.Is(err, control.ErrNoDaemon) {
			return got, err
		}
	}
	without := r.without(err)
	if r.unread != nil {
		return got, r.unreadable(without)
	}
	book, err := ledger.OpenReadOnly(r.c.StateDir)
	if err != nil {
		return got, failed(errors.Join(without.quiet, err))
	}
	defer book.Close()
	if without.quiet != nil && r.quiet {
		without.text = without.quiet.Error()
	} else if without.quiet != nil {
		r.warn(without.quiet)
	}
	return ask(ctx, &inquiry.Desk{ // it knows the configuration and the ledger alone
		Config: func() config.Config { return r.c }, Version: version(), Ledger: book, Rules: rulesOf(r.c), Options: r.options(),
		Unasked: without.text, Now: time.Now,
	})
}

// daemon finds the running daemon for what changes something; the client is nil if none runs. One that is there and does not answer is
// an error: it may go on any moment.
func (a *asker) daemon(ctx context.Context) (config.Config, *asked, error) {
	r, err := a.find()
	if err != nil {
		return config.Config{}, nil, err
	}
	if r.client != nil {
		if err = r.client.there(ctx); err == nil {
			return r.c, r.client, nil
		}
		r.close()
		if !errors.Is(err, control.ErrNoDaemon) {
			return r.c, nil, failed(err)
		}
	}
	switch without := r.without(err); {
	case r.unread != nil:
		return r.c, nil, failed(r.unreadable(without))
	case without.quiet != nil:
		return r.c, nil, failed(fmt.Errorf("%w. Nothing was changed", without.quiet))
	}
	return r.c, nil, nil
}
