package watcher

import (
	"slices"
	"time"
)

const (
	// sayQuiet is how long nothing more of a kind must have come before it is said, or settle if that is less, and sayLatest how
	// long that may take: what is dropped together is said together.
	sayQuiet  = time.Second
	sayLatest = 10 * time.Second
	// sayAgain is how long a kind is not said again after it was, and doubles each time, up to sayAgainMost.
	sayAgain     = time.Minute
	sayAgainMost = time.Hour
	// warnWorse is how many times as many files of a kind must wait as when it was warned of last for another warning.
	warnWorse = 10
	// checkEvery bounds the time between two looks for what is worth a warning.
	checkEvery = time.Minute
	// freshMost bounds how many names are remembered to be said that are no longer there.
	freshMost = 1000
)

// report knows which files of one folder wait or are left alone, since when and why, and decides what is said of them:
// one line for each kind, with a count. It is pure: no clock, no I/O, no goroutine.
type report struct {
	warnAfter time.Duration // 0 = never
	sayQuiet  time.Duration
	entries   map[string]*entry
	kinds     map[kind]*saying
	checkAt   time.Time // when to look for what is worth a warning; zero while there is nothing
}

// entry is one name that is not handed over.
type entry struct {
	kind   kind
	reason string
	since  time.Time // of the kind, or of the first of those that are busy
	said   kind      // what was said of it last, or is about to be
}

// saying is what was said of one kind.
type saying struct {
	fresh       []string // not said yet; what is no longer so is left out when it is said
	first, last time.Time
	quietFor    time.Duration // the time to the next line
	saidAt      time.Time
	warned      int // how many there were at the last warning; 0: none since it was over
}

// line is what is to be said.
type line struct {
	kind   kind
	reason string   // of all of them
	names  []string // all that it is about, in order
	each   []string // the reason of each
	since  time.Time
	warn   bool // for longer than is ordinary
	over   bool // no more of what was warned of
}

func newReport(warnAfter, settle time.Duration) *report {
	return &report{warnAfter: warnAfter, sayQuiet: min(sayQuiet, settle), entries: map[string]*entry{}, kinds: map[kind]*saying{}}
}

// set notes that name is not handed over, for a reason of a kind. news reports that it was not so before.
func (r *report) set(now time.Time, name string, kind kind, reason string) (news bool) {
	if reason == "" {
		reason = stateOf(kind).reason
	}
	e, known := r.entries[name]
	if !known {
		e = &entry{since: now}
		r.entries[name] = e
	}
	if known && e.kind != kind && !(stateOf(e.kind).busy && stateOf(kind).busy) {
		e.since = now
	}
	if e.kind != kind || !known {
		r.check(now, kind)
	}
	e.kind, e.reason = kind, reason
	if e.said == kind || stateOf(kind).silent {
		return false
	}
	e.said = kind
	r.mention(now, kind, name)
	return true
}

// mention has name said with the next line of the kind, if it still is of it then or nothing is known of it.
func (r *report) mention(now time.Time, kind kind, name string) {
	s := r.saying(kind)
	if len(s.fresh) == 0 {
		s.first = now
	}
	s.fresh, s.last = append(s.fresh, name), now
	if len(s.fresh) > 2*len(r.entries)+freshMost { // names that come and go
		s.fresh = slices.DeleteFunc(s.fresh, func(name string) bool { e, ok := r.entries[name]; return !ok || e.kind != kind })
	}
}

func (r *report) saying(kind kind) *saying {
	s, ok := r.kinds[kind]
	if !ok {
		s = &saying{}
		r.kinds[kind] = s
	}
	return s
}

// clear forgets name: it was handed over, or is gone.
func (r *report) clear(name string) { delete(r.entries, name) }

// keep forgets every name of which known is not true.
func (r *report) keep(known func(name string, kind kind) bool) {
	for name, e := range r.entries {
		if !known(name, e.kind) {
			delete(r.entries, name)
		}
	}
}

// soon is after how long what a person must mend anyway is warned of.
func (r *report) soon() time.Duration {
	if r.warnAfter == 0 {
		return soonAfter
	}
	return min(r.warnAfter, soonAfter)
}

// check has what waits for a reason of that kind looked at when it may be worth a warning, or soon after.
func (r *report) check(now time.Time, kind kind) {
	var at time.Time
	switch warns := stateOf(kind).warns; {
	case warns == warnSoon:
		at = now.Add(max(r.soon(), minHold))
	case warns == warnNever || r.warnAfter == 0:
		return
	default:
		at = now.Add(min(max(r.warnAfter/4, minHold), checkEvery))
	}
	if r.checkAt.IsZero() || at.Before(r.checkAt) {
		r.checkAt = at
	}
}

// next says when lines may have something. ok is false if never.
func (r *report) next() (at time.Time, ok bool) {
	at, ok = r.checkAt, !r.checkAt.IsZero()
	for _, s := range r.kinds {
		if len(s.fresh) == 0 {
			continue
		}
		if due := r.due(s); !ok || due.Before(at) {
			at, ok = due, true
		}
	}
	return at, ok
}

// due is when the names that are not said yet are to be.
func (r *report) due(s *saying) time.Time {
	due := earlier(s.last.Add(r.sayQuiet), s.first.Add(sayLatest))
	if again := s.saidAt.Add(s.quietFor); due.Before(again) {
		return again
	}
	return due
}

// lines gives what is to be said now; with all, also what could wait.
func (r *report) lines(now time.Time, all bool) (lines []line) {
	for _, kind := range kinds() {
		s, ok := r.kinds[kind]
		if !ok || len(s.fresh) == 0 || !all && now.Before(r.due(s)) {
			continue
		}
		l, ok := r.about(kind, s.fresh)
		if s.fresh = nil; !ok {
			continue
		}
		if now.Sub(s.saidAt) > 2*sayAgainMost {
			s.quietFor = 0
		}
		s.saidAt, s.quietFor = now, min(max(2*s.quietFor, sayAgain), sayAgainMost)
		lines = append(lines, l)
	}
	if !r.checkAt.IsZero() && (all || !now.Before(r.checkAt)) {
		lines = append(lines, r.warnings(now, all)...)
	}
	return lines
}

// about makes a line of those of names that still are of the kind.
func (r *report) about(kind kind, names []string) (line, bool) {
	l := line{kind: kind}
	reasons := map[string]string{}
	for _, name := range names {
		e, known := r.entries[name]
		if kind == kindOldNote {
			e, known = &entry{kind: kind, reason: stateOf(kind).reason}, true
		}
		if known && e.kind != kind && e.said == kind { // it was not said after all
			e.said = ""
		}
		if _, twice := reasons[name]; twice || !known || e.kind != kind {
			continue
		}
		reasons[name] = e.reason
		l.names = append(l.names, name)
		if l.since.IsZero() || e.since.Before(l.since) {
			l.since = e.since
		}
	}
	slices.SortFunc(l.names, compareNames)
	l.reason = stateOf(kind).reason
	for _, name := range l.names {
		l.each = append(l.each, reasons[name])
	}
	if len(slices.Compact(slices.Clone(l.each))) == 1 {
		l.reason = l.each[0]
	}
	return l, len(l.names) > 0
}

// warnings gives what has lasted for too long, what has become much worse, and what is over. With all, what is worth a warning
// soon is worth it now.
func (r *report) warnings(now time.Time, all bool) (lines []line) {
	r.checkAt = time.Time{}
	count, late := map[kind]int{}, map[kind]bool{}
	for _, e := range r.entries {
		count[e.kind]++
		late[e.kind] = late[e.kind] || r.isLate(now, e) || all && stateOf(e.kind).warns == warnSoon
	}
	for _, kind := range kinds() {
		s, n := r.kinds[kind], count[kind]
		if n > 0 {
			r.check(now, kind)
		}
		switch {
		case late[kind] && (s == nil || s.warned == 0 || n >= warnWorse*s.warned):
			l, _ := r.about(kind, r.namesOf(kind))
			l.warn = true
			r.saying(kind).warned = n
			lines = append(lines, l)
		case s != nil && s.warned > 0 && !late[kind]:
			s.warned = 0
			lines = append(lines, line{kind: kind, reason: stateOf(kind).reason, over: true})
		}
	}
	return lines
}

func (r *report) namesOf(kind kind) (names []string) {
	for name, e := range r.entries {
		if e.kind == kind {
			names = append(names, name)
		}
	}
	return names
}

// isLate reports whether e is worth a warning.
func (r *report) isLate(now time.Time, e *entry) bool {
	switch warns := stateOf(e.kind).warns; {
	case warns == warnSoon:
		return now.Sub(e.since) >= r.soon()
	case r.warnAfter == 0 || warns == warnNever:
		return false
	}
	return now.Sub(e.since) >= r.warnAfter
}
