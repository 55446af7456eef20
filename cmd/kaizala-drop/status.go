package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/inquiry"
)

// watchEvery is the time between two pictures of status --watch.
const watchEvery = time.Second

func newStatus() *cobra.Command {
	var a asker
	var watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how everything stands: folders, what waits and why, what is under way",
		Long: `status shows first what needs a person, marked with "!", then how each destination and each folder stands, then what is sent, what
waits and until when, and what is held back and why. It asks the running daemon; where none answers it says so, and shows what
the ledger knows.

In the table, NEW is what was just dropped and must be quiet for a while, WAIT what is complete and waits to be sent, SEND what is
being sent, HELD what is held back for a reason, FAILED what lies in failed/, and LAST POST the time of today, or the day, of the
last file that came to done/.

With --watch it is shown again each second, until Ctrl-C; in a pipe as blocks of text, with --json as a line each.`,
		Example: `  kaizala-drop status
  kaizala-drop status --watch
  kaizala-drop status --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if watch {
				return a.watchStatus(cmd.Context(), cmd.OutOrStdout())
			}
			desk, done, err := a.desk(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			s, err := desk.Status(cmd.Context())
			if err != nil {
				return failed(err)
			}
			if a.json {
				return writeJSON(cmd.OutOrStdout(), s)
			}
			screen := screenOf(cmd.OutOrStdout())
			columns, _ := screen.size()
			return unlessGone(screen.write(inquiry.StatusText(s, columns, a.command)))
		},
	}
	a.flags(cmd)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "again and again, until Ctrl-C")
	a.completes(cmd)
	return cmd
}

// watchStatus shows the status again and again, until ctx ends or somebody interrupts it.
func (a *asker) watchStatus(ctx context.Context, out io.Writer) error {
	screen := screenOf(out)
	a.quiet = screen.terminal && !a.json
	desk, done, err := a.desk(ctx)
	if err != nil {
		return err
	}
	defer done()
	ctx, stop := untilSignalled(ctx)
	defer stop()
	asked := again(ctx, desk)
	if a.quiet {
		return unlessGone(screen.watch(ctx, asked, a.command))
	}
	for first := true; ; first = false {
		select {
		case got := <-asked:
			if err := a.writeBlock(screen, got, first); err != nil {
				return unlessGone(err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// writeBlock writes one of many statuses where there is no terminal.
func (a *asker) writeBlock(screen screen, got statusOrError, first bool) error {
	switch {
	case got.err != nil:
		return got.err
	case a.json:
		return encodeJSON(screen.out, got.status, "")
	case !first:
		if _, err := fmt.Fprintln(screen.out); err != nil {
			return err
		}
	}
	at := inquiry.Line{Weight: inquiry.Head, Text: got.status.At.Local().Format(time.DateTime)}
	return screen.write(append([]inquiry.Line{at}, inquiry.StatusText(got.status, 0, a.command)...))
}

// statusOrError is what became of a question.
type statusOrError struct {
	status control.Status
	err    error
}

// again asks for the status each time that the last one was taken and watchEvery has passed, until ctx ends.
func again(ctx context.Context, desk control.Desk) <-chan statusOrError {
	all := make(chan statusOrError)
	go func() {
		for ctx.Err() == nil {
			s, err := desk.Status(ctx)
			select {
			case all <- statusOrError{s, err}:
			case <-ctx.Done():
				return
			}
			select {
			case <-time.After(watchEvery):
			case <-ctx.Done():
			}
		}
	}()
	return all
}

func writeLines(out io.Writer, lines []string) error {
	var b bytes.Buffer
	for _, line := range lines {
		fmt.Fprintln(&b, line)
	}
	_, err := out.Write(b.Bytes())
	return unlessGone(err)
}

func writeJSON(out io.Writer, value any) error {
	return unlessGone(encodeJSON(out, value, "  "))
}

// encodeJSON writes one value, and a line break behind it.
func encodeJSON(out io.Writer, value any, indent string) error {
	var plain bytes.Buffer
	if err := control.Write(&plain, value, indent); err != nil {
		return err
	}
	_, err := io.WriteString(out, harmlessJSON(plain.String()))
	return err
}

// unlessGone is the error of a command that could not write its answer. A reader who has gone, as head(1) does, has what it wants.
func unlessGone(err error) error {
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return failed(err)
}
