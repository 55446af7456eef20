package watcher

import (
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/text"
)

// onSighting takes what the scout saw of one name.
func (l *loop) onSighting(now time.Time, s sighting) {
	switch {
	case s.nameless:
		l.hold(now, s.name, KindNameless, "")
	case s.gone:
		l.files.Gone(s.name)
		l.report.clear(s.name)
		if s.note == ownNote {
			l.report.mention(now, KindOldNote, s.name)
		}
	case s.err != nil:
		kind, reason := kindOfError(s.err), "cannot look at it: "+s.err.Error()
		if kind == KindDenied {
			reason = stateOf(kind).reason
		}
		if v := l.files.Fail(now, s.name, reason); v.Reason != "" {
			l.hold(now, s.name, kind, reason)
		}
	case s.dir:
		l.files.Gone(s.name)
		switch {
		case !l.folder.Recursive:
			l.hold(now, s.name, KindFolder, "")
		case s.filed:
			l.hold(now, s.name, KindFiled, "")
		default:
			l.report.clear(s.name)
		}
	default:
		l.onFile(now, s)
	}
}

// onFile takes a look at what is no folder.
func (l *loop) onFile(now time.Time, s sighting) {
	if l.isTornBy(s) {
		s.look.Hold = Hold{Reason: stateOf(KindHoles).reason, Torn: true, Kind: KindHoles}
	}
	v := l.files.Look(l.sentAt, now, s.name, s.look)
	switch {
	case v.Settled:
		l.report.clear(s.name)
		l.tellStale(s)
		l.handOver(now, s, v)
	case v.Reason != "":
		l.hold(now, s.name, v.Kind, v.Reason)
	case l.files.IsUnquiet(now, 0, s.name):
		l.hold(now, s.name, KindWriting, "")
	}
	l.tellPause(s.name, v)
}

// isTornBy reports whether the holes of what was seen prove that its writer died.
func (l *loop) isTornBy(s sighting) bool {
	if s.look.Hold.Kind != "" && s.look.Hold.Kind != KindTorn && s.look.Hold.Kind != KindUnknown { // a program has it open, say
		return false
	}
	switch how := l.files.OriginOf(s.name, s.look); s.look.Holes {
	case HolesAtEnd:
		return how != originMoved
	case HolesInside:
		lastWritten := s.look.Mtime == s.look.Ctime // a rename, and setting the times, changes the ctime alone
		return how == originWritten || how == originUnknown && lastWritten
	}
	return false
}

func (l *loop) handOver(now time.Time, s sighting, v Verdict) {
	settled := file.Settled{Folder: l.folder.Path, Name: s.name, ID: s.look.Identity, At: now}
	if v.Torn {
		settled.Torn = v.Reason
	}
	if !l.gather.add(now, settled) {
		l.outbox = append(l.outbox, file.Batch{settled})
	}
}

// onGathered hands over the images that have waited for each other.
func (l *loop) onGathered(now time.Time) {
	if at, ok := l.gather.next(); !ok || now.Before(at) {
		return
	}
	coming := func(belongs func(string) bool) bool { return l.files.Coming(now, belongs) }
	if l.once { // what is held back is left to another run
		coming = l.busyYet
	}
	for _, b := range l.gather.due(now, coming, l.files.IsHanded) {
		l.log.Debug().Int("images", len(b)).Str("first", text.Printable(b[0].Name)).
			Str("last", text.Printable(b[len(b)-1].Name)).Msg("gathered")
		l.outbox = append(l.outbox, b)
	}
}
