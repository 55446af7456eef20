package main

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/rs/zerolog"
)

// progress is a bar in the last line of a terminal, below the log that it passes on. It counts what the log says came to its end.
// It is safe for concurrent use.
type progress struct {
	mu    sync.Mutex
	out   io.Writer // the terminal
	log   io.Writer
	total int
	done  int
}

// barWidth is how many characters the bar has.
const barWidth = 30

// clearLine goes to the beginning of a terminal's line, and empties it (ECMA-48: EL).
const clearLine = "\r\x1b[K"

// Write passes a line of the log on, above the bar.
func (p *progress) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total == 0 {
		return p.log.Write(line)
	}
	_, _ = io.WriteString(p.out, clearLine) // a terminal that is gone takes no log either
	n, err := p.log.Write(line)
	p.draw()
	return n, err
}

// Run counts an event of the log that says that a file came to its end (zerolog.Hook).
func (p *progress) Run(_ *zerolog.Event, _ zerolog.Level, message string) {
	if message != "delivered" && message != "failed" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
}

// begin shows the bar.
func (p *progress) begin(total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total = total
	p.draw()
}

// end takes the bar away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total == 0 {
		return
	}
	p.total = 0
	_, _ = io.WriteString(p.out, clearLine)
}

func (p *progress) draw() {
	if p.total == 0 {
		return
	}
	full := barWidth * min(p.done, p.total) / p.total
	_, _ = fmt.Fprintf(p.out, "%s[%s%s] %d of %d", clearLine, strings.Repeat("#", full), strings.Repeat(".", barWidth-full), p.done, p.total)
}
