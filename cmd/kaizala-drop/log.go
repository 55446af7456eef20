package main

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	_ "time/tzdata" // for machines and containers without a zone database: captions are not in UTC because of that

	"github.com/mattn/go-isatty"
	"github.com/rs/zerolog"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/text"
)

// newLog makes the log of a run: readable on a terminal, entries with fields of their own in the journal, JSON otherwise, or as the
// configuration says.
func newLog(out io.Writer, c config.Config) zerolog.Logger {
	level, err := zerolog.ParseLevel(c.LogLevel)
	if err != nil {
		level = zerolog.InfoLevel
	}
	switch {
	case c.LogFormat == "console" || (c.LogFormat == "auto" && isTerminal(out)):
		out = console(out)
	case isJournal(out) && c.LogFormat == "auto":
		out = inJournal(out)
	case isJournal(out):
		out = journalWriter{out}
	}
	log := zerolog.New(out).Level(level).With().Timestamp().Logger()
	if name := os.Getenv("TZ"); !isZone(name) {
		log.Warn().Str("TZ", text.Printable(name)).Msg("no time zone of that name is known: the times of captions and notes are in UTC. " +
			"Set TZ to a name such as Europe/Berlin, or leave it unset")
	}
	if _, err := os.Stat("/proc/self/fd"); runtime.GOOS == "linux" && err != nil {
		log.Warn().Msg("there is no /proc here, as in a chroot: files are opened by their names, and it cannot be seen whether a program works " +
			"in a folder that is to be removed. Mount one (mount -t proc proc /proc; MountAPIVFS=yes in a unit)")
	}
	return log
}

// isZone reports whether TZ says a time zone as the time package takes it: a name of the database, of which the program
// has a copy in it, or the path of a file. "" is UTC, and unset the zone of the machine.
func isZone(tz string) bool {
	name := strings.TrimPrefix(tz, ":")
	if name == "" {
		return true
	}
	if filepath.IsAbs(name) {
		_, err := os.Stat(name)
		return err == nil
	}
	_, err := time.LoadLocation(name)
	return err == nil
}

func console(out io.Writer) io.Writer {
	return consoleFor(out, isTerminal(out) && os.Getenv("NO_COLOR") == "")
}

func consoleFor(out io.Writer, colour bool) io.Writer {
	return zerolog.ConsoleWriter{Out: out, TimeFormat: time.TimeOnly, NoColor: !colour}
}

func isTerminal(out io.Writer) bool {
	f, ok := under(out).(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}
