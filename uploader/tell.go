package uploader

import (
	"errors"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/kaizala"
)

// tell counts and logs what an outcome led to: one line for each delivery that came to its end, and one when trouble
// begins and ends.
func (l *loop) tell(d *delivery, was stage, v verdict, err error) {
	switch {
	case v == advance && was == toFile:
		l.sum.Delivered++
		l.tellEnd(d, "delivered")
	case v == advance && was == toFail:
		l.sum.Failed++
		l.tellEnd(d, "failed")
	case v == advance && was == toWithdraw:
		l.logOf(d).Info().Str("reason", d.Reason).Msg("not posted")
	case v == advance || v == interruptedBy || v == withdraw:
	case d.stage == toFail && was != toFail: // told when it has been moved
	case v == retryAll || v == uncertain:
		l.tellOutage(err)
	case v == retryFolder && d.lane.pause.failures == 1:
		l.logOf(d).Warn().Str("error", reasonOf(err)).Msg("the group refuses: its folder waits, and tries again by itself")
	case d.pause.failures == 1 || d.pause.failures > 0 && d.pause.failures%10 == 0:
		l.logOf(d).Warn().Str("error", reasonOf(err)).Int("tries", d.pause.failures).Msg("the file waits, and is tried again by itself")
	}
	if l.outage && l.queue.pause.failures == 0 {
		l.outage = false
		l.Log.Info().Int("waiting", l.waiting()).Msg("the destination answers again: going on")
	}
}

func (l *loop) tellOutage(err error) {
	if l.outage {
		return
	}
	l.outage = true
	if answer, ok := errors.AsType[*kaizala.Error](err); ok && answer.Unauthorized() {
		l.Log.Error().Str("error", reasonOf(err)).Int("waiting", l.waiting()).
			Msg("Kaizala refuses the token: nothing is sent, and the files stay where they are. " +
				"Look at application_id, application_secret and refresh_token (which ends after a year)")
		return
	}
	l.Log.Warn().Str("error", reasonOf(err)).Int("waiting", l.waiting()).
		Msg("the destination cannot take files now: they stay where they are, and go on by themselves")
}

func (l *loop) waiting() int {
	known, _ := l.queue.counts()
	return known
}

func (l *loop) tellEnd(d *delivery, what string) {
	e := l.logOf(d).Info()
	if what == "failed" {
		e = l.logOf(d).Warn().Str("reason", d.Reason)
	}
	if d.Reference != "" {
		e = e.Str("as", string(d.Action)).Str("group", file.Printable(d.Group)).Str("reference", file.Printable(d.Reference))
	}
	if d.MaybeTwice {
		e = e.Bool("maybe_twice", true)
	}
	e.Str("to", file.Printable(destOf(d.Files[0], d.Folder))).
		Stringer("took", time.Since(d.begun).Round(time.Millisecond)).Msg(what)
}
