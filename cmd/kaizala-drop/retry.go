package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/inquiry"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/text"
)

func newRetry() *cobra.Command {
	var a asker
	var r control.Retry
	var since string
	cmd := &cobra.Command{
		Use:   "retry FILE... | --folder PATH",
		Short: "Send failed files again",
		Long: `retry takes failed files back from failed/ into their watched folder, where they are taken as new ones; their notes are removed.
Nothing is ever overwritten: a file whose name is taken gets a number. Who asked is written into the ledger and the log.

A file that may have been posted (no answer came back) is not sent again unasked: look in the group, and say --post-again or
--was-posted. One that failed because its end is missing would fail again: --as-it-is sends it this once without that check. One that
the destination does not take stays where it is. Those of a folder go back in the order in which they had come, also if they were renamed in failed/;
those that are not there any more are named.

The running daemon does it; where none runs the command does it itself, as the owner of state_dir, and the file is sent once the
daemon runs.`,
		Example: `  kaizala-drop retry /srv/drop/reception/failed/scan0001.pdf
  kaizala-drop retry --folder /srv/drop/reception --since 2h
  kaizala-drop retry --as-it-is /srv/drop/reception/failed/old.wav
  kaizala-drop retry --was-posted /srv/drop/reception/failed/scan0002.pdf`,
		Args: cobra.ArbitraryArgs,
		PreRunE: func(cmd *cobra.Command, args []string) error {
			if err := fillRetry(cmd, &r, args, since, time.Now()); err != nil {
				return usage(cmd, err)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return a.retry(cmd, r) },
	}
	a.flags(cmd)
	cmd.Flags().StringVar(&r.Folder, "folder", "", "all failed files of this watched folder `PATH`")
	cmd.Flags().StringVar(&since, "since", "", "with --folder: only those that failed since this `TIME`: "+moments)
	cmd.Flags().BoolVar(&r.AsItIs, "as-it-is", false, "send it this once without the check of its ending")
	cmd.Flags().BoolVar(&r.PostAgain, "post-again", false, "send it although it may be in the group already")
	cmd.Flags().BoolVar(&r.WasPosted, "was-posted", false, "it is in the group: move it to done/, and send nothing")
	cmd.MarkFlagsMutuallyExclusive("post-again", "was-posted")
	cmd.MarkFlagsMutuallyExclusive("as-it-is", "was-posted")
	cmd.ValidArgsFunction = a.completeFailed
	a.completes(cmd)
	return cmd
}

// fillRetry completes a request from what the command line says. Its errors are about that.
func fillRetry(cmd *cobra.Command, r *control.Retry, args []string, since string, now time.Time) (err error) {
	switch {
	case len(args) == 0 && !cmd.Flags().Changed("folder"):
		return errors.New("name the failed files, or a watched folder with --folder")
	case len(args) > 0 && r.Folder != "":
		return errors.New("name files or --folder, not both")
	case cmd.Flags().Changed("since") && r.Folder == "":
		return errors.New("--since goes with --folder")
	case r.WasPosted && (r.PostAgain || r.AsItIs):
		return errors.New("--was-posted sends nothing: leave out --post-again and --as-it-is, or say these")
	case slices.Contains(args, ""):
		return errors.New("an empty name is no file")
	}
	for _, arg := range args {
		path, err := filepath.Abs(arg)
		if err != nil {
			return err
		}
		r.Paths = append(r.Paths, path)
	}
	if r.Since, err = momentIn(cmd, "since", since, now); err != nil {
		return err
	}
	r.Folder, err = folderIn(cmd, r.Folder)
	return err
}

// retry asks, and says of each file what became of it.
func (a *asker) retry(cmd *cobra.Command, r control.Retry) error {
	by := control.Peer{UID: os.Getuid()}.String() // before this process becomes another user's
	desk, running, done, err := a.retrying(cmd.Context())
	if err != nil {
		return err
	}
	defer done()
	results, err := desk.Retry(cmd.Context(), r, by)
	if err != nil {
		return failed(err)
	}
	if a.json {
		err = writeJSON(cmd.OutOrStdout(), results)
	} else {
		tellResults(cmd, results, running)
	}
	bad := count(results, func(one control.Retried) bool { return one.Error != "" })
	gone := count(results, func(one control.Retried) bool { return one.Gone })
	switch {
	case err != nil:
		return err
	case bad > 0:
		return failed(fmt.Errorf("%d of %d files were not put back", bad, len(results)-gone))
	case gone < len(results):
		return nil
	case r.Folder == "":
		return failed(errors.New("only notes were named: name the files beside them"))
	case r.Since.IsZero():
		return failed(fmt.Errorf("no failed file of \"%s\" lies in its failed/", text.Printable(r.Folder)))
	}
	return failed(fmt.Errorf("no file of \"%s\" that has failed since %s lies in its failed/", text.Printable(r.Folder), r.Since.Format(time.DateTime)))
}

func count(results []control.Retried, is func(control.Retried) bool) (n int) {
	for _, one := range results {
		if is(one) {
			n++
		}
	}
	return n
}

// goneMost is how many files that are gone are named, each with a line.
const goneMost = 10

// tellResults tells a person what became of the files.
func tellResults(cmd *cobra.Command, results []control.Retried, running bool) {
	toSend, gone := false, 0
	for _, one := range results {
		if one.Gone {
			if gone++; gone <= goneMost {
				fmt.Fprintf(cmd.ErrOrStderr(), "kaizala-drop: \"%s\" is not there: somebody has moved or deleted it\n", text.Printable(one.Path))
			}
			continue
		}
		if one.Error != "" {
			fmt.Fprintln(cmd.ErrOrStderr(), "kaizala-drop: "+harmless(one.Error))
			continue
		}
		toSend = toSend || one.What != string(ledger.WasPosted)
		fmt.Fprintln(cmd.OutOrStdout(), tellRetried(one, time.Now()))
	}
	if gone > goneMost {
		fmt.Fprintf(cmd.ErrOrStderr(), "kaizala-drop: so are %d more: --json names them\n", gone-goneMost)
	}
	if toSend && !running {
		fmt.Fprintln(cmd.OutOrStdout(), "No daemon runs: what lies in its folder is sent once the daemon runs (systemctl start kaizala-drop).")
	}
}

// harmless is a text whose names are printable already, and of which nothing else does harm either.
func harmless(said string) string { return strings.ReplaceAll(text.Printable(said), `\\`, `\`) }

// retrying opens a desk that takes failed files back: the running daemon's, or one of this process, which works as the owner of
// state_dir, under the daemon's lock.
func (a *asker) retrying(ctx context.Context) (desk control.Desk, running bool, done func(), err error) {
	c, client, err := a.daemon(ctx)
	// A daemon that has just started does not answer yet, and another command that does this ends soon.
	for deadline := time.Now().Add(lockTime); err == nil && client == nil && ledger.InUse(c.StateDir) && time.Now().Before(deadline); {
		time.Sleep(lockLook)
		c, client, err = a.daemon(ctx)
	}
	switch {
	case err != nil:
		return nil, false, nil, err
	case client != nil:
		return client, true, client.Close, nil
	}
	if err := becomeOwner(c.StateDir); err != nil {
		return nil, false, nil, failed(err)
	}
	book, err := openExisting(c.StateDir)
	if errors.Is(err, ledger.ErrLocked) {
		err = fmt.Errorf("no daemon answers at a socket, and yet one works: %w", err)
	}
	if err != nil {
		return nil, false, nil, failed(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	writing := start(func() error { return book.Run(ctx) })
	filer := filing.New()
	filer.Options = a.options()
	r := newRetries(book, filer, func() []config.Folder { return c.Folders }, rulesOf(c), zerolog.Nop())
	d := &inquiry.Desk{Config: func() config.Config { return c }, Version: version(), Ledger: book, Retries: r.Do, Now: time.Now}
	return d, false, func() { stop(); <-writing; _ = book.Close() }, nil
}

const (
	lockTime = 5 * time.Second        // for a daemon to answer that has begun to work with the ledger
	lockLook = 100 * time.Millisecond // between two looks whether it does
)

// openExisting opens a ledger that is there: the daemon alone makes one. It waits for other commands that work with it.
func openExisting(stateDir string) (*ledger.Ledger, error) {
	known, err := ledger.OpenReadOnly(stateDir)
	if errors.Is(err, ledger.ErrNone) {
		return nil, err
	} else if err == nil {
		_ = known.Close()
	}
	for deadline := time.Now().Add(lockTime); ; time.Sleep(lockLook) {
		book, err := ledger.Open(stateDir)
		if !errors.Is(err, ledger.ErrLocked) || time.Now().After(deadline) {
			return book, err
		}
	}
}

// rulesOf tells what names mean where no daemon runs.
func rulesOf(c config.Config) rules {
	known := rules{map[string]service{}}
	for _, to := range c.Destinations {
		if k, err := kindOf(to); err == nil {
			known.services[to.Name] = service{traits: k.traits}
		}
	}
	return known
}

// options are those that commands need to find the same configuration.
func (a *asker) options() string { return optionsFor(a.config) }

// optionsFor are the options of commands for a configuration: none for the default one.
func optionsFor(path string) string {
	if path == "" || path == defaultConfig {
		return ""
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return text.Options(path)
}
