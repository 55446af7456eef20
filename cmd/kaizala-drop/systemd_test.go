package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// saidToJournal runs the program with a stderr that is the journal's, as $JOURNAL_STREAM says, and gives its lines.
func saidToJournal(t *testing.T, wantCode int, args ...string) []string {
	t.Helper()
	journal, err := os.Create(t.TempDir() + "/journal")
	must(t, err)
	defer journal.Close()
	var st unix.Stat_t
	must(t, unix.Fstat(int(journal.Fd()), &st))
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), runMain+"=1", fmt.Sprintf("JOURNAL_STREAM=%d:%d", st.Dev, st.Ino))
	cmd.Stderr = journal
	_ = cmd.Run() // its exit code is compared
	if code := cmd.ProcessState.ExitCode(); code != wantCode {
		t.Errorf("%q: exit code %d, want %d", args, code, wantCode)
	}
	text, err := os.ReadFile(journal.Name())
	must(t, err)
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// TestFatalInJournal: journalctl -p err finds each line of what ended the program.
func TestFatalInJournal(t *testing.T) {
	wrong := t.TempDir() + "/wrong.toml"
	must(t, os.WriteFile(wrong, []byte("log_level = \"loud\"\nno_such_key = 1\n"), 0o600))
	locked := newWorld(t, "", "in")
	locked.daemon()
	for name, test := range map[string]struct {
		code, lines int
		args        []string
	}{
		"configuration": {exitConfig, 4, []string{"run", "--config", wrong}},
		"lock":          {exitFailed, 1, []string{"run", "--config", locked.config}},
		"usage":         {exitUsage, 2, []string{"run", "--onec"}},
	} {
		lines := saidToJournal(t, test.code, test.args...)
		if len(lines) != test.lines {
			t.Errorf("%s: got %d lines, want %d: %q", name, len(lines), test.lines, lines)
		}
		for _, line := range lines {
			if !strings.HasPrefix(line, "<3>") || len(line) == len("<3>") {
				t.Errorf("%s: without the priority of an error: %s", name, line)
			}
		}
	}
}
