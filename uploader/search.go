package uploader

import "kaizala-drop/internal/filing"

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
