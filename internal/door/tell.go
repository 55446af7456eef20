package door

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/text"
)

// onEnded takes the outcome of a try.
func (l *loop) onEnded(now time.Time, e ended) {
	d := e.d
	d.trying = false
	for _, other := range e.v.others {
		other.up, other.tryAt, l.changed = false, now, true // its next try says why
	}
	switch {
	case d.gone:
		l.onLeaving(now, e)
	case e.leaving, !sameDoor(d.tried, d.folder): // the door is configured again, or has another configuration now
		d.tryAt = now
	case d.up && isAway(e.v.err):
		d.tryAt = now.Add(d.recheckPause())
	case e.v.err != nil:
		d.answered = true
		l.close(now, d, e.v.err)
	default:
		d.answered = true
		l.open(now, d, e.v.seen)
	}
	if l.Once && d.answered {
		d.tryAt = time.Time{}
	}
}

// onLeaving ends a door that is no longer configured, once nothing is under way in its folder.
func (l *loop) onLeaving(now time.Time, e ended) {
	if !e.leaving || e.busy {
		e.d.tryAt = now.Add(e.d.nextPause())
		return
	}
	l.registry.forget(e.d)
	l.leaving = slices.DeleteFunc(l.leaving, func(d *door) bool { return d == e.d })
}

func (l *loop) open(now time.Time, d *door, seen sighting) {
	if !d.up || !sameDoor(d.served, d.folder) {
		d.served, l.changed = d.folder, true
	}
	d.up, d.wasUp, d.seen, d.err, d.pause = true, true, seen, nil, 0
	d.tryAt = now.Add(d.recheckPause())
	if d.told {
		d.told = false
		l.about(l.Log.Info(), d).Msg("the folder can be served now: going on")
	}
}

// close notes that a folder cannot be served, and says why if the reason is new.
func (l *loop) close(now time.Time, d *door, err error) {
	l.changed = l.changed || d.up
	l.registry.leave(d, d.wasUp)
	news := d.err == nil || kind(d.err) != kind(err)
	d.up, d.err = false, err
	d.tryAt = now.Add(d.nextPause())
	if !news {
		return
	}
	d.told = true
	e := l.about(l.Log.Warn(), d).Str("reason", text.Printable(err.Error()))
	if help := Help(err); help != "" {
		e = e.Str("advice", help)
	}
	e.Msg("the folder cannot be served now: the others are, and it is tried again by itself")
}

// tellHang says once that a try hangs.
func (l *loop) tellHang(now time.Time, d *door) {
	if d.up || d.gone || d.hangTold || now.Sub(d.began) < hangAfter {
		return
	}
	d.hangTold, d.told = true, true
	l.about(l.Log.Warn(), d).Str("hangs", d.doing()).Stringer("for", now.Sub(d.began).Round(time.Second)).
		Msg("the folder does not answer: the others are served, and it is when it answers. Look at its file system")
}

func (l *loop) about(e *zerolog.Event, d *door) *zerolog.Event {
	return e.Str("folder", text.Printable(d.folder.Path))
}

// whyNot says why a folder was not served.
func (d *door) whyNot() error {
	if d.err == nil {
		return fmt.Errorf("folder %q does not answer: %s hangs: look at its file system", d.folder.Path, d.doing())
	}
	if help := Help(d.err); help != "" {
		return fmt.Errorf("folder %q: %w: %s", d.folder.Path, d.err, help)
	}
	return fmt.Errorf("folder %q: %w", d.folder.Path, d.err)
}

// isAway reports whether err says no more than that the folder is not there for now.
func isAway(err error) bool {
	t, ok := errors.AsType[*trouble](err)
	return ok && t.away
}

// Help says what to do about an error of this package. It is "" if the error says it already.
func Help(err error) string {
	if t, ok := errors.AsType[*trouble](err); ok {
		return t.help
	}
	if _, ok := errors.AsType[Holder](err); ok {
		return "stop that one, or take the folder out of one of the two configurations"
	}
	return ""
}
