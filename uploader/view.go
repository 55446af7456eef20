package uploader

import (
	"iter"
	"time"

	"kaizala-drop/internal/text"
	"kaizala-drop/internal/view"
)

// What the queue shows of itself.

// view gives the queue as of now: all of it, or what ask narrows it to.
func (q *queue) view(now time.Time, ask view.Ask[view.Posting]) (all view.Posting) {
	all.Pause = viewOf(now, &q.pause)
	for _, l := range q.turns {
		if ask.Is(l.folder.Path) {
			all.Lanes = append(all.Lanes, q.viewLane(now, l, ask))
		}
	}
	return all
}

// viewOf shows a pause, if there is one.
func viewOf(now time.Time, p *pause) *view.Pause {
	if p.over(now) && p.failures == 0 {
		return nil
	}
	return &view.Pause{Reason: p.reason, Advice: p.advice, Since: p.failedFirst, Failures: p.failures, Until: p.until}
}

// shownMost is how many deliveries of one folder are shown at once: a question must not hold up the queue.
const shownMost = 200

// viewLane shows a folder, and of its deliveries the first of them, or those with a file of the name that is asked for.
func (q *queue) viewLane(now time.Time, l *lane, ask view.Ask[view.Posting]) view.Lane {
	shown := view.Lane{
		Folder: l.folder.Path, Target: l.folder.Group, Removed: l.removed, Group: viewOf(now, &l.pause), Filing: viewOf(now, &l.sick),
		Deliveries: len(l.unfiled) + len(l.active) + len(l.pending),
	}
	for _, d := range q.steps {
		if call, ok := d.calls.First(); ok && d.lane == l && d.hanging {
			shown.Hangs = call.String()
		}
	}
	for i, d := range l.shown(ask) {
		shown.Queue = append(shown.Queue, q.show(now, d, max(0, i-len(l.unfiled)), ask.Name != ""))
	}
	return shown
}

// shown yields the deliveries that are to be shown, with their places.
func (l *lane) shown(ask view.Ask[view.Posting]) iter.Seq2[int, *delivery] {
	asked := map[*delivery]bool{l.names[ask.Name]: true}
	if ask.Below {
		for name, d := range l.names {
			asked[d] = asked[d] || ask.IsOf(name)
		}
	}
	return func(yield func(int, *delivery) bool) {
		i := 0
		for _, list := range [][]*delivery{l.unfiled, l.active, l.pending} {
			for _, d := range list {
				if ask.Name == "" && i == shownMost {
					return
				}
				if (ask.Name == "" || asked[d]) && !yield(i, d) {
					return
				}
				i++
			}
		}
	}
}

// show gives what d shows of itself, and the names of all its files if that is wanted.
func (q *queue) show(now time.Time, d *delivery, ahead int, names bool) view.Queued {
	shown := view.Queued{
		ID: d.ID, Name: d.name(), Files: len(d.Files), Kind: string(d.Kind), Stage: d.viewStage(), Busy: d.busy,
		Since: d.SettledAt, Tries: d.pause.failures, Reason: text.Printable(d.Reason), Trouble: d.pause.reason, Ahead: ahead, Size: bytesOf(d.Files),
		MaybePosted: d.unknown,
	}
	if names {
		shown.Names = d.names()
	}
	if d.busy {
		shown.Begun = d.since
	}
	if d.busy && d.stage == toUpload {
		shown.Sent = d.sent.Load()
	}
	shown.Behind, shown.Next = q.behind(now, d, ahead)
	return shown
}

func (d *delivery) viewStage() view.Stage {
	switch d.stage {
	case toClaim:
		return view.Pending
	case toUpload:
		return view.Claimed
	case toKeep, toPost:
		return view.Uploaded
	case toFind:
		return view.Asking
	case toHold:
		return view.HeldBack
	case toDivide:
		return view.Dividing
	case toConfirm, toFile:
		return view.Posted
	case toFail:
		return view.Failing
	case toWithdraw:
		return view.Leaving
	}
	panic("uploader: a delivery without a stage")
}

// behind says what d waits for, and until when at the least. What holds up the most is said first.
func (q *queue) behind(now time.Time, d *delivery, ahead int) (what view.Behind, until time.Time) {
	l := d.lane
	switch {
	case d.hanging, l.hanging > 0 && !d.busy:
		return view.BehindDisk, time.Time{}
	case d.busy:
		return view.BehindNothing, time.Time{}
	case d.elsewhere:
		return view.BehindOther, d.pause.until
	case d.stage == toHold:
		return view.BehindItself, d.heldUntil
	case !d.isOpen(), d.stage == toDivide:
		if d.pause.over(now) {
			return view.BehindNothing, time.Time{}
		}
		return view.BehindFolder, d.pause.until
	case !q.pause.over(now):
		return view.BehindDestination, q.pause.until
	case l.unproven && !q.groups.over(now):
		return view.BehindGroup, q.groups.until
	case !l.pause.over(now):
		return view.BehindGroup, l.pause.until
	case l.stuck(), !l.sick.over(now):
		return view.BehindFolder, l.sick.until
	case !d.pause.over(now):
		return view.BehindItself, d.pause.until
	case ahead > 0 && d.stage != toUpload:
		return view.BehindOrder, time.Time{}
	}
	return view.BehindTurn, time.Time{}
}
