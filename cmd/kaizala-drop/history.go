package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kaizala-drop/internal/config"
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
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			now := time.Now()
			if err := complete(&f, since, until, now); err != nil {
				return err
			}
			desk, done, err := a.desk(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			rows, err := desk.History(cmd.Context(), f)
			switch {
			case err != nil:
				return failed(err)
			case a.json:
				return writeJSON(cmd.OutOrStdout(), rows)
			case asCSV:
				return writeCSV(cmd.OutOrStdout(), rows)
			}
			return writeLines(cmd.OutOrStdout(), inquiry.HistoryText(rows, now))
		},
	}
	a.flags(cmd)
	cmd.Flags().StringVar(&f.Folder, "folder", "", "only of this watched folder `PATH`")
	cmd.Flags().StringVar(&f.Name, "name", "", "only files with this `PART` in their name, in whatever case")
	cmd.Flags().StringVar(&f.State, "state", "", "only `STATE`: delivered, failed or waiting")
	cmd.Flags().StringVar(&since, "since", "", "not before this `TIME`: 2026-11-24, \"2026-11-24 09:00\", 09:00 (today), 2h or 7d (ago)")
	cmd.Flags().StringVar(&until, "until", "", "before this `TIME`, written in the same ways")
	cmd.Flags().IntVarP(&f.Limit, "limit", "n", 0, "at most this many `ROWS`; 0 is all")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "for spreadsheets: RFC 4180, with a line of headings")
	cmd.MarkFlagsMutuallyExclusive("json", "csv")
	a.completes(cmd)
	return cmd
}

// complete puts the times that are given into the filter, and makes the path of its folder absolute.
func complete(f *control.Filter, since, until string, now time.Time) error {
	for moment, at := range map[string]*time.Time{since: &f.Since, until: &f.Until} {
		if moment == "" {
			continue
		}
		t, err := momentOf(moment, now)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		*at = t
	}
	if f.Folder == "" {
		return nil
	}
	folder, err := filepath.Abs(f.Folder)
	f.Folder = folder
	return failed(err)
}

// momentOf reads a time as people write it, on the clock of this machine.
func momentOf(written string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, time.RFC3339} {
		if t, err := time.ParseInLocation(layout, written, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04", time.TimeOnly} {
		if t, err := time.ParseInLocation(layout, written, now.Location()); err == nil {
			return time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
		}
	}
	if ago, err := config.ParseDuration(written); err == nil {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("%q is no time: write 2026-11-24, \"2026-11-24 09:00\", 09:00 (today), 2h or 7d (ago)", written)
}

// writeCSV writes rows as RFC 4180 says. Times are in RFC 3339, sizes in bytes.
func writeCSV(out io.Writer, rows []control.Entry) error {
	w := csv.NewWriter(out)
	_ = w.Write([]string{"id", "at", "folder", "name", "destination", "target", "kind", "state", "reason", "reference", "moved_to", "bytes", "maybe_twice"})
	for _, e := range rows {
		_ = w.Write([]string{
			strconv.FormatInt(e.ID, 10), e.At.Format(time.RFC3339), cell(e.Folder), cell(e.Name), cell(e.Destination), cell(e.Target), e.Kind, e.State,
			cell(e.Reason), cell(e.Reference), cell(e.Dest), strconv.FormatInt(e.Size, 10), strconv.FormatBool(e.MaybeTwice),
		})
	}
	w.Flush()
	return failed(w.Error())
}

// cell makes content harmless in a spreadsheet, which takes what begins like a formula for one.
func cell(content string) string {
	content = text.Printable(content)
	if content != "" && strings.ContainsRune("=+-@", rune(content[0])) {
		return "'" + content
	}
	return content
}
