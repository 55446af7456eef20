package shape

import (
	"bytes"
)

// programStream is a .mpg or .vob: ISO/IEC 13818-1, 2.5. The size is in the first sequence header (ISO/IEC 13818-2,
// 6.2.2.1) within 64 KiB; the duration lies between the first and the last time stamp (PTS) of the video.
func (f file) programStream() (s Shape) {
	const clock = 90_000
	head := bytes.Clone(f.upTo(0, piece))
	if i := bytes.Index(head, []byte("\x00\x00\x01\xb3")); i >= 0 && len(head) >= i+8 {
		h := head[i+4:]
		s.Width, s.Height = int(number(h[:3])>>12), int(number(h[:3])&0xFFF)
		s.Width = displayed(s.Width, s.Height, h[3]>>4, bytes.Contains(head, []byte("\x00\x00\x01\xb5")))
	}
	first, ok := stamp(head, true)
	tail := f.upTo(max(0, f.Size()-piece), piece)
	last, found := stamp(tail, false)
	if ok && found && last > first {
		s.Duration = span(last-first, clock)
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

// stamp gives the earliest or the latest PTS of video in b (2.4.3.7). Pictures are not stored in their order.
func stamp(b []byte, earliest bool) (pts int64, ok bool) {
	for {
		i := bytes.Index(b, []byte("\x00\x00\x01"))
		if i < 0 || len(b) < i+14 {
			return pts, ok
		}
		p := b[i:]
		b = b[i+3:]
		if p[3]&0xF0 != 0xE0 || p[6]&0xC0 != 0x80 || p[7]&0x80 == 0 || p[9]&1 == 0 || p[11]&1 == 0 || p[13]&1 == 0 {
			continue
		}
		at := int64(p[9]>>1&7)<<30 | int64(p[10])<<22 | int64(p[11]>>1)<<15 | int64(p[12])<<7 | int64(p[13]>>1)
		if !ok || earliest == (at < pts) {
			pts, ok = at, true
		}
	}
}
