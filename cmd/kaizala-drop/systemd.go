package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	stream "github.com/coreos/go-systemd/v22/journal"
	"github.com/rs/zerolog"

	"kaizala-drop/internal/journal"
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
	is, _ := stream.StderrIsJournalStream()
	return is && under(out) == io.Writer(os.Stderr)
}

// sayFatal says what ended the program. In the journal each line is a message of its own, and so needs a priority of its
// own.
func sayFatal(out io.Writer, text string) {
	if isJournal(out) {
		prefix := string(journal.Prefixed(zerolog.FatalLevel, nil))
		text = prefix + strings.ReplaceAll(text, "\n", "\n"+prefix)
	}
	fmt.Fprintln(out, text)
}

// journalWriter gives each line the priority that the journal shows it with (sd-daemon(3)): without it,
// journalctl -p warning would find nothing.
type journalWriter struct{ out io.Writer }

func (w journalWriter) Write(p []byte) (int, error) { return w.out.Write(p) }

func (w journalWriter) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	if _, err := w.out.Write(journal.Prefixed(level, p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// identifier is how the journal calls this program.
const identifier = "kaizala-drop"

// inJournal is a log whose lines are entries of the journal, with fields of their own. out is stderr.
func inJournal(out io.Writer) io.Writer {
	entries := journal.New(journal.Socket, identifier, under(out))
	if patient, ok := out.(*patientWriter); ok {
		return patientVia{patient, entries}
	}
	return zerolog.SyncWriter(entries)
}
