package shape

import (
	"bytes"
)

// programStream is a .mpg or .vob: ISO/IEC 13818-1, 2.5, or ISO/IEC 11172-1. The size is in the first sequence header
// (ISO/IEC 13818-2, 6.2.2.1) within 64 KiB; the duration lies between the first and the last time stamp (PTS), as far as the
// latter is within 512 KiB of the end.
func (f file) programStream() (s Shape) {
	const clock, most = 90_000, 8 * piece
	head := bytes.Clone(f.upTo(0, piece))
	if i := bytes.Index(head, []byte("\x00\x00\x01\xb3")); i >= 0 && len(head) >= i+8 {
		h := head[i+4:]
		s.Width, s.Height = int(number(h[:3])>>12), int(number(h[:3])&0xFFF)
		s.Width = displayed(s.Width, s.Height, h[3]>>4, bytes.Contains(head, []byte("\x00\x00\x01\xb5")))
	}
	first, ok := stamps(head, true)
	for n := int64(piece); ok && n <= most; n += piece {
		if last, found := stamps(f.upTo(max(0, f.Size()-n), piece), false); found {
			s.Duration = span(last-first, clock)
			break
		}
	}
	return s
}

// displayed gives the width of square pixels. In MPEG-2 the aspect is that of the display (6.3.3); that of MPEG-1 is not
// known here.
func displayed(width, height int, aspect byte, second bool) int {
	switch {
	case !second:
		return width
	case aspect == 2:
		return height * 4 / 3
	case aspect == 3:
		return height * 16 / 9
	}
	return width
}

// stamps gives the earliest or the latest time stamp in b. Pictures are not stored in their order.
func stamps(b []byte, earliest bool) (pts int64, ok bool) {
	for {
		i := bytes.Index(b, []byte("\x00\x00\x01"))
		if i < 0 || len(b) < i+32 {
			return pts, ok
		}
		packet := b[i+3 : i+32]
		b = b[i+3:]
		if at, has := stamp(packet); has && (!ok || earliest == (at < pts)) {
			pts, ok = at, true
		}
	}
}

// stamp reads the time stamp of a packet of sound or pictures, from its stream number on: ISO/IEC 13818-1, 2.4.3.7;
// ISO/IEC 11172-1, 2.4.3.3.
func stamp(p []byte) (pts int64, ok bool) {
	if p[0] < 0xC0 || p[0] > 0xEF {
		return 0, false
	}
	p = p[3:] // behind the length
	if p[0]&0xC0 == 0x80 {
		if p[1]&0x80 == 0 {
			return 0, false
		}
		p = p[3:]
	} else {
		p = bytes.TrimLeft(p, "\xff")
		if len(p) > 2 && p[0]&0xC0 == 0x40 { // the size of a buffer
			p = p[2:]
		}
	}
	if len(p) < 5 || p[0]&0xE0 != 0x20 || p[0]&1 == 0 || p[2]&1 == 0 || p[4]&1 == 0 {
		return 0, false
	}
	return int64(p[0]>>1&7)<<30 | int64(p[1])<<22 | int64(p[2]>>1)<<15 | int64(p[3])<<7 | int64(p[4]>>1), true
}
