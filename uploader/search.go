package uploader

import (
	"slices"

	"kaizala-drop/internal/filing"
)

// search looks for the images for whose sake the service refuses an album: it says which of them to send next, and hears
// whether they were taken. It is a pure data structure. An image is found guilty only when it was refused all alone.
type search struct {
	lo, hi int  // these were refused when they were sent together
	second bool // their first half was taken: what is wrong is in the second half, or they are only too much together
	each   bool // every one of them is sent alone
	found  []culprit
}

// culprit is an image that was refused alone.
type culprit struct {
	index int
	note  filing.Note
}

// eachFrom is how many images of one album are found by halving, at some log2(n) calls for each. If there are still more,
// the rest is sent one by one, at one call for each.
const eachFrom = 2

// newSearch begins a search among n images, two or more, that were refused together.
func newSearch(n int, each bool) *search { return &search{hi: n, each: each} }

// probe is what to send next: the images from lo to before hi.
func (s *search) probe() (lo, hi int) {
	mid := s.lo + (s.hi-s.lo)/2
	switch {
	case s.each:
		return s.lo, s.lo + 1
	case s.second:
		return mid, s.hi
	}
	return s.lo, mid
}

// taken hears that the probe was taken, and reports whether the search is over.
func (s *search) taken() (over bool) {
	switch {
	case s.each:
		s.lo++
		return s.lo == s.hi
	case s.second:
		return true
	}
	s.second = true
	return false
}

// refused hears that the probe was refused, for which n is the note if it was one image. It reports whether the search
// is over.
func (s *search) refused(n filing.Note) (over bool) {
	lo, hi := s.probe()
	if hi-lo == 1 {
		s.found = append(s.found, culprit{lo, n})
	}
	if s.each {
		s.lo++
		return s.lo == s.hi
	}
	s.lo, s.hi, s.second = lo, hi, false
	return hi-lo == 1
}

// refused deals with what the service will never take. What it may have taken before is neither rejected nor divided.
func (q *queue) refused(d *delivery, err error) news {
	switch {
	case d.unknown:
		q.giveUp(d, unknownNote(d, err))
	case d.isAlbum():
		return q.refusedAlbum(d, err)
	default:
		d.Attempts++
		q.giveUp(d, noteOf(d, err))
	}
	return noNews
}

// refusedAlbum deals with an album, or some images of one, that the service will never take.
func (q *queue) refusedAlbum(d *delivery, err error) news {
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
	return noNews
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
