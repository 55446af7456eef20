package media

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"kaizala-drop/internal/peek"
)

// MissingEnd says what is missing at the end of a file of type t, or "" if nothing is. It can only hold a file back: a
// missing end means that the file is not whole, but an end that is there proves nothing.
//
// missing is a clause for a note to a person: "the PDF has no %%EOF near its end". Nothing in it comes from the file
// except numbers and the four-letter names of boxes.
//
// The first bytes of a file tell its format, not its name: a PNG called scan.jpg is checked as a PNG, and an encrypted
// .docx as the compound file that it is. Content of none of the formats below is not judged (""), because the server
// judges it. Two kinds of unknown content are held back: a file of zeros was given its size but not yet its content,
// and a file of 12 bytes or less was only begun.
//
//	JPEG     an EOI marker after the start of the first scan
//	PNG      an IEND chunk
//	PDF      %%EOF, and no object after it
//	ZIP      an end-of-central-directory record, and the directory where it says (.docx, .xlsx, .pptx)
//	CFB      every sector that the allocation table has in use (.doc, .xls, .ppt)
//	ISO BMFF boxes that fill the file, an index (moov) and media data (mdat) among them (.mp4, .3gpp, also HEIF)
//	WAV      as many bytes as the RIFF header says, if it says
//	MP3      none: a stream of frames may stop after any of them
//
// The comment in the file of each format says where a cut leaves a file that passes. In all formats such a file is one
// that readers take for whole, or nearly so.
//
// A file costs at most 4,096 reads and 1 MiB, whatever it claims; a usual file costs fewer than 20 reads and 20 KiB.
// What cannot be decided within that passes. No byte outside [0, size) is read. err is a failed read, wrapped; it is
// io.ErrUnexpectedEOF for a file that became shorter than size. MissingEnd keeps nothing, and is safe for concurrent
// use.
func MissingEnd(t Type, r io.ReaderAt, size int64) (missing string, err error) {
	if size <= 0 {
		return "the file is empty", nil
	}
	missing, err = missingEnd(t, newSource(r, size))
	if errors.Is(err, peek.ErrBudget) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for the file's end: %w", err)
	}
	return missing, nil
}

// shortest is a size that is too short for a whole file of any format with an end, and enough to tell the formats apart
// by their first bytes.
const shortest = 12

func missingEnd(t Type, s *source) (string, error) {
	b, err := s.at(0, 2048)
	if err != nil {
		return "", err
	}
	head := bytes.Clone(b) // the next read takes the buffer
	if check := checkFor(t, head); check != nil {
		return check(s, head)
	}
	switch _, known := byExtension(t.Ext); {
	case t.Ext == ".mp3", known == "": // text may be short, and other formats may begin with zeros
		return zerosEnd(s, head)
	case s.size <= shortest:
		return "the file has only " + plural(s.size, "byte"), nil
	case allZero(head[:shortest]) || allZero(head[shortest:]):
		return "the file is zeros where it should begin: it was given its size, but not yet its content", nil
	}
	return "", nil
}

// checkFor gives the check for the format that the first bytes show, or nil for an unknown format. Readers of PDF
// search the first 1,024 bytes for the header; checkFor does that only for a file with the name of a PDF.
func checkFor(t Type, head []byte) func(*source, []byte) (string, error) {
	begins := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case begins("\xff\xd8\xff"):
		return jpegEnd
	case begins(pngSignature):
		return pngEnd
	case begins("PK\x03\x04"), begins(zipEndSignature):
		return zipEnd
	case begins(compoundSignature):
		return compoundEnd
	case isWAV(head):
		return wavEnd
	case isISOMedia(head):
		return isoEnd
	case begins("%PDF-"), t.Ext == ".pdf" && bytes.Contains(head[:min(len(head), 1024+5)], []byte("%PDF-")):
		return pdfEnd
	}
	return nil
}

// zerosEnd holds a file back that is all zeros, as far as three samples show. Zeros before the first frame of an MP3 are lawful.
func zerosEnd(s *source, head []byte) (string, error) {
	if !allZero(head) {
		return "", nil
	}
	for _, off := range []int64{s.size / 2, max(0, s.size-sample)} {
		b, err := s.at(off, sample)
		if err != nil || !allZero(b) {
			return "", err
		}
	}
	return "the file is all zeros: it was given its size, but not yet its content", nil
}

// grouped writes a number as people read it: 48,213,004.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(n) + " " + noun + "s"
}

// areThere is the end of a sentence that said how many bytes there should be.
func areThere(n int64) string {
	if n == 1 {
		return "1 is there"
	}
	return grouped(n) + " are there"
}
