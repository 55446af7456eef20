package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/budget"
	"kaizala-drop/internal/config"
	"kaizala-drop/internal/kaizala"
)

// account is a destination as login, logout and groups see it: of a configuration whose folders may not be there yet.
type account struct {
	config config.Config
	to     config.Destination
}

// loadAccount reads the configuration for the destination that args name, or the only one.
func loadAccount(path string, args []string) (account, error) {
	c, err := loadConfigIn(path, config.Environment{Getenv: os.Getenv, WithoutCredentials: true, WithoutFolders: true})
	if err != nil {
		return account{}, err
	}
	to, err := chooseAccount(c.Destinations, args)
	return account{c, to}, err
}

func chooseAccount(all []config.Destination, args []string) (config.Destination, error) {
	var names []string
	for _, to := range all {
		if len(args) == 1 && to.Name == args[0] || len(args) == 0 && len(all) == 1 {
			return to, nil
		}
		names = append(names, to.Name)
	}
	known := strings.Join(names, ", ")
	if len(args) == 0 {
		return config.Destination{}, fmt.Errorf("there are several destinations: name one of %s", known)
	}
	return config.Destination{}, fmt.Errorf("the destination %q is not in the configuration: there is %s", args[0], known)
}

// client makes the client of the account, which keeps a new refresh token as the daemon does. command is what it is for.
func (a account) client(command ...string) (*kaizala.Client, error) {
	if a.to.Kaizala.Unresolved {
		return nil, failed(fmt.Errorf("the credentials of %s are not here: systemd gives them out to services alone. As root, run %s",
			a.to.Name, asService(a.config, "--pty", append(command, a.to.Name)...)))
	}
	client, err := newClient(a.config, a.to, budget.New(a.to.Kaizala.CallsPerMinute), tokenHooks{}, zerolog.Nop())
	if err != nil {
		return nil, &exitError{exitConfig, err}
	}
	return client, nil
}

// withTokens wants each destination to have something to get access with: a token of the configuration, or that of a login.
func withTokens(c config.Config) error {
	var missing []string
	for _, to := range c.Destinations {
		if err := withToken(c, to); errors.Is(err, kaizala.ErrNoToken) {
			missing = append(missing, fmt.Sprintf("%s: %v", to.Name, err))
		} else if err != nil {
			return failed(err)
		}
	}
	if len(missing) > 0 {
		return &exitError{exitConfig, errors.New(strings.Join(missing, "\n"))}
	}
	return nil
}

// withToken gives an error that wraps kaizala.ErrNoToken if there is none, and another one if that cannot be seen.
func withToken(c config.Config, to config.Destination) error {
	if to.Kaizala.Unresolved {
		return nil
	}
	client, err := newClient(c, to, budget.New(0), tokenHooks{}, zerolog.Nop())
	if err != nil {
		return err
	}
	defer client.Close()
	if err = client.Ready(); errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: run it as the daemon's user", err)
	}
	return err
}

// makeStateDir makes what the daemon has not made yet. It is not for root to make: it would be root's.
func makeStateDir(dir string) error {
	_, err := os.Stat(dir)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot use state_dir: %w: run it as root, or as the daemon's user", err)
	case os.Geteuid() == 0:
		return fmt.Errorf("state_dir %q is not there yet, and would be root's: make it for the daemon's user "+
			"(install -d -m 0700 -o USER -g GROUP %s), as the first start of the unit does", dir, shellWord(dir))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot make state_dir: %w: run it as the daemon's user", err)
	}
	return nil
}
