package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/inquiry"
	"kaizala-drop/internal/text"
)

func newHistory() *cobra.Command {
	var a asker
	var f control.Filter
	var since, until string
	var asCSV bool
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List what became of files",
		Long: `history lists what became of files, the latest first: when, from which folder, delivered or failed and why, and where they lie now.
It goes back as far as keep_history (90 days unless set otherwise).`,
		Example: `  kaizala-drop history
  kaizala-drop history --name invoice --since 7d
  kaizala-drop history --state failed --folder /srv/drop/reception
  kaizala-drop history --since 2026-11-24 --until 2026-11-25 --csv > tuesday.csv`,
		Args: noFiles,
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := complete(cmd, &f, since, until, time.Now()); err != nil {
				return usage(cmd, err)
			}
			if a.json && asCSV {
				return usage(cmd, errors.New("--json or --csv, not both"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			desk, done, err := a.desk(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			rows, err := desk.History(cmd.Context(), f)
			if err != nil {
				return failed(err)
			}
			return a.writeHistory(cmd.OutOrStdout(), rows, asCSV)
		},
	}
	a.flags(cmd)
	cmd.Flags().StringVar(&f.Folder, "folder", "", "only of this watched folder `PATH`")
	cmd.Flags().StringVar(&f.Name, "name", "", "only files with this `PART` in their name, in whatever case")
	cmd.Flags().StringVar(&f.State, "state", "", "only `STATE`: delivered, failed or waiting")
	cmd.Flags().StringVar(&since, "since", "", "not before this `TIME`: "+moments)
	cmd.Flags().StringVar(&until, "until", "", "before this `TIME`, written in the same ways")
	cmd.Flags().IntVarP(&f.Limit, "limit", "n", 0, "at most this many `ROWS`; 0 is all")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "for spreadsheets: RFC 4180, with a line of headings")
	cmd.MarkFlagsMutuallyExclusive("json", "csv")
	a.completes(cmd)
	return cmd
}

func (a *asker) writeHistory(out io.Writer, rows []control.Entry, asCSV bool) error {
	switch {
	case a.json:
		return writeJSON(out, rows)
	case asCSV:
		return writeCSV(out, rows)
	}
	return writeLines(out, inquiry.HistoryText(rows, time.Now()))
}

// complete puts into the filter what the command line says. Its errors are about that.
func complete(cmd *cobra.Command, f *control.Filter, since, until string, now time.Time) (err error) {
	switch f.State {
	case "", inquiry.StateDelivered, inquiry.StateFailed, inquiry.StateWaiting:
	default:
		return fmt.Errorf("--state: state must be delivered, failed or waiting, not \"%s\"", text.Printable(f.State))
	}
	if f.Limit < 0 {
		return fmt.Errorf("--limit %d: it is a number of rows, and 0 is all", f.Limit)
	}
	if f.Since, err = momentIn(cmd, "since", since, now); err != nil {
		return err
	}
	if f.Until, err = momentIn(cmd, "until", until, now); err != nil {
		return err
	}
	if !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return fmt.Errorf("nothing lies between --since %s and --until %s", text.Quoted(since), text.Quoted(until))
	}
	f.Folder, err = folderIn(cmd, f.Folder)
	return err
}

// noFiles refuses arguments of a command that lists files of all names.
func noFiles(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usage(cmd, fmt.Errorf("it takes no %s: for files of a name write --name %[1]s", text.Quoted(args[0])))
}

// writeCSV writes rows as RFC 4180 says, with quotes around what any spreadsheet could divide. Times are in RFC 3339, sizes in bytes, and
// the states those of --state.
func writeCSV(out io.Writer, rows []control.Entry) error {
	var b bytes.Buffer
	line := func(cells ...string) {
		for i, cell := range cells {
			if strings.ContainsAny(cell, "\",;\t\r\n'| ") {
				cells[i] = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
			}
		}
		b.WriteString(strings.Join(cells, ",") + "\r\n")
	}
	line("id", "at", "folder", "name", "destination", "target", "kind", "state", "reason", "reference", "moved_to", "bytes", "maybe_twice")
	for _, e := range rows {
		line(strconv.FormatInt(e.ID, 10), e.At.Format(time.RFC3339), cell(e.Folder), cell(e.Name), cell(e.Destination), cell(e.Target), e.Kind,
			inquiry.StateOf(e), cell(e.Reason), cell(e.Reference), cell(e.Dest), strconv.FormatInt(e.Size, 10), strconv.FormatBool(e.MaybeTwice))
	}
	_, err := out.Write(b.Bytes())
	return failed(err)
}

// formula are the characters that begin a formula in a spreadsheet, or stand for such in some of them.
const formula = "=+-@＝＋－＠"

// cell makes content harmless in a spreadsheet: it is one line, and no formula.
func cell(content string) string {
	content = harmless(content)
	if first, _ := utf8.DecodeRuneInString(strings.TrimLeft(content, ` "'`)); strings.ContainsRune(formula, first) && content != "" {
		return "'" + content
	}
	return content
}
