package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/budget"
	"kaizala-drop/internal/config"
	"kaizala-drop/internal/matrix"
	"kaizala-drop/internal/text"
)

// loginMatrix is the whole dialogue. Until the token is on disk, nothing is changed but at the homeserver.
func loginMatrix(ctx context.Context, a account, by loginFlags, d *dialogue, out io.Writer) error {
	switch {
	case by.phone != "":
		return fmt.Errorf("%s is a Matrix server: --phone is for Kaizala", a.to.Name)
	case a.to.Matrix.AccessToken != (config.Secret{}) || a.to.Unresolved:
		return &exitError{exitConfig, fmt.Errorf("%s has a fixed access_token: there is nothing to log in for. Remove it to use a login", a.to.Name)}
	}
	client, err := matrixClient(a, "login")
	if err != nil {
		return err
	}
	defer client.Close()
	if err := a.prepare(client); err != nil {
		return failed(err)
	}
	recovery, err := recoveryOf(by)
	if err != nil {
		return err
	}
	var in loggedIn
	if by.tokenStdin {
		in.user, err = takeToken(ctx, d, client)
	} else {
		in, err = askPassword(ctx, a, by, d, client)
	}
	if err != nil {
		return failed(stopped(ctx, err))
	}
	var unverified error
	if client.MayEncrypt() {
		v := verification{account: a, client: client, in: in, dialogue: d, out: out, recovery: recovery}
		unverified = v.do(ctx)
	}
	// A daemon that runs takes the token up once it is stored, and with it the keys: so it is stored last.
	if err := client.Keep(context.WithoutCancel(ctx)); err != nil {
		return failed(err)
	}
	fmt.Fprintf(out, "logged in to %s as %s: the token is stored in %s\n", a.to.Name, text.Printable(in.user), filepath.Clean(a.config.StateDir))
	if unverified != nil {
		return failed(fmt.Errorf("the token is stored and used, but the device is not verified: %w", stoppedAfter(ctx, unverified)))
	}
	if by.short {
		return nil
	}
	fmt.Fprintln(out, "a running daemon takes it up within seconds, and files that wait follow; "+
		"one that ended for want of a token is to be started")
	return nil
}

func takeToken(ctx context.Context, d *dialogue, client *matrix.Client) (who string, err error) {
	token, err := d.askHidden(ctx, "Access token (it is not shown)")
	if err != nil {
		return "", fmt.Errorf("no token: %w: write it as the first line", err)
	}
	return client.BeginWithToken(ctx, strings.TrimSpace(token))
}

// loggedIn is who logged in, and the password; "": it was a token.
type loggedIn struct{ user, password string }

// askPassword logs in with the password that it asks for. A wrong one may be typed again.
func askPassword(ctx context.Context, a account, by loginFlags, d *dialogue, client *matrix.Client) (in loggedIn, err error) {
	switch ok, others, err := client.TakesPasswords(ctx); {
	case err != nil:
		return in, err
	case !ok:
		return in, fmt.Errorf("%s takes no passwords, but %s: make an access token there, and give it with --token-stdin",
			a.to.Matrix.Homeserver, cmp.Or(text.Printable(others), "nothing that it tells of"))
	}
	user := cmp.Or(by.user, a.to.Matrix.User)
	if user == "" {
		if user, err = d.ask(ctx, "Account, @name:server or the name alone"); err != nil {
			return in, fmt.Errorf("no account: %w: give it with --user, or as the first line", err)
		}
	}
	if user = strings.TrimSpace(user); user == "" {
		return in, errors.New("no account was given: give it with --user, or as the first line")
	}
	for try := 1; ; try++ {
		password, err := d.askHidden(ctx, "Password (it is not shown)")
		if err != nil {
			return in, fmt.Errorf("no password: %w: write it as the next line", err)
		}
		in.password = strings.TrimRight(password, "\r\n")
		in.user, err = client.Begin(ctx, user, in.password, deviceName(a), false)
		if err == nil || !d.terminal || try == tries || !errors.Is(err, matrix.ErrPassword) {
			return in, err
		}
		d.say("%s\n", text.Printable(err.Error()))
	}
}

// deviceName is what people see among the account's devices.
func deviceName(a account) string {
	host, err := os.Hostname()
	if err != nil {
		host = "?"
	}
	return fmt.Sprintf("kaizala-drop (%s) on %s", a.to.Name, host)
}

func logoutMatrix(ctx context.Context, a account, login string, out io.Writer) error {
	client, err := newMatrixClient(a.config, a.to, budget.New(a.to.Limits.CallsPerMinute), nil, zerolog.Nop())
	if err != nil {
		return err
	}
	defer client.Close()
	was, told, err := client.LogOut(ctx)
	switch {
	case err != nil:
		return err
	case !was:
		fmt.Fprintf(out, "no token of %s was stored in %s\n", a.to.Name, a.config.StateDir)
	case told != nil:
		fmt.Fprintf(out, "the token of %s is removed from %s, but the homeserver was not told (%s): end the session there with another client\n",
			a.to.Name, a.config.StateDir, text.Printable(told.Error()))
	default:
		fmt.Fprintf(out, "the token of %s is ended, and removed from %s\n", a.to.Name, a.config.StateDir)
	}
	if a.to.Matrix.AccessToken != (config.Secret{}) || a.to.Unresolved {
		fmt.Fprintln(out, "access_token stays in the configuration and is used: remove it there, too, if nothing is to be posted any more")
	} else {
		fmt.Fprintf(out, "nothing can be posted until there is another one: %s\n", login)
	}
	return nil
}
