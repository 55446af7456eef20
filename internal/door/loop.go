package door

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/text"
)

// loop owns all state of one Run.
type loop struct {
	*Doors
	registry *registry
	try      func(d *door, f config.Folder, up *sighting) verdict // runs in a goroutine of its own

	doors   []*door // the configured ones, in the order of the configuration
	leaving []*door // no longer configured, but not at their end yet
	ended   chan ended
	over    chan struct{} // closed when run no longer reads ended
	firstAt time.Time     // when the first folders are sent at the latest; zero: nothing is configured yet
	sent    bool          // the first folders were sent
	changed bool          // the folders to hand on have changed since they were last sent
}

// ended is the outcome of a try, or of asking whether a leaving door may end.
type ended struct {
	d       *door
	v       verdict
	leaving bool // it was not a try, but the question whether the door may end
	busy    bool // the door may not end yet
}

func newLoop(d *Doors) *loop {
	l := &loop{Doors: d, registry: newRegistry(d.StateDir), ended: make(chan ended), over: make(chan struct{})}
	l.registry.files = d.Files
	l.try = func(d *door, f config.Folder, up *sighting) verdict { return l.registry.try(d, f, l.Probe, up) }
	return l
}

func (l *loop) run(ctx context.Context) (hanging []string, err error) {
	defer close(l.over)
	part := l.Beats.Join("bringing up the folders")
	defer part.Leave()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		now := time.Now()
		l.start(now)
		if at := l.wake(now); !at.IsZero() {
			timer.Reset(at.Sub(now))
		}
		up, folders := l.nextUp(now)
		select {
		case folders, ok := <-l.Folders:
			if !ok {
				part.Leave() // what hangs is waited for below
				return l.end()
			}
			l.configure(now, folders)
		case e := <-l.ended:
			l.onEnded(time.Now(), e)
		case up <- folders:
			l.sent, l.changed = true, false
		case ask := <-l.Asks:
			ask.Answer <- l.view()
		case <-part.Asked():
			part.Taken()
		case <-timer.C:
		case <-ctx.Done():
			part.Leave()
			return l.end()
		}
	}
}

// start starts every try that is due, and says which tries hang.
func (l *loop) start(now time.Time) {
	for _, d := range slices.Concat(l.doors, l.leaving) {
		switch {
		case d.trying:
			l.tellHang(now, d)
		case !d.tryAt.IsZero() && !now.Before(d.tryAt):
			d.trying, d.tried, d.began, d.hangTold = true, d.folder, now, false
			d.step.Store(nil)
			go l.attempt(d, d.folder, l.lastSeen(d), d.gone)
		}
	}
}

// lastSeen is what was seen of a door that is up with its present configuration, or nil.
func (l *loop) lastSeen(d *door) *sighting {
	if !d.up || !sameDoor(d.served, d.folder) {
		return nil
	}
	seen := d.seen
	return &seen
}

// attempt makes one try, or asks whether a door that is no longer configured may end.
func (l *loop) attempt(d *door, f config.Folder, up *sighting, gone bool) {
	e := ended{d: d, leaving: gone}
	if gone {
		e.busy = l.Busy != nil && l.Busy(f.Path)
	} else {
		e.v = l.try(d, f, up)
	}
	select {
	case l.ended <- e:
	case <-l.over:
	}
}

// wake gives the time of the next thing to do; zero if no time will bring anything.
func (l *loop) wake(now time.Time) time.Time {
	var at time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	for _, d := range slices.Concat(l.doors, l.leaving) {
		switch {
		case !d.trying:
			sooner(d.tryAt)
		case !d.hangTold && !d.up:
			sooner(d.began.Add(hangAfter))
		}
	}
	if !l.sent && now.Before(l.firstAt) { // after that the loop only waits for Up to be read
		sooner(l.firstAt)
	}
	return at
}

// nextUp gives the folders to hand on. The channel is nil while there is nothing new.
func (l *loop) nextUp(now time.Time) (chan<- []config.Folder, []config.Folder) {
	unanswered := func(d *door) bool { return !d.answered }
	switch {
	case l.firstAt.IsZero(): // nothing is configured yet
		return nil, nil
	case !l.sent && now.Before(l.firstAt) && slices.ContainsFunc(l.doors, unanswered):
		return nil, nil
	case l.sent && (!l.changed || l.Once):
		return nil, nil
	}
	up := []config.Folder{}
	for _, d := range l.doors {
		if d.up {
			up = append(up, d.served)
		}
	}
	return l.Up, up
}

// configure takes the folders that are configured from now on.
func (l *loop) configure(now time.Time, folders []config.Folder) {
	if l.firstAt.IsZero() {
		l.firstAt = now.Add(firstWait)
		if l.Once {
			l.firstAt = now.Add(hangAfter)
		}
	}
	before := slices.Concat(l.doors, l.leaving)
	l.doors, l.leaving = nil, nil
	for rank, f := range folders {
		i := slices.IndexFunc(before, func(d *door) bool { return d.folder.Path == f.Path })
		if i < 0 {
			before = append(before, &door{tryAt: now})
			i = len(before) - 1
		}
		l.adapt(now, before[i], f)
		l.registry.configure(before[i], f, rank)
		l.doors = append(l.doors, before[i])
		before = slices.Delete(before, i, i+1)
	}
	for _, d := range before {
		l.letGo(now, d)
	}
}

// adapt gives a door its configuration. A change that needs no other try is handed on at once. After any other change
// the folder stays up as it was until the try has ended.
func (l *loop) adapt(now time.Time, d *door, f config.Folder) {
	again := d.gone || !sameDoor(d.folder, f)
	d.gone, d.folder = false, f
	if again && (!l.Once || !d.answered) {
		d.tryAt, d.pause = now, 0
	}
	if d.up && sameDoor(d.served, f) && !reflect.DeepEqual(d.served, f) {
		d.served, l.changed = f, true
	}
}

// letGo ends a door that is no longer configured: at once, or when everything that was taken up in its folder is at its
// end.
func (l *loop) letGo(now time.Time, d *door) {
	if !d.wasUp {
		d.gone = true
		l.registry.forget(d)
		return
	}
	if !d.gone {
		l.registry.leave(d, true)
		l.changed = l.changed || d.up
		d.gone, d.up, d.pause = true, false, 0
		d.tryAt = now.Add(d.nextPause())
	}
	l.leaving = append(l.leaving, d)
}

// end waits a little for the tries that are under way.
func (l *loop) end() (hanging []string, err error) {
	isTrying := func(d *door) bool { return d.trying }
	all := slices.Concat(l.doors, l.leaving)
	for late := time.After(endWait); late != nil && slices.ContainsFunc(all, isTrying); {
		select {
		case e := <-l.ended:
			e.d.trying = false
		case <-late:
			late = nil
		}
	}
	var errs []error
	for _, d := range all {
		if d.trying {
			hanging = append(hanging, fmt.Sprintf("folder %s: %s", text.Printable(d.folder.Path), d.doing()))
		}
		if l.Once && !d.gone && !d.up {
			errs = append(errs, d.whyNot())
		}
	}
	return hanging, errors.Join(errs...)
}
