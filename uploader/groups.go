package uploader

import (
	"slices"
	"time"
)

// Groups that are refused without the service's own word, and what their folders wait for together.

// isAlike reports whether another group than l's was refused without anybody's word, with no post in between that passed.
func (q *queue) isAlike(l *lane) bool {
	return slices.ContainsFunc(q.turns, func(o *lane) bool { return o.unproven && o.folder.Group != l.folder.Group })
}

// unprovenFolder has the folder of d wait. If other groups fare alike, and no post passes, it is not for their sake: they
// all wait for the same, and one call at a time tries it.
func (q *queue) unprovenFolder(now time.Time, d *delivery, err error) news {
	l := d.lane
	d.stumbles++
	l.pause.fail(now)
	l.pause.because(err)
	l.pause.obey(now.Add(retryAfter(err)))
	l.unproven = true
	if q.isAlike(l) && (q.groups.failures == 0 || q.groups.probes(d.since)) {
		q.groups.fail(now)
		q.groups.because(err)
	}
	switch {
	case q.groups.failures > 0:
		return newsGroups
	case l.pause.failures == 1:
		return newsGroupUnproven
	}
	return newsWaits
}

// groupsReady reports whether l may be tried, as far as it waits together with others.
func (q *queue) groupsReady(now time.Time, l *lane) bool {
	if !l.unproven || q.groups.failures == 0 {
		return true
	}
	tried := slices.ContainsFunc(q.turns, func(o *lane) bool { return o.unproven && o.isProbing(&q.groups) })
	return !tried && q.ready(now, &q.groups)
}

// groupsPass ends what several groups waited for together: a post passed.
func (q *queue) groupsPass() {
	q.groups.end()
	for _, l := range q.turns {
		l.unproven = false
	}
}
