package media

import "encoding/binary"

// jpegEnd wants an EOI marker (FF D9) after the start of the first scan: ITU-T T.81 (ISO/IEC 10918-1), annex B.
//
// The header's segments are walked by their lengths, so the end of a thumbnail in an EXIF segment does not count. After
// the first SOS a pair FF D9 is an EOI and nothing else: in entropy-coded data a byte FF is followed by 00 or by a
// restart marker (B.1.1.5). That makes it enough to look back from the file's end, without reading the scans.
//
// What cameras write after the EOI (zeros, previews, second images of the Multi-Picture Format, the film of a motion
// photo) is not judged. Zeros are left out however many they are; anything else is looked through for 768 KiB, and what
// is larger than that is compressed, where every 64 KiB hold a pair FF D9 by chance.
//
// A cut passes after the EOI, in what was appended to the picture.
func jpegEnd(s *source, _ []byte) (string, error) {
	const missing = "the JPEG has no end marker (FF D9)"
	scan, end, err := jpegScan(s)
	if err != nil || end {
		return "", err
	}
	if scan >= s.size {
		return missing + ": it breaks off before the picture begins", nil
	}
	last, err := s.dataEnd()
	if err != nil {
		return "", err
	}
	found, err := s.contains([]byte{0xFF, 0xD9}, scan, last)
	if err != nil || found {
		return "", err
	}
	return missing, nil
}

// jpegScan gives the offset of the first entropy-coded byte, which may lie beyond the file. Where the segments end
// otherwise, after 1,000 or in bytes that are no marker, it is where that was. end reports an EOI on the way.
func jpegScan(s *source) (off int64, end bool, err error) {
	off = 2
	for range 1000 {
		h, err := s.at(off, 4)
		if err != nil {
			return 0, false, err
		}
		if len(h) < 2 {
			return s.size, false, nil
		}
		switch marker := h[1]; {
		case h[0] != 0xFF:
			return off, false, nil
		case marker == 0xFF: // fill bytes, B.1.1.2
			off++
		case marker == 0xD9:
			return off, true, nil
		case marker == 0x01 || marker >= 0xD0 && marker <= 0xD8:
			off += 2
		case len(h) < 4:
			return s.size, false, nil
		default:
			off += 2 + max(2, int64(binary.BigEndian.Uint16(h[2:])))
			if marker == 0xDA {
				return off, false, nil
			}
		}
	}
	return off, false, nil
}
