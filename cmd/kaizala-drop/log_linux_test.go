package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLogFormatAuto: JSON for programs, text for people, and what is configured for both.
func TestLogFormatAuto(t *testing.T) {
	for _, test := range []struct {
		format         string
		piped, onATerm bool // JSON
	}{{"auto", true, false}, {"json", true, true}, {"console", false, false}} {
		w := newWorld(t, "", "in")
		w.reconfigure(`log_format = "json"`, fmt.Sprintf("log_format = %q", test.format))
		args := []string{"run", "--once", "--config", w.config}
		p := w.start(args...)
		p.wait()
		wantLog(t, test.format+" in a pipe", p.log(), test.piped)
		wantLog(t, test.format+" on a terminal", onTerminal(t, args...), test.onATerm)
	}
}

// wantLog looks at every line: none is of another format.
func wantLog(t *testing.T, name, log string, wantJSON bool) {
	t.Helper()
	if !strings.Contains(log, "started") || !strings.Contains(log, "stopped") {
		t.Errorf("%s: it did not run: %q", name, log)
	}
	for line := range strings.Lines(log) {
		if json.Valid([]byte(line)) != wantJSON {
			t.Errorf("%s: want JSON: %t, got %q", name, wantJSON, line)
		}
	}
}

// onTerminal runs the program with a terminal as its stderr, and gives what it wrote there.
func onTerminal(t *testing.T, args ...string) string {
	t.Helper()
	screen, terminal := openTerminal(t)
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), runMain+"=1")
	cmd.Stderr = terminal
	must(t, cmd.Start())
	must(t, terminal.Close())
	text, _ := io.ReadAll(screen) // EIO is its end: nobody has the terminal open any more (pty(7))
	must(t, cmd.Wait())
	return string(text)
}

// openTerminal makes a pseudoterminal (pts(4)). What is written to terminal appears on screen.
func openTerminal(t *testing.T) (screen, terminal *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { screen.Close() })
	must(t, unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	must(t, err)
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	return screen, terminal
}
