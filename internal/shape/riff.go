package shape

import (
	"bytes"
	"encoding/binary"
	"iter"
	"math"
	"slices"
	"time"
)

// chunk is a part of a RIFF file: Multimedia Programming Interface and Data Specifications 1.0 (IBM, Microsoft, 1991).
type chunk struct {
	kind string
	off  int64 // where its content begins
	size int64 // of its content, as it says; it may reach beyond the file
}

// chunks gives the chunks in [off, end).
func (f file) chunks(off, end int64) iter.Seq[chunk] {
	return func(yield func(chunk) bool) {
		for end-off >= 8 {
			h := f.at(off, 8)
			if h == nil {
				return
			}
			c := chunk{string(h[:4]), off + 8, int64(binary.LittleEndian.Uint32(h[4:]))}
			if !yield(c) {
				return
			}
			off = c.off + c.size + c.size&1
		}
	}
}

func (f file) riff(head []byte) Shape {
	if len(head) < 12 {
		return Shape{}
	}
	switch string(head[8:12]) {
	case "WEBP":
		return f.webp()
	case "WAVE":
		return Shape{Duration: f.wav()}
	case "AVI ":
		return f.avi()
	}
	return Shape{}
}

// wav divides the bytes of sound by the bytes a second. A length that is a placeholder, or reaches beyond the file, stands for
// the rest of the file. In RF64 and BW64 a ds64 chunk has the long lengths: EBU Tech 3306, ITU-R BS.2088.
func (f file) wav() time.Duration {
	var format []byte
	var wide, samples int64
	for c := range f.chunks(12, f.Size()) {
		switch c.kind {
		case "ds64":
			if b := f.at(c.off+8, 8); b != nil {
				wide = int64(min(binary.LittleEndian.Uint64(b), math.MaxInt64))
			}
		case "fmt ":
			format = bytes.Clone(f.at(c.off, 16))
		case "fact":
			if b := f.at(c.off, 4); b != nil {
				samples = int64(binary.LittleEndian.Uint32(b))
			}
		case "data":
			if c.size == math.MaxUint32 && wide > 0 {
				c.size = wide
			}
			return wavDuration(format, c.size, f.Size()-c.off, samples)
		}
	}
	return 0
}

// wavDuration is of n bytes of sound, of which rest are there. The bytes a second of compressed sound are only nearly true, so
// the samples in the fact chunk count, and of a part of it nothing is known.
func wavDuration(format []byte, n, rest, samples int64) time.Duration {
	if format == nil {
		return 0
	}
	tag, le := binary.LittleEndian.Uint16(format), binary.LittleEndian
	rate, second := int64(le.Uint32(format[4:])), int64(le.Uint32(format[8:]))
	plain := slices.Contains([]uint16{1, 3, 6, 7, 0xFFFE}, tag) // PCM, float, A-law, mu-law, extensible
	whole := n > 0 && n <= rest
	switch {
	case plain && whole:
		return span(n, second)
	case plain:
		return span(rest, second)
	case whole && samples < math.MaxUint32:
		return span(samples, rate)
	}
	return 0
}

// aiff has the number of samples, and the rate as an 80-bit number, in COMM: Apple, Audio Interchange File Format 1.3. What they
// are in compressed sound (AIFF-C) depends on the way of compression, so little is told of it.
func (f file) aiff() time.Duration {
	kind := string(f.at(8, 4))
	if kind != "AIFF" && kind != "AIFC" {
		return 0
	}
	for off := int64(12); ; {
		h := f.at(off, 8+18+4)
		if h == nil {
			return 0
		}
		n := int64(binary.BigEndian.Uint32(h[4:]))
		if string(h[:4]) == "COMM" {
			exponent := int(binary.BigEndian.Uint16(h[16:])) - 16383 - 63
			if exponent < -63 || exponent > 0 {
				return 0
			}
			rate := int64(binary.BigEndian.Uint64(h[18:]) >> -exponent)
			plain := []string{"NONE", "sowt", "twos", "fl32", "FL32", "fl64", "FL64", "in24", "in32", "ulaw", "ULAW", "alaw", "ALAW"}
			if kind == "AIFC" && !slices.Contains(plain, string(h[26:])) {
				return 0
			}
			return span(int64(binary.BigEndian.Uint32(h[10:])), rate)
		}
		off += 8 + n + n&1
	}
}

// avi reads the header list: Microsoft, AVI RIFF File Reference. The number of frames in avih is only that of the first
// RIFF, so the one in OpenDML's dmlh counts if it is there.
func (f file) avi() (s Shape) {
	var frames, most, micro int64
	var lists func(off, end int64, depth int)
	lists = func(off, end int64, depth int) {
		for c := range f.chunks(off, end) {
			switch c.kind {
			case "LIST":
				if kind := string(f.at(c.off, 4)); depth < 3 && (kind == "hdrl" || kind == "odml") {
					lists(c.off+4, min(end, c.off+c.size), depth+1)
				} else if kind == "movi" {
					return
				}
			case "avih":
				if b := f.at(c.off, 40); b != nil {
					le := binary.LittleEndian
					micro, frames = int64(le.Uint32(b)), int64(le.Uint32(b[16:]))
					s.Width, s.Height = int(le.Uint32(b[32:])), int(le.Uint32(b[36:]))
				}
			case "dmlh":
				if b := f.at(c.off, 4); b != nil {
					most = int64(binary.LittleEndian.Uint32(b))
				}
			}
		}
	}
	lists(12, f.Size(), 0)
	s.Duration = span(max(frames, most)*min(micro, 1<<30), 1_000_000)
	return s
}
