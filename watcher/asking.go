package watcher

import (
	"slices"
	"time"
)

// What the loop asks of the scout.

// nextRequest gives the next request. The channel is nil while there is nothing to ask, or the scout is busy.
func (l *loop) nextRequest() (chan<- request, request) {
	if l.away || !l.wants() {
		return nil, request{}
	}
	return l.requests, request{names: l.names, whole: l.list, due: slices.Concat(l.due, l.later[:l.laterNow()])}
}

// laterMost is how many held-back files one request asks for, and laterMostRemote the same where each look asks another
// host. A file that has just settled waits for no more than these looks.
const (
	laterMost       = 2048
	laterMostRemote = 256
)

// laterNow is how many held-back files the next request asks for.
func (l *loop) laterNow() int {
	if l.remote != "" {
		return min(len(l.later), laterMostRemote)
	}
	return min(len(l.later), laterMost)
}

// wants reports whether there is anything to ask of the scout.
func (l *loop) wants() bool { return l.list || len(l.names) > 0 || len(l.due) > 0 || len(l.later) > 0 }

func (l *loop) sent(now time.Time) {
	if l.list {
		l.files.startRound()
	}
	l.later = l.later[l.laterNow():]
	l.away, l.list, l.names, l.due, l.asked, l.sentAt = true, false, nil, nil, map[string]bool{}, now
}

// ask puts name into the next request.
func (l *loop) ask(name string) {
	if !l.asked[name] {
		l.asked[name] = true
		l.names = append(l.names, name)
	}
}
