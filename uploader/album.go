package uploader

import (
	"errors"
	"slices"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/media"
)

// wholeTries is how often an album is tried as a whole when some of its images cannot be read here. Then they wait by
// themselves, and the others are posted without them.
const wholeTries = 3

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
	lost := wrong.find(isUnsettled)
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
