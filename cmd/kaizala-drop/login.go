package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/text"
)

func newLogin() *cobra.Command {
	var path, phone string
	cmd := &cobra.Command{
		Use:   "login [NAME]",
		Short: "Get a refresh token with a phone number and a PIN",
		Long: `login asks for the phone number of the Kaizala account that is to post, has a PIN sent to it, asks for that, and stores the
refresh token that it gets in state_dir, for the daemon's user alone. NAME is a destination of the configuration, "kaizala" for
[kaizala]; it may be left out if there is only one. That has application_id and application_secret, and needs no refresh_token.

Run it as root or as the daemon's user. A running daemon takes up the new token within seconds, also one whose old token was refused. The
token is used until "logout", or until another refresh_token is written into the configuration than was there at the login.

On a terminal the PIN is not shown. Without one both are read from standard input, a line each; the PIN is read once it was sent. It
cannot be given as a flag: those are seen by everybody on the machine, and kept by shells.`,
		Example: `  kaizala-drop login
  kaizala-drop login office
  kaizala-drop login --config config.toml --phone "+49 170 1234567"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := loadAccount(path, args)
			if err != nil {
				return err
			}
			if phone != "" {
				if phone, err = kaizala.ParsePhone(phone); err != nil {
					return fmt.Errorf("--phone: %w", err)
				}
			}
			ctx, stop := untilSignalled(cmd.Context())
			defer stop()
			return a.login(ctx, phone, newDialogue(os.Stdin, cmd.ErrOrStderr()), cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", defaultConfig, "the configuration `FILE`")
	completeConfig(cmd)
	cmd.ValidArgsFunction = completeAccount(&path)
	cmd.Flags().StringVar(&phone, "phone", "", "the phone `NUMBER`, with + and the country code, instead of being asked for it")
	return cmd
}

// login is the whole dialogue. Until the token is on disk, nothing is changed but that a PIN was sent.
func (a account) login(ctx context.Context, phone string, d *dialogue, out io.Writer) error {
	if a.to.Kaizala.AccessToken != (config.Secret{}) {
		return &exitError{exitConfig, fmt.Errorf("%s has a fixed access_token: there is nothing to log in for. "+
			"Write application_id and application_secret instead of it", a.to.Name)}
	}
	client, err := a.client("login")
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
	a.tellLogin(out, ends)
	return nil
}

// prepare finds out beforehand what would lose the login.
func (a account) prepare(client *kaizala.Client) error {
	if err := makeStateDir(a.config.StateDir); err != nil {
		return err
	}
	err := client.CanStore()
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: run it as root, or as the daemon's user", err)
	}
	return err
}

// tries is how often a person may answer.
const tries = 3

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

// stopped says so where a signal was the reason.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, errInterrupted) {
		return errors.New("stopped: no token was stored")
	}
	return err
}

func (a account) tellLogin(out io.Writer, ends time.Time) {
	fmt.Fprintf(out, "logged in to %s: the refresh token is stored in %s", a.to.Name, filepath.Clean(a.config.StateDir))
	if !ends.IsZero() {
		fmt.Fprintf(out, ", and ends on %s unless Kaizala gives a newer one before", ends.Format(time.DateOnly))
	}
	fmt.Fprintln(out, "\na running daemon takes it up within seconds, and files that wait follow; "+
		"one that ended for want of a token is to be started")
	if a.to.Kaizala.RefreshToken != (config.Secret{}) {
		fmt.Fprintln(out, "refresh_token in the configuration is not used any more: it can be removed there")
	}
}

func newLogout() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "logout [NAME]",
		Short: "Remove the refresh token of a login",
		Long: `logout removes the refresh token that lies in state_dir for a destination: that of a login, or a newer one that Kaizala gave in
place of the configured one. NAME is as for login. A running daemon goes on with the refresh_token of the configuration within
seconds, if there is one, and posts nothing if there is none. Kaizala is not told, as it has no call for that: a copy of the token stays
good until its end.`,
		Example: `  kaizala-drop logout
  kaizala-drop logout office`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := loadAccount(path, args)
			if err != nil {
				return err
			}
			return failed(a.logout(cmd.OutOrStdout()))
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", defaultConfig, "the configuration `FILE`")
	completeConfig(cmd)
	cmd.ValidArgsFunction = completeAccount(&path)
	return cmd
}

func (a account) logout(out io.Writer) error {
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
	case k.RefreshToken != (config.Secret{}) || k.Unresolved:
		fmt.Fprintln(out, "what stays in the configuration is used from now on: remove refresh_token there, too, if nothing is to be posted any more")
	default:
		fmt.Fprintf(out, "nothing can be posted until there is another one: kaizala-drop login %s\n", a.to.Name)
	}
	return nil
}
