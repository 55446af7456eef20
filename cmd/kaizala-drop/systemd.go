package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/coreos/go-systemd/v22/journal"
	"github.com/rs/zerolog"
)

// What systemd is told (sd_notify(3)). Nothing happens where nobody listens: $NOTIFY_SOCKET is not set.

func notifyReady() { notify(systemd.SdNotifyReady + "\nSTATUS=") }

// notifyStopping says how long it may take: a shutdown_grace may be longer than the unit's TimeoutStopSec=.
func notifyStopping(most time.Duration) {
	notify(fmt.Sprintf("%s\nEXTEND_TIMEOUT_USEC=%d", systemd.SdNotifyStopping, (most + endMargin).Microseconds()))
}

// endMargin is for what comes after: the last commit, the log.
const endMargin = 5 * time.Second

// notifyReloading carries the time, so that systemd can tell whether READY=1 is the answer to this reload.
func notifyReloading() { notify(systemd.SdNotifyReloading + "\n" + systemd.SdNotifyMonotonicUsec()) }

// isService reports whether systemd waits for what this process says (Type=notify).
func isService() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

func notify(state string) { _, _ = systemd.SdNotify(false, state) } // a lost message is not worth stopping for

// isJournal reports whether out is this process's stderr, and that is the journal.
func isJournal(out io.Writer) bool {
	is, _ := journal.StderrIsJournalStream()
	return is && under(out) == io.Writer(os.Stderr)
}

// sayFatal says what ended the program. In the journal each line is a message of its own, and so needs a priority of its
// own.
func sayFatal(out io.Writer, text string) {
	if isJournal(out) {
		prefix := fmt.Sprintf("<%d>", priority(zerolog.FatalLevel))
		text = prefix + strings.ReplaceAll(text, "\n", "\n"+prefix)
	}
	fmt.Fprintln(out, text)
}

// journalWriter gives each line the priority that the journal shows it with (sd-daemon(3)): without it,
// journalctl -p warning would find nothing.
type journalWriter struct{ out io.Writer }

func (w journalWriter) Write(p []byte) (int, error) { return w.out.Write(p) }

func (w journalWriter) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	var line bytes.Buffer
	fmt.Fprintf(&line, "<%d>", priority(level))
	line.Write(p)
	if _, err := w.out.Write(line.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// priority is syslog(3)'s number for a level.
func priority(level zerolog.Level) int {
	switch {
	case level >= zerolog.ErrorLevel && level < zerolog.NoLevel:
		return 3
	case level == zerolog.WarnLevel:
		return 4
	case level == zerolog.DebugLevel, level == zerolog.TraceLevel:
		return 7
	}
	return 6
}
