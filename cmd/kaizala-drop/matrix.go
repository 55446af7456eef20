package main

import (
	"github.com/rs/zerolog"

	"kaizala-drop/internal/budget"
	"kaizala-drop/internal/config"
	"kaizala-drop/internal/matrix"
	"kaizala-drop/uploader"
)

// newMatrix makes an account on a Matrix homeserver.
func newMatrix(c config.Config, to config.Destination, log zerolog.Logger) (service, error) {
	calls := budget.New(to.Limits.CallsPerMinute)
	client, err := newMatrixClient(c, to, calls, log)
	if err != nil {
		return service{}, err
	}
	return service{destination: client, traits: matrix.Traits(), calls: calls, close: client.Close}, nil
}

// newMatrixClient makes the client of a destination, which uses the token of a login unless one is configured.
func newMatrixClient(c config.Config, to config.Destination, calls *budget.Budget, log zerolog.Logger) (*matrix.Client, error) {
	m := to.Matrix
	return matrix.New(matrix.Options{
		Name: to.Name, Homeserver: m.Homeserver, User: m.User, AccessToken: m.AccessToken.Reveal(), StateDir: c.StateDir, Join: m.Join,
		MaxConns: to.Limits.MaxUploads + uploader.Connections, StallTimeout: to.Limits.StallTimeout, ConnectTimeout: to.Limits.ConnectTimeout,
		UserAgent: "kaizala-drop/" + version(), Budget: calls.Wait, OnThrottled: throttled(calls, "Matrix", log), Log: log,
	})
}
