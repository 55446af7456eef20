package media

import (
	"encoding/binary"
	"math"
	"slices"
)

// wavEnd requires as many bytes as the RIFF header says, with a data chunk among them: Multimedia Programming Interface
// and Data Specifications 1.0 (IBM, Microsoft, 1991), "Resource Interchange File Format" and "WAVE"; for RF64 and BW64,
// EBU Tech 3306 and ITU-R BS.2088, where a length in the ds64 chunk counts if the one of 32 bits is 0xFFFFFFFF.
//
// A program that writes to a pipe, or that was killed, leaves a placeholder for the lengths: 0, 0xFFFFFFFF or near
// 0x7FFFFFFF. Such a file goes on to its end, wherever that is, and passes if it has a data chunk, unless the data
// chunk gives a length of its own. A RIFF length that is too great, as some programs write, and a missing padding byte
// pass if the chunks, the sound among them, fill the file. Bytes after the end are not judged, and neither are zeros,
// which are silence.
//
// Some programs (Python's wave module) write a header that fits what they have at first, which is no sound (36 in RIFF,
// 0 in data) or the first piece of it, and correct the header when they close the file. A whole file that was written
// to a pipe keeps such a header, and so does a torn file of a program that was killed. The sound then counts as bytes
// after the end, because nothing tells it from what others append there.
//
// A cut passes in the padding byte at the end, in bytes after the end, and between two chunks after the sound. In a
// file of unknown length it passes anywhere once the data chunk has begun. In a file whose header was not corrected it
// passes anywhere behind the lengths.
func wavEnd(s *source, head []byte) (string, error) {
	w := wav{source: s, riff: int64(binary.LittleEndian.Uint32(head[4:]))}
	if err := w.walk(); err != nil {
		return "", err
	}
	known, end := !placeholder(w.riff), w.riff+8
	switch {
	case known && end > s.size && !(w.filled && w.begun):
		return "the WAV says " + plural(end, "byte") + ", " + areThere(s.size), nil
	case !w.begun:
		return "the WAV has no sound (data chunk)", nil
	case !known && !placeholder(w.data) && w.data > w.there:
		return "the WAV says " + plural(w.data, "byte") + " of sound, " + areThere(w.there), nil
	}
	return "", nil
}

func isWAV(head []byte) bool {
	return len(head) >= 12 && string(head[8:12]) == "WAVE" &&
		slices.Contains([]string{"RIFF", "RF64", "BW64"}, string(head[:4]))
}

// placeholder reports whether a program wrote the length n before it knew the true one. A file whose true length is so
// near to 2 or 4 GiB is too large to be posted.
func placeholder(n int64) bool { return n == 0 || n >= 0x7FFFF000 && n <= math.MaxUint32 }

// wav is what a walk over the chunks has seen.
type wav struct {
	*source
	riff  int64 // bytes after the first 8, as the file says
	data  int64 // bytes of sound, as the file says
	there int64 // bytes from the beginning of the sound to the end of the file
	begun bool  // the data chunk is there
	// filled says that the chunks end where the file ends, but for a padding byte.
	filled bool
}

// walk goes from chunk to chunk, at most 1,000, until one reaches the end of the file or beyond.
func (w *wav) walk() error {
	le := binary.LittleEndian
	var riff, wide int64
	off := int64(12)
	for range 1000 {
		h, err := w.at(off, 8+16)
		if err != nil || len(h) < 8 {
			return err
		}
		n := int64(le.Uint32(h[4:]))
		switch string(h[:4]) {
		case "ds64":
			if len(h) == 24 && off == 12 {
				riff, wide = wide64(h[8:]), wide64(h[16:])
			}
			if w.riff == math.MaxUint32 {
				w.riff = riff
			}
		case "data":
			if n == math.MaxUint32 && wide != 0 {
				n = wide
			}
			w.begun, w.data, w.there = true, n, w.size-off-8
			if placeholder(n) {
				return nil
			}
		}
		left := w.size - off - 8
		w.filled = n == left || n+n&1 == left
		if n >= left {
			return nil
		}
		off += 8 + n + n&1
	}
	return nil
}

// wide64 is a length of 64 bits. A length that no file can have counts as unknown, 0.
func wide64(b []byte) int64 {
	if n := binary.LittleEndian.Uint64(b); n < math.MaxInt64-8 {
		return int64(n)
	}
	return 0
}
