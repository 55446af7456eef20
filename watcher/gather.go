package watcher

import (
	"cmp"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/maruel/natural"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/media"
)

// The values of Folder.Album.
const (
	albumOff       = "off"
	albumWindow    = "window"
	albumSubfolder = "subfolder"
)

const (
	// gatherMost is how many windows a gathering lasts at most; then what has settled goes. They count from the first
	// image. With "subfolder" they count from the latest sign that more of the subfolder comes: however long its
	// copying takes, it is not cut in two.
	gatherMost = 60
	// gatherAgain is how many times in a window a gathering is checked that waits for others.
	gatherAgain = 4
)

// gatherer keeps settled images until those that belong with them have settled as well. The images of each directory
// gather by themselves; with "subfolder", the images of each subfolder of the watched folder gather with everything
// below it. gatherer is pure: no clock, no I/O, no goroutine.
type gatherer struct {
	album  string
	window time.Duration
	most   int // images in one batch
	typeOf func(name string) (media.Type, bool)
	sets   map[string]*gathering
}

// gathering is the images of one directory that came close together.
type gathering struct {
	images map[string]file.Settled // by name; a newer state takes the place of an older one
	ends   time.Time               // when the gathering ends, if nothing prolongs it
	last   time.Time               // when the gathering ends, even if it is prolonged
}

func newGatherer(f Folder) *gatherer {
	return &gatherer{typeOf: f.typeOf, album: cmp.Or(f.Album, albumOff), window: f.AlbumWindow, most: f.AlbumMax, sets: map[string]*gathering{}}
}

// add takes a settled file in if the file is to wait for others. Otherwise the file goes at once.
func (g *gatherer) add(now time.Time, s file.Settled) (waits bool) {
	dir := g.dirOf(s.Name)
	t, _ := g.typeOf(s.Name)
	if t.Kind != media.Image || s.Torn != "" || g.album == albumOff || g.album == albumSubfolder && dir == "." {
		if g.album == albumSubfolder {
			g.extend(now, s.Name) // another file of the dropped subfolder is a sign that more comes
		}
		return false
	}
	if g.sets[dir] == nil {
		g.sets[dir] = &gathering{images: map[string]file.Settled{}, last: now.Add(gatherMost * g.window)}
	}
	g.sets[dir].images[s.Name] = s
	g.extend(now, s.Name)
	return true
}

// extend prolongs the gathering of name's directory, after a sign that more may come: something there has settled, or a
// temporary file is being written.
func (g *gatherer) extend(now time.Time, name string) {
	set := g.sets[g.dirOf(name)]
	if set == nil {
		return
	}
	set.ends = now.Add(g.window)
	if g.album == albumSubfolder {
		set.last = now.Add(gatherMost * g.window)
	}
}

// dirOf is the directory whose images gather with name; "." is the watched folder itself.
func (g *gatherer) dirOf(name string) string {
	dir := path.Dir(name)
	if g.album == albumSubfolder {
		dir, _, _ = strings.Cut(dir, "/")
	}
	return dir
}

// next gives the time at which due may have something. ok is false while nothing gathers.
func (g *gatherer) next() (at time.Time, ok bool) {
	for _, set := range g.sets {
		if due := earlier(set.ends, set.last); !ok || due.Before(at) {
			at, ok = due, true
		}
	}
	return at, ok
}

// due gives the batches that are complete. coming reports whether any file that satisfies belongs may still settle.
// settled reports whether an image is unchanged since it settled.
func (g *gatherer) due(now time.Time, coming func(belongs func(name string) bool) bool, settled func(file.Settled) bool) []file.Batch {
	var batches []file.Batch
	for _, dir := range g.sorted() {
		set := g.sets[dir]
		switch {
		case now.Before(set.ends) && now.Before(set.last):
			continue
		case now.Before(set.last) && coming(func(name string) bool { return g.belongs(dir, name) }):
			set.ends = now.Add(max(g.window/gatherAgain, minHold))
			continue
		}
		delete(g.sets, dir)
		var images file.Batch
		for _, s := range set.images {
			if settled(s) { // a changed image settles anew
				images = append(images, s)
			}
		}
		batches = append(batches, split(images, g.most)...)
	}
	return batches
}

// sorted gives the directories in an order that does not depend on chance.
func (g *gatherer) sorted() []string {
	dirs := make([]string, 0, len(g.sets))
	for dir := range g.sets {
		dirs = append(dirs, dir)
	}
	slices.SortFunc(dirs, compareNames)
	return dirs
}

// belongs reports whether a gathering of dir waits for the file name.
func (g *gatherer) belongs(dir, name string) bool {
	if g.dirOf(name) != dir {
		return false
	}
	t, _ := g.typeOf(name)
	return g.album == albumSubfolder || t.Kind == media.Image
}

// split sorts the images by name and divides them into as few batches as possible, of about equal size.
func split(images file.Batch, most int) []file.Batch {
	slices.SortFunc(images, func(a, b file.Settled) int { return compareNames(a.Name, b.Name) })
	var batches []file.Batch
	for left := (len(images) + most - 1) / most; left > 0; left-- {
		n := (len(images) + left - 1) / left
		batches = append(batches, images[:n:n])
		images = images[n:]
	}
	return batches
}

// compareNames compares names as people count, and without regard to case: img_2 goes before IMG_10.
func compareNames(a, b string) int {
	return cmp.Or(natural.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
}
