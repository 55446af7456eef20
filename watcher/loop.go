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

	"kaizala-drop/internal/beat"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/hang"
	"kaizala-drop/internal/view"
)

const (
	// rescanRemote is the longest time between listings of a folder that brings no events.
	rescanRemote = 10 * time.Second
	// retryFirst is the time to the next listing when the folder could not be listed or watched. It doubles up to
	// rescanRemote.
	retryFirst = 250 * time.Millisecond
)

// loop owns all that is known of one folder. It does no I/O, and its outbox lets it go on while the consumer is slow.
type loop struct {
	folder Folder
	once   bool
	log    zerolog.Logger

	events   <-chan fsnotify.Event // nil: the folder is only listed
	errors   <-chan error
	released <-chan string
	asks     <-chan view.Ask[view.Watched]
	beat     *beat.Part     // nil: nobody looks whether it moves
	requests chan<- request // closed by the loop when it ends
	answers  <-chan answer
	settled  chan<- file.Batch

	filter    filter
	files     *settler
	gather    *gatherer
	outbox    []file.Batch    // settled, but not taken by the consumer yet
	names     []string        // to look at with the next request, in order
	asked     map[string]bool // names as a set
	due       []string        // to look at after names, and to look into: their quiet time is over
	later     []string        // like due, but held back: a request asks only for some of them
	list      bool            // the next request asks for a whole listing
	away      bool            // the scout has a request
	calls     *hang.Calls     // the scout's calls on the file system
	hanging   bool            // it was said that the scout hangs
	sentAt    time.Time       // when the last request was sent
	listAt    time.Time       // when the timer asks for the next listing
	retry     time.Duration   // the time to the next try while the folder cannot be listed or watched, else 0
	listed    bool            // the folder was listed at least once, or could not be listed in a run with once
	remote    string          // the name of the file system if changes there bring no event, else ""
	root      file.Info       // the folder, when it was last listed
	trouble   string          // what was said last about a folder that cannot be listed or watched
	because   string          // the error of that, as of the last listing
	unlisted  map[string]bool // the reasons why the folder or parts of it could not be listed the last time
	leaseTold bool            // it was said that the kernel does not tell who is writing
	report    *report         // the files that are not handed over, and what is said of them
	ignored   map[string]int  // by rule: how many names were last said to be left alone
}

func newLoop(f Folder, once bool, log zerolog.Logger) *loop {
	return &loop{
		folder: f, once: once, log: log, list: true, calls: &hang.Calls{},
		filter:   newFilter(f),
		files:    settlerOf(f),
		gather:   newGatherer(f),
		asked:    map[string]bool{},
		unlisted: map[string]bool{},
		report:   newReport(f.WarnAfter, f.Settle),
		ignored:  map[string]int{},
	}
}

// run runs until ctx ends or, with once, until nothing is left to settle. At the end of a run with once its error names
// what could not be listed and what is held back.
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
			ask.Answer <- l.view(now, ask)
		case <-l.beat.Asked():
			l.beat.Taken()
		case <-timer.C: // onTime does the work
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

// wake gives the time at which the timer must fire.
func (l *loop) wake(now time.Time) time.Time {
	at := now.Add(l.folder.Rescan)
	if ends, ok := l.gather.next(); ok {
		at = earlier(at, ends)
	}
	if says, ok := l.report.next(); ok {
		at = earlier(at, says)
	}
	if l.away { // nothing else can be done before the answer comes
		return earlier(at, l.hangsAt(now))
	}
	if !l.listAt.IsZero() {
		at = earlier(at, l.listAt)
	}
	if due, ok := l.files.next(); ok {
		at = earlier(at, due)
	}
	return at
}

func (l *loop) nextSettled() (chan<- file.Batch, file.Batch) {
	if len(l.outbox) == 0 {
		return nil, nil
	}
	return l.settled, l.outbox[0]
}

// onRelease takes back a file that the consumer gave back. If a later state of the file is in the outbox, that state is
// on its way already.
func (l *loop) onRelease(name string) {
	named := func(s file.Settled) bool { return s.Name == name }
	if !slices.ContainsFunc(l.outbox, func(b file.Batch) bool { return slices.ContainsFunc(b, named) }) {
		l.files.release(time.Now(), name)
	}
}

func (l *loop) onEvent(ev fsnotify.Event, ok bool) {
	if !ok {
		l.events = nil
		return
	}
	name, below := strings.CutPrefix(ev.Name, l.folder.Path+"/")
	if !below { // the event is about the folder itself
		l.list = l.list || ev.Has(fsnotify.Remove) || ev.Has(fsnotify.Rename)
		return
	}
	if l.filter.skips(name) {
		l.gather.extend(time.Now(), name) // rsync and others write under such a name, and then rename
		return
	}
	now := time.Now()
	if ev.Op == fsnotify.Chmod {
		l.files.touchAttributes(now, name)
	} else {
		l.files.touch(now, name)
	}
	switch {
	case ev.Has(fsnotify.Write):
		l.files.came(now, name, originWritten)
	case ev.Has(fsnotify.Create):
		l.files.came(now, name, originMoved)
	}
	l.ask(name)
}

// drain takes the events that are pending before an answer is judged. On a busy machine events come late. Of two files
// that are due, the late event of one would restart its quiet time, while the other, whose event is still unread, would
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
	case errors.Is(err, syscall.EINVAL): // a watched folder was renamed and deleted at once, so its watch had ended already
		l.list = true
	default:
		l.list = true
		l.log.Warn().Err(err).Msg("error from inotify: listing the folder again")
	}
}

// onTime asks for what is due, once the scout has time. If it asked earlier, no file would be looked at sooner, and a
// file that changes meanwhile would be out of its turn. Files settle by these looks alone, so they settle in the order
// of their last changes.
func (l *loop) onTime(now time.Time) {
	if l.away {
		l.checkHanging(now)
		return
	}
	for _, name := range l.files.due(now) {
		if l.files.isHeld(name) {
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

// rescan is the time between two listings.
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
		l.files.endRound()
		l.keepReported(a)
		l.tellIgnored(a.ignored)
	}
	if a.watchErr != nil && !a.whole { // a new subfolder could not be watched, so the next listing comes sooner
		l.list = true
	}
}
