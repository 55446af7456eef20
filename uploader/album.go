package uploader

import (
	"cmp"
	"errors"
	"slices"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/media"
)

// An album that cannot be posted as it is, is divided: the ledger forgets it, and what becomes of its images takes its
// place in the lane. A crash in between is harmless: nothing was posted, and the images lie in their folder.

// wholeTries is how often an album is tried as a whole when some of its images cannot be read here. Then they wait by
// themselves, and the others are posted without them.
const wholeTries = 3

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

// newAlbum makes one delivery of several images.
func newAlbum(l *lane, b file.Batch) *delivery {
	d := &delivery{lane: l}
	d.Folder = b[0].Folder
	for _, s := range b {
		d.Files = append(d.Files, ledger.File{Name: s.Name, ID: s.ID})
		if s.At.After(d.SettledAt) {
			d.SettledAt = s.At
		}
	}
	d.setKind()
	return d
}

// setKind makes d the kind of post that it can be with the files it has.
func (d *delivery) setKind() {
	d.Kind = media.Album
	if !d.isAlbum() {
		t, _ := d.lane.traits.TypeOf(d.name())
		d.Kind = t.Kind
	}
}

// toSend is what the next upload sends: all files, or those that a search asks for.
func (d *delivery) toSend() []ledger.File {
	if d.search == nil {
		return d.Files
	}
	lo, hi := d.search.probe()
	return d.Files[lo:hi]
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

// succeed keeps a newer file under the name of one of d's until that has come to its end, which is not kept waiting for.
func (d *delivery) succeed(s file.Settled) {
	d.successors = slices.DeleteFunc(d.successors, func(older file.Settled) bool { return older.Name == s.Name })
	d.successors = append(d.successors, s)
	d.letGoOn()
}

// without gives the numbers of those that are not out.
func (d *delivery) without(out func(i int) bool) (rest []int) {
	for i := range d.Files {
		if !out(i) {
			rest = append(rest, i)
		}
	}
	return rest
}

// letGo divides d into the images that err says are lost, and the others.
func (q *queue) letGo(d *delivery, err error) {
	wrong, _ := errors.AsType[troubles](err)
	lost := wrong.find(isLost)
	into := division{posts: [][]int{d.without(func(i int) bool { return lost[d.Files[i].Name] != nil })}}
	for i, f := range d.Files {
		if why := lost[f.Name]; why != nil {
			into.left = append(into.left, leaver{i, errors.Is(why, errVanished)})
		}
	}
	q.divide(d, into)
}

// setAside divides d into each image that cannot be read, and the others, after some patience. It reports whether it did:
// if none of them can be read, they wait together.
func (q *queue) setAside(d *delivery, err error) bool {
	wrong, ok := errors.AsType[troubles](err)
	if !ok || d.unknown || d.pause.failures < wholeTries || len(wrong) == len(d.toSend()) {
		return false
	}
	unread := wrong.find(func(error) bool { return true })
	into := division{posts: [][]int{d.without(func(i int) bool { return unread[d.Files[i].Name] != nil })}}
	for i, f := range d.Files {
		if unread[f.Name] != nil {
			into.posts = append(into.posts, []int{i})
		}
	}
	q.divide(d, into)
	return true
}

// halve divides d into two albums of half the size.
func (q *queue) halve(d *delivery) {
	all := d.without(func(int) bool { return false })
	q.divide(d, division{posts: [][]int{all[:len(all)/2], all[len(all)/2:]}})
}

// singly divides d into its images: the service takes them, but not as an album.
func (q *queue) singly(d *delivery) {
	var into division
	for i := range d.Files {
		into.posts = append(into.posts, []int{i})
	}
	q.divide(d, into)
}

// uploaded moves d on after an upload: of all of it, or of the part that its search asked for.
func (q *queue) uploaded(d *delivery) {
	switch {
	case d.search == nil:
		d.stage, d.Reason = toKeep, ""
	case d.search.taken():
		q.searched(d)
	}
}

// reject deals with what the service will never take. What it may have taken before is neither rejected nor divided.
func (q *queue) reject(d *delivery, err error) news {
	switch {
	case d.unknown:
		q.giveUp(d, unknownNote(d, err))
	case d.isAlbum():
		return q.rejectAlbum(d, err)
	default:
		d.Attempts++
		q.giveUp(d, noteOf(d, err))
	}
	return noNews
}

// rejectAlbum deals with an album, or some images of one, that the service will never take.
func (q *queue) rejectAlbum(d *delivery, err error) news {
	switch {
	case d.stage == toPost:
		q.singly(d)
	case d.search == nil:
		d.search = newSearch(len(d.Files), d.culprits >= eachFrom)
		return newsSearches
	default:
		n := noteOf(d, err)
		n.Attempts = d.Attempts + 1
		if d.search.refused(n) {
			q.searched(d)
		}
	}
	return newsWaits
}

// searched divides d as its search found: the culprits from the others. Where no single image is to blame, they are too
// much together.
func (q *queue) searched(d *delivery) {
	found := d.search.found
	if len(found) == 0 {
		q.halve(d)
		return
	}
	d.culprits += len(found)
	guilty := func(i int) bool { return slices.ContainsFunc(found, func(c culprit) bool { return c.index == i }) }
	q.divide(d, division{posts: [][]int{d.without(guilty)}, culprits: found})
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
		p.reject(c.note)
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
