package boottest

import (
	"os"
	"testing"
	"time"
)

// thoroughVar is set where nothing may be skipped, also inside.
const thoroughVar = "KAIZALA_DROP_CI"

// patience is for what takes a fraction of a second.
const patience = 2 * time.Minute

func isThorough() bool { return os.Getenv(thoroughVar) != "" }

// Need skips the test where the machine cannot run it, and fails it where it must.
func Need(t *testing.T, ok bool, reason string) {
	t.Helper()
	switch {
	case ok:
	case isThorough():
		t.Fatal(reason)
	default:
		t.Skip(reason)
	}
}

// TakesLong leaves a test to where nothing may be skipped. The race detector has nothing to see there: other programs are run.
func TakesLong(t *testing.T) {
	t.Helper()
	if !isThorough() {
		t.Skip("it takes long: set " + thoroughVar + "=1 to run it")
	}
	if raceEnabled {
		t.Skip("it runs without the race detector")
	}
}

// Await looks again and again until ok, for two minutes.
func Await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	look, end := time.NewTicker(20*time.Millisecond), time.After(patience)
	defer look.Stop()
	for !ok() {
		select {
		case <-look.C:
		case <-end:
			t.Fatalf("%s did not come within %v", what, patience)
		}
	}
}
