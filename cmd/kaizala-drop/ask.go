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
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/ledger"
)

// asker is how a command asks: the running daemon, or, where none runs, the ledger.
type asker struct {
	config string // path
	json   bool
}

func (a *asker) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&a.config, "config", "c", defaultConfig, "the configuration `FILE`")
	cmd.Flags().BoolVar(&a.json, "json", false, "for programs: one JSON value (docs/control.md)")
}

// daemon reads the configuration and finds the running daemon; the client is nil if none answers.
func (a *asker) daemon(ctx context.Context) (config.Config, *control.Client, error) {
	c, err := loadConfigIn(a.config, config.Environment{Getenv: os.Getenv, WithoutCredentials: true})
	if err != nil || c.Control.Socket == "" {
		return c, nil, err
	}
	client := control.NewClient(c.Control.Socket)
	_, err = client.Status(ctx)
	switch {
	case err == nil:
		return c, client, nil
	case errors.Is(err, fs.ErrPermission):
		err = failed(fmt.Errorf("%w: ask as root, or as a member of the group %s", err, control.AdminGroup))
	case errors.Is(err, control.ErrNoDaemon):
		err = nil
	default:
		err = failed(err)
	}
	client.Close()
	return c, nil, err
}

// desk opens a desk. The caller closes it.
func (a *asker) desk(ctx context.Context) (control.Desk, func(), error) {
	c, client, err := a.daemon(ctx)
	switch {
	case err != nil:
		return nil, nil, err
	case client != nil:
		return client, client.Close, nil
	}
	return offline(c)
}

// offline makes a desk that knows the configuration and the ledger alone.
func offline(c config.Config) (control.Desk, func(), error) {
	book, err := ledger.OpenReadOnly(c.StateDir)
	if err != nil {
		return nil, nil, failed(err)
	}
	known := rules{map[string]service{}}
	for _, to := range c.Destinations {
		if to.Type == config.KaizalaType {
			known.services[to.Name] = service{traits: kaizala.Traits()}
		}
	}
	desk := &inquiry.Desk{
		Config: func() config.Config { return c }, Version: version(), Ledger: book, Rules: known, Now: time.Now,
	}
	return desk, func() { _ = book.Close() }, nil
}
