package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

// TestProgressStaysBelowTheLog: each line of the log is whole and above the bar, the bar counts what came to its end, and it is gone at
// the end.
func TestProgressStaysBelowTheLog(t *testing.T) {
	var screen bytes.Buffer
	bar := &progress{out: &screen, log: &screen}
	log := zerolog.New(bar).Hook(bar)
	log.Info().Msg("started")
	bar.begin(4)
	log.Info().Msg("delivered")
	log.Warn().Msg("failed")
	log.Info().Msg("watching")
	bar.end()
	log.Info().Msg("stopped")
	var shown []string // as a terminal shows it: what was cleared is gone
	for line := range strings.SplitSeq(screen.String(), "\n") {
		if at := strings.LastIndex(line, clearLine); at >= 0 {
			line = line[at+len(clearLine):]
		}
		shown = append(shown, line)
	}
	want := []string{`"started"`, `"delivered"`, `"failed"`, `"watching"`, `"stopped"`, ""}
	for i := range want {
		if i >= len(shown) || !strings.Contains(shown[i], want[i]) || strings.Contains(shown[i], "[") {
			t.Fatalf("the screen shows %q", shown)
		}
	}
	for _, picture := range []string{"[..............................] 0 of 4", "[#######.......................] 1 of 4", "[###############...............] 2 of 4"} {
		if !strings.Contains(screen.String(), clearLine+picture) {
			t.Errorf("it never showed %s: %q", picture, screen.String())
		}
	}
}
