package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"kaizala-drop/internal/inquiry"
	"kaizala-drop/internal/text"
)

// screen is where a person reads: a terminal, or whatever takes plain text.
type screen struct {
	out      io.Writer
	terminal bool // one that obeys
	colour   bool
}

func screenOf(out io.Writer) screen {
	terminal := isTerminal(out) && os.Getenv("TERM") != "dumb"
	return screen{out, terminal, terminal && os.Getenv("NO_COLOR") == ""}
}

// size is that of the terminal. Where there is none lines have no end: 0. One that does not say is taken for one of 80 columns.
func (s screen) size() (columns, rows int) {
	if !s.terminal {
		return 0, 0
	}
	f, ok := under(s.out).(*os.File)
	if !ok {
		return 80, 24
	}
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || columns < 1 || rows < 1 {
		return 80, 24
	}
	return columns, rows
}

// write writes lines, broken at the terminal's width. Nothing is left out.
func (s screen) write(lines []inquiry.Line) error {
	columns, _ := s.size()
	var b bytes.Buffer
	for _, l := range lines {
		lines := []string{l.Text + l.Path}
		if columns > 0 && l.Path == "" && !l.Whole {
			lines = text.Wrap(l.Text, columns, hanging)
		}
		for _, line := range lines {
			b.WriteString(s.painted(l.Weight, line) + "\n")
		}
	}
	_, err := s.out.Write(b.Bytes())
	return err
}

// hanging is by how much what did not fit into a line is indented below it.
const hanging = 6

// painted adds the colour (ECMA-48: SGR).
func (s screen) painted(w inquiry.Weight, line string) string {
	switch {
	case !s.colour || line == "":
		return line
	case w == inquiry.Alarm:
		return "\x1b[1;31m" + line + "\x1b[0m"
	case w == inquiry.Head:
		return "\x1b[1m" + line + "\x1b[0m"
	}
	return line
}

// What a terminal is sent when a picture takes it over, and when it is given back: another page than that of the shell, no cursor, and
// lines that end at the edge (xterm: DECSET 1049, 25 and 7).
const (
	takeOver = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	giveBack = "\x1b[?7h\x1b[?25h\x1b[?1049l"
)

// watch shows one status after the other, until ctx ends. It is drawn anew when the terminal gets another size. The terminal is given
// back at the end, and while the process is suspended.
func (s screen) watch(ctx context.Context, asked <-chan statusOrError, command func(args ...string) string) (err error) {
	resized, suspended, continued := make(chan os.Signal, 1), make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	signal.Notify(suspended, syscall.SIGTSTP)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(resized)
	defer signal.Stop(suspended)
	defer signal.Stop(continued)
	if _, err := io.WriteString(s.out, takeOver); err != nil {
		return err
	}
	defer func() { _, _ = io.WriteString(s.out, giveBack) }()
	var last *statusOrError
	for {
		select {
		case got := <-asked:
			if last == nil && got.err != nil {
				return got.err
			}
			last = &got
		case <-resized:
		case <-suspended:
			_, _ = io.WriteString(s.out, giveBack)
			if syscall.Kill(syscall.Getpid(), syscall.SIGSTOP) == nil {
				<-continued // other threads are stopped a little later
			}
			_, _ = io.WriteString(s.out, takeOver)
		case <-ctx.Done():
			return nil
		}
		if last == nil {
			continue
		}
		columns, rows := s.size()
		lines := []inquiry.Line{{Weight: inquiry.Alarm, Text: "! " + text.Printable(fmt.Sprint(last.err))}}
		if last.err == nil {
			lines = inquiry.StatusText(last.status, columns, command)
		}
		if _, err := s.out.Write(s.picture(lines, columns, rows)); err != nil {
			return err
		}
	}
}

// picture is what a terminal of that size is sent to show lines from its upper left on (ECMA-48: CUP, EL, ED). What has no room is
// left out.
func (s screen) picture(lines []inquiry.Line, columns, rows int) []byte {
	var shown []string
	for _, l := range lines {
		if l.Path != "" {
			shown = append(shown, s.painted(l.Weight, text.Fit(l.Text+text.FitEnd(l.Path, max(1, columns-text.Width(l.Text))), columns)))
			continue
		}
		for _, line := range text.Wrap(l.Text, columns, hanging) {
			shown = append(shown, s.painted(l.Weight, text.Fit(line, columns)))
		}
	}
	if more := len(shown) - rows; more > 0 {
		shown = append(shown[:rows-1], text.Fit(fmt.Sprintf("... and %d more lines: kaizala-drop status | less", more+1), columns))
	}
	var b bytes.Buffer
	b.WriteString("\x1b[H")
	for i, line := range shown {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString("\x1b[K" + line) // emptied before, not after: at the edge the cursor stands on the last character
	}
	if len(shown) < rows {
		b.WriteString("\r\n\x1b[J")
	}
	return b.Bytes()
}
