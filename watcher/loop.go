package watcher

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/hang"
	"kaizala-drop/internal/view"
)

const (
	// rescanRemote is the longest time between listings where listings are all there is.
	rescanRemote = 10 * time.Second
	// retryFirst is the time to the next listing when the folder could not be listed or watched; it doubles up to
	// rescanRemote.
	retryFirst = 250 * time.Millisecond
)

// loop owns all that is known of one folder. It does no I/O, and its outbox lets it go on while the consumer is slow.
type loop struct {
	folder Folder
	once   bool
	log    zerolog.Logger

	events   <-chan fsnotify.Event // nil: polled
	errors   <-chan error
	released <-chan string
	asks     <-chan view.Ask[view.Watched]
	requests chan<- request // closed by the loop when it ends
	answers  <-chan answer
	settled  chan<- file.Batch

	filter    filter
	files     *Settler
	gather    *gatherer
	outbox    []file.Batch    // settled, not yet taken
	names     []string        // to be looked at with the next request, in order
	asked     map[string]bool // the same as a set
	due       []string        // to be looked at after these, and into: their quiet time is over
	later     []string        // the same of those that are held back: a few after each of the others
	list      bool            // the next request asks for a whole listing
	away      bool            // a request is with the scout
	calls     *hang.Calls     // what the scout does on the file system
	hanging   bool            // the scout does not come back: what it does on the file system hangs
	sentAt    time.Time       // when it, or the last one, was sent
	listAt    time.Time       // when to list on the timer
	retry     time.Duration   // > 0: the folder cannot be listed or watched, and this is the time to the next try
	listed    bool            // the folder was listed at least once, or could not be in a run with once
	remote    string          // the file system, if changes there bring no event
	root      file.Info       // the folder when it was last listed
	trouble   string          // what was said last about a folder that cannot be listed or watched
	unlisted  map[string]bool // why the folder or parts of it could not be listed the last time
	leaseTold bool            // it was said that the kernel does not tell who is writing
	report    *report         // what is said of files that are not handed over
	ignored   map[string]int  // how many names each rule was said to be for
}

func newLoop(f Folder, once bool, log zerolog.Logger) *loop {
	return &loop{
		folder: f, once: once, log: log, list: true, calls: &hang.Calls{},
		filter:   newFilter(f),
		files:    newSettlerOf(f),
		gather:   newGatherer(f),
		asked:    map[string]bool{},
		unlisted: map[string]bool{},
		report:   newReport(f.WarnAfter, f.Settle),
		ignored:  map[string]int{},
	}
}

// run runs until ctx ends or, with once, until nothing is left to settle. Its error at the end of a run with once says
// what could not be listed, and what waits.
func (l *loop) run(ctx context.Context) error {
	defer close(l.requests)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !l.finished() {
		now := time.Now()
		l.onTime(now)
		l.onGathered(now)
		l.say(now, false)
		timer.Reset(l.wake(now).Sub(now))
		requests, next := l.nextRequest()
		settled, first := l.nextSettled()
		select {
		case ev, ok := <-l.events:
			l.onEvent(ev, ok)
		case err, ok := <-l.errors:
			l.onError(err, ok)
		case a := <-l.answers:
			l.onAnswer(a)
		case name := <-l.released:
			l.onRelease(name)
		case ask := <-l.asks:
			ask.Answer <- l.view(now, ask.Name)
		case <-timer.C: // onTime does what is to be done
		case requests <- next:
			l.sent(now)
		case settled <- first:
			l.outbox = l.outbox[1:]
		case <-ctx.Done():
			l.say(time.Now(), true)
			return ctx.Err()
		}
	}
	l.say(time.Now(), true)
	return l.left()
}

// wake says when the timer must fire.
func (l *loop) wake(now time.Time) time.Time {
	at := now.Add(l.folder.Rescan)
	if ends, ok := l.gather.next(); ok {
		at = earlier(at, ends)
	}
	if says, ok := l.report.next(); ok {
		at = earlier(at, says)
	}
	if l.away { // nothing else to do before the answer comes
		return earlier(at, l.hangsAt(now))
	}
	if !l.listAt.IsZero() {
		at = earlier(at, l.listAt)
	}
	if due, ok := l.files.Next(); ok {
		at = earlier(at, due)
	}
	return at
}

// nextRequest gives what to ask of the scout, and a nil channel while there is nothing or it is busy.
func (l *loop) nextRequest() (chan<- request, request) {
	if l.away || !l.wants() {
		return nil, request{}
	}
	return l.requests, request{names: l.names, whole: l.list, due: slices.Concat(l.due, l.later[:l.laterNow()])}
}

// laterMost is how many of those that are held back one request asks for, and laterMostRemote the same where each look asks
// another host. What has just settled waits for no more of them than that.
const (
	laterMost       = 2048
	laterMostRemote = 256
)

// laterNow is how many of them the next request asks for.
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
		l.files.StartRound()
	}
	l.later = l.later[l.laterNow():]
	l.away, l.list, l.names, l.due, l.asked, l.sentAt = true, false, nil, nil, map[string]bool{}, now
}

func (l *loop) nextSettled() (chan<- file.Batch, file.Batch) {
	if len(l.outbox) == 0 {
		return nil, nil
	}
	return l.settled, l.outbox[0]
}

// ask has name looked at soon.
func (l *loop) ask(name string) {
	if !l.asked[name] {
		l.asked[name] = true
		l.names = append(l.names, name)
	}
}

// onRelease takes back what the consumer gave back. If a later state of the file is still in the outbox, that is on its
// way already.
func (l *loop) onRelease(name string) {
	named := func(s file.Settled) bool { return s.Name == name }
	if !slices.ContainsFunc(l.outbox, func(b file.Batch) bool { return slices.ContainsFunc(b, named) }) {
		l.files.Release(time.Now(), name)
	}
}

func (l *loop) onEvent(ev fsnotify.Event, ok bool) {
	if !ok {
		l.events = nil
		return
	}
	name, below := strings.CutPrefix(ev.Name, l.folder.Path+"/")
	if !below { // about the folder itself: renamed, removed, or its attributes
		l.list = l.list || ev.Has(fsnotify.Remove) || ev.Has(fsnotify.Rename)
		return
	}
	if l.filter.skips(name) {
		l.gather.stir(time.Now(), name) // rsync and others write under a name like this, and then rename
		return
	}
	now := time.Now()
	if ev.Op == fsnotify.Chmod {
		l.files.TouchLooks(now, name)
	} else {
		l.files.Touch(now, name)
	}
	switch {
	case ev.Has(fsnotify.Write):
		l.files.Came(now, name, originWritten)
	case ev.Has(fsnotify.Create):
		l.files.Came(now, name, originMoved)
	}
	l.ask(name)
}

// drain takes the events that wait before an answer is judged. On a busy machine they come late: of two files that are
// due, one would have its quiet time restarted by its late event, and the other, whose event is still unread, would
// settle before it by the same answer.
func (l *loop) drain() {
	for range len(l.events) {
		ev, ok := <-l.events
		l.onEvent(ev, ok)
	}
}

func (l *loop) onError(err error, ok bool) {
	switch {
	case !ok:
		l.errors = nil
	case errors.Is(err, fsnotify.ErrEventOverflow):
		l.list = true
		l.log.Info().Msg("more events than the kernel's queue holds: listing the folder again")
	case errors.Is(err, syscall.EINVAL): // a watched folder was renamed and deleted at once: its watch had ended already
		l.list = true
	default:
		l.list = true
		l.log.Warn().Err(err).Msg("error from inotify: listing the folder again")
	}
}

// onTime asks for what is due, if the scout has time: asked for earlier, it would be looked at no sooner, and what has
// changed meanwhile would be out of turn. Files settle by these looks alone, so they settle in the order of their last
// changes.
func (l *loop) onTime(now time.Time) {
	if l.away {
		l.checkHanging(now)
		return
	}
	for _, name := range l.files.Due(now) {
		if l.files.IsHeld(name) {
			l.later = append(l.later, name)
		} else {
			l.due = append(l.due, name)
		}
	}
	if !l.listAt.IsZero() && !now.Before(l.listAt) {
		l.list = true
		l.listAt = now.Add(l.rescan())
	}
}

// rescan is the time between listings.
func (l *loop) rescan() time.Duration {
	if l.events == nil || l.remote != "" {
		return min(l.folder.Rescan, rescanRemote)
	}
	return l.folder.Rescan
}

func (l *loop) onAnswer(a answer) {
	l.away = false
	l.tellBack()
	l.drain()
	now := time.Now()
	if a.whole {
		l.onListing(now, a)
	}
	l.tellUnlisted(a)
	l.tellLease(a.leaseErr)
	l.list = l.list || a.anomaly
	for _, s := range a.seen {
		l.onSighting(now, s)
	}
	if a.whole && a.missing == nil && len(a.partial) == 0 {
		l.files.EndRound()
		l.keepReported(a)
		l.tellIgnored(a.ignored)
	}
	if a.watchErr != nil && !a.whole { // a new subfolder could not be watched: list sooner
		l.list = true
	}
}
