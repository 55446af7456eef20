package uploader

import (
	"errors"
	"slices"
	"time"

	"kaizala-drop/internal/ledger"
)

// A posted file that is not in its place is looked for: it may come to light under another name.

// awayFor is how long a posted file that is no longer under its name is looked for among what settles in its folder.
const awayFor = 15 * time.Minute

// mayBeFound reports whether a file of d that is away may still be found. It is looked for during awayFor, and then as long as
// something that had settled by then still waits to be compared with it.
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

// retryEnd has d wait until its local end works. A file that is away is looked for meanwhile.
func (q *queue) retryEnd(now time.Time, d *delivery, err error) news {
	if errors.Is(err, errAway) {
		d.copied = d.copied || errors.Is(err, errCopied)
		q.lookFor(now, d)
		return newsAway
	}
	d.pause.fail(now)
	d.pause.because(err)
	d.pause.atMost(now.Add(mendedWithin))
	if d.stage == toFile || d.stage == toFail {
		return newsUnfilable
	}
	return newsWaits
}

// lookFor has d wait for a file that is not in its place. A newer file under its name does not wait for it.
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

// suspect is a file of a delivery that is posted, or may be, and has the size of a file that is about to be sent.
type suspect struct {
	of     *delivery
	index  int
	file   ledger.File // as it was when the step began
	copied bool        // it has the sum of its copy, and maybe none of an upload
}

// suspects returns the files of other deliveries that files of d may be. wait says that there is one more, which has a step under
// way.
//
// A posted file was seen in its place until its post began. So a file can be the same one only if it has settled since.
func (l *lane) suspects(d *delivery) (found []suspect, wait bool) {
	for _, other := range slices.Concat(l.unfiled, l.active) {
		if other == d || !other.postBegun.Before(d.SettledAt) {
			continue
		}
		unanswered := other.busy && other.stage == toPost
		if maybe := other.isPosted() || other.copied || other.unknown && !unanswered; !maybe {
			continue
		}
		for i := range other.Files {
			size := other.Files[i].ID.Size
			switch {
			case !slices.ContainsFunc(d.Files, func(mine ledger.File) bool { return mine.ID.Size == size }):
			case other.busy:
				wait = true
			case other.Files[i].Dest == "":
				found = append(found, suspect{other, i, other.Files[i], other.copied})
			}
		}
	}
	return found, wait
}

// waitsForSuspects reports whether d, which is to be rejected, may be a file that is just being moved.
func (l *lane) waitsForSuspects(d *delivery) bool {
	if d.stage != toFail || d.busy || d.ID != 0 {
		return false
	}
	_, wait := l.suspects(d)
	return wait
}

// consume gives each file of d that was found to be another delivery's to that one, and lets the rest of d go on. While
// the other one has a step under way, d waits.
func (q *queue) consume(now time.Time, d *delivery, e *effects) (trouble news) {
	found, _ := errors.AsType[sameAs](e.err)
	consumed := map[int]bool{}
	for _, m := range found {
		if m.known.isStill() {
			m.known.of.recognise(m.known.index, d.Files[m.index])
			e.recognised = append(e.recognised, m)
			consumed[m.index] = true
		}
	}
	switch {
	case len(consumed) == 0:
		d.pause.fail(now)
		return when(d.isOpen(), newsWaits)
	case !d.isOpen(): // it was to be rejected, and is not claimed
		q.remove(d)
		return noNews
	}
	rest := d.without(func(i int) bool { return consumed[i] })
	q.divide(d, division{posts: [][]int{rest}, known: true})
	return noNews
}

// isStill reports whether the suspect is what it was when the step began.
func (s suspect) isStill() bool {
	l := s.of.lane
	known := slices.Contains(l.unfiled, s.of) || slices.Contains(l.active, s.of)
	return known && !s.of.busy && s.of.mayBeFiled() && s.of.Files[s.index].Name == s.file.Name && s.of.Files[s.index].Dest == ""
}

// recognise notes that the file at index is f now.
func (d *delivery) recognise(index int, f ledger.File) {
	mine := &d.Files[index]
	d.renamed = append(d.renamed, renamed{index, *mine})
	if d.lane.names[mine.Name] == d {
		delete(d.lane.names, mine.Name)
	}
	mine.Name, mine.ID = f.Name, f.ID
	d.lane.names[mine.Name] = d
	d.away = time.Time{}
	d.pause.end()
}
