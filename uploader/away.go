package uploader

import (
	"slices"
	"time"

	"kaizala-drop/internal/ledger"
)

// A posted file that is not in its place is looked for: it may come to light under another name.

// awayFor is how long a posted file that is no longer under its name is looked for among what settles in its folder.
const awayFor = 15 * time.Minute

// mayBeFound reports whether a file of d that is away may still be found: for as long as it is looked for, and while what had
// settled by then waits to be compared with it, however long that takes.
func (q *queue) mayBeFound(now time.Time, d *delivery) bool {
	inTime := d.away.IsZero() || now.Sub(d.away) < awayFor
	return inTime && !q.drained || d.mayBeFiled() && d.lane.mayHave(d)
}

// mayHave reports whether something that settled while a file of d was looked for, and may be that file, is still to be posted.
func (l *lane) mayHave(d *delivery) bool {
	maybe := func(other *delivery) bool {
		toPost := other.isOpen() && (other.busy || !other.unknown) // what a busy one comes to is not known yet
		toPost = toPost || other.stage == toFail && (other.busy || other.ID == 0)
		late := !d.away.IsZero() && other.SettledAt.After(d.away.Add(awayFor))
		return other != d && toPost && d.postBegun.Before(other.SettledAt) && !late && other.hasSizeOf(d)
	}
	return slices.ContainsFunc(l.active, maybe) || slices.ContainsFunc(l.pending, maybe) || slices.ContainsFunc(l.unfiled, maybe)
}

// hasSizeOf reports whether a file of d is as long as one of other's.
func (d *delivery) hasSizeOf(other *delivery) bool {
	return somePair(d, other, func(a, b *ledger.File) bool { return a.ID.Size == b.ID.Size })
}

// somePair reports whether it is so of a file of d and one of other.
func somePair(d, other *delivery, is func(a, b *ledger.File) bool) bool {
	for i := range d.Files {
		for j := range other.Files {
			if is(&d.Files[i], &other.Files[j]) {
				return true
			}
		}
	}
	return false
}

// lookFor has d wait for a file that is not in its place. What settled under its name meanwhile does not wait for it.
func (q *queue) lookFor(now time.Time, d *delivery) {
	d.pause.fail(now)
	d.pause.atMost(now.Add(mendedWithin))
	if d.away.IsZero() {
		d.away = now
	}
	waiting := d.successors
	d.successors = nil
	q.add(waiting)
}

// looksOther reports whether the file at index i is the wanted one after all, with other looks.
func (w *work) looksOther(i int) bool {
	now, err := w.lstat(w.file(i))
	if err != nil {
		return false
	}
	same, err := w.holdsStill(i, now)
	return err == nil && same
}
