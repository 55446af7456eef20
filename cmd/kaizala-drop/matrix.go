package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/budget"
	"kaizala-drop/internal/config"
	"kaizala-drop/internal/matrix"
	"kaizala-drop/internal/shape"
	"kaizala-drop/internal/text"
	"kaizala-drop/uploader"
)

// newMatrix makes an account on a Matrix homeserver.
func newMatrix(c config.Config, to config.Destination, previews *shape.Previewer, log zerolog.Logger) (service, error) {
	calls := budget.New(to.Limits.CallsPerMinute)
	if !to.Matrix.Thumbnails {
		previews = nil
	}
	client, err := newMatrixClient(c, to, calls, previews, log)
	if err != nil {
		return service{}, err
	}
	again, loggedIn := newAgain()
	renew := func(ctx context.Context) error {
		keys := start(func() error { return client.KeepKeys(ctx) })
		return errors.Join(client.AwaitLogins(ctx, loggedIn), <-keys)
	}
	return service{
		destination: client, traits: matrix.Traits(), calls: calls, again: again, renew: renew, notice: client.Notice,
		close: client.Close,
	}, nil
}

// newMatrixClient makes the client of a destination, which uses the token of a login unless one is configured.
func newMatrixClient(c config.Config, to config.Destination, calls *budget.Budget, previews *shape.Previewer, log zerolog.Logger) (*matrix.Client, error) {
	m := to.Matrix
	return matrix.New(matrix.Options{
		Name: to.Name, Homeserver: m.Homeserver, User: m.User, AccessToken: m.AccessToken.Reveal(), StateDir: c.StateDir,
		Login: text.Command(optionsFor(c.Path), "login", to.Name), Join: m.Join,
		Encryption: encryptionOf(m), ShareWith: shareWith(m), Previews: previews, ShownWithin: m.ShownWithin,
		MaxConns: to.Limits.MaxUploads + uploader.Connections, StallTimeout: to.Limits.StallTimeout, ConnectTimeout: to.Limits.ConnectTimeout,
		UserAgent: "kaizala-drop/" + version(), Budget: calls.Wait, OnThrottled: throttled(calls, "Matrix", log), Log: log,
	})
}

func encryptionOf(m config.Matrix) matrix.Encryption {
	return map[string]matrix.Encryption{"room": matrix.AsRoom, "require": matrix.Require, "never": matrix.Never}[m.Encryption]
}

func shareWith(m config.Matrix) matrix.ShareWith {
	return map[string]matrix.ShareWith{"verified": matrix.Verified, "all": matrix.All}[m.ShareWith]
}

func matrixReady(c config.Config, to config.Destination) error {
	client, err := newMatrixClient(c, to, budget.New(0), nil, zerolog.Nop())
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Ready()
}

// matrixClient makes the client of the account. command is what it is for.
func matrixClient(a account, command ...string) (*matrix.Client, error) {
	if err := a.here(command...); err != nil {
		return nil, err
	}
	client, err := newMatrixClient(a.config, a.to, budget.New(a.to.Limits.CallsPerMinute), nil, zerolog.Nop())
	if err != nil {
		return nil, &exitError{exitConfig, err}
	}
	return client, nil
}

// checkMatrix asks whose the token is, how large files may be, and what stands against a post in each room.
func checkMatrix(ctx context.Context, r *report, c config.Config, to config.Destination) {
	client, err := newMatrixClient(c, to, budget.New(to.Limits.CallsPerMinute), nil, zerolog.Nop())
	if err != nil {
		r.problem("%s: %v", to.Name, err)
		return
	}
	defer client.Close()
	me, err := client.WhoAmI(ctx)
	if err != nil {
		r.problem("%s: %v", to.Matrix.Homeserver, err)
		return
	}
	limit, err := client.UploadLimit(ctx)
	switch {
	case err != nil:
		r.problem("%s: %v", to.Matrix.Homeserver, err)
		return
	case limit == 0:
		r.good("%s: answers %s, and does not say how large a file may be", to.Matrix.Homeserver, me)
	default:
		r.good("%s: answers %s, and takes files of up to %d bytes", to.Matrix.Homeserver, me, limit)
	}
	sealed := false
	for _, f := range foldersOf(to.Name, c.Folders) {
		room, err := client.Look(ctx, f.Room)
		sealed = sealed || room.Encrypted && room.Trouble == ""
		switch {
		case err != nil:
			r.problem("folder %q: %v", f.Path, err)
		case room.Trouble != "":
			r.problem("folder %q: %s", f.Path, room.Trouble)
		case room.Invited:
			r.good("folder %q: is invited into %s, and enters it with the first file", f.Path, f.Room)
		default:
			how := ""
			if room.Encrypted {
				how = ", encrypted"
			}
			r.good("folder %q: posts to %q%s", f.Path, text.Printable(cmp.Or(room.Name, room.Alias, room.ID)), how)
		}
	}
	if sealed {
		checkDevice(ctx, r, to, client)
	}
}

// checkDevice asks whether others will read what the device posts in encrypted rooms.
func checkDevice(ctx context.Context, r *report, to config.Destination, client *matrix.Client) {
	d, err := client.Device(ctx)
	if err != nil {
		r.problem("%s: %v", to.Matrix.Homeserver, err)
		return
	}
	if err := client.CheckKeys(ctx, d); err != nil {
		r.problem("%s: %v. %s", to.Name, err, matrix.Remedy(err))
		return
	}
	if trouble, advice := client.Doubt(d); trouble != "" {
		r.warning("%s: %s: %s", to.Name, text.Printable(trouble), advice)
		return
	}
	r.good("%s: device %s is verified (its fingerprint: %s)", to.Name, text.Printable(d.ID), text.Printable(d.Fingerprint))
}

// matrixRooms lists the rooms of the account.
func matrixRooms(ctx context.Context, a account, warn io.Writer) ([]listedGroup, error) {
	client, err := matrixClient(a, "groups")
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if err := client.Ready(); err != nil {
		return nil, &exitError{exitConfig, err}
	}
	rooms, err := client.Rooms(ctx)
	if err != nil {
		return nil, failed(fmt.Errorf("%s: %w", a.to.Matrix.Homeserver, err))
	}
	var listed []listedGroup
	for _, r := range rooms {
		g := listedGroup{ID: r.ID, Alias: r.Alias, Name: r.Name, Type: "room", Role: "may post", Folders: []string{}, key: "room"}
		if r.Encrypted {
			g.Type = "encrypted room"
		}
		if r.Invited {
			g.Role = "invited"
		}
		g.Role = cmp.Or(r.Trouble, g.Role)
		listed = append(listed, g)
	}
	return a.told(listed, warn), nil
}
