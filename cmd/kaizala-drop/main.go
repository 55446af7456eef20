// Command kaizala-drop turns folders into a way of posting: files dropped into a watched folder are posted to a Kaizala
// group and moved to done/, or to failed/ with the reason beside them.
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"kaizala-drop/internal/control"
)

// Exit codes. The unit's RestartPreventExitStatus=78 keeps a broken setting from looping. A service whose command line is wrong ends
// with 78, too: 2 is what the Go runtime ends a program with that panics, which is to be started again.
const (
	exitFailed = 1
	exitUsage  = 2
	exitConfig = 78 // EX_CONFIG of sysexits(3)
)

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string) int {
	log := stderrPatient()
	defer log.flush(patientEnd)
	root := newRoot()
	root.SetErr(log)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	text, code := "kaizala-drop: ", exitUsage // what cobra refuses: an unknown command, flag or argument
	if exit, ok := errors.AsType[*exitError](err); ok {
		text, code = text+err.Error(), exit.code
	} else {
		text += fmt.Sprintf("%v\nsee \"%s --help\"", refused(err), cmd.CommandPath())
	}
	if code == exitUsage && isService() {
		code = exitConfig
	}
	sayFatal(root.ErrOrStderr(), text)
	return code
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "kaizala-drop",
		Short: "Post files to Matrix rooms and Kaizala groups by dropping them into folders",
		Long: `kaizala-drop turns folders into a way of posting. A scanner, a camera export, an FTP upload or a person drops a
file into a watched folder; once the file is complete it is uploaded and posted to the folder's Matrix room or Kaizala
group, and moved to done/, or to failed/ with the reason beside it.

Exit codes: 0 fine, 1 something failed, 2 wrong usage, 78 wrong configuration.`,
		Example: `  kaizala-drop demo                              try it without an account: a server, folders and files to play with
  kaizala-drop setup                             set a folder up: login, group, folder, service
  kaizala-drop check --config config.toml        is this configuration right?
  kaizala-drop login --config config.toml        get a token with the account of the destination
  kaizala-drop groups --config config.toml       what can be posted to?
  kaizala-drop run --config config.toml          watch and post until stopped
  kaizala-drop run --config config.toml --once   post what is there, then exit`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(newRun(), newCheck(), newDemo(), newSandbox(), newVersion(), newStatus(), newExplain(), newHistory(), newRetry(),
		newLogin(), newLogout(), newGroups(), newSetup())
	plainly(root)
	return root
}

// exitError ends the program with a code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// failed says that the command was understood and did not succeed. A question that is itself at fault is wrong usage.
func failed(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*control.Refusal](err); ok {
		return &exitError{exitUsage, err}
	}
	return &exitError{exitFailed, err}
}
