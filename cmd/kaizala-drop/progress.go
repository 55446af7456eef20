package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/text"
)

// progress is a bar in the last line of a terminal, below the log that it passes on. It counts what the log says came to its end. Where
// both are on one terminal, each line of the log takes the place of the bar and has a new one below it, in one write: nobody else
// writes there between begin and end. It is safe for concurrent use.
type progress struct {
	mu    sync.Mutex
	bar   screen
	log   io.Writer     // of lines as zerolog makes them
	line  *bytes.Buffer // what log makes of one, for bar; nil: log writes elsewhere
	total int           // 0: there is no bar
	done  int
}

// barWidth is how many characters the bar has at most.
const barWidth = 30

// clearLine goes to the beginning of a terminal's line, and empties it (ECMA-48: EL).
const clearLine = "\r\x1b[K"

// newProgress makes a bar for where the log goes, if that is a terminal, else for out.
func newProgress(out, logs io.Writer) *progress {
	p := &progress{bar: screenOf(out), log: console(logs)}
	if onLog := screenOf(under(logs)); onLog.terminal {
		p.onOne(onLog)
	}
	return p
}

// onOne has the log and the bar written to one terminal, and not through a buffer: what comes after the bar is written elsewhere.
func (p *progress) onOne(s screen) {
	p.bar, p.line = s, &bytes.Buffer{}
	p.log = consoleFor(p.line, s.colour)
}

// Write passes a line of the log on, above the bar.
func (p *progress) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.line == nil {
		p.clear()
		n, err := p.log.Write(line)
		p.draw("")
		return n, err
	}
	p.line.Reset()
	n, err := p.log.Write(line)
	p.draw(p.line.String())
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

// begin shows the bar, on a terminal.
func (p *progress) begin(total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar.terminal {
		p.total = total
		p.draw("")
	}
}

// end takes the bar away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.total = 0
}

func (p *progress) clear() {
	if p.total > 0 {
		_, _ = io.WriteString(p.bar.out, clearLine) // a terminal that is gone takes no log either
	}
}

// draw writes whole lines in the place of the bar, and the bar below them.
func (p *progress) draw(lines string) {
	if p.total > 0 {
		lines = clearLine + lines + p.picture()
	}
	if lines != "" {
		_, _ = io.WriteString(p.bar.out, lines)
	}
}

// picture is the bar, in one line of the terminal.
func (p *progress) picture() string {
	columns, _ := p.bar.size()
	return p.pictureIn(columns)
}

func (p *progress) pictureIn(columns int) string {
	count := fmt.Sprintf(" %d of %d", p.done, p.total)
	width := max(0, min(barWidth, columns-1-len("[]")-len(count)))
	full := width * min(p.done, p.total) / p.total
	return text.Fit("["+strings.Repeat("#", full)+strings.Repeat(".", width-full)+"]"+count, max(0, columns-1))
}
