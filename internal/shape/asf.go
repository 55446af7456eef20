package shape

import (
	"encoding/binary"
	"math"
	"time"
)

// Identifiers of objects: Advanced Systems Format (ASF) Specification, revision 01.20.03, 10.
const (
	asfHeader     = "\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"
	asfProperties = "\xa1\xdc\xab\x8c\x47\xa9\xcf\x11\x8e\xe4\x00\xc0\x0c\x20\x53\x65"
	asfStream     = "\x91\x07\xdc\xb7\xb7\xa9\xcf\x11\x8e\xe6\x00\xc0\x0c\x20\x53\x65"
	asfVideo      = "\xc0\xef\x19\xbc\x4d\x5b\xcf\x11\xa8\xfd\x00\x80\x5f\x5c\x44\x2b"
)

// asf reads the header object: the play duration without the preroll (3.2), and the size of the first video (9.2).
func (f file) asf() (s Shape) {
	const header, broadcast = 24, 1
	h := f.at(0, 30)
	if h == nil {
		return s
	}
	end := int64(min(binary.LittleEndian.Uint64(h[16:]), uint64(f.Size())))
	for off := int64(30); end-off >= header; {
		h := f.at(off, header)
		if h == nil {
			break
		}
		size := int64(min(binary.LittleEndian.Uint64(h[16:]), math.MaxInt64))
		switch string(h[:16]) {
		case asfProperties:
			if b := f.at(off+64, 28); b != nil && b[24]&broadcast == 0 {
				d, preroll := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[16:])
				s.Duration = asfDuration(d, preroll)
			}
		case asfStream:
			if b := f.at(off+header, 54+8); b != nil && string(b[:16]) == asfVideo && s.Width == 0 {
				le := binary.LittleEndian
				s.Width, s.Height = int(le.Uint32(b[54:])), int(le.Uint32(b[58:]))
			}
		}
		if size < header || size > end-off {
			break
		}
		off += size
	}
	return s
}

// asfDuration takes units of 100 ns, and milliseconds.
func asfDuration(units, preroll uint64) time.Duration {
	if units > uint64(maxDuration)/100 || preroll > units/10_000 {
		return 0
	}
	return time.Duration(units)*100 - time.Duration(preroll)*time.Millisecond
}
