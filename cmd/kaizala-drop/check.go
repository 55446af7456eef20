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
	"unicode"

	"github.com/spf13/cobra"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/matrix"
	"kaizala-drop/internal/text"
)

func newCheck() *cobra.Command {
	var path string
	var online bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration, the folders and the limits",
		Long: `check reads the configuration and reports every problem in it at once, each with its line. It then looks at the
folders and limits as the daemon will meet them: run it as the daemon's user. A folder that cannot be served, or does
not answer within 10 seconds, is a problem, and the others are checked all the same. With --online it also asks each
destination: Kaizala for an access token and the groups, Matrix whose the token is, how large files may be, and whether each
room can be posted to. It posts nothing, enters no room, and changes nothing but this: a new token that comes with an answer is
kept in state_dir, as the daemon keeps it, and state_dir is made for it.

Credentials ("credential:NAME") are given out by systemd, to a service alone. Elsewhere all but them is checked, and
--online cannot ask; the last example is a service for that.`,
		Example: `  kaizala-drop check --config config.toml
  sudo -u kaizala-drop kaizala-drop check
  sudo systemd-run --pipe --wait --collect --uid=kaizala-drop \
    -p StateDirectory=kaizala-drop -p StateDirectoryMode=0700 \
    -p LoadCredential=application-secret:kaizala-drop.application-secret \
    -p LoadCredential=refresh-token:kaizala-drop.refresh-token kaizala-drop check --online`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfigIn(path, config.Environment{Getenv: os.Getenv, WithoutCredentials: true})
			if err != nil {
				return err
			}
			r := report{out: cmd.OutOrStdout()}
			r.config(c, online && len(c.Unresolved) == 0)
			r.tokens(c)
			r.proxies()
			switch {
			case online && len(c.Unresolved) > 0:
				r.problem("--online: nobody is asked, as the credentials are not here. As root, run %s", asService(c, "--pipe", "check", "--online"))
			case online:
				r.online(cmd.Context(), c)
			case len(c.Unresolved) > 0:
				r.warning("the credentials are not checked. As root, run %s", asService(c, "--pipe", "check", "--online"))
			}
			return r.result()
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", defaultConfig, "the configuration `FILE`")
	completeConfig(cmd)
	cmd.Flags().BoolVar(&online, "online", false, "ask each destination for what the folders post to")
	return cmd
}

// unitStateDir is what the unit's StateDirectory= makes.
const unitStateDir = "/var/lib/kaizala-drop"

// asService is a command of this program as a service, with the credentials that the unit has. between is --pipe or --pty.
func asService(c config.Config, between string, command ...string) string {
	words := []string{"systemd-run", between, "--wait", "--collect", "--uid=kaizala-drop"}
	if c.StateDir == unitStateDir {
		words = append(words, "-p", "StateDirectory=kaizala-drop", "-p", "StateDirectoryMode=0700")
	}
	for _, name := range c.Unresolved {
		words = append(words, "-p", fmt.Sprintf("LoadCredential=%s:kaizala-drop.%s", name, name))
	}
	self, _ := os.Executable()
	words = append(append(words, cmp.Or(self, "kaizala-drop")), command...)
	if c.Path != defaultConfig {
		path, _ := filepath.Abs(c.Path) // a service does not run in this directory
		words = append(words, "--config", cmp.Or(path, c.Path))
	}
	for i, word := range words {
		words[i] = shellWord(word)
	}
	return strings.Join(words, " ")
}

// shellWord quotes what a shell would not take as it is.
func shellWord(word string) string {
	special := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_=:./,@+", r)
	}
	if word != "" && !strings.ContainsFunc(word, special) {
		return word
	}
	return "'" + strings.ReplaceAll(text.Printable(word), "'", `'\''`) + "'"
}

// report prints what check finds, a line each.
type report struct {
	out      io.Writer
	problems int
	code     int // of the end, with problems; 0: exitFailed
}

func (r *report) good(format string, args ...any) {
	fmt.Fprintf(r.out, "ok       "+format+"\n", args...)
}
func (r *report) warning(format string, args ...any) {
	fmt.Fprintf(r.out, "warning  "+format+"\n", args...)
}
func (r *report) problem(format string, args ...any) {
	r.problems++
	fmt.Fprintf(r.out, "PROBLEM  "+format+"\n", args...)
}

func (r *report) result() error {
	if r.problems > 0 {
		return &exitError{cmp.Or(r.code, exitFailed), errors.New(counted(r.problems, "problem"))}
	}
	return nil
}

// counted puts a noun behind its number.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func (r *report) limit(name string, need int) {
	var allowed int
	text, err := os.ReadFile("/proc/sys/fs/inotify/" + name)
	if err == nil {
		_, err = fmt.Sscan(string(text), &allowed)
	}
	switch {
	case err != nil:
		r.warning("cannot read the sysctl fs.inotify.%s: %v", name, err)
	case need > allowed:
		r.problem("fs.inotify.%s is %d, and %d are needed: raise that sysctl, with a line in /etc/sysctl.d/ to keep it", name, allowed, need)
	default:
		r.good("fs.inotify.%s: %d of %d needed", name, need, allowed)
	}
}

// tokens looks whether each destination has something to get access with.
func (r *report) tokens(c config.Config) {
	for _, to := range c.Destinations {
		switch err := withToken(c, to); {
		case lacksToken(err):
			r.problem("%s: %v", to.Name, err)
			r.code = exitConfig
		case err != nil:
			r.warning("%s: %v", to.Name, err)
		}
		r.encryption(to)
	}
}

// encryption says what a program that was built without it means for a destination.
func (r *report) encryption(to config.Destination) {
	switch {
	case to.Type != "matrix" || matrix.CanEncrypt || to.Matrix.Encryption == "never":
	case to.Matrix.Encryption == "require":
		r.problem("%s: encryption = \"require\", and this program was built without it: nothing can be posted. Take a package, or build it with go build -tags goolm", to.Name)
	default:
		r.warning("%s: this program was built without encryption (go build -tags goolm): rooms that are encrypted are refused", to.Name)
	}
}

// proxies says which proxies this process takes. A service may have others in its environment.
func (r *report) proxies() {
	found, err := proxies()
	if err != nil {
		r.problem("%v", err)
		r.code = exitConfig
	}
	for _, proxy := range found {
		r.good("%s: calls go through the proxy %s, but for the hosts of NO_PROXY and this machine", proxy.Variable, proxy.Address)
	}
}

// online asks every destination that can be asked.
func (r *report) online(ctx context.Context, c config.Config) {
	for _, to := range c.Destinations {
		if k, err := kindOf(to); err == nil && withToken(c, to) == nil {
			k.check(ctx, r, c, to)
		}
	}
}
