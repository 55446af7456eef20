package media

import (
	"encoding/binary"
	"math"
)

// itemsAre reports whether a HEIF picture is complete without media data (mdat): everything that the iloc in its meta
// box names lies in meta's own idat, or in the file before limit. If the iloc cannot be read, an idat is enough.
func (f *film) itemsAre(limit int64) (bool, error) {
	last, known, idat, err := f.items()
	if known {
		return last <= limit, err
	}
	return idat, err
}

// items gives the place of the last byte in the file that the iloc in meta names (ISO/IEC 14496-12, 8.11.3 and
// 8.11.11), if the iloc can be read, and whether meta has an idat, as far as one was looked for.
func (f *film) items() (last int64, known, idat bool, err error) {
	off, end := f.meta.off+f.meta.header, f.meta.off+f.meta.size
	version, err := f.at(off, 4)
	if err != nil {
		return 0, false, false, err
	}
	if allZero(version) { // QuickTime's meta box has no version
		off += 4
	}
	for n := 0; off < end && n < 100; n++ {
		b, ok, err := f.box(off)
		if err != nil || !ok || b.size > end-off {
			return 0, false, idat, err
		}
		switch b.kind {
		case "idat":
			idat = true
		case "iloc":
			content, err := f.at(off+b.header, int(min(chunk, b.size-b.header)))
			if err != nil {
				return 0, false, idat, err
			}
			if last, known := itemsEnd(content); known {
				return last, true, idat, nil
			}
		}
		off += b.size
	}
	return 0, false, idat, nil
}

// itemsEnd gives the place of the last byte in the file that an iloc names, or 0 if it names none in the file. known is
// false if the iloc breaks off or names nothing at all.
func itemsEnd(iloc []byte) (end int64, known bool) {
	f := fields{left: iloc}
	version := f.next(1)
	f.next(3)
	lengths := f.next(2) // the lengths of offset, length, base and index, of four bits each
	if version == 0 {
		lengths &^= 15
	}
	short := 2 // the bytes of numbers that may have more than 16 bits
	if version == 2 {
		short = 4
	}
	for range f.next(short) {
		f.next(short) // id
		inFile := version == 0 || f.next(2)&15 == 0
		inFile = f.next(2) == 0 && inFile // the item is not in another file
		base := f.next(int(lengths >> 4 & 15))
		extents := f.next(2)
		if lengths&^0xF0 == 0 {
			extents = min(extents, 1) // they are all alike and take no room, so one is enough
		}
		for range extents {
			f.next(int(lengths & 15))
			at, n := f.next(int(lengths>>12)), f.next(int(lengths>>8&15))
			if known = true; inFile && n == 0 {
				end = math.MaxInt64 // the whole file
			} else if inFile {
				end = max(end, base+at+n)
			}
			if f.broken {
				return 0, false
			}
		}
		if f.broken {
			return 0, false
		}
	}
	return end, known
}

// fields are numbers that follow one another.
type fields struct {
	left   []byte
	broken bool // there were fewer numbers than were asked for
}

// next gives the next number, which has n bytes, 0 to 8. A number greater than any file's size is limited so that three
// can be added.
func (f *fields) next(n int) int64 {
	if n > 8 || n > len(f.left) {
		f.broken = true
		return 0
	}
	var wide [8]byte
	copy(wide[8-n:], f.left[:n])
	f.left = f.left[n:]
	return int64(min(binary.BigEndian.Uint64(wide[:]), math.MaxInt64/3))
}
