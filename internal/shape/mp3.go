package shape

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"
)

// mp3Frame is what the header of a frame of MPEG audio says: ISO/IEC 11172-3, 2.4.1.3; ISO/IEC 13818-3, 2.4.2.3.
type mp3Frame struct {
	size    int
	samples int64
	rate    int64
	bitrate int64 // bits a second
	side    int64 // bytes between the header and the data of layer III
	kind    [3]byte
}

// readMP3Frame reads a header of four bytes. ok is false for what is none, and for a bitrate that is not told ("free").
func readMP3Frame(h []byte) (m mp3Frame, ok bool) {
	if len(h) < 4 || h[0] != 0xFF || h[1]&0xE0 != 0xE0 {
		return m, false
	}
	version, layer := h[1]>>3&3, 4-int(h[1]>>1&3)
	bitrate, rate := int64(h[2]>>4), int(h[2]>>2&3)
	if version == 1 || layer == 4 || bitrate == 0 || bitrate == 15 || rate == 3 {
		return m, false
	}
	lower := version != 3 // MPEG-2 and 2.5
	m.kind = [3]byte{version, byte(layer), byte(rate)}
	m.rate = []int64{44100, 48000, 32000}[rate]
	switch version {
	case 2:
		m.rate /= 2
	case 0:
		m.rate /= 4
	}
	m.bitrate = mp3Bitrates(lower, layer)[bitrate-1] * 1000
	m.samples, m.side = 1152, 32
	mono := h[3]>>6 == 3
	switch {
	case layer == 1:
		m.samples = 384
	case layer == 3 && lower:
		m.samples = 576
	}
	switch {
	case lower && mono:
		m.side = 9
	case lower || mono:
		m.side = 17
	}
	slot := int64(1)
	if layer == 1 {
		slot = 4
	}
	m.size = int((m.samples/8/slot*m.bitrate/m.rate + int64(h[2]>>1&1)) * slot)
	return m, true
}

// mp3Bitrates gives the bitrates by their index, from 1, in kbit a second.
func mp3Bitrates(lower bool, layer int) []int64 {
	switch {
	case lower && layer == 1:
		return []int64{32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256}
	case lower:
		return []int64{8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}
	case layer == 1:
		return []int64{32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448}
	case layer == 2:
		return []int64{32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384}
	}
	return []int64{32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}
}

// places and window are where the bitrate of an MP3 is looked at, and how much is read there.
const (
	places = 16
	window = 8 << 10
)

// mp3 takes the number of frames that the first one counts, if the file is as long as it says. Otherwise the bitrate tells,
// if it is the same in 16 places; if it is not, or the file is short, all frames are counted.
func (f file) mp3(off int64) time.Duration {
	end := f.soundEnd()
	off, first, ok := f.mp3Sync(off, end)
	if !ok {
		return 0
	}
	if d := f.mp3Counted(off, end, first); d > 0 {
		return d
	}
	if end-off > places*window && f.mp3Constant(off, end, first) {
		return span((end-off)*8, first.bitrate)
	}
	var samples int64
	whole := f.walk(off, end, 4, func(h []byte) int {
		m, ok := readMP3Frame(h)
		if !ok || m.kind != first.kind {
			return 0
		}
		samples += m.samples
		return m.size
	})
	if !whole {
		return 0
	}
	return span(samples, first.rate)
}

// mp3Sync searches the first frame from off on, in 64 KiB. Three like it must follow, or the end of the file.
func (f file) mp3Sync(off, end int64) (at int64, first mp3Frame, ok bool) {
	b := slices.Clone(f.upTo(off, int(min(piece, max(0, end-off)))))
	for i := 0; ; i++ {
		j := bytes.IndexByte(b[min(i, len(b)):], 0xFF)
		if j < 0 {
			return 0, first, false
		}
		i += j
		if m, ok := mp3Run(b[i:], off+int64(i+len(b[i:])) >= end); ok {
			return off + int64(i), m, true
		}
	}
}

// mp3Run reports whether b begins with four frames of one kind, or with fewer that reach the end of the sound, if that is
// where b ends.
func mp3Run(b []byte, last bool) (first mp3Frame, ok bool) {
	for n := range 4 {
		m, ok := readMP3Frame(b)
		if !ok || n > 0 && m.kind != first.kind {
			return first, false
		}
		if n == 0 {
			first = m
		}
		if m.size >= len(b) {
			return first, last
		}
		b = b[m.size:]
	}
	return first, true
}

// mp3Counted reads what LAME and others (Xing, Info) or Fraunhofer's encoder (VBRI) write into the first frame.
func (f file) mp3Counted(off, end int64, first mp3Frame) time.Duration {
	const hasFrames, hasBytes = 1, 2
	be := binary.BigEndian
	if b := f.at(off+4+32, 18); string(b[:min(4, len(b))]) == "VBRI" {
		if size := int64(be.Uint32(b[10:])); off+size > end+stray {
			return 0
		}
		return span(int64(be.Uint32(b[14:]))*first.samples, first.rate)
	}
	b := f.upTo(off+4+first.side, 144)
	if len(b) < 16 || string(b[:4]) != "Xing" && string(b[:4]) != "Info" {
		return 0
	}
	flags, frames := be.Uint32(b[4:]), int64(be.Uint32(b[8:]))
	if flags&hasFrames == 0 || flags&hasBytes > 0 && off+int64(be.Uint32(b[12:])) > end+stray {
		return 0
	}
	samples := frames * first.samples
	if len(b) == 144 && slices.Contains([]string{"LAME", "Lavf", "Lavc", "L3.9"}, string(b[120:124])) {
		around := number(b[141:144]) // silence before and behind, of 12 bits each
		samples -= around>>12 + around&0xFFF
	}
	return span(samples, first.rate)
}

// mp3Constant reports whether there are frames in each of 16 places, all with the bitrate of the first one.
func (f file) mp3Constant(off, end int64, first mp3Frame) bool {
	for i := range int64(places) {
		at := off + (end-off)/places*i
		b := f.upTo(at, int(min(window, end-at)))
		for {
			j := bytes.IndexByte(b, 0xFF)
			if j < 0 {
				return false
			}
			b = b[j:]
			if m, ok := mp3Run(b, at+window >= end); ok && m.kind == first.kind {
				break
			}
			b = b[1:]
		}
		for len(b) >= 4 {
			m, ok := readMP3Frame(b)
			if !ok || m.bitrate != first.bitrate {
				return false
			}
			b = b[min(len(b), m.size):]
		}
	}
	return true
}
