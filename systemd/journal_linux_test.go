package systemd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/boottest"
	"kaizala-drop/internal/journal"
	"kaizala-drop/internal/samples"
	"kaizala-drop/internal/text"
)

// entry is one entry of the journal. A field that was written more than once is a list, one that is no text a list of bytes.
type entry map[string]any

func (e entry) of(field string) string { s, _ := e[field].(string); return s }

// entries gives what journalctl finds.
func entries(t *testing.T, args ...string) (all []entry) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "journalctl", append([]string{"--no-pager", "--quiet", "--all", "--output=json"}, args...)...)
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || len(out)+len(exit.Stderr) > 0) { // with -g, nothing found is a failure, too
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	for line := range strings.Lines(string(out)) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, e)
	}
	return all
}

// awaitEntry waits until the unit has an entry with such a field, and gives it.
func awaitEntry(t *testing.T, field string) (found entry) {
	t.Helper()
	boottest.Await(t, field, func() bool {
		all := entries(t, "-u", "kaizala-drop", field)
		if len(all) > 0 {
			found = all[len(all)-1]
		}
		return found != nil
	})
	return found
}

// oddNames are such as a program for logs may stumble over.
func oddNames() []string {
	return []string{
		"plain.pdf", "line\nbreak.pdf", `quote"s'.pdf`, "bad \xff\xfe utf-8.pdf", "back\\slash.pdf", "FILE=forged\nPRIORITY=0\n\n.pdf", "é ü 漢字.pdf",
		"=.pdf", "<0>kernel.pdf", strings.Repeat("n", 251) + ".pdf", "\u202egnp.pdf",
	}
}

// testJournal: what the daemon logs is found by file, folder, group and delivery, whatever the name of the file; the text says it in
// words; and a warning is there for what a person has to look at, and for nothing else.
func testJournal(t *testing.T) {
	if said := entries(t, "-u", "kaizala-drop", "-p", "warning"); len(said) > 0 {
		t.Errorf("warnings although all is well: %v", said)
	}
	s := samples.All()[5]
	for _, name := range oddNames() {
		s.Name = name
		drop(t, reception, s)
	}
	for _, name := range oddNames() {
		shown := text.Printable(name)
		boottest.Await(t, shown, func() bool { return len(entries(t, "-u", "kaizala-drop", "FILE="+shown, "PRIORITY=6")) > 0 })
		got := awaitEntry(t, "FILE="+shown)
		for field, want := range map[string]string{
			"MESSAGE": reception + "/" + shown + ": delivered", "FILE": shown, "FOLDER": reception, "GROUP": "reception@2", "AS": "Document",
			"TO": "done/" + shown, "PRIORITY": "6", "SYSLOG_IDENTIFIER": "kaizala-drop", "_SYSTEMD_UNIT": "kaizala-drop.service", "_TRANSPORT": "journal",
		} {
			if value := got.of(field); value != want && (field != "MESSAGE" || !strings.HasPrefix(value, want)) {
				t.Errorf("%s: %s is %q, want %q", shown, field, value, want)
			}
		}
		if len(entries(t, "-u", "kaizala-drop", "DELIVERY="+got.of("DELIVERY"), "FILE="+shown)) == 0 || got.of("DELIVERY") == "" {
			t.Errorf("%s: not found by its delivery %q", shown, got.of("DELIVERY"))
		}
	}
	write(t, filepath.Join(reception, "torn once.pdf"), "%PDF-1.4\n", 0o664)
	boottest.Await(t, "a warning", func() bool { return len(entries(t, "-u", "kaizala-drop", "-p", "warning")) > 0 })
	warned := entries(t, "-u", "kaizala-drop", "-p", "warning")
	if len(warned) != 1 || warned[0].of("FILE") != "torn once.pdf" || !strings.HasPrefix(warned[0].of("MESSAGE"), reception+"/torn once.pdf: failed: ") {
		t.Errorf("warnings are %v", warned)
	}
	t.Run("large", testLargeEntries)
	t.Run("away", testJournalAway)
	t.Run("many at once", testManyAtOnce)
}

// testLargeEntries: the journal takes entries of any size and any bytes, also from within the sandbox of the unit.
func testLargeEntries(t *testing.T) {
	boottest.TakesLong(t)
	var stderr bytes.Buffer
	w := journal.New(journal.Socket, "tester", &stderr)
	defer w.Close()
	log := zerolog.New(w)
	for _, size := range []int{100, 100_000, 3_000_000} {
		reason := strings.Repeat("a reason\n\"quoted\"\t", size/18)
		log.Warn().Int("size", size).Str("reason", reason).Msg("failed")
		boottest.Await(t, "an entry", func() bool { return len(entries(t, "-t", "tester", fmt.Sprintf("SIZE=%d", size))) > 0 })
		if got := entries(t, "-t", "tester", fmt.Sprintf("SIZE=%d", size)); got[0].of("REASON") != reason || got[0].of("MESSAGE") != "failed: "+reason+fmt.Sprintf(" (size %d)", size) {
			t.Errorf("%d bytes came back as %d", len(reason), len(got[0].of("REASON")))
		}
	}
	if stderr.Len() > 0 {
		t.Errorf("on stderr: %.200s", &stderr)
	}

	right, err := os.ReadFile(configFile)
	if err != nil {
		t.Fatal(err)
	}
	var wrong strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&wrong, "key_%d = 1\n", i)
	}
	configure(t, wrong.String())
	run(t, "systemctl", "reload", "kaizala-drop")
	got := awaitEntry(t, "PRIORITY=3")
	if e := got.of("ERROR"); got.of("_TRANSPORT") != "journal" || len(e) < 300_000 || !strings.Contains(e, "key_9999") {
		t.Errorf("the error of a configuration came by %s, with %d bytes", got.of("_TRANSPORT"), len(e))
	}
	configure(t, string(right))
}

// testJournalAway: while the journal is stopped, files are delivered; what was logged is told of as lost, if it is; and the
// next line is there.
func testJournalAway(t *testing.T) {
	s := samples.All()[5]
	s.Name = "restarted.pdf"
	drop(t, reception, s)
	run(t, "systemctl", "restart", "systemd-journald")
	awaitDone(t, reception, s)
	awaitEntry(t, "FILE="+s.Name)

	sockets := []string{"systemd-journald.socket", "systemd-journald-dev-log.socket"}
	run(t, "systemctl", append([]string{"stop", "systemd-journald.service"}, sockets...)...)
	s.Name = "away.pdf"
	drop(t, reception, s)
	awaitDone(t, reception, s)
	run(t, "systemctl", append([]string{"start", "systemd-journald.service"}, sockets...)...)
	s.Name = "back.pdf"
	drop(t, reception, s)
	awaitDone(t, reception, s)
	awaitEntry(t, "FILE="+s.Name)
	if len(entries(t, "-u", "kaizala-drop", "FILE=away.pdf")) == 0 && len(entries(t, "-u", "kaizala-drop", "-g", "away.pdf|lines of the log were lost")) == 0 {
		t.Error("a line is lost, and nobody says so")
	}
}

// testManyAtOnce: a line for each of many files that fail at once is in the journal, more than it takes of other services.
func testManyAtOnce(t *testing.T) {
	boottest.TakesLong(t)
	const files = 10_000
	failed, err := os.ReadDir(filepath.Join(reception, "failed"))
	if err != nil {
		t.Fatal(err)
	}
	others := len(failed)
	for i := range files {
		write(t, filepath.Join(reception, fmt.Sprintf("many %d.xyz", i)), "x", 0o644)
	}
	for moved := 0; moved < 2*files; { // each has a note
		before := moved
		boottest.Await(t, "the next of many files", func() bool {
			all, err := os.ReadDir(filepath.Join(reception, "failed"))
			moved = len(all) - others
			return err == nil && moved > before
		})
	}
	boottest.Await(t, "the lines of all of them", func() bool {
		return len(entries(t, "-u", "kaizala-drop", "-p", "warning", "-g", "many [0-9]+.xyz: failed")) == files
	})
	if said := entries(t, "-u", "systemd-journald", "-g", "Suppressed"); len(said) > 0 {
		t.Errorf("the journal dropped some: %v", said)
	}
	if err := os.RemoveAll(filepath.Join(reception, "failed")); err != nil {
		t.Error(err)
	}
}
