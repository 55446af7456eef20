package media

import (
	"encoding/binary"
	"math"
	"slices"
)

// wavEnd wants as many bytes as the RIFF header says and a data chunk among them: Multimedia Programming Interface and
// Data Specifications 1.0 (IBM, Microsoft, 1991), "Resource Interchange File Format" and "WAVE"; for RF64 and BW64, EBU
// Tech 3306 and ITU-R BS.2088: a length in the ds64 chunk counts where the one of 32 bits is 0xFFFFFFFF.
//
// A program that writes to a pipe, or that was killed, leaves a placeholder for the lengths: 0, 0xFFFFFFFF or near
// 0x7FFFFFFF. Such a file goes on to its end, wherever that is, and passes if it has a data chunk, unless that gives a
// length of its own. A RIFF length that is too great, as some programs write, and a missing padding byte pass if the chunks
// fill the file, the sound among them. Bytes after the end are not judged; nor are zeros, which are silence.
//
// Some programs (Python's wave module) write a header that fits what they have at first, of no sound (36 in RIFF, 0 in
// data) or of the first piece of it, and correct it when they close the file. Written to a pipe, a whole file stays so;
// killed, a torn one: the sound is then bytes after the end, which nothing tells from what others append there.
//
// A cut passes in the padding byte at the end, in bytes after the end, between two chunks after the sound, and wherever
// it likes in a file of unknown length, once the data chunk has begun, or behind the lengths of a header that was not
// corrected.
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

// placeholder reports a length that a program wrote before it knew the true one. A true one so near to 2 or 4 GiB is of
// a file that is too large to be posted.
func placeholder(n int64) bool { return n == 0 || n >= 0x7FFFF000 && n <= math.MaxUint32 }

// wav is what a walk over the chunks has seen.
type wav struct {
	*source
	riff  int64 // bytes after the first 8, as the file says
	data  int64 // bytes of sound, as the file says
	there int64 // bytes from the begin of the sound to the end of the file
	begun bool  // the data chunk is there
	// filled: the chunks end where the file ends, but for a padding byte.
	filled bool
}

// walk goes from chunk to chunk, 1,000 of them, until one reaches to the end of the file or beyond.
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

// wide64 is a length of 64 bits; what no file can have is unknown.
func wide64(b []byte) int64 {
	if n := binary.LittleEndian.Uint64(b); n < math.MaxInt64-8 {
		return int64(n)
	}
	return 0
}
