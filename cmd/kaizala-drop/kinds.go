package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/budget"
	"kaizala-drop/internal/config"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/matrix"
)

// kind is what the commands need of a type of destination. Each type has a file of its own here.
type kind struct {
	// service makes what the daemon posts with. It starts nothing.
	service func(c config.Config, to config.Destination, log zerolog.Logger) (service, error)
	// ready gives an error for which lacksToken holds if there is nothing to get access with, and another one if that cannot be seen.
	ready func(c config.Config, to config.Destination) error
	// check asks the destination, for check --online. It posts nothing.
	check func(ctx context.Context, r *report, c config.Config, to config.Destination)
	login func(ctx context.Context, a account, by loginFlags, d *dialogue, out io.Writer) error
	// logout forgets the token. login is the command that gets another one.
	logout func(ctx context.Context, a account, login string, out io.Writer) error
	// groups lists what can be posted to. On warn it says what is configured and not among them.
	groups func(ctx context.Context, a account, warn io.Writer) ([]listedGroup, error)
}

func kindOf(to config.Destination) (kind, error) {
	switch to.Type {
	case config.KaizalaType:
		return kind{newKaizala, kaizalaReady, checkKaizala, loginKaizala, logoutKaizala, kaizalaGroups}, nil
	case config.MatrixType:
		return kind{newMatrix, matrixReady, checkMatrix, loginMatrix, logoutMatrix, matrixRooms}, nil
	}
	return kind{}, fmt.Errorf("the destination %q has the type %q, which nobody speaks", to.Name, to.Type)
}

// lacksToken reports whether err says that there is no token, configured or of a login.
func lacksToken(err error) bool {
	return errors.Is(err, kaizala.ErrNoToken) || errors.Is(err, matrix.ErrNoToken)
}

// throttled makes what a client calls when it is told that these were too many calls.
func throttled(calls *budget.Budget, service string, log zerolog.Logger) func(retryAfter time.Duration) {
	return func(retryAfter time.Duration) {
		if perMinute, fewer := calls.Throttled(time.Now(), retryAfter); fewer {
			log.Warn().Int("calls_per_minute", int(perMinute)).Stringer("retry_after", retryAfter).
				Msg(service + " says that these are too many calls: making fewer for a while. Does another program use this account?")
		}
	}
}

// newAgain makes what says to an uploader that its destination may take files again, and what a client calls then.
func newAgain() (again <-chan struct{}, call func()) {
	signal := make(chan struct{}, 1)
	return signal, func() {
		select {
		case signal <- struct{}{}:
		default: // it is to be tried again already
		}
	}
}
