package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// ear is a socket as the journal has it.
type ear struct {
	t    *testing.T
	path string
	*net.UnixConn
}

func listen(t *testing.T, path string) *ear {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &ear{t, path, conn}
}

// entry reads the next entry, and gives its fields in their order.
func (e *ear) entry() (fields []string) {
	e.t.Helper()
	buffer, rights := make([]byte, 1<<20), make([]byte, syscall.CmsgSpace(4))
	if err := e.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		e.t.Fatal(err)
	}
	n, m, _, _, err := e.ReadMsgUnix(buffer, rights)
	if err != nil {
		e.t.Fatal(err)
	}
	text := buffer[:n]
	if m > 0 {
		text = e.file(rights[:m])
	}
	for len(text) > 0 {
		first, rest, ok := bytes.Cut(text, []byte("\n"))
		if !ok {
			e.t.Fatalf("no end of a line in %q", text)
		}
		if !bytes.Contains(first, []byte("=")) {
			size := binary.LittleEndian.Uint64(rest)
			first, rest = append(append(first, '='), rest[8:8+size]...), rest[8+size+1:]
		}
		fields, text = append(fields, string(first)), rest
	}
	return fields
}

// file reads the file that came with a message.
func (e *ear) file(rights []byte) []byte {
	e.t.Helper()
	messages, err := syscall.ParseSocketControlMessage(rights)
	if err != nil {
		e.t.Fatal(err)
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil {
		e.t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "entry")
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
	if err != nil {
		e.t.Fatal(err)
	}
	return text
}

// logTo gives a log that ends in the journal at path, and in stderr.
func logTo(t *testing.T, path string, stderr io.Writer) zerolog.Logger {
	t.Helper()
	w := New(path, "tester", stderr)
	t.Cleanup(func() { _ = w.Close() })
	return zerolog.New(w).With().Timestamp().Logger()
}

// TestEntries: what a person reads stands alone, each field can be asked for, and a value with a line break does no harm.
func TestEntries(t *testing.T) {
	var stderr bytes.Buffer
	e := listen(t, filepath.Join(t.TempDir(), "socket"))
	log := logTo(t, e.path, &stderr)
	for _, c := range []struct {
		say  func()
		want []string
	}{
		{func() {
			log.Info().Str("folder", "/srv/drop").Str("file", "scan.pdf").Int64("delivery", 7).Str("as", "Document").
				Str("group", "0f8b@2").Str("reference", "r1").Str("to", "done/scan.pdf").Msg("delivered")
		}, []string{
			"MESSAGE=/srv/drop/scan.pdf: delivered (as Document, group 0f8b@2, to done/scan.pdf)", "PRIORITY=6", "SYSLOG_IDENTIFIER=tester",
			"FOLDER=/srv/drop", "FILE=scan.pdf", "DELIVERY=7", "AS=Document", "GROUP=0f8b@2", "REFERENCE=r1", "TO=done/scan.pdf",
		}},
		{func() {
			log.Warn().Str("folder", "/srv/drop").Str("file", "2026/11/scan.pdf").Str("kind", "unread").Str("reason", "it cannot be read").
				Str("to_do", "let the daemon read it").Msg("left where it is")
		}, []string{
			"MESSAGE=/srv/drop/2026/11/scan.pdf: left where it is: it cannot be read. What helps: let the daemon read it", "PRIORITY=4",
			"SYSLOG_IDENTIFIER=tester", "FOLDER=/srv/drop", "FILE=2026/11/scan.pdf", "FILE=scan.pdf", "KIND=unread", "REASON=it cannot be read",
			"TO_DO=let the daemon read it",
		}},
		{func() {
			log.Info().Str("folder", "/srv/drop").Str("file", "1.jpg").Str("last", "3.jpg").Int("images", 3).Strs("album", []string{"1.jpg", "2.jpg", "3.jpg"}).
				Str("group", "#fotos:example.org").Bool("maybe_twice", true).Msg("delivered")
		}, []string{
			"MESSAGE=/srv/drop/1.jpg to 3.jpg (3 images): delivered (group #fotos:example.org, maybe twice true)", "PRIORITY=6", "SYSLOG_IDENTIFIER=tester",
			"FOLDER=/srv/drop", "FILE=1.jpg", "LAST=3.jpg", "IMAGES=3", "FILE=1.jpg", "FILE=2.jpg", "FILE=3.jpg", "ROOM=#fotos:example.org",
			"MAYBE_TWICE=true",
		}},
		{func() { log.Error().Err(errors.New("line 1\nFILE=forged\n\nline 2")).Msg("not reloaded") }, []string{
			"MESSAGE=not reloaded: line 1\nFILE=forged\n\nline 2", "PRIORITY=3", "SYSLOG_IDENTIFIER=tester", "ERROR=line 1\nFILE=forged\n\nline 2",
		}},
		{func() {
			log.Debug().Str("TZ", `"Mars"`).Strs("none", nil).Dict("kinds", zerolog.Dict().Int("a", 1)).Msg("")
		}, []string{
			`MESSAGE= (TZ "Mars", kinds {"a":1})`, "PRIORITY=7", "SYSLOG_IDENTIFIER=tester", `TZ="Mars"`, `KINDS={"a":1}`,
		}},
	} {
		c.say()
		if got := e.entry(); !slices.Equal(got, c.want) {
			t.Errorf("got\n%q, want\n%q", got, c.want)
		}
	}
	if stderr.Len() > 0 {
		t.Errorf("on stderr: %s", &stderr)
	}
}

// TestLargeEntries: an entry of any size arrives whole.
func TestLargeEntries(t *testing.T) {
	var stderr bytes.Buffer
	e := listen(t, filepath.Join(t.TempDir(), "socket"))
	log := logTo(t, e.path, &stderr)
	for _, size := range []int{1 << 10, 100 << 10, 300 << 10, 20 << 20} {
		reason := strings.Repeat("reason ", size/7)
		log.Warn().Str("reason", reason).Msg("failed")
		got := e.entry()
		if len(got) != 4 || got[3] != "REASON="+reason || got[0] != "MESSAGE=failed: "+reason {
			t.Errorf("%d bytes did not arrive as they were", size)
		}
	}
	if stderr.Len() > 0 {
		t.Errorf("on stderr: %.200s", &stderr)
	}
}

// TestJournalAway: what the journal does not take is on stderr with its priority, nothing is lost in between, and the journal
// that comes back, at the same place with another socket, is used again.
func TestJournalAway(t *testing.T) {
	var stderr bytes.Buffer
	path := filepath.Join(t.TempDir(), "socket")
	log := logTo(t, path, &stderr)
	log.Warn().Str("file", "1").Msg("before")
	for n := range 3 {
		e := listen(t, path)
		log.Info().Int("n", n).Msg("there")
		if got := e.entry(); !slices.Contains(got, fmt.Sprintf("N=%d", n)) {
			t.Errorf("got %q", got)
		}
		e.Close() // the journal is stopped; its socket stays, and is dead
		log.Error().Int("n", n).Msg("dead")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		log.Info().Int("n", n).Msg("gone")
	}
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	if len(lines) != 1+3*2 {
		t.Fatalf("%d lines on stderr: %s", len(lines), &stderr)
	}
	for i, want := range []string{`<4>{"level":"warn","file":"1"`, `<3>{"level":"error","n":0`, `<6>{"level":"info","n":0`} {
		if !strings.HasPrefix(lines[i], want) {
			t.Errorf("%q, want %q", lines[i], want)
		}
	}
}

// TestNoLine: what is not a line of the log is on stderr as it is.
func TestNoLine(t *testing.T) {
	var stderr bytes.Buffer
	e := listen(t, filepath.Join(t.TempDir(), "socket"))
	w := New(e.path, "tester", &stderr)
	for _, text := range []string{"plain\n", `{"level":`, `["a"]`, ""} {
		stderr.Reset()
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil || stderr.String() != "<4>"+text {
			t.Errorf("%q: %d, %v, %q", text, n, err, &stderr)
		}
	}
}

// TestFullQueue: a journal that takes nothing for a while has the log wait, and then takes all of it in its order.
func TestFullQueue(t *testing.T) {
	const lines = 2000 // more than the kernel queues for a socket
	var stderr bytes.Buffer
	e := listen(t, filepath.Join(t.TempDir(), "socket"))
	log, all := logTo(t, e.path, &stderr), make(chan bool)
	go func() {
		for n := range lines {
			log.Info().Int("n", n).Msg("one of many")
		}
		close(all)
	}()
	for n := range lines {
		if got := e.entry(); got[3] != fmt.Sprintf("N=%d", n) {
			t.Fatalf("entry %d is %q", n, got)
		}
	}
	<-all
	if stderr.Len() > 0 {
		t.Errorf("on stderr: %s", &stderr)
	}
}

// BenchmarkEntry is what a line of a delivered file costs, beside the deliveries: in a goroutine of its own.
func BenchmarkEntry(b *testing.B) {
	text := []byte(`{"level":"info","folder":"/srv/drop/reception","file":"scan0001.pdf","delivery":4711,"as":"Document","group":"0f8b4a1e@2",` +
		`"reference":"5d1e","to":"done/scan0001.pdf","took":"1.234s","time":"2026-11-28T18:00:00Z","message":"delivered"}` + "\n")
	b.ReportAllocs()
	for b.Loop() {
		l, err := parse(text)
		if err != nil {
			b.Fatal(err)
		}
		l.entry("kaizala-drop")
	}
}
