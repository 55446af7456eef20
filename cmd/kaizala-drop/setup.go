package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// setupFlags answer the questions of setup beforehand.
type setupFlags struct {
	config, destination string

	homeserver, user          string
	passwordStdin, tokenStdin bool

	endpoint, applicationID, secretFile, refreshFile, phone string

	room, group, folder, people string

	runAs, stateDir        string
	mend, present, noStart bool
	evenThere              bool
}

func newSetup() *cobra.Command {
	var f setupFlags
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Set a folder up, from nothing to a running service",
		Long: `setup asks for what is not known yet, with an answer already there where one makes sense (Enter takes it): where files are posted,
the login, which group or room, and which folder. It then shows all that it is going to do, and does it once that is agreed to: it makes
the folder, writes the configuration, checks all of it as "check --online" does, and starts the service or has it read the configuration
again. Where the check finds something new, or anything else fails, all is as it was before, and so it is where the service does not start
or does not serve the folder. Ctrl-C at any question changes nothing; a login that was done is kept. Run it again to add a folder.

The configuration keeps its comments, its order and whatever else stands in it; what it was stays beside it (the first one, and the last
five). A secret is never written into it: with systemd it becomes a credential of the service, in /etc/credstore, and otherwise a file
beside the configuration that only the daemon's user can read. One that is there under that name already stays, and the new one gets
another name. A login of before is used only for the account that is asked for, and it is said whose it is.

A folder that is made belongs to the daemon's user and to a group (2770, set-gid), whose members may drop files there. One that is there
already is changed only where that is agreed to, and none of the files in it is. Those that would be posted are counted, also in subfolders
where those are taken. Directories of the system are refused, and a home directory is asked about. Folders outside of /srv/drop get a
drop-in for the unit, setup.conf.

Run it as root where there is a service. Whoever runs it otherwise sets up a daemon of their own, with --config.

Flags answer questions beforehand. Where standard input is no terminal nothing is asked: a flag that is missing is named, and whatever has
an answer that makes sense has that. Passwords, tokens and PINs are read from standard input, a line; they cannot be given as flags.`,
		Example: `  kaizala-drop setup
  kaizala-drop setup --homeserver example.org --user scanner --password-stdin --room '#reception:example.org' --folder /srv/drop/reception < password
  kaizala-drop setup --room '#lab:example.org' --folder /data/lab --people scans      # one more folder
  kaizala-drop setup --application-id ID --application-secret-file secret --refresh-token-file token --group ID@2 --folder /srv/drop/a
  kaizala-drop setup --config ~/drop/config.toml                                      # a daemon of one's own`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.fit(); err != nil {
				return err
			}
			ctx, stop := untilSignalled(cmd.Context(), hangups()...)
			defer stop()
			s := &settingUp{ctx: ctx, flags: f, dialogue: newDialogue(os.Stdin, cmd.ErrOrStderr()), out: cmd.OutOrStdout()}
			return s.ended(s.run())
		},
	}
	f.register(cmd)
	return cmd
}

// hangups are the signal of a terminal that is gone, unless who started this wants it to go on then, as nohup does.
func hangups() []os.Signal {
	if signal.Ignored(syscall.SIGHUP) {
		return nil
	}
	return []os.Signal{syscall.SIGHUP}
}

func (f *setupFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.config, "config", "c", defaultConfig, "the configuration `FILE`; it is made if it is not there")
	completeConfig(cmd)
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	flags.StringVar(&f.destination, "destination", "", "the `NAME` of the destination to post to: one that is configured, or a new one")
	flags.StringVar(&f.homeserver, "homeserver", "", "Matrix: the `SERVER` of the account, its name or address")
	flags.StringVar(&f.user, "user", "", "Matrix: the `ACCOUNT` that posts")
	flags.BoolVar(&f.passwordStdin, "password-stdin", false, "Matrix: read its password from standard input")
	flags.BoolVar(&f.tokenStdin, "token-stdin", false, "Matrix: read an access token from standard input, instead of a password")
	flags.StringVar(&f.endpoint, "endpoint", "", "Kaizala: its `ADDRESS`, if that is another one")
	flags.StringVar(&f.applicationID, "application-id", "", "Kaizala: the `ID` of the connector")
	flags.StringVar(&f.secretFile, "application-secret-file", "", "Kaizala: the `FILE` that holds the connector's secret")
	flags.StringVar(&f.refreshFile, "refresh-token-file", "", "Kaizala: the `FILE` that holds a refresh token, instead of a login")
	flags.StringVar(&f.phone, "phone", "", "Kaizala: log in with this phone `NUMBER`; the PIN is read from standard input once it was sent")
	flags.StringVar(&f.room, "room", "", "Matrix: the `ROOM` to post to, #alias:server or !id")
	flags.StringVar(&f.group, "group", "", "Kaizala: the `ID` of the group to post to")
	flags.StringVar(&f.folder, "folder", "", "the folder to drop files into, a `PATH` from / on")
	flags.StringVar(&f.people, "people", "", "the `GROUP` of this machine whose members may drop files (default: the daemon's own)")
	flags.BoolVar(&f.mend, "mend", false, "do to a folder that is there already what it lacks")
	flags.BoolVar(&f.present, "post-present", false, "post the files that are in the folder already, too")
	flags.BoolVar(&f.evenThere, "even-there", false, "take a folder that is a home directory, or /srv, /mnt or /opt itself")
	flags.StringVar(&f.runAs, "run-as", "", "the `USER` that the daemon runs as (default: that of the unit)")
	flags.StringVar(&f.stateDir, "state-dir", "", "for a new configuration: the `DIRECTORY` of the daemon's memory")
	flags.BoolVar(&f.noStart, "no-start", false, "write the configuration, and leave the service alone")
	for _, name := range []string{"homeserver", "user", "password-stdin", "token-stdin", "room"} {
		for _, other := range []string{"endpoint", "application-id", "application-secret-file", "refresh-token-file", "phone", "group"} {
			cmd.MarkFlagsMutuallyExclusive(name, other)
		}
	}
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "token-stdin")
	cmd.MarkFlagsMutuallyExclusive("phone", "refresh-token-file")
}

// fit sees to what a flag cannot be, wherever it goes.
func (f *setupFlags) fit() error {
	for _, answer := range []*string{
		&f.destination, &f.homeserver, &f.user, &f.endpoint, &f.applicationID, &f.phone, &f.room, &f.group, &f.people, &f.runAs, &f.stateDir,
	} {
		*answer = strings.TrimSpace(*answer)
	}
	if f.config == "" {
		return errors.New("--config is empty: name the file")
	}
	if f.stateDir != "" && f.stateDir[0] != '/' {
		return fmt.Errorf("--state-dir takes a path from / on, not %s", quotedArg(f.stateDir))
	}
	return nil
}

// isMatrix and isKaizala report whether flags say which it is.
func (f *setupFlags) isMatrix() bool {
	return f.homeserver != "" || f.user != "" || f.passwordStdin || f.tokenStdin || f.room != ""
}
func (f *setupFlags) isKaizala() bool {
	return f.endpoint != "" || f.applicationID != "" || f.secretFile != "" || f.refreshFile != "" || f.phone != "" || f.group != ""
}
