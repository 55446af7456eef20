package watcher

import (
	"slices"
	"time"
)

const (
	// A kind is said when no more files of it have come for sayQuiet, or for settle if that is less, but after
	// sayLatest in any case. So files that are dropped together are said together.
	sayQuiet  = time.Second
	sayLatest = 10 * time.Second
	// sayAgain is how long a kind is not said again after it was said. The time doubles with each line, up to
	// sayAgainMost.
	sayAgain     = time.Minute
	sayAgainMost = time.Hour
	// warnWorse is by what factor the number of waiting files of a kind must have grown since the last warning for
	// another one.
	warnWorse = 10
	// checkEvery is the longest time between two checks for what is worth a warning.
	checkEvery = time.Minute
	// freshMost bounds how many names that are gone again are kept among those still to be said.
	freshMost = 1000
)

// report knows which files of one folder wait or are left alone, since when and why. It decides what is said of them:
// one line for each kind, with a count. It is pure: no clock, no I/O, no goroutine.
type report struct {
	warnAfter time.Duration // 0 = never
	sayQuiet  time.Duration
	entries   map[string]*entry
	kinds     map[kind]*saying
	checkAt   time.Time // when to check for what is worth a warning; zero: no check is needed
}

// entry is one name that is not handed over.
type entry struct {
	kind   kind
	reason string
	since  time.Time // since when it is of the kind, or of any of the busy kinds
	said   kind      // the kind that was said of it last, or is about to be
}

// saying is what was said of one kind.
type saying struct {
	fresh       []string // names to say; those that are no longer of the kind are left out when they are said
	first, last time.Time
	quietFor    time.Duration // the shortest time from saidAt to the next line
	saidAt      time.Time
	warned      int // the number of files at the last warning; 0: none since the kind was over
}

// line is one line to be logged.
type line struct {
	kind   kind
	reason string   // the reason that all names have in common, or that of the kind
	names  []string // all names that the line is about, in order
	each   []string // the reason of each name
	since  time.Time
	warn   bool // the names have waited for so long that a person has to look
	over   bool // none of the names that were warned of waits any more
}

func newReport(warnAfter, settle time.Duration) *report {
	return &report{warnAfter: warnAfter, sayQuiet: min(sayQuiet, settle), entries: map[string]*entry{}, kinds: map[kind]*saying{}}
}

// set notes that name is not handed over, for a reason of a kind. news reports whether the kind is still to be said of
// the name.
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

// mention puts name into the next line of the kind. The line leaves name out if it is known to be of another kind by
// then.
func (r *report) mention(now time.Time, kind kind, name string) {
	s := r.saying(kind)
	if len(s.fresh) == 0 {
		s.first = now
	}
	s.fresh, s.last = append(s.fresh, name), now
	if len(s.fresh) > 2*len(r.entries)+freshMost { // names that come and go must not pile up
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

// clear forgets name, because it was handed over or is gone.
func (r *report) clear(name string) { delete(r.entries, name) }

// keep forgets every name for which known is false.
func (r *report) keep(known func(name string, kind kind) bool) {
	for name, e := range r.entries {
		if !known(name, e.kind) {
			delete(r.entries, name)
		}
	}
}

// soon is how long a file may wait that a person must mend anyway, until that is worth a warning.
func (r *report) soon() time.Duration {
	if r.warnAfter == 0 {
		return soonAfter
	}
	return min(r.warnAfter, soonAfter)
}

// check plans the next check for warnings, with regard to a file of that kind which waits from now on.
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

// next gives the time at which lines may have something. ok is false if never.
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

// due is when the fresh names of a kind are to be said.
func (r *report) due(s *saying) time.Time {
	due := earlier(s.last.Add(r.sayQuiet), s.first.Add(sayLatest))
	if again := s.saidAt.Add(s.quietFor); due.Before(again) {
		return again
	}
	return due
}

// lines gives the lines to be logged now. all gives those that could wait as well.
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

// about makes one line of those names that still are of the kind. It reports false if there are none.
func (r *report) about(kind kind, names []string) (line, bool) {
	l := line{kind: kind}
	reasons := map[string]string{}
	for _, name := range names {
		e, known := r.entries[name]
		if kind == kindOldNote {
			e, known = &entry{kind: kind, reason: stateOf(kind).reason}, true
		}
		if known && e.kind != kind && e.said == kind { // that was not said after all
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

// warnings gives a line for each kind that has lasted for too long, has become much worse, or is over. With all, what
// is worth a warning soon is worth it now.
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

// isLate reports whether e has waited for so long that it is worth a warning.
func (r *report) isLate(now time.Time, e *entry) bool {
	switch warns := stateOf(e.kind).warns; {
	case warns == warnSoon:
		return now.Sub(e.since) >= r.soon()
	case r.warnAfter == 0 || warns == warnNever:
		return false
	}
	return now.Sub(e.since) >= r.warnAfter
}
