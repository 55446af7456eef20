package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/text"
)

// login is the whole dialogue. Until the token is on disk, nothing is changed but that a PIN was sent.
func loginKaizala(ctx context.Context, a account, by loginFlags, d *dialogue, out io.Writer) (err error) {
	phone := by.phone
	if by.user != "" || by.tokenStdin || by.recovery != "" {
		return fmt.Errorf("%s is Kaizala: --user, --token-stdin and --recovery-key are for Matrix", a.to.Name)
	}
	if phone != "" {
		if phone, err = kaizala.ParsePhone(phone); err != nil {
			return fmt.Errorf("--phone: %w", err)
		}
	}
	if a.to.Kaizala.AccessToken != (config.Secret{}) {
		return &exitError{exitConfig, fmt.Errorf("%s has a fixed access_token: there is nothing to log in for. "+
			"Write application_id and application_secret instead of it", a.to.Name)}
	}
	client, err := kaizalaClient(a, "login")
	if err != nil {
		return err
	}
	defer client.Close()
	if err := a.prepare(client); err != nil {
		return failed(err)
	}
	if phone == "" {
		if phone, err = askPhone(ctx, d); err != nil {
			return failed(stopped(ctx, err))
		}
	}
	if err := client.RequestPIN(ctx, phone); err != nil {
		return failed(stopped(ctx, withAdvice(err)))
	}
	d.say("A PIN was sent to %s.\n", phone)
	ends, err := askPIN(ctx, d, client, phone)
	if err != nil {
		return failed(stopped(ctx, err))
	}
	a.tellLogin(out, ends, by.short)
	return nil
}

// prepare finds out beforehand what would lose the login.
func (a account) prepare(client interface{ CanStore() error }) error {
	if err := makeStateDir(a.config.StateDir); err != nil {
		return err
	}
	err := client.CanStore()
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: run it as root, or as the daemon's user", err)
	}
	return err
}

func askPhone(ctx context.Context, d *dialogue) (string, error) {
	for try := 1; ; try++ {
		answer, err := d.ask(ctx, "Phone number, with + and the country code")
		if err != nil {
			return "", fmt.Errorf("no phone number: %w: give it with --phone, or as the first line", err)
		}
		phone, err := kaizala.ParsePhone(answer)
		if err == nil || !d.terminal || try == tries {
			return phone, err
		}
		d.say("%v\n", err)
	}
}

// askPIN logs in with the PIN that it asks for. A wrong one may be typed again.
func askPIN(ctx context.Context, d *dialogue, client *kaizala.Client, phone string) (ends time.Time, err error) {
	for try := 1; ; try++ {
		answer, err := d.askHidden(ctx, "PIN (it is not shown)")
		if err != nil {
			return ends, fmt.Errorf("no PIN: %w: write it as the next line, once it has come", err)
		}
		pin, err := kaizala.ParsePIN(answer)
		if err == nil {
			if ends, err = client.LogIn(ctx, phone, pin); err == nil {
				return ends, nil
			}
		}
		if !d.terminal || try == tries || !maybePIN(err) {
			return ends, withAdvice(err)
		}
		d.say("%s\n", text.Printable(err.Error()))
	}
}

// maybePIN reports whether another PIN may help: one that was not sent, or was refused.
func maybePIN(err error) bool {
	answer, ok := errors.AsType[*kaizala.Error](err)
	return errors.Is(err, kaizala.ErrNoPIN) || ok && (answer.LoginFault() == kaizala.LoginPIN || answer.LoginFault() == kaizala.LoginDenied)
}

// withAdvice adds what to do about a failed call.
func withAdvice(err error) error {
	if answer, ok := errors.AsType[*kaizala.Error](err); ok {
		return fmt.Errorf("%w: %s", err, answer.LoginFault().Advice())
	}
	return err
}

func (a account) tellLogin(out io.Writer, ends time.Time, short bool) {
	fmt.Fprintf(out, "logged in to %s: the refresh token is stored in %s", a.to.Name, filepath.Clean(a.config.StateDir))
	if !ends.IsZero() {
		fmt.Fprintf(out, ", and ends on %s unless Kaizala gives a newer one before", ends.Format(time.DateOnly))
	}
	fmt.Fprintln(out)
	if short {
		return
	}
	fmt.Fprintln(out, "a running daemon takes it up within seconds, and files that wait follow; "+
		"one that ended for want of a token is to be started")
	if a.to.Kaizala.RefreshToken != (config.Secret{}) {
		fmt.Fprintln(out, "refresh_token in the configuration is not used any more: it can be removed there")
	}
}

func logoutKaizala(_ context.Context, a account, login string, out io.Writer) error {
	was, err := kaizala.Forget(a.config.StateDir, a.to.Name)
	if err != nil {
		return err
	}
	if was {
		fmt.Fprintf(out, "the refresh token of %s is removed from %s\n", a.to.Name, a.config.StateDir)
	} else {
		fmt.Fprintf(out, "no refresh token of %s was stored in %s\n", a.to.Name, a.config.StateDir)
	}
	k := a.to.Kaizala
	switch {
	case k.AccessToken != (config.Secret{}):
		fmt.Fprintln(out, "access_token stays in the configuration and is used: remove it there, too, if nothing is to be posted any more")
	case k.RefreshToken != (config.Secret{}) || a.to.Unresolved:
		fmt.Fprintln(out, "what stays in the configuration is used from now on: remove refresh_token there, too, if nothing is to be posted any more")
	default:
		fmt.Fprintf(out, "nothing can be posted until there is another one: %s\n", login)
	}
	return nil
}
