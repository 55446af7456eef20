package media

import (
	"slices"

	"kaizala-drop/internal/peek"
)

// Flags of the boxes that describe the samples of a fragment: ISO/IEC 14496-12, 8.8.7 and 8.8.8.
const (
	tfhdBase        = 0x01
	tfhdSize        = 0x10
	trunOffset      = 0x01
	trunFirstFlags  = 0x04
	trunSize        = 0x200
	trunEachSample  = 0xF00
	maxFragmentRuns = 64
)

// fragmentRun is what a track fragment says of its samples.
type fragmentRun struct {
	base int64 // the place from which offsets are counted
	size int64 // of each sample, unless each sample has a size of its own
}

// hollowFragment reports whether a sample of the last fragment lies within the zeros that begin at off. A run without
// its offset, or without the sizes of its samples, is left out. All tracks must have a known codec.
func (x *filmIndex) hollowFragment(off int64) (bool, error) {
	unknown := func(t track) bool { return !isCodec(t.format) }
	if len(x.tracks) == 0 || slices.ContainsFunc(x.tracks, unknown) {
		return false, nil
	}
	runs := 0
	return x.within(x.moof, func(traf box) (bool, error) {
		run := fragmentRun{base: x.moof.off}
		if traf.kind != "traf" {
			return false, nil
		}
		return x.within(traf, func(b box) (bool, error) {
			if runs++; runs > maxFragmentRuns {
				return false, peek.ErrBudget
			}
			content, err := x.at(b.off+b.header, int(min(chunk, b.size-b.header)))
			f := fields{left: content}
			switch {
			case err != nil || b.kind != "tfhd" && b.kind != "trun":
				return false, err
			case b.kind == "tfhd":
				run.head(&f)
				return false, nil
			}
			return run.hollow(&f, off, x.size), nil
		})
	})
}

// within goes through the boxes in b until is is true of one, or until something is no box.
func (f *film) within(b box, is func(box) (bool, error)) (bool, error) {
	for off, end := b.off+b.header, b.off+b.size; end-off >= 8; {
		child, ok, err := f.box(off)
		if err != nil || !ok || child.size > end-off {
			return false, err
		}
		if found, err := is(child); err != nil || found {
			return found, err
		}
		off += child.size
	}
	return false, nil
}

// head reads a tfhd box.
func (r *fragmentRun) head(f *fields) {
	flags := f.next(4)
	f.next(4) // the number of the track
	if flags&tfhdBase > 0 {
		r.base = f.next(8)
	}
	for _, flag := range []int64{0x02, 0x08} {
		if flags&flag > 0 {
			f.next(4)
		}
	}
	if flags&tfhdSize > 0 {
		r.size = f.next(4)
	}
}

// hollow reads a trun box, and reports whether one of its samples lies within the zeros that begin at off.
func (r *fragmentRun) hollow(f *fields, off, size int64) bool {
	flags, n := f.next(4), f.next(4)
	if flags&trunOffset == 0 {
		return false
	}
	at := r.base + int64(int32(f.next(4)))
	if flags&trunFirstFlags > 0 {
		f.next(4)
	}
	for ; n > 0 && !f.broken; n-- {
		length := r.size
		for flag := int64(0x100); flag <= 0x800; flag <<= 1 {
			if flags&flag == 0 {
				continue
			}
			if v := f.next(4); flag == trunSize {
				length = v
			}
		}
		if f.broken || flags&trunEachSample == 0 {
			return false
		}
		if at >= off && length >= sampleSeen && at+length <= size {
			return true
		}
		at += length
	}
	return false
}
