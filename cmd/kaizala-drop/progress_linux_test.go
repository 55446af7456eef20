package main

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/text"
)

// TestProgressStaysBelowTheLog: after each line of the log the screen shows all lines whole, and the bar once, below them; it counts what
// came to its end, has room on a narrow terminal, and is gone at the end.
func TestProgressStaysBelowTheLog(t *testing.T) {
	for _, columns := range []int{80, 200} {
		e := newEmulator(columns, 24)
		bar := newProgress(tty{e}, tty{e})
		bar.onOne(screen{out: tty{e}, terminal: true})
		log := zerolog.New(bar).Hook(bar)
		var want []string
		shows := func(bar string) {
			t.Helper()
			lines := slices.DeleteFunc(e.lines(), func(line string) bool { return line == "" })
			if bar != "" {
				want := append(slices.Clone(want), bar)
				if !slices.Equal(lines, want) {
					t.Errorf("on the screen: %q, want %q", lines, want)
				}
			} else if !slices.Equal(lines, want) {
				t.Errorf("on the screen: %q, want %q", lines, want)
			}
		}
		add := func(message string) {
			log.Info().Msg(message)
			want = append(want, "<nil> INF "+message)
		}
		add("started")
		shows("")
		bar.begin(4)
		shows("[..............................] 0 of 4")
		add("delivered")
		shows("[#######.......................] 1 of 4")
		log.Warn().Msg("failed")
		want = append(want, "<nil> WRN failed")
		shows("[###############...............] 2 of 4")
		add("watching")
		shows("[###############...............] 2 of 4")
		bar.end()
		shows("")
		add("stopped")
		shows("")
		if len(e.strange) > 0 {
			t.Errorf("strange: %q", e.strange)
		}
	}
}

// tty does what the kernel does before a terminal (termios(3), ONLCR).
type tty struct{ io.Writer }

func (t tty) Write(p []byte) (int, error) {
	_, err := t.Writer.Write(bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n")))
	return len(p), err
}

// TestProgressHasRoom: the bar never takes more than its line, whatever the terminal's width.
func TestProgressHasRoom(t *testing.T) {
	for columns := 1; columns < 60; columns++ {
		bar := progress{bar: screen{terminal: true}, total: 17, done: 5}
		if picture := bar.pictureIn(columns); text.Width(picture) > max(0, columns-1) {
			t.Errorf("%d columns: %q", columns, picture)
		}
	}
}

// TestDemoOnATerminal: on a real terminal every line of the log is whole, the bar is below them while files are under way, the report
// follows, and nothing of the bar is left.
func TestDemoOnATerminal(t *testing.T) {
	t.Parallel()
	for _, columns := range []int{200, 30} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			c := (&world{t: t, dir: dir}).onScreen(columns, 400, "demo", "--once", "--dir", dir+"/demo")
			c.shows(" of 17")
			if code := c.wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			c.drained()
			screen := strings.Join(c.lines(), "\n")
			if columns == 30 { // lines are broken there: put together again they must be whole
				screen = strings.Join(c.lines(), "")
			}
			if got := len(regexp.MustCompile(`\d\d:\d\d:\d\d INF delivered `).FindAllString(screen, -1)); got != 16 {
				t.Errorf("%d lines of delivered files", got)
			}
			if strings.Contains(screen, "#") || strings.Contains(screen, " of 17") || !strings.Contains(screen, "Everything ended where it should") {
				t.Error("the bar is left, or the report is missing")
			}
			for _, line := range c.lines() {
				if columns == 200 && strings.Count(line, " INF ")+strings.Count(line, " WRN ") > 1 {
					t.Errorf("lines are glued: %q", line)
				}
			}
			if len(c.strange) > 0 {
				t.Errorf("strange: %q", c.strange)
			}
		})
	}
}
