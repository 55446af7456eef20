package media

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// MissingEnd says what is missing at the end of a file of type t, or "" when nothing is. It can only hold a file back:
// a missing end means that the file is not whole, an end that is there proves nothing.
//
// missing is a clause for a note to a person: "the PDF has no %%EOF near its end". Nothing in it comes from the file
// but numbers and the four-letter names of boxes.
//
// What the file is, its first bytes say, not its name: a PNG called scan.jpg is checked as a PNG, an encrypted .docx as
// the compound file that it is. Content that is none of the formats below is not judged (""), the server does that; but
// a file of zeros was given its size and not yet its content, and one of 12 bytes or less was just begun: both are held
// back.
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
// The comment in each format's file says where a cut leaves a file that passes. In all of them it is one that readers of
// the format take for whole, or nearly so.
//
// Any file costs at most 4,096 reads and 1 MiB, whatever it claims, a usual one fewer than 20 reads and 20 KiB; what
// cannot be decided within that passes. No byte outside [0, size) is asked for. err is a failed read, wrapped; it is
// io.ErrUnexpectedEOF for a file that became shorter than size. MissingEnd keeps nothing; calls may run at once.
func MissingEnd(t Type, r io.ReaderAt, size int64) (missing string, err error) {
	if size <= 0 {
		return "the file is empty", nil
	}
	missing, err = missingEnd(t, &source{r: r, size: size})
	if errors.Is(err, errBudget) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for the file's end: %w", err)
	}
	return missing, nil
}

// shortest is too short for a whole file of any format with an end, and enough to tell them apart by their first bytes.
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
	switch {
	case t.Ext == ".mp3":
		return mp3End(s, head)
	case s.size <= shortest:
		return "the file has only " + plural(s.size, "byte"), nil
	case allZero(head[:shortest]) || allZero(head[shortest:]):
		return "the file is zeros where it should begin: it was given its size, but not yet its content", nil
	}
	return "", nil
}

// checkFor tells the format by the first bytes, nil for an unknown one. Readers of PDF look for the header in the first
// 1,024 bytes; that far it is only looked for under its own name.
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

// mp3End holds back what is zeros throughout, as far as three looks tell. Zeros before the first frame are lawful.
func mp3End(s *source, head []byte) (string, error) {
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

// areThere ends a sentence that said how many bytes there should be.
func areThere(n int64) string {
	if n == 1 {
		return "1 is there"
	}
	return grouped(n) + " are there"
}
