package uploader

import (
	"context"
	"fmt"
	"slices"
	"time"

	"kaizala-drop/internal/beat"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/hang"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/text"
	"kaizala-drop/internal/view"
)

// onceTries is how often all that is left must have failed before a run whose input has ended gives it up.
const onceTries = 5

// loop owns all state of one Run.
type loop struct {
	*Uploader
	queue     *queue
	folders   <-chan []Folder   // nil once it is closed
	settled   <-chan file.Batch // nil once it is closed
	drained   bool              // Settled was closed
	outcomes  chan outcome
	handBacks []handBack // not taken yet
	orphans   []ledger.Delivery
	sum       Summary
	beat      *beat.Part    // nil: nobody looks whether it moves
	ended     chan struct{} // closed when the loop has ended: nobody takes outcomes any more
}

func newLoop(u *Uploader) *loop {
	_, finds := u.Destination.(Finder)
	l := &loop{
		Uploader: u,
		queue:    newQueue(u.MaxUploads, u.MaxAttempts, u.Budget, u.Traits),
		folders:  u.Folders,
		settled:  u.Settled,
		outcomes: make(chan outcome),
		ended:    make(chan struct{}),
	}
	l.queue.finds = finds
	return l
}

// restore takes up what earlier runs left unfinished.
func (l *loop) restore(ctx context.Context) error {
	unfinished, err := l.Ledger.Unfinished(ctx, l.Name)
	if err != nil {
		return fmt.Errorf("cannot read what earlier runs left unfinished: %w", err)
	}
	// Claims are made side by side, so their order is not that of the files.
	slices.SortStableFunc(unfinished, func(a, b ledger.Delivery) int { return a.SettledAt.Compare(b.SettledAt) })
	l.adopt(unfinished)
	return nil
}

// adopt takes up the deliveries whose folders are there, and keeps the others for the day when theirs is: it is not
// configured, or cannot be served now.
func (l *loop) adopt(unfinished []ledger.Delivery) {
	before := len(l.orphans)
	l.orphans = nil
	for _, known := range unfinished {
		d, ok := l.queue.restore(known)
		if !ok {
			l.orphans = append(l.orphans, known)
			continue
		}
		l.logOf(&d.facts).Info().Str("state", string(known.State)).Msg("going on with what an earlier run left")
	}
	if len(l.orphans) > 0 && len(l.orphans) != before { // folders come up one by one
		l.Log.Warn().Int("deliveries", len(l.orphans)).Str("folder", text.Printable(l.orphans[0].Folder)).
			Msg("deliveries wait until their folder is there, or is configured again")
	}
}

func (l *loop) setFolders(folders []Folder) {
	l.queue.setFolders(folders)
	l.adopt(l.orphans)
}

// leaveAfter is how long steps may take after the grace is over: those that were told to end, and those that can't be.
const leaveAfter = 2 * time.Second

// run works until all is done. Its error is a *hang.Error if steps were left behind.
func (l *loop) run(ctx context.Context) (Summary, error) {
	defer close(l.ended)
	steps, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := ctx.Done()
	var grace, leave <-chan time.Time
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		l.startSteps(steps)
		l.onHung()
		if l.isDone() {
			return l.leaveRest()
		}
		l.setTimer(timer)
		released, release := l.nextHandBack()
		select {
		case b, ok := <-l.settled:
			l.onSettled(b, ok)
		case folders, ok := <-l.folders:
			l.onFolders(folders, ok)
		case o := <-l.outcomes:
			l.onOutcome(o)
		case ask := <-l.Asks:
			l.answer(ask)
		case <-l.beat.Asked():
			l.beat.Taken()
		case <-l.Again:
			l.queue.tryNow(time.Now())
		case released <- release:
			l.handBacks = l.handBacks[1:]
		case <-timer.C:
		case <-stop:
			l.Log.Info().Stringer("grace", l.Grace).Msg("stopping: what is under way may end, the rest goes on at the next start")
			l.queue.stop()
			stop, l.settled = nil, nil
			grace = time.After(l.Grace)
		case <-grace:
			cancel()
			leave = time.After(leaveAfter)
		case <-leave:
			return l.leaveRest()
		}
	}
}

// isDone reports whether the run is at its end: nothing is under way that it waits for, and nothing will be. A stop waits
// for what hangs as long as for everything else, a drained run does not.
func (l *loop) isDone() bool {
	known, busy := l.queue.counts()
	switch {
	case busy > 0:
		return false
	case l.queue.stopping:
		return len(l.queue.steps) == 0
	}
	return l.drained && (known == 0 || l.queue.hopeless(onceTries))
}

// leaveRest ends the run: what is not at its end is safe in the ledger and in its folder.
func (l *loop) leaveRest() (Summary, error) {
	known, _ := l.queue.counts()
	l.sum.Left = known + l.unsettled()
	if calls := l.queue.left(); len(calls) > 0 {
		return l.sum, &hang.Error{Calls: calls}
	}
	return l.sum, nil
}

// startSteps starts every step that may be taken now.
func (l *loop) startSteps(ctx context.Context) {
	for {
		d, j := l.queue.next(time.Now())
		if d == nil {
			return
		}
		ctx, cancel := context.WithCancelCause(ctx)
		d.breakOff = cancel
		go func() {
			defer cancel(nil)
			select {
			case l.outcomes <- outcome{d, l.step(ctx, j)}:
			case <-l.ended: // it hung, and was left behind
			}
		}()
	}
}

func (l *loop) setTimer(timer *time.Timer) {
	timer.Stop()
	if !l.queue.wake.IsZero() {
		timer.Reset(time.Until(l.queue.wake))
	}
}

func (l *loop) nextHandBack() (chan<- file.Release, file.Release) {
	if len(l.handBacks) == 0 {
		return nil, file.Release{}
	}
	return l.Released, l.handBacks[0].Release
}

// answer shows the queue to whoever asks.
func (l *loop) answer(ask view.Ask[view.Posting]) {
	shown := l.queue.view(time.Now(), ask)
	shown.Destination, shown.Orphans = l.Name, len(l.orphans)
	ask.Answer <- shown
}

func (l *loop) onFolders(folders []Folder, ok bool) {
	if !ok {
		l.folders = nil
		return
	}
	l.setFolders(folders)
}

func (l *loop) onSettled(b file.Batch, ok bool) {
	if !ok {
		l.settled, l.drained, l.queue.drained = nil, true, true
		return
	}
	l.queue.add(b)
}

// onHung deals with the steps that were found hanging.
func (l *loop) onHung() {
	for _, h := range l.queue.takeHung() {
		if h.breakOff {
			h.d.breakOff(errHung)
		}
		if h.tell {
			l.tellHung(h)
		}
	}
}

// unsettled counts the files that were given back and that nobody took.
func (l *loop) unsettled() int {
	n := 0
	for _, r := range l.handBacks {
		if !r.gone {
			n++
		}
	}
	return n
}
