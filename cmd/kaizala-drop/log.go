package main

import (
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"kaizala-drop/internal/config"
)

// newLog makes the log of a run: readable on a terminal, JSON otherwise, or as the configuration says.
func newLog(out io.Writer, c config.Config) zerolog.Logger {
	level, err := zerolog.ParseLevel(c.LogLevel)
	if err != nil {
		level = zerolog.InfoLevel
	}
	switch {
	case c.LogFormat == "console" || (c.LogFormat == "auto" && isTerminal(out)):
		out = console(out)
	case isJournal(out):
		out = journalWriter{out}
	}
	return zerolog.New(out).Level(level).With().Timestamp().Logger()
}

func console(out io.Writer) io.Writer {
	return zerolog.ConsoleWriter{Out: out, TimeFormat: time.TimeOnly, NoColor: !isTerminal(out) || os.Getenv("NO_COLOR") != ""}
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
