package shape

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/gif"

	"golang.org/x/image/webp"
)

// jpeg reads the segments up to the first scan: ITU-T T.81, annex B. Where image/jpeg is more lenient than that about what
// lies between segments, nothing is told.
func (f file) jpeg() still {
	var frame jpegFrame
	var t turn
	off := int64(2)
	for range 1000 {
		h := f.at(off, 4)
		if h == nil || h[0] != 0xFF {
			break
		}
		marker, n := h[1], int64(binary.BigEndian.Uint16(h[2:]))
		switch {
		case marker == 0xFF: // fill bytes, B.1.1.2
			off++
			continue
		case marker == 0xDA:
			return frame.still(max(t, 1))
		case marker < 0xC0, marker >= 0xD0 && marker <= 0xD9, n < 2:
			return still{}
		case marker == 0xE1 && t == 0:
			if mark := f.at(off+4, len(exifMark)); string(mark) == exifMark {
				t = f.readDirectory(off+4, off+2+n).turn()
			}
		case marker == 0xEE:
			frame.adobe = true
		case marker != 0xC4 && marker != 0xC8 && marker != 0xCC && marker <= 0xCF:
			if frame.marker > 0 {
				return still{}
			}
			frame.marker, frame.header = marker, bytes.Clone(f.upTo(off+4, 6+4*3))
		}
		off += 2 + n
	}
	return still{}
}

// jpegFrame is a frame header (B.2.2), and whether Adobe's segment, which tells of other colours than usual, is there.
type jpegFrame struct {
	marker byte
	header []byte
	adobe  bool
}

// still leaves a height of 0, which stands behind the first scan (B.2.5), unknown.
func (j jpegFrame) still(t turn) still {
	if len(j.header) < 6 || len(j.header) < 6+3*int(j.header[5]) {
		return still{}
	}
	s := still{turn: t}
	s.height, s.width = int(binary.BigEndian.Uint16(j.header[1:])), int(binary.BigEndian.Uint16(j.header[3:]))
	if j.marker <= 0xC2 {
		s.memory = jpegMemory(s, j.header[6:6+3*int(j.header[5])], j.marker == 0xC2, j.adobe)
	}
	return s
}

const pngSignature = "\x89PNG\r\n\x1a\n"

// png reads the header, and looks for EXIF (eXIf), which may stand behind the picture: PNG (third edition), 11.2.1 and 11.3.4.5.
func (f file) png() still {
	const header = 8 + 8 + 13
	h := f.at(0, header)
	if h == nil || string(h[8:16]) != "\x00\x00\x00\x0dIHDR" {
		return still{}
	}
	wide, high := binary.BigEndian.Uint32(h[16:]), binary.BigEndian.Uint32(h[20:])
	if wide > maxSide || high > maxSide {
		return still{}
	}
	s := still{width: int(wide), height: int(high)}
	depth, colour, interlaced := h[24], h[25], h[28] != 0
	exif, masked := f.pngChunks(header + 4)
	s.turn = f.readDirectory(exif, f.Size()).turn()
	s.memory = pngMemory(s.width, s.height, depth, colour, interlaced, masked)
	return s
}

// pngChunks goes from chunk to chunk, at most 2,000. In a larger picture it searches the last 256 KiB for EXIF. exif is where that
// begins, or beyond the file; masked says that there are transparent colours (tRNS).
func (f file) pngChunks(off int64) (exif int64, masked bool) {
	const most, lookBack = 2000, 256 << 10
	for range most {
		c := f.at(off, 8)
		if c == nil {
			return f.Size(), masked
		}
		switch string(c[4:]) {
		case "eXIf":
			return off + 8, masked
		case "tRNS":
			masked = true
		}
		off += 12 + int64(binary.BigEndian.Uint32(c))
	}
	at, err := f.FindLast("eXIf", off, f.Size(), lookBack)
	if err != nil || at < 0 {
		return f.Size(), masked
	}
	return at + 4, masked
}

// webp has its EXIF in a chunk: RFC 9649, 2.7.
func (f file) webp() Shape {
	c, err := webp.DecodeConfig(f.reader(0, f.Size()))
	if err != nil {
		return Shape{}
	}
	s := still{width: c.Width, height: c.Height, turn: 1}
	for c := range f.chunks(12, f.Size()) {
		if c.kind != "EXIF" {
			continue
		}
		s.turn = f.readDirectory(c.off, c.off+c.size).turn()
	}
	return s.shape()
}

func (f file) gif() Shape { return config(gif.DecodeConfig(f.reader(0, f.Size()))) }

// bmp has one of two headers, of OS/2 and of Windows: Microsoft, BITMAPCOREHEADER and BITMAPINFOHEADER. A negative height says
// that the uppermost line comes first.
func (f file) bmp() Shape {
	const core, least, most = 12, 16, 124
	b := f.at(14, 12)
	if b == nil {
		return Shape{}
	}
	le := binary.LittleEndian
	switch n := le.Uint32(b); {
	case n == core:
		return Shape{Width: int(le.Uint16(b[4:])), Height: int(le.Uint16(b[6:]))}
	case n < least || n > most:
		return Shape{}
	}
	height := int(int32(le.Uint32(b[8:])))
	return Shape{Width: int(int32(le.Uint32(b[4:]))), Height: max(height, -height)}
}

func config(c image.Config, err error) Shape {
	if err != nil {
		return Shape{}
	}
	return Shape{Width: c.Width, Height: c.Height}
}

// tiff reads the first picture. Raw formats of cameras begin alike, but their first picture is a preview; they are told by
// their names.
func (f file) tiff(ext string) Shape {
	const reduced = 1
	d := f.readDirectory(0, f.Size())
	if ext != ".tif" && ext != ".tiff" || d[tagSubfile]&reduced != 0 {
		return Shape{}
	}
	wide, high := d[tagWidth], d[tagHeight]
	return still{width: int(min(wide, maxSide+1)), height: int(min(high, maxSide+1)), turn: d.turn()}.shape()
}
