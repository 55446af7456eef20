package main

import (
	"context"
	"errors"
	"os"

	"kaizala-drop/internal/text"

	"github.com/spf13/cobra"
)

// loginFlags say how to log in, where nobody is to be asked.
type loginFlags struct {
	phone      string // of Kaizala; "": it is asked for
	user       string // of Matrix; "": that of the configuration, or it is asked for
	tokenStdin bool   // of Matrix: a token is read instead of a password
	short      bool   // a dialogue goes on after it, and says what follows
	recovery   string // of Matrix: a reference to the recovery key; "": it is asked for
}

func newLogin() *cobra.Command {
	var path string
	var by loginFlags
	cmd := &cobra.Command{
		Use:   "login [NAME]",
		Short: "Log the account in that is to post",
		Long: `login gets the token that the daemon posts with, and stores it in state_dir, for the daemon's user alone. NAME is a destination of
the configuration, "kaizala" for [kaizala]; it may be left out if there is only one.

Kaizala: it asks for the phone number of the account, has a PIN sent to it, and asks for that. The destination has application_id and
application_secret, and needs no refresh_token.
Matrix: it asks for the account's password, and logs in a device of its own. Where a homeserver has no passwords (single sign-on), make a
token there and give it with --token-stdin. For rooms that are encrypted the device is then verified: an account that has no cross-signing
keys gets them, and their recovery key is printed, once; of an account that has them the recovery key is asked for.

Run it as root or as the daemon's user. A running daemon takes up the new token within seconds, also one whose old token was refused. The
token is used until "logout", or until the configuration says otherwise: another refresh_token than was there at the login, an
access_token, or another homeserver or user.

On a terminal PINs, passwords and tokens are not shown. Without one the answers are read from standard input, a line each; the PIN is read
once it was sent. They cannot be given as flags: those are seen by everybody on the machine, and kept by shells.`,
		Example: `  kaizala-drop login
  kaizala-drop login office
  kaizala-drop login --config config.toml --phone "+49 170 1234567"
  kaizala-drop login chat --user scanner
  kaizala-drop login chat --token-stdin < token
  kaizala-drop login chat --recovery-key file:/root/recovery-key`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, k, err := loadAccount(path, args)
			if err != nil {
				return err
			}
			ctx, stop := untilSignalled(cmd.Context())
			defer stop()
			return k.login(ctx, a, by, newDialogue(os.Stdin, cmd.ErrOrStderr()), cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", defaultConfig, "the configuration `FILE`")
	completeConfig(cmd)
	cmd.ValidArgsFunction = completeAccount(&path)
	cmd.Flags().StringVar(&by.phone, "phone", "", "Kaizala: the phone `NUMBER`, with + and the country code, instead of being asked for it")
	cmd.Flags().StringVar(&by.user, "user", "", "Matrix: the `ACCOUNT`, instead of being asked for it")
	cmd.Flags().BoolVar(&by.tokenStdin, "token-stdin", false, "Matrix: read an access token from standard input, instead of a password")
	cmd.Flags().StringVar(&by.recovery, "recovery-key", "", "Matrix: a `REFERENCE` to the account's recovery key (env:NAME, file:/path, credential:NAME), instead of being asked for it")
	cmd.MarkFlagsMutuallyExclusive("phone", "recovery-key")
	cmd.MarkFlagsMutuallyExclusive("phone", "user")
	cmd.MarkFlagsMutuallyExclusive("phone", "token-stdin")
	cmd.MarkFlagsMutuallyExclusive("user", "token-stdin")
	return cmd
}

// tries is how often a person may answer.
const tries = 3

var errStopped = errors.New("stopped: no token was stored")

// stopped says so where a signal was the reason.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, errInterrupted) {
		return errStopped
	}
	return err
}

func newLogout() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "logout [NAME]",
		Short: "Remove the token of a login",
		Long: `logout removes the token that lies in state_dir for a destination: that of a login, or a newer one that came in its place, or in that
of a configured one. NAME is as for login. A running daemon goes on with what the configuration has, if that is anything, and posts nothing
if it is not; it notices within seconds.

A Matrix homeserver is told, and ends the token. Kaizala is not, as it has no call for that: a copy of the token stays good until its end.`,
		Example: `  kaizala-drop logout
  kaizala-drop logout office`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, k, err := loadAccount(path, args)
			if err != nil {
				return err
			}
			ctx, stop := untilSignalled(cmd.Context())
			defer stop()
			return failed(k.logout(ctx, a, text.Command(optionsFor(path), "login", a.to.Name), cmd.OutOrStdout()))
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", defaultConfig, "the configuration `FILE`")
	completeConfig(cmd)
	cmd.ValidArgsFunction = completeAccount(&path)
	return cmd
}
