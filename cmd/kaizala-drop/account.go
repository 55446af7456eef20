package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/wire"
)

// account is a destination as login, logout and groups see it: of a configuration whose folders may not be there yet.
type account struct {
	config config.Config
	to     config.Destination
}

// loadAccount reads the configuration for the destination that args name, or the only one.
func loadAccount(path string, args []string) (account, kind, error) {
	c, err := loadConfigIn(path, config.Environment{Getenv: os.Getenv, WithoutCredentials: true, WithoutFolders: true})
	if err != nil {
		return account{}, kind{}, err
	}
	to, err := chooseAccount(c.Destinations, args)
	if err != nil {
		return account{}, kind{}, err
	}
	if _, err := proxies(); err != nil {
		return account{}, kind{}, err
	}
	k, err := kindOf(to)
	return account{c, to}, k, err
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

// here makes sure that the credentials of the account are, which systemd gives out. command is what they are for.
func (a account) here(command ...string) error {
	if !a.to.Unresolved {
		return nil
	}
	return failed(fmt.Errorf("the credentials of %s are not here: systemd gives them out to services alone. As root, run %s",
		a.to.Name, asService(a.config, "--pty", append(command, a.to.Name)...)))
}

// proxies gives the proxies of the environment, by which destinations are called. An error has the exit code 78.
func proxies() ([]wire.Proxy, error) {
	found, err := wire.Proxies(os.Getenv)
	if err != nil {
		return nil, &exitError{exitConfig, err}
	}
	return found, nil
}

// withTokens wants each destination to have something to get access with: a token of the configuration, or that of a login.
func withTokens(c config.Config) error {
	var missing []string
	for _, to := range c.Destinations {
		if err := withToken(c, to); lacksToken(err) {
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

// withToken gives an error for which lacksToken holds if there is none, and another one if that cannot be seen.
func withToken(c config.Config, to config.Destination) error {
	if to.Unresolved {
		return nil
	}
	k, err := kindOf(to)
	if err != nil {
		return err
	}
	if err = k.ready(c, to); errors.Is(err, fs.ErrPermission) {
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
