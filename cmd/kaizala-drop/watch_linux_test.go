package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/text"
)

// hostileNames are names that break a view that is drawn carelessly.
func hostileNames() []string {
	return []string{
		"e\x1b[31mvil\x1b[2J\n.xyz", "title\x1b]0;pwned\x07.xyz", "請求書請求書請求書請求書請求書請求書.xyz", "e" + strings.Repeat("\u0301", 60) + ".xyz",
		strings.Repeat("long ", 40) + ".xyz", "\u202etxt.exe.xyz", "\u0301\u0301.xyz", "tab\there.xyz", "\xff\xfe.xyz", "👩\u200d👩\u200d👧.xyz", "\u009b2J.xyz",
	}
}

// newHostileWorld is one with a daemon at work, and failed and held files of hostile names in a folder of such a name.
func newHostileWorld(t *testing.T) (*world, *process) {
	folders := []string{"in", "請求書 " + strings.Repeat("x", 100)}
	w := newWorld(t, "", folders...)
	w.answersAt("c.sock")
	for _, folder := range folders {
		for _, name := range hostileNames() {
			must(t, os.WriteFile(filepath.Join(w.folder(folder), name), []byte("content"), 0o600))
			must(t, os.Mkdir(filepath.Join(w.folder(folder), name+" folder"), 0o700))
		}
	}
	p := w.daemon()
	for _, folder := range folders {
		eventually(t, func() error {
			entries, _ := os.ReadDir(filepath.Join(w.folder(folder), "failed"))
			if len(entries) < 2*len(hostileNames()) {
				return fmt.Errorf("%d files in failed/", len(entries))
			}
			return nil
		})
	}
	return w, p
}

// TestWatchOnATerminal: on a terminal of whatever size the view begins at the top, no line is broken by the terminal or wider than it, no
// name gets through to it, a new size is followed, and Ctrl-C leaves the terminal as it was.
func TestWatchOnATerminal(t *testing.T) {
	t.Parallel()
	w, p := newHostileWorld(t)
	for _, size := range [][2]int{{80, 24}, {40, 60}, {0, 0}, {20, 8}, {200, 5}, {1, 1}} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			c := (&world{t: t, dir: w.dir, config: w.config}).onScreen(size[0], size[1], "status", "--watch", "--config", w.config)
			_, err := c.screen.WriteString("THE SHELL\r\n")
			must(t, err)
			title := fmt.Sprintf("kaizala-drop %s, pid %d", version(), p.Process.Pid)
			starts := func(columns int) {
				t.Helper()
				want := strings.TrimRight(text.Wrap(title+", up for", columns, hanging)[0], " ")
				if columns < 3 {
					want = "…"
				}
				eventually(t, func() error {
					if lines := c.lines(); !strings.HasPrefix(lines[0], want) {
						return fmt.Errorf("the first line is %q, want %q", lines[0], want)
					}
					return nil
				})
			}
			columns, rows := c.columns, c.rows
			starts(columns)
			c.resize(50, 12)
			starts(50)
			if rows > 12 || rows < 5 {
				c.shows("more lines: kaizala-drop status")
			}
			c.resize(120, 80)
			starts(120)
			c.shows("NEW  WAIT  SEND  HELD FAILED")
			_, err = c.keyboard.WriteString("\x03")
			must(t, err)
			if code := c.wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			c.drained()
			must(t, c.clean())
			if len(c.strange) > 0 {
				t.Errorf("strange: %q", c.strange)
			}
			if screen := strings.Join(c.lines(), "\n"); strings.Contains(screen, "FOLDER") {
				t.Errorf("something is left: %s", screen)
			}
		})
	}
}

// TestWatchSuspended: Ctrl-Z gives the terminal back as it was, and what comes after it draws the view anew.
func TestWatchSuspended(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "in")
	w.answersAt("c.sock")
	w.daemon()
	c := w.onScreen(80, 24, "status", "--watch", "--config", w.config)
	c.shows("FOLDER")
	must(t, c.Process.Signal(syscall.SIGTSTP))
	eventually(t, c.clean)
	must(t, c.Process.Signal(syscall.SIGCONT))
	c.shows("FOLDER")
	must(t, c.Process.Signal(syscall.SIGTERM))
	if code := c.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	c.drained()
	must(t, c.clean())
}

// TestWatchSeesTheDaemonGo: the view goes on when the daemon stops, hangs or starts, and says so.
func TestWatchSeesTheDaemonGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "in")
	w.answersAt("c.sock")
	p := w.daemon()
	c := w.onScreen(200, 24, "status", "--watch", "--config", w.config)
	c.shows(fmt.Sprintf("pid %d, up for", p.Process.Pid))
	must(t, p.Process.Signal(syscall.SIGSTOP))
	c.shows(fmt.Sprintf("! the daemon (pid %d) does not answer: it was stopped", p.Process.Pid))
	must(t, p.Process.Signal(syscall.SIGCONT))
	c.shows(fmt.Sprintf("pid %d, up for", p.Process.Pid))
	p.stop()
	c.shows("! no daemon runs: nothing is posted")
	p = w.daemon()
	c.shows(fmt.Sprintf("pid %d, up for", p.Process.Pid))
}

// TestWatchInAPipe: without a terminal there are plain blocks, with --json a line for each; whoever has read enough goes, and that is
// no failure.
func TestWatchInAPipe(t *testing.T) {
	t.Parallel()
	w, _ := newHostileWorld(t)
	for _, asJSON := range []bool{false, true} {
		cmd := w.command("status", "--watch", fmt.Sprintf("--json=%t", asJSON))
		out, err := cmd.StdoutPipe()
		must(t, err)
		var warned strings.Builder
		cmd.Stderr = &warned
		must(t, cmd.Start())
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		blocks := 0
		for blocks < 2 && lines.Scan() {
			line := lines.Text()
			if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == '\u202e' || r >= 0x7f && r < 0xa0 }) {
				t.Errorf("it writes %q", line)
			}
			var s control.Status
			if !asJSON && strings.HasPrefix(line, "kaizala-drop ") || asJSON && json.Unmarshal([]byte(line), &s) == nil && s.Running {
				blocks++
			}
		}
		must(t, out.Close())
		if err := cmd.Wait(); err != nil || warned.Len() > 0 || blocks < 2 {
			t.Errorf("as JSON %t: %v, said %q, %d blocks", asJSON, err, warned.String(), blocks)
		}
	}
}

// TestStatusOnATerminal: once, on a terminal, nothing is left out, and there are colours unless NO_COLOR is set.
func TestStatusOnATerminal(t *testing.T) {
	w, _ := newHostileWorld(t)
	for _, plain := range []string{"", "1"} {
		t.Setenv("NO_COLOR", plain)
		c := w.onScreen(40, 400, "status", "--config", w.config)
		if code := c.wait(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		c.drained()
		if len(c.strange) > 0 || strings.Contains(c.log(), "\x1b[1;31m") != (plain == "") {
			t.Errorf("NO_COLOR=%q: strange: %q", plain, c.strange)
		}
		if !slices.ContainsFunc(c.lines(), func(l string) bool { return strings.HasPrefix(l, "! ") }) {
			t.Error("nothing is marked")
		}
	}
}
