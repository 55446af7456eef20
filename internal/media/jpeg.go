package media

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"
)

// jpegEnd requires an EOI marker (FF D9) after the start of the first scan: ITU-T T.81 (ISO/IEC 10918-1), annex B.
//
// The segments of the header are walked by their lengths, so the end of a thumbnail in an EXIF segment does not count.
// After the first SOS a pair FF D9 is an EOI and nothing else, because in entropy-coded data a byte FF is followed by
// 00 or by a restart marker (B.1.1.5). So it is enough to search backwards from the end of the file, without reading
// the scans.
//
// What cameras write after the EOI is not judged: zeros, previews, second images of the Multi-Picture Format, the film
// of a motion photo. Zeros are skipped however many there are. Anything else is searched for 768 KiB, in which
// compressed data hold a pair FF D9 by chance. Larger data that are not compressed (depth, temperatures, text) are
// recognised: they hold bytes that no scan can have, or 64 KiB of them lack the bytes that every scan has. The
// directory of a Samsung phone at the end proves that everything before it is there, whatever its size; the panoramas
// of such phones have no EOI.
//
// A cut passes after the EOI, in what was appended to the picture. In scans after the first one it passes within 768
// KiB behind a segment that holds a pair FF D9 (though in known files only tables lie between scans), and behind more
// than 64 KiB of segments. A whole file is held back if more than 768 KiB after its EOI hold neither such a pair nor,
// in the last 192 KiB, what no scan can have.
func jpegEnd(s *source, _ []byte) (string, error) {
	const missing = "the JPEG has no end marker (FF D9)"
	head, err := jpegHeader(s)
	switch {
	case err != nil || head.ended:
		return "", err
	case head.scan >= s.size:
		return missing + ": it breaks off before the picture begins", nil
	}
	last, err := s.dataEnd()
	if err != nil {
		return "", err
	}
	if eoi, err := jpegHasEOI(s, head, last); err != nil || eoi {
		return "", err
	}
	return missing, nil
}

// jpegHasEOI reports whether there is an EOI between the first scan and last, or one further back than can be searched.
// What may prove the latter is looked for before most of the search.
func jpegHasEOI(s *source, head jpegHead, last int64) (bool, error) {
	const eoi = "\xff\xd9"
	near := max(head.scan, last-chunk)
	at, err := s.findLast(eoi, near, last, chunk)
	if err != nil || at >= 0 {
		return at >= 0, err
	}
	seft, err := jpegSamsung(s, last)
	if err != nil || seft {
		return seft, err
	}
	if head.plain && last-head.scan > lookBack {
		trailer, err := jpegTrailer(s, last)
		if err != nil || trailer {
			return trailer, err
		}
	}
	at, err = s.findLast(eoi, head.scan, near+1, lookBack-chunk)
	return at >= 0, err
}

// jpegHead is what the segments before the first scan say.
type jpegHead struct {
	scan  int64 // the first entropy-coded byte, which may lie beyond the file; or where the segments end otherwise
	ended bool  // an EOI came before it
	plain bool  // a scan begins, and in it FF is followed by 00 or a marker; JPEG-LS (ITU-T T.87) has other rules
}

// jpegHeader walks up to 1,000 segments, or up to bytes that are no marker.
func jpegHeader(s *source) (head jpegHead, err error) {
	const lossless = 0xF7
	head = jpegHead{scan: 2}
	other := false
	for range 1000 {
		h, err := s.at(head.scan, 4)
		if err != nil {
			return head, err
		}
		if len(h) < 2 {
			head.scan = s.size
			return head, nil
		}
		switch marker := h[1]; {
		case h[0] != 0xFF:
			return head, nil
		case marker == 0xFF: // fill bytes, B.1.1.2
			head.scan++
		case marker == 0xD9:
			head.ended = true
			return head, nil
		case marker == 0x01 || marker >= 0xD0 && marker <= 0xD8:
			head.scan += 2
		case len(h) < 4:
			head.scan = s.size
			return head, nil
		default:
			head.scan += 2 + max(2, int64(binary.BigEndian.Uint16(h[2:])))
			other = other || marker == lossless
			if head.plain = marker == 0xDA && !other; marker == 0xDA {
				return head, nil
			}
		}
	}
	return head, nil
}

// jpegSamsung reports whether the trailer of a Samsung phone ends at last. The trailer ends with the length of its
// directory and SEFT. Panoramas have it without an EOI before it.
func jpegSamsung(s *source, last int64) (bool, error) {
	const seft = "SEFT"
	b, err := s.at(last-int64(len(seft)), len(seft))
	return string(b) == seft, err
}

// jpegTrailer reports whether the bytes before last, which go a long way without an EOI, are no part of a scan, so that
// the EOI is still further back. They are searched for what can stand neither in a scan nor in the segments between
// scans. The first 64 KiB do not count, because they can be the content of a segment, which may be anything.
func jpegTrailer(s *source, last int64) (bool, error) {
	for off := last - 3*chunk; off < last; {
		b, err := s.at(off, int(min(chunk, last-off)))
		if err != nil {
			return false, err
		}
		if len(b) == chunk && jpegNoScan(b) {
			return true, nil
		}
		n, foreign := jpegForeign(b, last-2*chunk-off)
		if foreign {
			return true, nil
		}
		off += n
	}
	return false, nil
}

// jpegNoScan reports whether b, 64 KiB, is no part of a scan because it has no byte FF. In compressed data one byte in
// 256 is FF. Only a plain surface has none, because it is compressed to the same few bytes again and again, which are
// no text; at most the 10 blocks of an MCU (B.2.3), of two codes of 16 bits each, are repeated like that.
func jpegNoScan(b []byte) bool {
	const longest, shortest = 10 * 2 * 16, 4
	if bytes.IndexByte(b, 0xFF) >= 0 {
		return false
	}
	least := longest
	if isText(b) {
		least = shortest
	}
	for period := 1; period < least; period++ {
		if bytes.Equal(b[period:], b[:len(b)-period]) {
			return false
		}
	}
	return true
}

// isText reports whether b is UTF-8 without control characters. A character may be cut at its beginning and its end.
func isText(b []byte) bool {
	for range utf8.UTFMax - 1 {
		if !utf8.RuneStart(b[0]) {
			b = b[1:]
		}
		if r, n := utf8.DecodeLastRune(b); r == utf8.RuneError && n == 1 {
			b = b[:len(b)-1]
		}
	}
	return utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' })
}

// jpegForeign reports whether bytes from b[from] on do not belong to a JPEG, provided that b begins in a scan. Such
// bytes are an FF before what is no marker between scans, or a segment without another marker behind it. If there are
// none, n is how far b was searched, which can be beyond its end.
func jpegForeign(b []byte, from int64) (n int64, foreign bool) {
	size := int64(len(b))
	for {
		i := bytes.IndexByte(b[n:], 0xFF)
		if i < 0 {
			return size, false
		}
		n += int64(i)
		first := n
		for n+1 < size && b[n+1] == 0xFF { // fill bytes before a marker
			n++
		}
		if n+4 > size {
			return max(n, 1), false
		}
		marker, filled, counts := b[n+1], n > first, n >= from
		switch n++; {
		case marker > 0x01 && marker < 0xC0, marker == 0xD8, filled && marker == 0:
			if counts {
				return n, true
			}
		case marker <= 0x01 || marker <= 0xD7 && marker >= 0xD0:
			// a byte FF of the scan, a restart
		default:
			n += 1 + max(2, int64(binary.BigEndian.Uint16(b[n+1:])))
			switch {
			case n >= size:
				return n, false
			case counts && marker != 0xDA && b[n] != 0xFF:
				return n, true
			}
		}
	}
}
