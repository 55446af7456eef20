package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

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
		Long: `status shows each destination and each folder: whether it is up and why not, what is being sent, what waits and until when,
what is held back and why, how many files failed, what was delivered last. It asks the running daemon; where none runs it
says so, and shows what the ledger knows.`,
		Example: `  kaizala-drop status
  kaizala-drop status --watch
  kaizala-drop status --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			desk, done, err := a.desk(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			if watch {
				return watchStatus(cmd.Context(), desk, cmd.OutOrStdout())
			}
			s, err := desk.Status(cmd.Context())
			if err != nil {
				return failed(err)
			}
			if a.json {
				return writeJSON(cmd.OutOrStdout(), s)
			}
			return writeLines(cmd.OutOrStdout(), inquiry.StatusText(s))
		},
	}
	a.flags(cmd)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "on a terminal: again and again, until Ctrl-C")
	a.completes(cmd)
	return cmd
}

// watchStatus shows the status again and again on a terminal, until ctx ends or somebody interrupts it.
func watchStatus(ctx context.Context, desk control.Desk, out io.Writer) error {
	screen, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(screen.Fd())) {
		return &exitError{exitUsage, fmt.Errorf("--watch needs a terminal: leave it out in a pipe")}
	}
	ctx, stop := untilSignalled(ctx)
	defer stop()
	for {
		s, err := desk.Status(ctx)
		if ctx.Err() != nil {
			return nil
		} else if err != nil {
			return failed(err)
		}
		width, height, err := term.GetSize(int(screen.Fd()))
		if err != nil {
			width, height = 80, 24
		}
		if _, err := screen.Write(picture(inquiry.StatusText(s), width, height)); err != nil {
			return failed(err)
		}
		select {
		case <-time.After(watchEvery):
		case <-ctx.Done():
			return nil
		}
	}
}

// picture is what a terminal of that size is sent to show lines from its upper left on (ECMA-48: CUP, EL, ED). Each stays in its
// line, and what has no room is left out.
func picture(lines []string, width, height int) []byte {
	var b bytes.Buffer
	b.WriteString("\x1b[H")
	for i, line := range lines {
		if i == height-1 {
			fmt.Fprintf(&b, "... and %d more lines: kaizala-drop status | less\x1b[K", len(lines)-i)
			break
		}
		if runes := []rune(line); len(runes) > width {
			line = string(runes[:max(0, width-1)]) + "…"
		}
		b.WriteString(line + "\x1b[K\r\n")
	}
	b.WriteString("\x1b[J")
	return b.Bytes()
}

func writeLines(out io.Writer, lines []string) error {
	var b bytes.Buffer
	for _, line := range lines {
		fmt.Fprintln(&b, line)
	}
	_, err := out.Write(b.Bytes())
	return failed(err)
}

func writeJSON(out io.Writer, value any) error {
	return failed(control.Write(out, value, "  "))
}
