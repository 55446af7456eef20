// Package shape tells how a picture, a sound or a film looks from outside: width, height, duration ([Of]). It makes the
// small picture that stands for a large one ([Previewer]), too. It knows no destination.
//
// Both look at the content, not at the name, and take nothing that a file says of itself for granted: what they read and
// what memory they take is bounded, and a number that is doubtful is not told.
package shape

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"time"

	"kaizala-drop/internal/peek"
)

const (
	maxReads = 4096
	maxBytes = 32 << 20
	piece    = 64 << 10 // the most that is read at once

	maxSide     = 1 << 20 // pixels
	maxDuration = 10_000 * time.Hour
)

// Shape is how a file looks. 0 says that it is not known, or that there is no such thing.
type Shape struct {
	// Width and Height, in pixels, are those that a person sees: after the turn by the EXIF orientation, the film's matrix or
	// the properties of a HEIF picture, and with the film's pixels as wide as they are shown. One is never told without the
	// other.
	Width, Height int
	// Duration is a multiple of a millisecond. Pictures have none, animated ones neither.
	Duration time.Duration
}

// Of looks at the file r, which has size bytes. Its first bytes tell what it is; ext, with its dot and in any case, is asked
// only where they tell little (.mp3, .aac, .tif).
//
//	JPEG, PNG, GIF, WebP, BMP, TIFF   width and height
//	HEIC, AVIF                        width and height
//	MP4, MOV, M4V, 3GP, also in       width and height of the largest video track, duration
//	  fragments; M4A                  duration
//	Matroska, WebM, AVI, ASF (WMV)    width and height, duration
//	MPEG program streams              width and height, duration
//	WAV, FLAC, Ogg (Opus, Vorbis,     duration
//	  Speex, FLAC), MP3, AAC, AMR,
//	  AIFF, WMA
//
// What is broken, torn, of another format, or so long that it cannot be told within the bounds, is 0; it is never a reason
// not to send the file. Of makes at most 4,096 reads of at most 64 KiB each, 32 MiB altogether, and takes less than 1 MiB
// of memory; a usual file costs fewer than 100 reads and 300 KiB. Only sound whose duration is written nowhere (MP3 of
// varying bitrate without a Xing header, AAC, AMR) is read to its end. Of is safe for concurrent use, as far as r is.
func Of(r io.ReaderAt, size int64, ext string) (s Shape) {
	defer func() {
		if recover() != nil { // a mistake in here, or in a decoder of a library, must not stop a daemon
			s = Shape{}
		}
	}()
	return of(r, size, ext)
}

func of(r io.ReaderAt, size int64, ext string) Shape {
	f := file{peek.New(r, size, maxReads, maxBytes)}
	return f.look(strings.ToLower(ext)).sane()
}

// sane leaves out what cannot be true.
func (s Shape) sane() Shape {
	if s.Width <= 0 || s.Height <= 0 || s.Width > maxSide || s.Height > maxSide {
		s.Width, s.Height = 0, 0
	}
	if s.Duration < 0 || s.Duration > maxDuration {
		s.Duration = 0
	}
	s.Duration = s.Duration.Round(time.Millisecond)
	return s
}

// file is what is looked at. A read that fails, or is over the budget, gives nothing, as does one beyond the end.
type file struct{ *peek.Source }

// at gives exactly n bytes at off, or nil. They are valid until the next read.
func (f file) at(off int64, n int) []byte {
	b := f.upTo(off, n)
	if len(b) < n {
		return nil
	}
	return b
}

// upTo gives n bytes at off, or fewer at the end of the file, or nil.
func (f file) upTo(off int64, n int) []byte {
	b, err := f.At(off, min(n, piece))
	if err != nil {
		return nil
	}
	return b
}

// reader gives f from off to end as a stream, for the decoders of libraries.
func (f file) reader(off, end int64) io.Reader { return io.NewSectionReader(reads{f}, off, end-off) }

// reads is a file as an io.ReaderAt, so that decoders keep to its budget.
type reads struct{ f file }

func (r reads) ReadAt(b []byte, off int64) (int, error) {
	got := r.f.upTo(off, len(b))
	n := copy(b, got)
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// look finds the format by the first bytes.
func (f file) look(ext string) Shape {
	head := bytes.Clone(f.upTo(0, 64))
	begins := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case begins("\xff\xd8\xff"):
		return f.jpeg().shape()
	case begins(pngSignature):
		return f.png().shape()
	case begins("GIF87a"), begins("GIF89a"):
		return f.gif()
	case begins("BM"):
		return f.bmp()
	case begins("II*\x00"), begins("MM\x00*"):
		return f.tiff(ext)
	case begins("RIFF"), begins("RF64"), begins("BW64"):
		return f.riff(head)
	case isBoxes(head):
		return f.isoMedia()
	case begins("\x1a\x45\xdf\xa3"):
		return f.matroska()
	case begins(asfHeader):
		return f.asf()
	case begins("\x00\x00\x01\xba"):
		return f.programStream()
	}
	return Shape{Duration: f.sound(head, ext)}
}

// isBoxes reports whether a file begins as those of ISO/IEC 14496-12 and QuickTime do.
func isBoxes(head []byte) bool {
	first := []string{"ftyp", "styp", "moov", "mdat", "moof", "free", "skip", "wide", "pnot"}
	return len(head) >= 8 && slices.Contains(first, string(head[4:8]))
}

// sound finds the format of sound by its first bytes, behind ID3 tags.
func (f file) sound(head []byte, ext string) time.Duration {
	begins := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case begins("#!AMR"):
		return f.amr(head)
	case begins("OggS"):
		return f.ogg()
	case begins("FORM"):
		return f.aiff()
	}
	off := f.behindID3()
	tagged := off > 0
	if tagged {
		head = bytes.Clone(f.upTo(off, 64))
	}
	switch {
	case begins("fLaC"):
		return flacDuration(f.at(off+8, 18))
	case isADTS(head) && (tagged || ext == ".aac"):
		return f.adts(off)
	case tagged || ext == ".mp3":
		return f.mp3(off)
	}
	return 0
}

// span is n units of a clock with rate of them a second; 0 where one of them cannot be.
func span(n, rate int64) time.Duration {
	if n <= 0 || rate <= 0 || n/rate > int64(maxDuration/time.Second) {
		return 0
	}
	return time.Duration(n/rate)*time.Second + time.Duration(float64(n%rate)/float64(rate)*float64(time.Second))
}
