package config

import (
	"errors"
	"math"
	"strings"
	"time"
)

var errDuration = errors.New("not a duration")

// ParseDuration is time.ParseDuration with days in front: "90d", "1d12h", "1.5d". A day is 24 hours.
func ParseDuration(s string) (time.Duration, error) {
	days, rest, found := strings.Cut(s, "d")
	if !found {
		return time.ParseDuration(s)
	}
	magnitude, negative := strings.CutPrefix(days, "-")
	if strings.Trim(magnitude, "0123456789.") != "" || strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
		return 0, errDuration
	}
	// The library reads the number, fraction and all; an hour is a 24th of what was meant.
	d, err := time.ParseDuration(magnitude + "h")
	if err != nil || d > math.MaxInt64/24 {
		return 0, errDuration
	}
	d *= 24
	if rest != "" {
		more, err := time.ParseDuration(rest)
		if err != nil || more > math.MaxInt64-d {
			return 0, errDuration
		}
		d += more
	}
	if negative {
		d = -d
	}
	return d, nil
}
