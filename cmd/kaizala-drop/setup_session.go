package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/setup"
	"kaizala-drop/internal/text"
)

// settingUp is one run of setup. Until carryOut nothing is changed but what a login stores.
type settingUp struct {
	ctx      context.Context
	flags    setupFlags
	dialogue *dialogue
	out      io.Writer

	host  host
	file  settingsFile
	base  baseline
	known setup.Known

	to          account // the destination, as it will be configured
	kind        kind
	secrets     map[string]string // secrets, by what they are
	references  map[string]string // secrets that were given, by the references to them
	secretFiles []secretFile      // that they are to be written to
	renamed     map[string]string // secrets whose usual names are taken, and the names they get
	list        []listedGroup
	called      string // the name of the group or room
	folder      setup.Folder
	gid         int // of the people
	mend        []setup.Lack
	lines       []string // the unit lacks
	loggedIn    bool     // by this run
	avoided     []string // names of destinations whose logins are somebody else's
	written     bool
}

// run is the whole dialogue.
func (s *settingUp) run() error {
	if err := s.begin(); err != nil {
		return err
	}
	for q := setup.Next(s.known); q != setup.Done; q = setup.Next(s.known) {
		if err := s.missing(); err != nil {
			return err
		}
		if err := s.answer(q); err != nil {
			return err
		}
	}
	return s.carryOut()
}

// ended says what is left of a run that did not come to its end.
func (s *settingUp) ended(err error) error {
	if err == nil || s.written {
		return err
	}
	left := "nothing was changed"
	if s.loggedIn {
		left = "nothing was changed, and the login is kept: run setup again to go on"
	}
	if s.ctx.Err() != nil || errors.Is(err, errStopped) || errors.Is(err, errInterrupted) || errors.Is(err, errNoAnswer) && s.dialogue.terminal {
		s.say("\n")
		return failed(errors.New("stopped: " + left))
	}
	if exit, ok := errors.AsType[*exitError](err); ok && exit.code != exitUsage {
		return &exitError{exit.code, fmt.Errorf("%w\n%s", err, left)}
	}
	return err
}

// begin finds out what is known without asking.
func (s *settingUp) begin() (err error) {
	s.secrets, s.references, s.renamed = map[string]string{}, map[string]string{}, map[string]string{}
	if s.file, err = readSettings(s.flags.config); err != nil {
		return &exitError{exitConfig, fmt.Errorf("cannot read the configuration: %w", err)}
	}
	if s.host, err = lookAtHost(s.ctx, s.file.path, s.flags.runAs); err != nil {
		return err
	}
	if err := s.file.canChange(); err != nil {
		help := "mend that, or name another one with --config"
		if !s.host.root && errors.Is(err, fs.ErrPermission) {
			help = "run setup as root, or name one of your own with --config"
		}
		return failed(fmt.Errorf("the configuration %s cannot be written: %w: %s", text.Printable(s.file.path), err, help))
	}
	if s.base, err = readBaseline(s.file, s.environment()); err != nil {
		return err
	}
	if s.file.there && s.flags.stateDir != "" {
		return errors.New("--state-dir is for a new configuration: this one is there already, and says where its state_dir is")
	}
	if err := s.host.ownerRuns(s.stateDir(), s.flags.runAs); err != nil {
		return err
	}
	s.greet()
	if s.host.other != "" {
		fmt.Fprintf(s.out, "note: the service kaizala-drop runs with another configuration (%s): this is for a daemon beside it\n", text.Printable(s.host.other))
	}
	if s.usedBefore() {
		fmt.Fprintf(s.out, "note: %s holds the ledger of a daemon already, with which this one goes on: two cannot run with it at a time\n",
			text.Printable(s.stateDir()))
	}
	return s.takeFlags()
}

// usedBefore reports whether a new configuration gets the memory of an older one.
func (s *settingUp) usedBefore() bool {
	return !s.file.there && ledger.IsIn(s.stateDir())
}

// environment is in what the configuration is read: secrets that were just given are known, and root may see those that systemd gives out.
func (s *settingUp) environment() config.Environment {
	return config.Environment{
		Getenv: os.Getenv, WithoutCredentials: true,
		Secret: func(reference string) (string, bool) {
			if secret, ok := s.references[reference]; ok {
				return secret, true
			}
			name, ok := strings.CutPrefix(reference, "credential:")
			if !ok || !s.host.root || os.Getenv("CREDENTIALS_DIRECTORY") != "" || strings.Contains(name, "/") {
				return "", false
			}
			content, err := os.ReadFile(credentialFile(name))
			secret := strings.TrimRight(string(content), "\r\n")
			return secret, err == nil && secret != ""
		},
	}
}

// credentialFile is where systemd finds what the unit names kaizala-drop.NAME.
func credentialFile(name string) string { return filepath.Join("/etc/credstore", "kaizala-drop."+name) }

// greet tells a person what this is.
func (s *settingUp) greet() {
	as := "the service kaizala-drop"
	if !s.host.unit {
		as = "a daemon of the user " + s.host.user
	}
	s.say("This sets up a folder for %s, in %s.\n", as, text.Printable(s.file.path))
	s.say("Enter takes the answer in [brackets]. Ctrl-C ends it, and nothing is changed.\n\n")
}

func (s *settingUp) say(format string, args ...any) { s.dialogue.say(format, args...) }

// missing names the flags that are missing where nobody can be asked.
func (s *settingUp) missing() error {
	flags := setup.Missing(s.flagged())
	if s.dialogue.terminal || len(flags) == 0 {
		return nil
	}
	return fmt.Errorf("standard input is no terminal, so nothing is asked: give also %s", strings.Join(flags, "; "))
}

// ask puts a question, with an answer that Enter takes; "": there is none.
func (s *settingUp) ask(question, fallback string) (string, error) {
	if fallback != "" {
		question += " [" + text.Printable(fallback) + "]"
	}
	answer, err := s.dialogue.ask(s.ctx, question)
	if answer = strings.TrimSpace(answer); answer == "" {
		answer = fallback
	}
	return answer, err
}

// until asks again and again until take is content with the answer. Where nobody can be asked, what take says is the end.
func (s *settingUp) until(question, fallback string, take func(answer string) error) error {
	if !s.dialogue.terminal {
		return take(fallback)
	}
	for {
		answer, err := s.ask(question, fallback)
		if err != nil {
			return err
		}
		err = take(answer)
		if err == nil || s.ctx.Err() != nil {
			return err
		}
		s.say("  %s\n", strings.ReplaceAll(printableLines(err.Error()), "\n", "\n  "))
	}
}

// agree asks for yes or no.
func (s *settingUp) agree(question string, fallback bool) (yes bool, err error) {
	word := map[bool]string{true: "yes", false: "no"}
	err = s.until(question, word[fallback], func(answer string) error {
		switch strings.ToLower(answer) {
		case "y", "yes":
			yes = true
		case "n", "no":
			yes = false
		default:
			return errors.New("write yes or no")
		}
		return nil
	})
	return yes, err
}

func printableLines(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, line := range lines {
		lines[i] = text.Printable(line)
	}
	return strings.Join(lines, "\n")
}
