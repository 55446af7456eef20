package peek

import (
	"bytes"
	"encoding/binary"
	"iter"
	"math"
)

// Box is what the header of a box says: ISO/IEC 14496-12, 4.2.
type Box struct {
	Kind   string // four printable characters
	Off    int64  // where it begins
	Header int64  // the length of its header
	Size   int64  // with its header; math.MaxInt64 stands for more than a file can have
}

// Begin gives where the content of b begins.
func (b Box) Begin() int64 { return b.Off + b.Header }

// End gives where b ends, which may lie beyond the file.
func (b Box) End() int64 { return b.Off + min(b.Size, math.MaxInt64-b.Off) }

// Box reads the header of the box at off. ok is false if there can be no box.
func (s *Source) Box(off int64) (b Box, ok bool, err error) {
	b = Box{Off: off, Header: 8}
	h, err := s.At(off, 16)
	if err != nil || len(h) < 8 {
		return b, false, err
	}
	b.Kind, b.Size = string(h[4:8]), int64(binary.BigEndian.Uint32(h))
	switch b.Size {
	case 0:
		b.Size = s.size - off
	case 1:
		if b.Header = 16; len(h) < 16 {
			b.Size = b.Header // its length is not there yet
			break
		}
		b.Size = int64(min(math.MaxInt64, binary.BigEndian.Uint64(h[8:])))
	}
	printable := !bytes.ContainsFunc(h[4:8], func(r rune) bool { return r < ' ' || r > '~' })
	return b, printable && b.Size >= b.Header, nil
}

// Boxes gives the boxes in [off, end), one behind the other, up to what is no box, or is longer than end, or cannot be
// read.
func (s *Source) Boxes(off, end int64) iter.Seq[Box] {
	return func(yield func(Box) bool) {
		for end-off >= 8 {
			b, ok, err := s.Box(off)
			if err != nil || !ok || b.Size > end-off || !yield(b) {
				return
			}
			off += b.Size
		}
	}
}
