package shape

import (
	"bytes"
	"time"
)

// stray is how much of a file may lie behind the last frame of sound, or between its last whole frame and its end.
const stray = 8 << 10

// walk goes from frame to frame in [off, end). step gets the first n bytes of each, and gives its length, or 0 for what is no
// frame. whole says that the frames fill [off, end), but for a little at its end.
func (f file) walk(off, end int64, n int, step func(h []byte) int) (whole bool) {
	for end-off >= int64(n) {
		b := f.upTo(off, int(min(piece, end-off)))
		if len(b) < n {
			return false
		}
		at := 0
		for at+n <= len(b) {
			size := step(b[at : at+n])
			if size <= 0 {
				return end-off-int64(at) <= stray
			}
			at += size
		}
		off += int64(at)
	}
	return true
}

// behindID3 gives where the ID3v2 tags at the beginning end: ID3 tag version 2.4.0, 3.1.
func (f file) behindID3() (off int64) {
	const header, footer = 10, 0x10
	for range 8 {
		h := f.at(off, header)
		if h == nil || string(h[:3]) != "ID3" || (h[6]|h[7]|h[8]|h[9])&0x80 > 0 {
			break
		}
		off += header + (int64(h[6])<<21 | int64(h[7])<<14 | int64(h[8])<<7 | int64(h[9]))
		if h[5]&footer > 0 {
			off += header
		}
	}
	return off
}

// soundEnd gives where the tags at the end begin: ID3v1, and APE before it.
func (f file) soundEnd() int64 {
	const id3, ape = 128, 32
	end := f.Size()
	if t := f.at(end-id3, 3); string(t) == "TAG" {
		end -= id3
	}
	if t := f.at(end-ape, ape); bytes.HasPrefix(t, []byte("APETAGEX")) {
		n := int64(t[12]) | int64(t[13])<<8 | int64(t[14])<<16 | int64(t[15])<<24
		if t[23]&0x80 > 0 { // it has a header, too
			n += ape
		}
		end -= n
	}
	return end
}

// isADTS reports whether h begins with a frame of AAC: ISO/IEC 13818-7, 6.2.
func isADTS(h []byte) bool { return len(h) >= 7 && h[0] == 0xFF && h[1]&0xF6 == 0xF0 }

// adts counts the frames, of 1,024 samples in each of their blocks.
func (f file) adts(off int64) time.Duration {
	rates := []int64{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
	var rate, blocks int64
	whole := f.walk(off, f.soundEnd(), 7, func(h []byte) int {
		which := int(h[2] >> 2 & 15)
		if !isADTS(h) || which >= len(rates) || rate > 0 && rates[which] != rate {
			return 0
		}
		rate = rates[which]
		blocks += 1 + int64(h[6]&3)
		return int(h[3]&3)<<11 | int(h[4])<<3 | int(h[5]>>5)
	})
	if !whole {
		return 0
	}
	return span(blocks*1024, rate)
}

// amr counts the frames, of 20 ms each: RFC 4867, 5.
func (f file) amr(head []byte) time.Duration {
	sizes := []int{12, 13, 15, 17, 19, 20, 26, 31, 5, 6, 5, 5, 0, 0, 0, 0}
	off := int64(6)
	switch {
	case bytes.HasPrefix(head, []byte("#!AMR-WB\n")):
		off, sizes = 9, []int{17, 23, 32, 36, 40, 46, 50, 58, 60, 5, 0, 0, 0, 0, 0, 0}
	case !bytes.HasPrefix(head, []byte("#!AMR\n")):
		return 0 // several channels
	}
	var frames int64
	whole := f.walk(off, f.Size(), 1, func(h []byte) int {
		if h[0]&0x83 > 0 { // padding bits that are always 0
			return 0
		}
		frames++
		return 1 + sizes[h[0]>>3&15]
	})
	if !whole {
		return 0
	}
	return span(frames, 50)
}

// flacDuration reads the content of a STREAMINFO block: RFC 9639, 8.2. A program that writes to a pipe does not know the
// number of samples, and leaves it 0.
func flacDuration(info []byte) time.Duration {
	if info == nil {
		return 0
	}
	rate := number(info[10:13]) >> 4
	return span(number(info[13:18])&(1<<36-1), rate)
}
