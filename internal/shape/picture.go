package shape

import (
	"encoding/binary"
	"slices"

	"kaizala-drop/internal/peek"
)

// properties is what a HEIF file says of its primary picture: ISO/IEC 23008-12 and ISO/IEC 14496-12, 8.11.
type properties struct {
	primary int64
	boxes   []peek.Box // of ipco, which are counted from 1
	chosen  []int      // those of the primary picture, in the order in which they are applied
}

const maxProperties = 1024

// picture reads the meta box of a HEIF or AVIF file. EXIF does not turn such a picture, irot does (6.5.10).
func (f file) picture(meta peek.Box) (s Shape, ok bool) {
	var p properties
	for b := range f.Boxes(meta.Begin()+4, meta.End()) {
		switch b.Kind {
		case "pitm":
			if c := f.at(b.Begin(), 8); c != nil {
				p.primary = int64(binary.BigEndian.Uint16(c[4:]))
				if c[0] > 0 {
					p.primary = int64(binary.BigEndian.Uint32(c[4:]))
				}
			}
		case "iprp":
			for c := range f.Boxes(b.Begin(), b.End()) {
				switch c.Kind {
				case "ipco":
					p.boxes = f.properties(c)
				case "ipma":
					f.associations(&p, c)
				}
			}
		}
	}
	for _, n := range p.chosen {
		if n > 0 && n <= len(p.boxes) {
			f.apply(&s, p.boxes[n-1])
		}
	}
	return s, s.Width > 0 && s.Height > 0
}

func (f file) properties(ipco peek.Box) (boxes []peek.Box) {
	for b := range f.Boxes(ipco.Begin(), ipco.End()) {
		if boxes = append(boxes, b); len(boxes) == maxProperties {
			break
		}
	}
	return boxes
}

// associations reads which properties the primary picture has. There can be an ipma for each version and flags.
func (f file) associations(p *properties, ipma peek.Box) {
	b := slices.Clone(f.upTo(ipma.Begin(), int(min(ipma.Size-ipma.Header, piece))))
	if len(b) < 8 {
		return
	}
	id, index := 2, 1
	if b[0] > 0 {
		id = 4
	}
	if b[3]&1 > 0 {
		index = 2
	}
	for b = b[8:]; len(b) > id; {
		item, n := number(b[:id]), int(b[id])
		b = b[id+1:]
		if len(b) < n*index {
			return
		}
		for ; n > 0; n-- {
			which := int(number(b[:index])) & (1<<(8*index-1) - 1) // the first bit says that it is essential
			if b = b[index:]; item == p.primary && len(p.chosen) < maxProperties {
				p.chosen = append(p.chosen, which)
			}
		}
	}
}

// number is an unsigned number of up to 7 bytes.
func number(b []byte) (n int64) {
	for _, c := range b {
		n = n<<8 | int64(c)
	}
	return n
}

// apply changes s by one property: its size (ispe), a part of it (clap), a turn (irot). To be mirrored (imir) changes
// nothing.
func (f file) apply(s *Shape, b peek.Box) {
	switch b.Kind {
	case "ispe":
		if c := f.at(b.Begin(), 12); c != nil {
			s.Width, s.Height = int(number(c[4:8])), int(number(c[8:12]))
		}
	case "clap":
		c := f.at(b.Begin(), 16)
		if c == nil || number(c[4:8]) == 0 || number(c[12:16]) == 0 {
			*s = Shape{}
			return
		}
		s.Width = min(s.Width, int(number(c[:4])/number(c[4:8])))
		s.Height = min(s.Height, int(number(c[8:12])/number(c[12:16])))
	case "irot":
		if c := f.at(b.Begin(), 1); c != nil && c[0]&1 > 0 {
			s.Width, s.Height = s.Height, s.Width
		}
	}
}
