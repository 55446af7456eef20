package uploader

import (
	"cmp"
	"errors"
	"slices"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
)

// How a delivery leaves the queue: its calls are over, it is forgotten, or an album gives way to what it is divided into.

// localEnd moves d, whose calls are over, to those that wait for their local end.
func (q *queue) localEnd(d *delivery) {
	d.pause.end()
	d.lane.active = slices.DeleteFunc(d.lane.active, func(x *delivery) bool { return x == d })
	d.lane.unfiled = append(d.lane.unfiled, d)
}

// withdraw sends d to be forgotten by the ledger. gone says that its file is not there any more.
func (q *queue) withdraw(d *delivery, gone bool) {
	d.stage, d.gone = toWithdraw, gone
	q.localEnd(d)
}

// giveUp sends d to failed/.
func (q *queue) giveUp(d *delivery, n filing.Note) {
	wasOpen := d.isOpen()
	d.toFailed(n)
	if wasOpen {
		q.localEnd(d)
	}
}

// leaveAlone forgets a file of d that was filed before. Nothing of d is in the ledger yet.
func (q *queue) leaveAlone(d *delivery, err error) {
	if filed, ok := errors.AsType[*ledger.FiledError](err); ok && d.isAlbum() {
		delete(d.lane.names, d.Files[filed.Position].Name)
		d.Files, d.landed = slices.Delete(d.Files, filed.Position, filed.Position+1), nil
		d.setKind()
		return
	}
	d.lane.active = slices.DeleteFunc(d.lane.active, func(x *delivery) bool { return x == d })
	q.remove(d)
}

// remove forgets d, which has come to its end, and takes up the newer file of its name, if there is one.
func (q *queue) remove(d *delivery) {
	l := d.lane
	l.unfiled = slices.DeleteFunc(l.unfiled, func(x *delivery) bool { return x == d })
	l.disown(d)
	q.succession(d)
	q.forgetIfEmpty(l)
}

// An album that cannot be posted as it is, is divided: the ledger forgets it, and what becomes of its images takes its
// place in the lane. A crash in between is harmless: nothing was posted, and the images lie in their folder.

// division is what becomes of an album. Numbers are those of Files; each is in exactly one place.
type division struct {
	posts    [][]int   // deliveries, in their order: albums, or images by themselves
	culprits []culprit // to failed/
	left     []leaver  // given back, to settle anew
	known    bool      // the others were posted already
}

type leaver struct {
	index int
	gone  bool
}

// divide has d, an album that was surely not posted, replaced by what it is divided into.
func (q *queue) divide(d *delivery, into division) {
	into.posts = slices.DeleteFunc(into.posts, func(p []int) bool { return len(p) == 0 })
	d.stage, d.division, d.search = toDivide, into, nil
	d.pause.end()
}

// part makes a delivery of some of d's files, as if they had been handed over by themselves.
func (d *delivery) part(indexes ...int) *delivery {
	p := &delivery{lane: d.lane, begun: d.begun, culprits: d.culprits}
	p.Folder, p.SettledAt = d.Folder, d.SettledAt
	for _, i := range indexes {
		p.Files = append(p.Files, ledger.File{Name: d.Files[i].Name, ID: d.Files[i].ID})
	}
	p.setKind()
	return p
}

// replace puts what d is divided into in its place.
func (q *queue) replace(d *delivery) {
	l := d.lane
	l.disown(d)
	at := slices.Index(l.active, d)
	l.active = slices.Delete(l.active, at, at+1)
	for i, indexes := range d.division.posts {
		p := d.part(indexes...)
		l.own(p)
		l.active = slices.Insert(l.active, at+i, p)
	}
	for _, c := range d.division.culprits {
		p := d.part(c.index)
		p.Attempts = c.note.Attempts
		p.toFailed(c.note)
		l.own(p)
		l.unfiled = append(l.unfiled, p)
	}
	q.succession(d)
}

// succession adds the newer files that waited for the end of d, as one batch, in the order of d's files.
func (q *queue) succession(d *delivery) {
	slices.SortFunc(d.successors, func(a, b file.Settled) int {
		return cmp.Compare(slices.Index(d.names(), a.Name), slices.Index(d.names(), b.Name))
	})
	q.add(d.successors)
}

// ends says that d has come to its end. Files are handed back only now that d is forgotten. Before, one that settles anew in the
// very state in which d took it up (moved away and back, its share away for a moment) would be taken for the one that is known.
func (e *effects) ends(d *delivery) {
	switch d.stage {
	case toFile:
		e.end = delivered
		e.tell(newsDelivered)
	case toFail:
		e.end = failed
		e.tell(newsFailed)
	case toWithdraw:
		if wentElsewhere := d.elsewhere && d.gone; !wentElsewhere { // the delivery that claimed it tells of it
			e.tell(newsNotPosted)
		}
		for _, f := range d.Files {
			e.handBack = append(e.handBack, handBack{file.Release{Folder: d.Folder, Name: f.Name}, d.gone})
		}
	}
}

// divides says that d was divided, and hands back the images that left it. If some were posted already, consume tells that.
func (e *effects) divides(d *delivery) {
	if !d.division.known {
		e.tell(newsDivided)
	}
	for _, out := range d.division.left {
		e.handBack = append(e.handBack, handBack{file.Release{Folder: d.Folder, Name: d.Files[out.index].Name}, out.gone})
	}
}
