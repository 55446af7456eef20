package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/journal"
)

const (
	// patientLines is how many writes of the log wait for a reader that stands still. A line has a few hundred bytes.
	patientLines = 4096
	// patientEnd is how long the end of the program waits for what was logged to be read.
	patientEnd = 2 * time.Second
)

// patientWriter never has its caller wait: what is written waits for the reader in a buffer with an end. What does not fit
// is lost, counted, and told when the reader goes on. It is safe for concurrent use.
//
// zerolog's diode does not fit: it loses the oldest lines, which say how trouble began, it polls, and its Close waits for a
// reader that stands still.
type patientWriter struct {
	out   io.Writer
	lines chan piece
	lost  atomic.Int64 // not told yet
	idle  chan struct{}
}

// piece is what one Write was given, and where it goes.
type piece struct {
	out  io.Writer // nil: the text is none, and idle is told that all before it is written
	text []byte
}

// newPatientWriter starts the goroutine that writes to out; it ends with the process.
func newPatientWriter(out io.Writer, lines int) *patientWriter {
	w := &patientWriter{out: out, lines: make(chan piece, lines), idle: make(chan struct{}, 1)}
	go w.run()
	return w
}

// Write takes p, or counts it as lost. It never fails: the log is not the work.
func (w *patientWriter) Write(p []byte) (int, error) { return w.write(w.out, p) }

func (w *patientWriter) write(out io.Writer, p []byte) (int, error) {
	select {
	case w.lines <- piece{out, append([]byte(nil), p...)}:
	default:
		w.lost.Add(1)
	}
	return len(p), nil
}

func (w *patientWriter) run() {
	for line := range w.lines {
		if line.out == nil { // flush
			w.idle <- struct{}{}
			continue
		}
		if _, err := line.out.Write(line.text); err != nil {
			w.lost.Add(1)
			continue
		}
		if n := w.lost.Swap(0); n > 0 {
			if _, err := line.out.Write(lostLine(line.text, n, time.Now())); err != nil {
				w.lost.Add(n)
			}
		}
	}
}

// flush waits until all is written, and for at most so long. Nothing may be written meanwhile.
func (w *patientWriter) flush(most time.Duration) {
	end := time.After(most)
	select {
	case w.lines <- piece{}:
	case <-end:
		return
	}
	select {
	case <-w.idle:
	case <-end:
	}
}

// lostLine says how many lines are missing, in the format of the line after which it comes: JSON, or text for people.
func lostLine(after []byte, n int64, now time.Time) []byte {
	const message = "so many lines of the log were lost: its reader stood still"
	prefix, json := "", bytes.HasPrefix(after, []byte("{"))
	if bytes.HasPrefix(after, []byte("<")) { // the journal's
		prefix, json = string(journal.Prefixed(zerolog.WarnLevel, nil)), true
	}
	if json {
		return fmt.Appendf(nil, "%s{\"level\":\"warn\",\"lines\":%d,\"time\":%q,\"message\":%q}\n", prefix, n, now.Format(time.RFC3339), message)
	}
	return fmt.Appendf(nil, "%s WRN %s lines=%d\n", now.Format(time.TimeOnly), message, n)
}

// patientVia is a patientWriter whose lines go to another writer, in their order among the others.
type patientVia struct {
	*patientWriter
	to io.Writer
}

func (w patientVia) Write(p []byte) (int, error) { return w.write(w.to, p) }

// under is what out writes to in the end.
func under(out io.Writer) io.Writer {
	if w, ok := out.(*patientWriter); ok {
		return w.out
	}
	return out
}

// stderrPatient is the log of this process. That its reader is gone must not end the process (signal(7), SIGPIPE).
func stderrPatient() *patientWriter { return newPatientWriter(os.Stderr, patientLines) }
