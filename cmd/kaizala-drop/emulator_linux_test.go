package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/creack/pty"

	"kaizala-drop/internal/text"
)

// emulator is what a terminal shows of what it is sent (ECMA-48), as far as this program sends it: whatever else it is sent is
// remembered as strange. It is safe for concurrent use.
type emulator struct {
	mu            sync.Mutex
	columns, rows int
	cells         [][]string // a wide character has "" behind it
	main          [][]string // the page of the shell, while another one is shown
	row, column   int
	last          bool // the last column was just written: the next character goes to the next line
	noWrap        bool
	hidden        bool // the cursor
	strange       []string
	rest          []byte // the beginning of a character or a sequence
}

func newEmulator(columns, rows int) *emulator {
	e := &emulator{columns: columns, rows: rows}
	e.cells = e.blank()
	return e
}

func (e *emulator) blank() [][]string {
	page := make([][]string, e.rows)
	for i := range page {
		page[i] = blankLine(e.columns)
	}
	return page
}

func blankLine(columns int) []string {
	line := make([]string, columns)
	for i := range line {
		line[i] = " "
	}
	return line
}

// resize gives the terminal another size. What it showed is cut off or kept, as xterm does.
func (e *emulator) resize(columns, rows int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.columns, e.rows = columns, rows
	e.cells = e.fitted(e.cells)
	e.row, e.column = min(e.row, rows-1), min(e.column, columns-1)
}

// fitted is a page in the size of now.
func (e *emulator) fitted(page [][]string) [][]string {
	now := e.blank()
	for i := range min(len(page), e.rows) {
		copy(now[i], page[i])
	}
	return now
}

// lines are what is shown, without the blanks at the end.
func (e *emulator) lines() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	shown := make([]string, len(e.cells))
	for i, line := range e.cells {
		shown[i] = strings.TrimRight(strings.Join(line, ""), " ")
	}
	return shown
}

func (e *emulator) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rest = append(e.rest, p...)
	for len(e.rest) > 0 {
		n := e.take(e.rest)
		if n == 0 {
			break
		}
		e.rest = e.rest[n:]
	}
	return len(p), nil
}

// take obeys the first character or sequence of b, and gives its length; 0: it is not whole yet.
func (e *emulator) take(b []byte) int {
	switch c := b[0]; {
	case c == 0x1b:
		return e.sequence(b)
	case c == '\r':
		e.column, e.last = 0, false
	case c == '\n':
		e.feed()
	case c == '\t':
		e.column = min(e.columns-1, (e.column/8+1)*8)
	case c < ' ' || c == 0x7f:
		e.strange = append(e.strange, fmt.Sprintf("%q", c))
	default:
		if !utf8.FullRune(b) {
			return 0
		}
		r, n := utf8.DecodeRune(b)
		e.put(string(r))
		return n
	}
	return 1
}

func (e *emulator) feed() {
	e.last = false
	if e.row++; e.row == e.rows {
		e.row--
		e.cells = append(e.cells[1:], blankLine(e.columns))
	}
}

func (e *emulator) put(char string) {
	width := text.Width(char)
	if width == 0 { // it belongs to the one before
		if e.column > 0 {
			e.cells[e.row][e.column-1] += char
		}
		return
	}
	if e.last && !e.noWrap || e.column+width > e.columns && !e.noWrap {
		e.column = 0
		e.feed()
	}
	at := max(0, min(e.column, e.columns-width))
	e.cells[e.row][at] = char
	if width == 2 && at+1 < e.columns {
		e.cells[e.row][at+1] = ""
	}
	e.column = at + width
	if e.last = e.column >= e.columns; e.last {
		e.column = e.columns - 1
	}
}

// sequence obeys a control sequence.
func (e *emulator) sequence(b []byte) int {
	if len(b) < 3 {
		return 0
	}
	end := 2
	for b[1] == '[' && end < len(b) && (b[end] < 0x40 || b[end] > 0x7e) {
		end++
	}
	if end == len(b) {
		return 0
	}
	arg, final := string(b[2:end]), b[end]
	e.last = e.last && final == 'm'
	switch {
	case b[1] != '[':
		e.strange = append(e.strange, fmt.Sprintf("%q", b[:3]))
		return 2
	case final == 'm':
	case final == 'H' && arg == "":
		e.row, e.column = 0, 0
	case final == 'K' && arg == "":
		copy(e.cells[e.row][e.column:], blankLine(e.columns-e.column))
	case final == 'J' && arg == "":
		copy(e.cells[e.row][e.column:], blankLine(e.columns-e.column))
		for row := e.row + 1; row < e.rows; row++ {
			e.cells[row] = blankLine(e.columns)
		}
	case final == 'h' || final == 'l':
		e.mode(arg, final == 'h')
	default:
		e.strange = append(e.strange, fmt.Sprintf("%q", b[:end+1]))
	}
	return end + 1
}

func (e *emulator) mode(arg string, on bool) {
	switch arg {
	case "?7":
		e.noWrap = !on
	case "?25":
		e.hidden = !on
	case "?1049":
		if on && e.main == nil {
			e.main, e.cells = e.cells, e.blank()
		} else if !on && e.main != nil {
			e.cells, e.main = e.fitted(e.main), nil
		}
	default:
		e.strange = append(e.strange, arg)
	}
}

// clean says what of a terminal is not as a shell wants it.
func (e *emulator) clean() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.main != nil || e.hidden || e.noWrap {
		return fmt.Errorf("another page: %t, no cursor: %t, no wrapping: %t", e.main != nil, e.hidden, e.noWrap)
	}
	return nil
}

// emulated is the program at work on a terminal of some size.
type emulated struct {
	*process
	*emulator
	keyboard, screen *os.File
}

// onScreen starts the program on a terminal with that many columns and rows; 0: the terminal does not say how many it has.
func (w *world) onScreen(columns, rows int, args ...string) *emulated {
	w.t.Helper()
	keyboard, screen, err := pty.Open()
	must(w.t, err)
	must(w.t, pty.Setsize(screen, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}))
	if columns == 0 {
		columns, rows = 80, 24
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), runMain+"=1", "TERM=xterm")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = screen, screen, screen
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	return w.emulate(cmd, columns, rows, keyboard, screen)
}

// emulate starts what has the screen.
func (w *world) emulate(cmd *exec.Cmd, columns, rows int, keyboard, screen *os.File) *emulated {
	w.t.Helper()
	c := &emulated{&process{Cmd: cmd, t: w.t, exited: make(chan error, 1)}, newEmulator(columns, rows), keyboard, screen}
	must(w.t, cmd.Start())
	go func() { c.exited <- cmd.Wait() }()
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		var buffer [1024]byte
		for {
			n, err := keyboard.Read(buffer[:])
			_, _ = c.text.Write(buffer[:n])
			_, _ = c.emulator.Write(buffer[:n])
			if err != nil {
				return
			}
		}
	}()
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		c.exited <- <-c.exited
		_ = screen.Close()
		<-shown
		_ = keyboard.Close()
		if w.t.Failed() {
			w.t.Logf("on the screen:\n%s\nsent: %q", strings.Join(c.lines(), "\n"), c.log())
		}
	})
	return c
}

// resize gives the terminal another size while the program works.
func (c *emulated) resize(columns, rows int) {
	c.t.Helper()
	c.emulator.resize(columns, rows)
	must(c.t, pty.Setsize(c.screen, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)}))
}

// shows waits until what is on the screen has this text in a line.
func (c *emulated) shows(line string) {
	c.t.Helper()
	eventually(c.t, func() error {
		if !strings.Contains(strings.Join(c.lines(), "\n"), line) {
			return fmt.Errorf("%q is not on the screen", line)
		}
		return nil
	})
}

// drained waits until all that was sent is shown: a mark that is written last.
func (c *emulated) drained() {
	c.t.Helper()
	_, err := c.screen.WriteString("\r\nEND OF IT")
	must(c.t, err)
	c.shows("END OF IT")
}

// TestEmulator: the terminal of these tests shows what a real one does (xterm, seen by eye), and remembers what is strange.
func TestEmulator(t *testing.T) {
	for i, c := range []struct{ sent, shown string }{
		{"abcdefgh", "abcdef|gh"},
		{"abcdef\r\ngh", "abcdef|gh"},
		{"abc\rx\x1b[Ky", "xy"},
		{"請求書請", "請求書|請"},
		{"12345請", "12345|請"},
		{"e\u0301x", "e\u0301x"},
		{"\x1b[?7labcdefgh", "abcdeh"},
		{"a\r\nb\r\nc\r\nd", "b|c|d"},
		{"a\r\nb\x1b[Hx\x1b[J", "x"},
		{"a\x1b[?1049hb\x1b[?1049l", "a"},
	} {
		e := newEmulator(6, 3)
		for _, b := range []byte(c.sent) {
			_, _ = e.Write([]byte{b})
		}
		if got := strings.TrimRight(strings.Join(e.lines(), "|"), "|"); got != c.shown || len(e.strange) > 0 {
			t.Errorf("%s: %q shows %q, want %q; strange: %v", strconv.Itoa(i), c.sent, got, c.shown, e.strange)
		}
	}
	e := newEmulator(6, 3)
	_, _ = e.Write([]byte("\x07\x1b]0;x\x1b[5i"))
	if len(e.strange) != 3 {
		t.Errorf("strange: %v", e.strange)
	}
}
