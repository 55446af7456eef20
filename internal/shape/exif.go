package shape

import (
	"bytes"
	"encoding/binary"
)

// Tags of a TIFF directory: TIFF 6.0, section 8, and EXIF 2.32, 4.6.4.
const (
	tagSubfile     = 254
	tagWidth       = 256
	tagHeight      = 257
	tagOrientation = 274
)

// directory is what the first directory of a TIFF, or of EXIF, says: numbers by tag.
type directory map[uint16]int64

// exifMark stands before EXIF in a JPEG; some programs write it into other formats, too.
const exifMark = "Exif\x00\x00"

// readDirectory reads the first directory of the TIFF structure that lies in [off, end). Of its entries only those are kept
// that hold one whole number in themselves.
func (f file) readDirectory(off, end int64) directory {
	const header, entry = 8, 12
	if mark := f.at(off, len(exifMark)); string(mark) == exifMark {
		off += int64(len(exifMark))
	}
	h := f.at(off, header)
	if h == nil {
		return nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(h, []byte("MM\x00*")):
		order = binary.BigEndian
	case !bytes.HasPrefix(h, []byte("II*\x00")):
		return nil
	}
	at := off + int64(order.Uint32(h[4:]))
	n := f.at(at, 2)
	if n == nil || at+2 > end {
		return nil
	}
	length := min(int64(order.Uint16(n))*entry, end-at-2, piece)
	d := directory{}
	for b := f.upTo(at+2, int(length)); len(b) >= entry; b = b[entry:] {
		tag, one := order.Uint16(b), order.Uint32(b[4:]) == 1
		switch kind := order.Uint16(b[2:]); {
		case one && kind == 3: // SHORT
			d[tag] = int64(order.Uint16(b[8:]))
		case one && kind == 4: // LONG
			d[tag] = int64(order.Uint32(b[8:]))
		}
	}
	return d
}

// turn is an EXIF orientation, 1 to 8: EXIF 2.32, 4.6.4, "Orientation". 0 counts as 1, upright.
type turn int

func (d directory) turn() turn {
	if t := d[tagOrientation]; t >= 1 && t <= 8 {
		return turn(t)
	}
	return 1
}

// lies reports whether width and height change places.
func (t turn) lies() bool { return t >= 5 }

// still is what the header of a picture says.
type still struct {
	width, height int // as they are stored
	turn          turn
	memory        int64 // bytes that its decoder takes, at most; 0 if it is not known
}

func (s still) shape() Shape {
	if s.turn.lies() {
		return Shape{Width: s.height, Height: s.width}
	}
	return Shape{Width: s.width, Height: s.height}
}
