package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// maxLine is how long a line of an answer may be, in bytes.
const maxLine = 1024

var errNoAnswer = errors.New("the input ended before the answer")

// dialogue asks a person at a terminal, or reads what a program writes line by line.
type dialogue struct {
	in       *os.File
	lines    *bufio.Reader
	out      io.Writer
	terminal bool // in is one
}

func newDialogue(in *os.File, out io.Writer) *dialogue {
	return &dialogue{in, bufio.NewReaderSize(in, maxLine), out, term.IsTerminal(int(in.Fd()))}
}

// say tells something to a person, and nothing to a program.
func (d *dialogue) say(format string, args ...any) {
	if d.terminal {
		fmt.Fprintf(d.out, format, args...)
	}
}

// ask reads an answer. That of a program comes when it comes: nothing is read beforehand that it has yet to write.
func (d *dialogue) ask(ctx context.Context, question string) (string, error) {
	d.say("%s: ", question)
	return unlessEnded(ctx, d.line)
}

// askHidden is ask without echo on a terminal, whose settings are back when it returns, also if ctx ended.
//
// term.ReadPassword does not fit: it leaves Ctrl-C to a signal that ends the process without echo, passes over Ctrl-D, and spins
// once the terminal is gone.
func (d *dialogue) askHidden(ctx context.Context, question string) (string, error) {
	if !d.terminal {
		return d.ask(ctx, question)
	}
	d.say("%s: ", question)
	before, err := term.MakeRaw(int(d.in.Fd()))
	if err != nil {
		return "", fmt.Errorf("cannot hide what is typed: %w", err)
	}
	answer, err := unlessEnded(ctx, func() (string, error) { return typed(d.lines) })
	err = errors.Join(err, term.Restore(int(d.in.Fd()), before))
	d.say("\n") // the one that was typed was not shown either
	return answer, err
}

var errInterrupted = errors.New("interrupted")

// typed reads a line from a terminal that does nothing by itself, with the keys that a person is used to.
func typed(keys io.ByteReader) (string, error) {
	const ctrlC, ctrlD, ctrlU, backspace, del = 0x03, 0x04, 0x15, 0x08, 0x7f
	for line := []byte{}; ; {
		key, err := keys.ReadByte()
		switch {
		case errors.Is(err, io.EOF), err == nil && key == ctrlD && len(line) == 0:
			return "", errNoAnswer
		case err != nil:
			return "", err
		case key == ctrlC:
			return "", errInterrupted
		case key == '\r' || key == '\n' || key == ctrlD:
			return string(line), nil
		case key == ctrlU:
			line = line[:0]
		case key == backspace || key == del:
			line = line[:max(0, len(line)-1)]
		case len(line) < maxLine:
			line = append(line, key)
		}
	}
}

func (d *dialogue) line() (string, error) {
	text, err := d.lines.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", fmt.Errorf("a line is longer than %d bytes", maxLine)
	case errors.Is(err, io.EOF) && len(text) == 0:
		return "", errNoAnswer
	case err != nil && !errors.Is(err, io.EOF):
		return "", err
	}
	return string(text), nil
}

// unlessEnded gives what read does, or the error of ctx. A read that goes on then ends with the process.
func unlessEnded(ctx context.Context, read func() (string, error)) (string, error) {
	type outcome struct {
		text string
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		text, err := read()
		done <- outcome{text, err}
	}()
	select {
	case o := <-done:
		return o.text, o.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
