package media

import "encoding/binary"

const (
	pngSignature = "\x89PNG\r\n\x1a\n"
	pngEndChunk  = "\x00\x00\x00\x00IEND\xae\x42\x60\x82" // its length, type and CRC are always these
)

// pngEnd requires an IEND chunk: W3C PNG (ISO/IEC 15948), 5.2, 5.3 and 11.2.5.
//
// As a rule the chunk is the last 12 bytes. If it is not, because something was appended or the file is torn, the
// chunks are walked by their lengths, and runs of IDAT chunks of equal length in leaps. After 1,000 steps, or where
// there is no chunk, IEND is searched for in the last 768 KiB.
//
// A cut passes after IEND, and where it hits exactly the end of a PNG that another chunk carries.
func pngEnd(s *source, _ []byte) (string, error) {
	tail, err := s.at(s.size-int64(len(pngEndChunk)), len(pngEndChunk))
	if err != nil || string(tail) == pngEndChunk {
		return "", err
	}
	off := int64(len(pngSignature))
	for range 1000 {
		h, err := s.at(off, len(pngEndChunk))
		if err != nil || string(h) == pngEndChunk {
			return "", err
		}
		if len(h) < 8 {
			off = s.size
			break
		}
		if !pngType(h[4:8]) {
			break
		}
		if off, err = pngRunEnd(s, off, [8]byte(h)); err != nil {
			return "", err
		}
	}
	iend, err := s.findLast(pngEndChunk, off, s.size, lookBack)
	if err != nil || iend >= 0 {
		return "", err
	}
	return "the PNG has no end chunk (IEND)", nil
}

// pngRunEnd gives the end of the chunk at off, whose length and type are header, and of the IDAT chunks of equal length
// that follow it directly. Writers fill all but the last chunk equally. A header exactly where a run of such chunks
// would have it counts as one.
func pngRunEnd(s *source, off int64, header [8]byte) (int64, error) {
	size := 12 + int64(binary.BigEndian.Uint32(header[:]))
	if string(header[4:]) != "IDAT" {
		return off + size, nil
	}
	for step := size; step >= size; {
		h, err := s.at(off+step, len(header))
		if err != nil {
			return 0, err
		}
		if string(h) == string(header[:]) {
			off += step
			step *= 2
		} else {
			step /= 2
		}
	}
	return off + size, nil
}

func pngType(b []byte) bool {
	for _, c := range b {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return true
}
