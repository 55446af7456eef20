package inquiry

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/text"
)

// quote shows a name or a path in a sentence.
func quote(name string) string { return "\"" + text.Printable(name) + "\"" }

// moment says when something was or will be, as people say it: by the clock of today, else with the date.
func moment(at, now time.Time) string { return momentOn(at, now, nil) }

// momentOn is moment on the clock z.
func momentOn(at, now time.Time, z control.Zone) string {
	at, now = z.On(at), z.On(now)
	clock := at.Format("15:04:05")
	switch day := at.Format(time.DateOnly); day {
	case now.Format(time.DateOnly):
		return "today at " + clock
	case now.AddDate(0, 0, -1).Format(time.DateOnly):
		return "yesterday at " + clock
	case now.AddDate(0, 0, 1).Format(time.DateOnly):
		return "tomorrow at " + clock
	default:
		return "on " + at.Format("Monday, 2006-01-02") + " at " + clock
	}
}

// clock says when something was in few characters, for a table: the time of today, else the day.
func clock(at, now time.Time) string {
	at, now = at.Local(), now.Local()
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format(time.TimeOnly)
	}
	return at.Format(time.DateOnly)
}

// count says how many there are of something.
func count(n int, one, several string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, several)
}

// moment says when something was or will be, on the clock of whoever asks.
func (k *facts) moment(at time.Time) string { return momentOn(at, k.now, k.zone) }

// reasonOf is an error without the path, which the sentence has already.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return text.Printable(err.Error())
}

// symlink is the type of a symbolic link.
const symlink = fs.ModeSymlink

// span says how long something has lasted or will last, in its two largest units.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	days, hours, minutes, seconds := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case d < 0:
		return "0 s"
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%d min %d s", minutes, seconds)
	}
	return fmt.Sprintf("%d s", seconds)
}

// bytes says how large something is.
func bytes(n int64) string {
	const kilo = 1000
	switch {
	case n < kilo:
		return count(int(n), "byte", "bytes")
	case n < kilo*kilo:
		return fmt.Sprintf("%.1f kB", float64(n)/kilo)
	case n < kilo*kilo*kilo:
		return fmt.Sprintf("%.1f MB", float64(n)/(kilo*kilo))
	}
	return fmt.Sprintf("%.2f GB", float64(n)/(kilo*kilo*kilo))
}
