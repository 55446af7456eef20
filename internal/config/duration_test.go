package config

import (
	"math"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for s, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "5s": 5 * time.Second, "1h30m": 90 * time.Minute, "500ms": 500 * time.Millisecond,
		"90d": 90 * day, "0d": 0, "1d12h": 36 * time.Hour, "1.5d": 36 * time.Hour, "1d1h1m1s": day + time.Hour + time.Minute + time.Second,
		"-1d": -day, "-1d12h": -36 * time.Hour, "106751d": 106751 * day, ".5d": 12 * time.Hour,
	} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "d", "5", "5 s", "s", "1h2d", "1dd", "1d2d", "1d-1h", "1d+1h", "--1d", "-d", "+-1d", "1x", "1e2d", "106752d", "106751d24h",
		"99999999999999999999d", "1d 2h", "one day", "1.2.3d", "infd", "²d",
	} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("%q: got %v, want an error", s, got)
		}
	}
}

func FuzzParseDuration(f *testing.F) {
	f.Add("1d12h")
	f.Add("-.5d")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		// With less than a day added, a sum cannot wrap around: whatever goes in without a sign comes out positive.
		if s[0] != '-' && d < 0 || d == math.MinInt64 && s[0] != '-' {
			t.Errorf("%q became %v", s, d)
		}
	})
}
