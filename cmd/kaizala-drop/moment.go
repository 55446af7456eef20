package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/text"
)

// Times and folders as people write them behind flags.

// moments says how a time can be written.
const moments = `2026-11-24, "2026-11-24 09:00", 09:00 (today), yesterday, 2h or 7d (ago)`

// usage is the error of a command line that was not understood.
func usage(cmd *cobra.Command, err error) error {
	return &exitError{exitUsage, fmt.Errorf("%w\nsee \"%s --help\"", err, cmd.CommandPath())}
}

// momentIn reads the time behind a flag; without the flag it is zero. That of --since has passed.
func momentIn(cmd *cobra.Command, flag, written string, now time.Time) (time.Time, error) {
	if !cmd.Flags().Changed(flag) {
		return time.Time{}, nil
	}
	at, err := momentOf(written, now)
	if err == nil && flag == "since" && at.After(now) {
		err = fmt.Errorf("\"%s\" is yet to come", text.Printable(written))
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("--%s: %w", flag, err)
	}
	return at, nil
}

// folderIn makes the path behind --folder absolute; without the flag it is "".
func folderIn(cmd *cobra.Command, folder string) (string, error) {
	switch {
	case !cmd.Flags().Changed("folder"):
		return "", nil
	case folder == "":
		return "", errors.New("--folder '': an empty name is no folder")
	}
	return filepath.Abs(folder)
}

// momentOf reads a time as people write it, on the clock of now: a date is its beginning, and a span of time
// is so long ago, with or without a minus before it.
func momentOf(written string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime, "2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, written, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04", time.TimeOnly} {
		if t, err := time.ParseInLocation(layout, written, now.Location()); err == nil {
			return time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
		}
	}
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch strings.ToLower(written) {
	case "now":
		return now, nil
	case "today":
		return midnight, nil
	case "yesterday":
		return midnight.AddDate(0, 0, -1), nil
	}
	span := strings.TrimSuffix(strings.TrimPrefix(written, "-"), " ago")
	if ago, err := config.ParseDuration(span); err == nil && ago >= 0 && !strings.HasPrefix(span, "+") {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("\"%s\" is no time: write %s", text.Printable(written), moments)
}
