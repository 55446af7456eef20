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
		l.hold(now, s.name, kindNameless, "")
	case s.gone:
		l.files.gone(s.name)
		l.report.clear(s.name)
		if s.note == ownNote {
			l.report.mention(now, kindOldNote, s.name)
		}
	case s.err != nil:
		kind, reason := kindOfError(s.err), "cannot look at it: "+s.err.Error()
		if kind == kindDenied {
			reason = stateOf(kind).reason
		}
		if v := l.files.fail(now, s.name, reason); v.reason != "" {
			l.hold(now, s.name, kind, reason)
		}
	case s.dir:
		l.files.gone(s.name)
		switch {
		case !l.folder.Recursive:
			l.hold(now, s.name, kindFolder, "")
		case s.filed:
			l.hold(now, s.name, kindFiled, "")
		default:
			l.report.clear(s.name)
		}
	default:
		l.onFile(now, s)
	}
}

// onFile takes what the scout saw of a name that is no folder.
func (l *loop) onFile(now time.Time, s sighting) {
	if l.isTornByHoles(s) {
		s.look.obstacle = obstacle{reason: stateOf(kindHoles).reason, torn: true, kind: kindHoles}
	}
	v := l.files.observe(l.sentAt, now, s.name, s.look)
	switch {
	case v.settled:
		l.report.clear(s.name)
		l.tellStale(s)
		l.handOver(now, s, v)
	case v.reason != "":
		l.hold(now, s.name, v.kind, v.reason)
	case l.files.isUnquiet(now, 0, s.name):
		l.hold(now, s.name, kindWriting, "")
	}
	l.tellPause(s.name, v)
}

// isTornByHoles reports whether the holes of a file prove that its writer died.
func (l *loop) isTornByHoles(s sighting) bool {
	if k := s.look.obstacle.kind; k != "" && k != kindTorn && k != kindUnknown && k != kindStrange { // something else holds it back, such as a program that has it open
		return false
	}
	switch how := l.files.originOf(s.name, s.look); s.look.holes {
	case holesAtEnd:
		return how != originMoved
	case holesInside:
		lastWritten := s.look.Mtime == s.look.Ctime // a rename, or setting the times, changes only the ctime
		return how == originWritten || how == originUnknown && lastWritten
	}
	return false
}

func (l *loop) handOver(now time.Time, s sighting, v verdict) {
	settled := file.Settled{Folder: l.folder.Path, Name: s.name, ID: s.look.Identity, At: now}
	if v.torn {
		settled.Torn = v.reason
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
	coming := func(belongs func(string) bool) bool { return l.files.coming(now, belongs) }
	if l.once { // what is held back is left to another run
		coming = l.busyYet
	}
	for _, b := range l.gather.due(now, coming, l.files.isHanded) {
		l.log.Debug().Int("images", len(b)).Str("first", text.Printable(b[0].Name)).
			Str("last", text.Printable(b[len(b)-1].Name)).Msg("gathered")
		l.outbox = append(l.outbox, b)
	}
}
