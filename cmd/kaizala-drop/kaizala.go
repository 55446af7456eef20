package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/budget"
	"kaizala-drop/internal/config"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/shape"
	"kaizala-drop/internal/text"
	"kaizala-drop/uploader"
)

// newKaizala makes a connector of Kaizala's.
func newKaizala(c config.Config, to config.Destination, _ *shape.Previewer, log zerolog.Logger) (service, error) {
	calls := budget.New(to.Limits.CallsPerMinute)
	again, loggedIn := newAgain()
	client, err := newKaizalaClient(c, to, calls, tokenHooks{loggedIn: loggedIn}, log)
	if err != nil {
		return service{}, err
	}
	if err := client.Unread(); err != nil {
		log.Error().Err(err).Msg("an older refresh token is used")
	}
	return service{
		destination: client, traits: kaizala.Traits(), calls: calls, again: again,
		keep: client.Run, renew: client.KeepFresh, close: client.Close,
	}, nil
}

// tokenHooks are told about refresh tokens. Each may be nil.
type tokenHooks struct {
	keep     func(save func() error) // keeps a new one in the client's stead
	loggedIn func()                  // another process stored one, and it is good
}

// newKaizalaClient makes the client of a destination.
func newKaizalaClient(
	c config.Config, to config.Destination, calls *budget.Budget, hooks tokenHooks, log zerolog.Logger,
) (*kaizala.Client, error) {
	k := to.Kaizala
	return kaizala.New(kaizala.Options{
		Name: to.Name, Endpoint: k.Endpoint, ApplicationID: k.ApplicationID, ApplicationSecret: k.ApplicationSecret.Reveal(),
		RefreshToken: k.RefreshToken.Reveal(), AccessToken: k.AccessToken.Reveal(), StateDir: c.StateDir,
		Login: text.Command(optionsFor(c.Path), "login", to.Name), OnNewToken: hooks.keep, OnLogin: hooks.loggedIn,
		MaxConns: to.Limits.MaxUploads + uploader.Connections, StallTimeout: to.Limits.StallTimeout, ConnectTimeout: to.Limits.ConnectTimeout,
		UserAgent: "kaizala-drop/" + version(), Budget: calls.Wait, OnThrottled: throttled(calls, "Kaizala", log), Log: log,
	})
}

// checkKaizala gets a token and compares the groups with those configured.
func checkKaizala(ctx context.Context, r *report, c config.Config, to config.Destination) {
	keep := func(save func() error) { r.keep(c.StateDir, save) }
	client, err := newKaizalaClient(c, to, budget.New(to.Limits.CallsPerMinute), tokenHooks{keep: keep}, zerolog.Nop())
	if err != nil {
		r.problem("%v", err)
		return
	}
	defer client.Close()
	if err := client.Unread(); err != nil {
		r.warning("%v", err)
	}
	groups, err := client.Groups(ctx)
	if err != nil {
		r.problem("%s: %v", to.Kaizala.Endpoint, err)
		return
	}
	names := map[string]string{}
	for _, g := range groups {
		names[g.ID] = g.Name
	}
	r.good("%s: answers, and knows %s of this connector", to.Kaizala.Endpoint, counted(len(groups), "group"))
	for _, f := range foldersOf(to.Name, c.Folders) {
		if name, ok := names[f.GroupID]; ok {
			r.good("folder %q: posts to %q", f.Path, text.Printable(name))
		} else {
			r.problem("folder %q: group_id %q is not among the groups of this connector", f.Path, f.GroupID)
		}
	}
}

// keep keeps a new refresh token as the daemon does, which may not have made its state_dir yet.
func (r *report) keep(stateDir string, save func() error) {
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		r.problem("the new refresh token that Kaizala gave is lost: cannot make state_dir: %v: check again as the daemon's user", err)
		return
	}
	if err := save(); err != nil {
		r.problem("%v", err)
		return
	}
	r.good("Kaizala gave a new refresh token: it is kept in %q and used from now on instead of the configured one", stateDir)
}

func kaizalaReady(c config.Config, to config.Destination) error {
	client, err := newKaizalaClient(c, to, budget.New(0), tokenHooks{}, zerolog.Nop())
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Ready()
}

// kaizalaClient makes the client of the account, which keeps a new refresh token as the daemon does. command is what it is for.
func kaizalaClient(a account, command ...string) (*kaizala.Client, error) {
	if err := a.here(command...); err != nil {
		return nil, err
	}
	client, err := newKaizalaClient(a.config, a.to, budget.New(a.to.Limits.CallsPerMinute), tokenHooks{}, zerolog.Nop())
	if err != nil {
		return nil, &exitError{exitConfig, err}
	}
	return client, nil
}

// kaizalaGroups lists the groups of the account.
func kaizalaGroups(ctx context.Context, a account, warn io.Writer) ([]listedGroup, error) {
	client, err := kaizalaClient(a, "groups")
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if err := client.Ready(); err != nil {
		return nil, &exitError{exitConfig, err}
	}
	if err := client.Unread(); err != nil {
		fmt.Fprintf(warn, "kaizala-drop: %v\n", err)
	}
	groups, err := client.Groups(ctx)
	if err != nil {
		return nil, failed(fmt.Errorf("%s: %w", a.to.Kaizala.Endpoint, err))
	}
	var listed []listedGroup
	for _, g := range groups {
		listed = append(listed, listedGroup{ID: g.ID, Name: g.Name, Type: g.Type, Role: g.Role, Folders: []string{}, key: "group_id"})
	}
	return a.told(listed, warn), nil
}
