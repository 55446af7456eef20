package shape

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"time"
)

// oggPage is the header of a page: RFC 3533, 6.
type oggPage struct {
	granule int64 // what the codec counts, at the end of the page; -1 if no packet ends in it
	serial  uint32
	begins  bool  // it is the first of its stream
	content int64 // where its content begins
	end     int64
}

func (f file) oggPage(off int64) (p oggPage, ok bool) {
	const header, first = 27, 2
	h := bytes.Clone(f.upTo(off, header+255))
	if len(h) < header || string(h[:5]) != "OggS\x00" || len(h) < header+int(h[26]) {
		return p, false
	}
	p.granule, p.serial = int64(binary.LittleEndian.Uint64(h[6:])), binary.LittleEndian.Uint32(h[14:])
	p.begins = h[5]&first > 0
	p.content = off + header + int64(h[26])
	p.end = p.content
	for _, n := range h[header : header+int(h[26])] {
		p.end += int64(n)
	}
	return p, true
}

// ogg takes the clock of the first stream of sound from its first page, and how long it lasts from its last one, which must
// be near the end of the file. Streams one behind the other, and one that was cut out of the midst of another, are not known.
func (f file) ogg() time.Duration {
	const latest = 60 // seconds at the end of the first page with sound
	var rate, skip, begin int64
	var serial uint32
	var all []uint32
	for off, n := int64(0), 0; n < 64; n++ {
		p, ok := f.oggPage(off)
		if !ok {
			return 0
		}
		if p.begins {
			all = append(all, p.serial)
			if rate == 0 {
				serial = p.serial
				rate, skip = oggClock(f.upTo(p.content, int(min(p.end-p.content, 64))))
			}
		} else if begin = p.granule; p.serial == serial && begin > 0 {
			break
		}
		off = p.end
	}
	if rate == 0 || begin <= 0 || begin/rate > latest {
		return 0
	}
	return span(f.oggLast(serial, all)-skip, rate)
}

// oggClock gives how many granules make a second, and how many of them are not heard: RFC 7845 (Opus), Vorbis I 4.2.2,
// the mapping of FLAC to Ogg (RFC 9639, 10.1), Speex.
func oggClock(b []byte) (rate, skip int64) {
	le := binary.LittleEndian
	begins := func(magic string, n int) bool { return len(b) >= n && bytes.HasPrefix(b, []byte(magic)) }
	switch {
	case begins("OpusHead", 12):
		return 48000, int64(le.Uint16(b[10:]))
	case begins("\x01vorbis", 16):
		return int64(le.Uint32(b[12:])), 0
	case begins("\x7fFLAC", 30):
		return number(b[27:30]) >> 4, 0
	case begins("Speex   ", 40):
		return int64(le.Uint32(b[36:])), 0
	}
	return 0, 0
}

// oggLast gives the granule of the last page of a stream, or 0 if pages follow that are of none of all streams, or torn.
func (f file) oggLast(serial uint32, all []uint32) int64 {
	const most = 256 << 10
	for to := f.Size(); to > 0; {
		at, err := f.FindLast("OggS", max(0, f.Size()-most), to, most)
		if err != nil || at < 0 {
			return 0
		}
		p, ok := f.oggPage(at)
		switch {
		case ok && (p.end > f.Size() || !slices.Contains(all, p.serial)):
			return 0
		case ok && p.serial == serial && p.granule >= 0 && p.granule < math.MaxInt64/2:
			return p.granule
		}
		to = at + 3
	}
	return 0
}
