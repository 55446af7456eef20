package control

import (
	"fmt"
	"strings"
	"time"
)

// Zone is the clock of whoever asks, by which the sentences of a story say their times: its offsets from UTC, the latest first. An
// empty one is the clock of whoever answers.
type Zone []Offset

// Offset is how far a clock is ahead of UTC from a time on; the zero time is since ever.
type Offset struct {
	From    time.Time
	Seconds int
}

// zoneMost is how many changes of a clock are told: those of some years.
const zoneMost = 16

// LocalZone is the clock of this process, as of now and some years before.
func LocalZone(now time.Time) Zone { return zoneOf(now.Local()) }

// zoneOf is the clock of a time.
func zoneOf(at time.Time) (z Zone) {
	if _, end := at.ZoneBounds(); !end.IsZero() { // what is said of the near future may lie beyond it
		at = end
	}
	for range zoneMost {
		_, seconds := at.Zone()
		start, _ := at.ZoneBounds()
		z = append(z, Offset{start, seconds})
		if start.IsZero() {
			return z
		}
		at = start.Add(-time.Second)
	}
	z[len(z)-1].From = time.Time{}
	return z
}

// On gives t on that clock.
func (z Zone) On(t time.Time) time.Time {
	for _, o := range z {
		if o.From.IsZero() || !t.Before(o.From) {
			return t.In(time.FixedZone("", o.Seconds))
		}
	}
	return t.Local()
}

// String writes a zone as a question carries it: "+01:00@2026-10-25T01:00:00Z,+02:00".
func (z Zone) String() string {
	var all []string
	for _, o := range z {
		one := time.Time{}.In(time.FixedZone("", o.Seconds)).Format(offsetLayout(o.Seconds))
		if !o.From.IsZero() {
			one += "@" + o.From.UTC().Format(time.RFC3339)
		}
		all = append(all, one)
	}
	return strings.Join(all, ",")
}

// offsetLayout is that of whole minutes, or of old zones with seconds.
func offsetLayout(seconds int) string {
	if seconds%60 == 0 {
		return "-07:00"
	}
	return "-07:00:00"
}

// ParseZone reads what String wrote; "" is an empty zone.
func ParseZone(written string) (z Zone, err error) {
	if written == "" {
		return nil, nil
	}
	written = strings.ReplaceAll(written, " ", "+") // a query in which nobody has escaped it
	for one := range strings.SplitSeq(written, ",") {
		offset, from, _ := strings.Cut(one, "@")
		var o Offset
		layout := "-07:00:00"
		t, err := time.Parse(layout[:max(len("+01:00"), min(len(offset), len(layout)))], offset)
		if err == nil && from != "" {
			o.From, err = time.Parse(time.RFC3339, from)
		}
		if err != nil || len(z) >= 2*zoneMost {
			return nil, &Refusal{fmt.Sprintf("zone must be an offset as +01:00, not %q", one)}
		}
		_, o.Seconds = t.Zone()
		z = append(z, o)
	}
	return z, nil
}
