package media

import (
	"encoding/binary"
	"math"
)

// itemsAre reports that the items of a HEIF picture are there without media data (mdat): all that the iloc in its meta
// box names lies in meta's own idat, or in the file before limit. Where iloc cannot be read, an idat is enough.
func (f *film) itemsAre(limit int64) (bool, error) {
	last, known, idat, err := f.items()
	if known {
		return last <= limit, err
	}
	return idat, err
}

// items says where the last byte in the file lies that the iloc in meta names (ISO/IEC 14496-12, 8.11.3 and 8.11.11), if
// that can be read, and whether meta has an idat, as far as that was looked for.
func (f *film) items() (last int64, known, idat bool, err error) {
	off, end := f.meta.off+f.meta.header, f.meta.off+f.meta.size
	version, err := f.at(off, 4)
	if err != nil {
		return 0, false, false, err
	}
	if allZero(version) { // QuickTime's meta has none
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

// itemsEnd is where the last byte in the file lies that an iloc names, 0 if it names none there. known is false if it
// breaks off or names nothing at all.
func itemsEnd(iloc []byte) (end int64, known bool) {
	f := fields{left: iloc}
	version := f.next(1)
	f.next(3)
	lengths := f.next(2) // of offset, length, base and index, in four bits each
	if version == 0 {
		lengths &^= 15
	}
	short := 2 // bytes of numbers that may have more than 16 bits
	if version == 2 {
		short = 4
	}
	for range f.next(short) {
		f.next(short) // id
		inFile := version == 0 || f.next(2)&15 == 0
		inFile = f.next(2) == 0 && inFile // not in another file
		base := f.next(int(lengths >> 4 & 15))
		extents := f.next(2)
		if lengths&^0xF0 == 0 {
			extents = min(extents, 1) // they are all alike, and take no room
		}
		for range extents {
			f.next(int(lengths & 15))
			at, n := f.next(int(lengths>>12)), f.next(int(lengths>>8&15))
			if known = true; inFile && n == 0 {
				end = math.MaxInt64 // all of the file
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

// fields are numbers that follow each other.
type fields struct {
	left   []byte
	broken bool // there were fewer
}

// next gives a number of 0 to 8 bytes; one that no file can have, as one of which three can be added up.
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
