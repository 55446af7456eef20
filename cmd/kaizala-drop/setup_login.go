package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/matrix"
	"kaizala-drop/internal/setup"
	"kaizala-drop/internal/text"
)

// logIn logs in as "login" does, unless there is something to get access with that is meant.
func (s *settingUp) logIn() error {
	s.known.Destination = s.orName()
	if err := s.configure(); err != nil {
		return failed(err)
	}
	s.known.Looked = true
	name := s.known.Destination
	err := withToken(s.to.config, s.to.to)
	if err == nil {
		if s.known.LoggedIn, err = s.takeLogin(); err != nil || s.known.LoggedIn || s.known.Destination != name {
			return failed(err)
		}
	} else if !lacksToken(err) {
		return failed(err)
	}
	if err := s.missing(); err != nil {
		return err
	}
	remove, err := s.makeStateDir()
	if err != nil {
		return failed(err)
	}
	by := loginFlags{phone: s.flags.phone, user: s.flags.user, tokenStdin: s.flags.tokenStdin, short: true}
	if by.tokenStdin {
		by.user = ""
	}
	if err := s.kind.login(s.ctx, s.to, by, s.dialogue, s.out); err != nil {
		return failed(errors.Join(err, remove()))
	}
	s.loggedIn, s.known.LoggedIn = true, true
	return nil
}

// takeLogin says whose login it is that was there before, and reports whether to go on with it.
func (s *settingUp) takeLogin() (goOn bool, err error) {
	if s.known.Type == setup.Kaizala {
		return s.takeKaizalaLogin()
	}
	client, err := matrixClient(s.to, "login")
	if err != nil {
		return false, err
	}
	defer client.Close()
	who, err := client.WhoAmI(s.ctx)
	if matrix.IsRefused(err) && s.to.to.Matrix.AccessToken == (config.Secret{}) {
		fmt.Fprintf(s.out, "the login of before does not count any more: %s\n", text.Printable(err.Error()))
		return false, nil
	}
	if err != nil {
		return false, err
	}
	wanted, err := s.wantedAccount(client)
	if err != nil {
		return false, err
	}
	if wanted != "" && !isAccount(wanted, who) {
		return false, fmt.Errorf("%s is logged in as %s, and not as %s: a destination posts as one account. Name another one with --destination NAME, "+
			"for which %s is logged in", s.known.Destination, text.Printable(who), text.Printable(wanted), text.Printable(wanted))
	}
	if s.known.Configured || wanted != "" || !s.dialogue.terminal {
		fmt.Fprintf(s.out, "posts as %s, with the login of before\n", text.Printable(who))
		return true, nil
	}
	return s.agreeToLogin("Go on with the login of " + text.Printable(who) + ", of before")
}

// agreeToLogin asks about a login of before. Another one is for a destination of another name, so that this one stays.
func (s *settingUp) agreeToLogin(question string) (goOn bool, err error) {
	goOn, err = s.agree(question, true)
	if err != nil || goOn {
		return goOn, err
	}
	s.avoided = append(s.avoided, s.known.Destination)
	s.known.Destination, s.known.Configured = s.nameFor(), false
	s.keepAnew()
	return false, nil
}

// wantedAccount is the account that flags ask for; "": any. A token is read for that, to see whose it is.
func (s *settingUp) wantedAccount(client *matrix.Client) (string, error) {
	if !s.flags.tokenStdin {
		return strings.TrimSpace(s.flags.user), nil
	}
	token, err := s.dialogue.askHidden(s.ctx, "Access token (it is not shown)")
	if err != nil {
		return "", fmt.Errorf("no token: %w: write it as the first line", err)
	}
	return client.OwnerOf(s.ctx, strings.TrimSpace(token))
}

// isAccount reports whether somebody who wrote wanted means who, an @name:server.
func isAccount(wanted, who string) bool {
	wanted = strings.TrimPrefix(wanted, "@")
	if !strings.Contains(wanted, ":") {
		who, _, _ = strings.Cut(who, ":")
	}
	return strings.EqualFold(wanted, strings.TrimPrefix(who, "@"))
}

// takeKaizalaLogin is takeLogin where nobody tells whose a login is.
func (s *settingUp) takeKaizalaLogin() (goOn bool, err error) {
	own := s.to.to.Kaizala
	if own.AccessToken != (config.Secret{}) || own.RefreshToken != (config.Secret{}) || !kaizala.HasLogin(s.to.config.StateDir, s.known.Destination) {
		if s.flags.phone != "" {
			return false, fmt.Errorf("%s has a token in the configuration: leave --phone out, or remove that token there", s.known.Destination)
		}
		return true, nil
	}
	of := "a login"
	if since := kaizala.LoggedInSince(s.to.config.StateDir, s.known.Destination); !since.IsZero() {
		of = "the login of " + since.Local().Format(time.DateOnly)
	}
	where := of + " that is kept in " + text.Printable(filepath.Clean(s.to.config.StateDir))
	switch {
	case s.flags.phone != "" && s.known.Configured:
		return false, fmt.Errorf("%s has %s: leave --phone out, or log in anew with: %s", s.known.Destination, where,
			text.Command(optionsFor(s.file.path), "login", s.known.Destination))
	case s.flags.phone != "":
		return false, fmt.Errorf("there is %s already, for %s: leave --phone out to use it, or name another destination with --destination NAME",
			where, s.known.Destination)
	case s.known.Configured || !s.dialogue.terminal:
		fmt.Fprintf(s.out, "posts with %s\n", where)
		return true, nil
	}
	return s.agreeToLogin("Go on with " + where)
}

func (s *settingUp) orName() string {
	if s.known.Destination == "" {
		return s.nameFor()
	}
	return s.known.Destination
}

// makeStateDir makes what the unit makes when it first starts, for the daemon's user. What it gives removes that as long as it is empty.
func (s *settingUp) makeStateDir() (remove func() error, err error) {
	dir := s.to.config.StateDir
	nothing := func() error { return nil }
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || !s.host.root {
		return nothing, nil // who uses it says what is wrong with it
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(dir), 0o755), os.MkdirAll(dir, 0o700)); err != nil {
		return nothing, fmt.Errorf("cannot make state_dir: %w", err)
	}
	remove = func() error {
		_ = os.Remove(dir) // with a token in it, it stays
		return nil
	}
	return remove, errors.Join(os.Chmod(dir, 0o700), os.Chown(dir, s.host.uid, s.host.gid))
}
