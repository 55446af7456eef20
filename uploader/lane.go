package uploader

import (
	"iter"
	"slices"
	"time"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/media"
)

// lane is one folder's deliveries, in the order in which their files settled.
type lane struct {
	folder  Folder
	traits  destination.Traits // of where its files go
	finds   bool               // that can be asked for what was posted
	removed bool               // from the configuration: what was claimed is brought to its end, nothing more is claimed

	pending []*delivery          // not taken up
	active  []*delivery          // taken up, and not posted
	unfiled []*delivery          // posted, failed or to be forgotten: only their local end is left
	names   map[string]*delivery // all of these by the names of their files
	uploads map[string]upload    // kept for files that settle anew, by name

	moveAt time.Time // when what is posted is moved next, all of it together

	hanging  int   // steps whose file system does not answer
	hangTold bool  // it was told that the file system does not answer, and not yet that it answers again
	filling  bool  // deliveries are taken up until there are enough, because their claims share commits
	posting  bool  // a post is under way: posts of one folder keep their order
	pause    pause // the group refuses, or the folder is not there
	sick     pause // files of it cannot be filed
	sickTold bool  // it was told that files cannot be filed, and not yet that they are again
	unproven bool  // the group was refused without anybody's word, and no post passed since
	awaits   bool  // it was told that some of its files go to another destination first
	doubted  bool  // pause is for an answer that was lost, and a file that is held for it
	posted   int   // posts that succeeded
}

// dropUnclaimed forgets what the ledger does not know: it lies in its folder, and will settle anew should that come back.
func (l *lane) dropUnclaimed() {
	unclaimed := func(d *delivery) bool {
		if d.busy || d.ID != 0 {
			return false
		}
		l.disown(d)
		return true
	}
	l.pending = slices.DeleteFunc(l.pending, unclaimed)
	l.active = slices.DeleteFunc(l.active, unclaimed)
	l.unfiled = slices.DeleteFunc(l.unfiled, unclaimed)
}

func (l *lane) own(d *delivery) {
	for _, f := range d.Files {
		if old := l.names[f.Name]; old != nil && old != d {
			old.rival, d.rival = true, true
		}
		l.names[f.Name] = d
	}
}

// waitsForRival reports whether a file of d may be the file of another delivery of the same name, which is posted or may be. Then
// the other one looks first.
func (l *lane) waitsForRival(d *delivery) bool {
	if !d.rival || d.mayBeFiled() {
		return false
	}
	mayTake := func(other *delivery) bool {
		return other != d && (other.busy || other.mayBeFiled() && other.away.IsZero()) && other.hasNameOf(d)
	}
	return slices.ContainsFunc(l.unfiled, mayTake) || slices.ContainsFunc(l.active, mayTake)
}

// hasNameOf reports whether a file of d has the name of one of other's.
func (d *delivery) hasNameOf(other *delivery) bool {
	return somePair(d, other, func(a, b *ledger.File) bool { return a.Name == b.Name })
}

func (l *lane) disown(d *delivery) {
	for _, f := range d.Files {
		if l.names[f.Name] == d {
			delete(l.names, f.Name)
		}
	}
}

// jammed reports whether so much waits to be moved away that nothing more is sent. What is looked for may only be found in
// what is still to come.
func (l *lane) jammed() bool {
	waiting := len(l.unfiled)
	if waiting >= maxUnfiled {
		for _, d := range l.unfiled {
			if !d.away.IsZero() {
				waiting--
			}
		}
	}
	return waiting >= maxUnfiled || l.stuck()
}

// setFolders makes folders the ones that are worked on.
func (q *queue) setFolders(folders []Folder) {
	for _, l := range q.turns {
		l.removed = true
	}
	for _, f := range folders {
		l, ok := q.lanes[f.Path]
		if !ok {
			l = &lane{finds: q.finds, names: map[string]*delivery{}, uploads: map[string]upload{}}
			q.lanes[f.Path] = l
			q.turns = append(q.turns, l)
		}
		if l.folder.Group != f.Group {
			l.pause, l.unproven = pause{}, false // what the group was refused for may be mended
		}
		l.folder, l.removed, l.traits = f, false, q.traits.Only(f.Only)
	}
	for _, l := range slices.Clone(q.turns) {
		if l.removed {
			l.dropUnclaimed()
			q.forgetIfEmpty(l)
		}
	}
}

func (q *queue) forgetIfEmpty(l *lane) {
	if l.removed && len(l.active)+len(l.unfiled) == 0 {
		delete(q.lanes, l.folder.Path)
		q.turns = slices.DeleteFunc(q.turns, func(x *lane) bool { return x == l })
	}
}

// add takes settled files that are to be one post. A file that is known already is not taken twice; a newer one under the
// name of one that is under way waits for it to end, and then goes alone. What is no image, or must not be sent at all,
// leaves the others.
func (q *queue) add(b file.Batch) {
	if len(b) == 0 {
		return
	}
	l, ok := q.lanes[b[0].Folder]
	if !ok || l.removed {
		return
	}
	if len(b) == 1 {
		if l.isNew(b[0]) {
			l.enter(newDelivery(l, b[0]))
		}
		return
	}
	var images file.Batch
	for _, s := range b {
		if !l.isNew(s) {
			continue
		}
		if d := newDelivery(l, s); !d.isOpen() || d.Kind != media.Image {
			l.enter(d)
		} else {
			images = append(images, s)
		}
	}
	if len(images) > 0 {
		l.enter(newAlbum(l, images))
	}
}

// enter takes d in.
func (l *lane) enter(d *delivery) {
	l.own(d)
	if d.isOpen() {
		l.pending = append(l.pending, d)
	} else { // refused
		l.unfiled = append(l.unfiled, d)
	}
}

// isNew reports whether s is to be taken in. It replaces an older file of its name that is still pending. If that one is already
// under way, s waits for its end.
func (l *lane) isNew(s file.Settled) bool {
	old, known := l.names[s.Name]
	switch {
	case !known:
		return true
	case old.holds(s):
		return false
	case !old.away.IsZero(): // its file is not there any more: if this is that one, its post finds out
		return true
	case slices.Contains(l.pending, old):
		l.giveWay(old, s.Name)
		return true
	}
	old.succeed(s)
	return false
}

// giveWay takes the file name out of d, which is pending.
func (l *lane) giveWay(d *delivery, name string) {
	delete(l.names, name)
	d.Files = slices.DeleteFunc(d.Files, func(f ledger.File) bool { return f.Name == name })
	if len(d.Files) == 0 {
		l.pending = slices.DeleteFunc(l.pending, func(x *delivery) bool { return x == d })
		return
	}
	d.setKind()
}

// restore takes a delivery that an earlier run left unfinished. ok is false if its folder is not configured.
func (q *queue) restore(known ledger.Delivery) (d *delivery, ok bool) {
	l, ok := q.lanes[known.Folder]
	if !ok {
		return nil, false
	}
	d = resume(l, known)
	l.own(d)
	if d.isOpen() {
		l.active = append(l.active, d)
	} else {
		l.unfiled = append(l.unfiled, d)
	}
	return d, true
}

// holds reports whether s is a file of d, in the very state that d took it up in.
func (d *delivery) holds(s file.Settled) bool {
	return slices.ContainsFunc(d.Files, func(f ledger.File) bool { return f.Name == s.Name && d.isThe(f.ID, s.ID) })
}

// takeUp takes up the next delivery of l, if there is room for one. Room is waited for until there is some for several:
// claims that are made together share their commit.
func (q *queue) takeUp(l *lane) *delivery {
	going := l.going()
	l.filling = l.filling && going < q.ahead() || going <= q.ahead()-q.maxUploads
	if !l.filling || q.stopping || l.hanging > 0 || len(l.pending) == 0 || l.jammed() || len(l.active) >= maxUnfiled {
		return nil
	}
	d := l.pending[0]
	l.pending = l.pending[1:]
	l.active = append(l.active, d)
	return d
}

// ahead is how many deliveries of one lane may be under way and not yet posted.
func (q *queue) ahead() int { return aheadFactor * q.maxUploads }

// going counts the deliveries of l that are under way. What waits after a failure of its own leaves its place to others,
// or a few files that cannot be read would keep the whole folder waiting.
func (l *lane) going() int {
	going := 0
	for _, d := range l.active {
		if d.stage == toClaim && !d.elsewhere || d.pause.failures == 0 {
			going++
		}
	}
	return going
}

// all yields every delivery of l that is not held up by others.
func (q *queue) all(l *lane) iter.Seq[*delivery] {
	return func(yield func(*delivery) bool) {
		lists := [][]*delivery{l.unfiled, l.active, l.pending}
		if l.jammed() || l.going() >= q.ahead() || len(l.active) >= maxUnfiled {
			lists = lists[:2]
		}
		for _, some := range lists {
			for _, d := range some {
				if !yield(d) {
					return
				}
			}
		}
	}
}
