package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/matrix"
	"kaizala-drop/internal/text"
)

// recoveryOf looks up the recovery key that the flags refer to.
func recoveryOf(by loginFlags) (config.Secret, error) {
	if by.recovery == "" {
		return config.Secret{}, nil
	}
	key, err := config.LookUp(by.recovery, config.Environment{Getenv: os.Getenv})
	if err != nil {
		return key, fmt.Errorf("--recovery-key %w", err)
	}
	return key, nil
}

// verification has the device of a login be verified by its account, so that others read what it posts in encrypted rooms.
type verification struct {
	account  account
	client   *matrix.Client
	in       loggedIn
	dialogue *dialogue
	out      io.Writer
	recovery config.Secret // the zero Secret: it is asked for
}

// errUnverified says that the device is to stay as it is.
var errUnverified = errors.New("no recovery key was given")

func (v verification) do(ctx context.Context) error {
	if err := v.startKeys(ctx); err != nil {
		return err
	}
	d, err := v.client.Device(ctx)
	switch {
	case err != nil:
		return err
	case d.Verified:
	case d.HasIdentity:
		err = v.join(ctx)
	case v.in.password == "":
		err = errUnverified
	default:
		err = v.client.MakeIdentity(ctx, v.in.password, v.show)
	}
	if errors.Is(err, errUnverified) {
		return v.leave(d)
	}
	if err == nil {
		d, err = v.client.Device(ctx)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(v.out, "device %s is verified: encrypted rooms can be posted to (its fingerprint: %s)\n", text.Printable(d.ID), text.Printable(d.Fingerprint))
	return nil
}

// startKeys makes a new device where the keys of the one before are of no use, or in use by a running daemon, which then goes on with the new
// one.
func (v verification) startKeys(ctx context.Context) error {
	err := v.client.StartKeys(ctx)
	if err != nil && matrix.IsForNewDevice(err) && v.in.password == "" {
		return fmt.Errorf("%w. A token that was made elsewhere brings the device of whoever made it, and its keys are there: rooms that are not "+
			"encrypted can be posted to. For those that are, log in with the password, which makes a device of its own: %s",
			err, text.Command(optionsFor(v.account.config.Path), "login", v.account.to.Name))
	}
	if err == nil || !matrix.IsForNewDevice(err) {
		return err
	}
	if _, err := v.client.Begin(ctx, v.in.user, v.in.password, deviceName(v.account), true); err != nil {
		return err
	}
	return v.client.StartKeys(ctx)
}

// show prints the recovery key of an identity that is about to be made.
func (v verification) show(key string) error {
	_, err := fmt.Fprintf(v.out, `the account had no cross-signing keys, by which others tell its devices from strange ones: they are made now. This is their recovery key. It
is shown this once. Keep it where the account's password is kept: the next login asks for it.

    %s

`, key)
	return err
}

// join asks for the recovery key. A wrong one may be typed again.
func (v verification) join(ctx context.Context) error {
	if v.recovery != (config.Secret{}) {
		return v.client.JoinIdentity(ctx, v.recovery.Reveal())
	}
	for try := 1; ; try++ {
		key, err := v.dialogue.askHidden(ctx, "Recovery key of the account, for encrypted rooms (it is not shown; Enter: without)")
		if key = strings.TrimSpace(key); key == "" && (err == nil || errors.Is(err, errNoAnswer)) {
			return errUnverified
		}
		if err != nil {
			return err
		}
		err = v.client.JoinIdentity(ctx, key)
		if err == nil || !v.dialogue.terminal || try == tries || !errors.Is(err, matrix.ErrRecoveryKey) {
			return err
		}
		v.dialogue.say("%s\n", text.Printable(err.Error()))
	}
}

// leave says what it means that the device is not verified.
func (v verification) leave(d matrix.Device) error {
	trouble, advice := v.client.Doubt(d)
	_, err := fmt.Fprintf(v.out, "%s. To change that, %s\n", text.Printable(trouble), advice)
	return err
}

// stoppedAfter is stopped for what happens once the token is stored.
func stoppedAfter(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, errInterrupted) {
		return errors.New("stopped")
	}
	return err
}
