package control

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // zones are there on every machine
)

// TestZoneGoesWithTheQuestion: a clock is the same after it was sent, also for times before and after it was put forward and back, and
// for one that is not a whole number of minutes ahead.
func TestZoneGoesWithTheQuestion(t *testing.T) {
	now := time.Date(2026, 11, 28, 9, 15, 0, 0, time.UTC)
	for _, name := range []string{"Europe/Berlin", "Asia/Kolkata", "America/New_York", "UTC", "Africa/Monrovia", "Australia/Lord_Howe"} {
		place, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		z, err := ParseZone(zoneOf(now.In(place)).String())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if spaced, err := ParseZone(strings.ReplaceAll(z.String(), "+", " ")); err != nil || spaced.String() != z.String() {
			t.Errorf("as a query spells it, it is %s: %v", spaced, err)
		}
		for _, at := range []time.Time{now, now.AddDate(0, -2, 0), now.AddDate(0, -7, 0), now.AddDate(-2, 3, 0), now.AddDate(0, 3, 0)} {
			if got, want := z.On(at).Format(time.DateTime), at.In(place).Format(time.DateTime); got != want {
				t.Errorf("%s says %s of %s, want %s: %s", name, got, at, want, z)
			}
		}
	}
}

// TestZoneIsRefused: what is no zone is the fault of whoever asks.
func TestZoneIsRefused(t *testing.T) {
	for _, bad := range []string{"x", "+1", "Europe/Berlin", "+01:00@yesterday", "+01:00,", "@2026-01-01T00:00:00Z"} {
		if z, err := ParseZone(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, z)
		}
	}
	if z, err := ParseZone(""); err != nil || z != nil || z.On(time.Unix(0, 0)) != time.Unix(0, 0).Local() {
		t.Errorf("no zone is %v, %v", z, err)
	}
}
