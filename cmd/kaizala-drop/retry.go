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
	"kaizala-drop/internal/retry"
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
--was-posted. One that failed because its end is missing would fail again: --as-it-is sends it this once without that check.

The running daemon does it; where none runs the command does it itself, as the owner of state_dir, and the file is sent once the
daemon runs.`,
		Example: `  kaizala-drop retry /srv/drop/reception/failed/scan0001.pdf
  kaizala-drop retry --folder /srv/drop/reception --since 2h
  kaizala-drop retry --as-it-is /srv/drop/reception/failed/old.wav
  kaizala-drop retry --was-posted /srv/drop/reception/failed/scan0002.pdf`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := fillRetry(&r, args, since, time.Now()); err != nil {
				return &exitError{exitUsage, err}
			}
			return a.retry(cmd, r)
		},
	}
	a.flags(cmd)
	cmd.Flags().StringVar(&r.Folder, "folder", "", "all failed files of this watched folder `PATH`")
	cmd.Flags().StringVar(&since, "since", "", "with --folder: only those that failed since this `TIME`: 2026-11-24, 09:00 (today), 2h or 7d (ago)")
	cmd.Flags().BoolVar(&r.AsItIs, "as-it-is", false, "send it this once without the check of its ending")
	cmd.Flags().BoolVar(&r.PostAgain, "post-again", false, "send it although it may be in the group already")
	cmd.Flags().BoolVar(&r.WasPosted, "was-posted", false, "it is in the group: move it to done/, and send nothing")
	cmd.MarkFlagsMutuallyExclusive("post-again", "was-posted")
	cmd.MarkFlagsMutuallyExclusive("as-it-is", "was-posted")
	cmd.ValidArgsFunction = a.completeFailed
	a.completes(cmd)
	return cmd
}

// fillRetry completes a request from what the command line says.
func fillRetry(r *control.Retry, args []string, since string, now time.Time) error {
	switch {
	case len(args) == 0 && r.Folder == "":
		return errors.New("name the failed files, or a watched folder with --folder")
	case len(args) > 0 && r.Folder != "":
		return errors.New("name files or --folder, not both")
	case since != "" && r.Folder == "":
		return errors.New("--since goes with --folder")
	}
	for _, arg := range args {
		path, err := filepath.Abs(arg)
		if err != nil {
			return err
		}
		r.Paths = append(r.Paths, path)
	}
	if r.Folder != "" {
		folder, err := filepath.Abs(r.Folder)
		if err != nil {
			return err
		}
		r.Folder = folder
	}
	if since != "" {
		at, err := momentOf(since, now)
		if err != nil {
			return err
		}
		r.Since = at
	}
	return nil
}

// retry asks, and says of each file what became of it.
func (a *asker) retry(cmd *cobra.Command, r control.Retry) error {
	desk, done, err := a.retrying(cmd.Context())
	if err != nil {
		return err
	}
	defer done()
	results, err := desk.Retry(cmd.Context(), r, control.Peer{UID: os.Getuid()}.String())
	if err != nil {
		return failed(err)
	}
	if a.json {
		err = writeJSON(cmd.OutOrStdout(), results)
	}
	bad := 0
	for _, one := range results {
		switch {
		case one.Error != "":
			bad++
			if !a.json {
				fmt.Fprintln(cmd.ErrOrStderr(), "kaizala-drop: "+text.Printable(one.Error))
			}
		case !a.json:
			fmt.Fprintf(cmd.OutOrStdout(), "%s -> %s\n", text.Printable(one.Path), text.Printable(one.To))
		}
	}
	switch {
	case err != nil:
		return err
	case len(results) == 0:
		return failed(errors.New("no file failed there"))
	case bad > 0:
		return failed(fmt.Errorf("%d of %d files were not taken back", bad, len(results)))
	}
	return nil
}

// noteEnd is how the name of the note beside a failed file ends.
const noteEnd = ".reason.txt"

// retries does with failed files what is asked, with a retrier.
type retries struct {
	retrier *retry.Retrier
	book    *ledger.Ledger
}

// newRetries makes one for a ledger whose Run is running. folders gives the configuration of now.
func newRetries(book *ledger.Ledger, filer *filing.Filer, folders func() []config.Folder, log zerolog.Logger) retries {
	return retries{book: book, retrier: &retry.Retrier{
		Ledger: book, Filer: filer, Folders: func() []retry.Folder { return retryFolders(folders()) }, Log: log,
	}}
}

// Do does with each file what is asked.
func (r retries) Do(ctx context.Context, q control.Retry, by string) ([]control.Retried, error) {
	paths := q.Paths
	if q.Folder != "" {
		found, err := r.failedOf(ctx, q)
		if err != nil {
			return nil, err
		}
		paths = append(paths, found...)
	}
	results := []control.Retried{}
	for _, path := range paths {
		if about, isNote := strings.CutSuffix(path, noteEnd); isNote && slices.Contains(paths, about) { // FILE* names both
			continue
		}
		if !filepath.IsAbs(path) {
			return nil, &control.Refusal{Text: "paths must be absolute, not " + text.Printable(path)}
		}
		got, err := r.retrier.Retry(ctx, retry.Request{Path: path, AsItIs: q.AsItIs, PostAgain: q.PostAgain, WasPosted: q.WasPosted, By: by})
		switch {
		case errors.Is(err, retry.ErrNote) && len(paths) > 1: // the note of a file that was not named
			continue
		case err != nil:
			results = append(results, control.Retried{Path: path, Error: err.Error()})
		default:
			results = append(results, control.Retried{Path: path, To: got.To})
		}
	}
	return results, nil
}

// failedOf finds the failed files of a folder.
func (r retries) failedOf(ctx context.Context, q control.Retry) (paths []string, err error) {
	query := ledger.Query{Folder: q.Folder, State: ledger.Failed, Since: q.Since}
	for {
		found, err := r.book.Search(ctx, query)
		if err != nil {
			return nil, err
		}
		for _, d := range found {
			for _, f := range d.Files {
				if d.Finished && f.Dest != "" {
					paths = append(paths, f.Dest)
				}
			}
		}
		if len(found) < ledger.SearchMost {
			return paths, nil
		}
		query.Before = found[len(found)-1].ID
	}
}

// retryFolders gives folders as a retrier knows them.
func retryFolders(folders []config.Folder) []retry.Folder {
	all := make([]retry.Folder, len(folders))
	for i, f := range folders {
		all[i] = retry.Folder{Path: f.Path, Done: f.Done, Failed: f.Failed, Recursive: f.Recursive}
	}
	return all
}

// retrying opens a desk that takes failed files back: the running daemon's, or one of this process, which works as the owner of
// state_dir, under the daemon's lock.
func (a *asker) retrying(ctx context.Context) (control.Desk, func(), error) {
	c, client, err := a.daemon(ctx)
	switch {
	case err != nil:
		return nil, nil, err
	case client != nil:
		return client, client.Close, nil
	}
	if err := becomeOwner(c.StateDir); err != nil {
		return nil, nil, failed(err)
	}
	book, err := ledger.Open(c.StateDir)
	if err != nil {
		return nil, nil, failed(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	writing := start(func() error { return book.Run(ctx) })
	r := newRetries(book, filing.New(), func() []config.Folder { return c.Folders }, zerolog.Nop())
	desk := &inquiry.Desk{Config: func() config.Config { return c }, Version: version(), Ledger: book, Retries: r.Do, Now: time.Now}
	return desk, func() { stop(); <-writing; _ = book.Close() }, nil
}
