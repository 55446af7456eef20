// Package journal writes the log into the journal of systemd by its native protocol
// (https://systemd.io/JOURNAL_NATIVE_PROTOCOL), so that it can be asked for by each field: journalctl FILE=scan.pdf.
//
// The libraries for it do not fit. zerolog/journald stores each line a second time, as a field, and a message that says neither which
// file it is about nor why. coreos/go-systemd/journal, on which it stands, gives a field one value (an album has many files), waits
// for a journal that stands still without an end, and puts a large entry into a file in /dev/shm.
package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// Socket is where the journal takes entries.
const Socket = "/run/systemd/journal/socket"

const (
	// sendWait is how long an entry waits for room in the queue of a journal that stands still. A restart of it takes less.
	sendWait = 10 * time.Second
	// awayFor is how long nothing is tried after that.
	awayFor = 10 * time.Second
)

// Writer writes lines of zerolog, in JSON, as entries of the journal. What the journal does not take, as while it is away, goes to
// stderr, which the journal reads, too, when it is back: with the number of its priority before it (sd-daemon(3)).
//
// Write may wait for 10 seconds, or for stderr. It is not safe for concurrent use.
type Writer struct {
	socket, identifier string
	stderr             io.Writer
	conn               *net.UnixConn // nil: there is none
	awayUntil          time.Time
}

// New gives a Writer for the journal at socket. The entries get the identifier by which journalctl shows and finds them (-t).
func New(socket, identifier string, stderr io.Writer) *Writer {
	return &Writer{socket: socket, identifier: identifier, stderr: stderr}
}

// Write takes one line. Its error is that of stderr.
func (w *Writer) Write(text []byte) (int, error) {
	l, err := parse(text)
	if err == nil && w.send(l.entry(w.identifier)) == nil {
		return len(text), nil
	}
	level := l.level
	if err != nil {
		level = zerolog.WarnLevel // whatever it is
	}
	if _, err := w.stderr.Write(Prefixed(level, text)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// Prefixed gives a line the priority with which the journal shows what it reads from stderr (sd-daemon(3)).
func Prefixed(level zerolog.Level, text []byte) []byte {
	return append(fmt.Appendf(nil, "<%d>", Priority(level)), text...)
}

// send sends an entry, over a new connection if the journal has closed the one that there is.
func (w *Writer) send(entry []byte) error {
	now := time.Now()
	if now.Before(w.awayUntil) {
		return errors.New("the journal is away")
	}
	var err error
	for range 2 {
		if w.conn == nil {
			if w.conn, err = net.DialUnix("unixgram", nil, &net.UnixAddr{Name: w.socket, Net: "unixgram"}); err != nil {
				w.conn = nil
				return err
			}
		}
		if err = w.put(now, entry); err == nil {
			return nil
		}
		_ = w.conn.Close()
		w.conn = nil
		if wait, ok := errors.AsType[net.Error](err); ok && wait.Timeout() {
			w.awayUntil = time.Now().Add(awayFor)
			return err
		}
	}
	return err
}

// put sends an entry over the connection: as it is, or in a file in memory if it is too large for a message.
func (w *Writer) put(now time.Time, entry []byte) error {
	if err := w.conn.SetWriteDeadline(now.Add(sendWait)); err != nil {
		return err
	}
	_, err := w.conn.Write(entry)
	if !errors.Is(err, unix.EMSGSIZE) && !errors.Is(err, unix.ENOBUFS) {
		return err
	}
	file, err := sealed(bytes.NewReader(entry))
	if err != nil {
		return err
	}
	defer file.Close()
	return w.putFile(file)
}

// putFile sends an open file over the connection, alone. (WriteMsgUnix does not take a connection.)
func (w *Writer) putFile(file *os.File) error {
	from, err := file.SyscallConn()
	if err != nil {
		return err
	}
	to, err := w.conn.SyscallConn()
	if err != nil {
		return err
	}
	var sent, waited error
	err = from.Control(func(fd uintptr) {
		waited = to.Write(func(socket uintptr) bool {
			sent = unix.Sendmsg(int(socket), nil, unix.UnixRights(int(fd)), nil, 0)
			return !errors.Is(sent, unix.EAGAIN)
		})
	})
	return errors.Join(err, waited, sent)
}

// Close closes the connection.
func (w *Writer) Close() error {
	if w.conn == nil {
		return nil
	}
	defer func() { w.conn = nil }()
	return w.conn.Close()
}
