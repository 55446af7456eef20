package media

import (
	"bytes"
	"strconv"
)

// pdfEnd wants %%EOF, and after it nothing that belongs to a PDF: ISO 32000-2, 7.5.5 and 7.5.6.
//
// Zeros at the end are left out however many they are, then 448 KiB are looked through. What follows the last %%EOF may
// be anything (line ends, a web server's HTML) but not an object or a cross-reference table: they are an incremental
// update that was begun, the rest of a linearized file, or of a file that has another PDF embedded. Their keywords count
// at the start of a line, where writers put them. The %%EOF near the start of a linearized file (annex F) belongs to a
// section whose startxref is 0: it is no end while the file is shorter than its /L says.
//
// A cut passes after the %%EOF of an earlier revision, or of an embedded PDF, as far as the first whole keyword after
// it (obj, endobj, endstream, xref, startxref); and in junk before the header, where nothing tells a PDF yet.
func pdfEnd(s *source, head []byte) (string, error) {
	const (
		missing  = "the PDF has no %%EOF near its end"
		marker   = "%%EOF"
		lookBack = 448 << 10 // these bytes may be read a second time, forwards
	)
	end, err := s.dataEnd()
	if err != nil {
		return "", err
	}
	eof, err := s.findLast(marker, 0, end, lookBack)
	switch {
	case err != nil:
		return "", err
	case eof < 0:
		return missing, nil
	}
	goesOn, err := pdfGoesOn(s, eof+int64(len(marker)), end)
	switch {
	case err != nil:
		return "", err
	case goesOn:
		return missing + ": it goes on after the last one", nil
	}
	if length := linearizedLength(head); length > end {
		before, err := s.at(max(0, eof-sample), int(min(eof, sample)))
		if err != nil || !startxrefIsZero(before) {
			return "", err
		}
		return missing + ": it says " + plural(length, "byte") + ", " + areThere(end), nil
	}
	return "", nil
}

// pdfGoesOn reports a keyword of a PDF's structure at the start of a line in [from, to), where a line starts.
func pdfGoesOn(s *source, from, to int64) (bool, error) {
	starts := true
	for n := int64(2 << 10); ; n = chunk {
		b, err := s.at(from, int(min(n, to-from)))
		if err != nil {
			return false, err
		}
		if starts && pdfKeyword(b) || pdfKeywordAfter(b, '\n') || pdfKeywordAfter(b, '\r') {
			return true, nil
		}
		if from+int64(len(b)) >= to {
			return false, nil
		}
		from, starts = from+int64(len(b))-pdfKeywordLen-1, false
	}
}

func pdfKeywordAfter(b []byte, eol byte) bool {
	for {
		i := bytes.IndexByte(b, eol)
		if i < 0 {
			return false
		}
		if b = b[i+1:]; pdfKeyword(b) {
			return true
		}
	}
}

const pdfKeywordLen = 64 // as far as a line is looked at

// pdfKeyword reports a keyword that line begins with: "12 0 obj<<", "endstream", "xref". A trailer has a cross-reference
// table before it, and is a word in other texts too.
func pdfKeyword(line []byte) bool {
	line = bytes.TrimLeft(line[:min(len(line), pdfKeywordLen)], " \t\f\x00")
	n := 0
	for n < len(line) && isAlphanumeric(line[n]) {
		n++
	}
	switch string(line[:n]) {
	case "endobj", "endstream", "startxref":
		return true
	case "xref":
		rest := bytes.TrimLeft(line[n:], " \t")
		return len(rest) == 0 || rest[0] == '\r' || rest[0] == '\n'
	}
	if !isNumber(line[:n]) {
		return false
	}
	words := bytes.FieldsFunc(line, isPDFSpace)
	return len(words) > 2 && isNumber(words[1]) && bytes.HasPrefix(words[2], []byte("obj")) &&
		(len(words[2]) == 3 || !isAlphanumeric(words[2][3]))
}

// linearizedLength is /L of a linearization dictionary, which is the first object and near the start; 0 if there is none.
func linearizedLength(head []byte) int64 {
	head, _, _ = bytes.Cut(head, []byte("endobj"))
	_, dict, ok := bytes.Cut(head, []byte("/Linearized"))
	if !ok {
		return 0
	}
	dict, _, _ = bytes.Cut(dict, []byte(">>"))
	for rest := range bytes.SplitSeq(dict, []byte("/")) {
		value, ok := bytes.CutPrefix(rest, []byte("L"))
		if n, err := strconv.ParseInt(string(bytes.TrimFunc(value, isPDFSpace)), 10, 64); ok && err == nil {
			return n
		}
	}
	return 0
}

func startxrefIsZero(before []byte) bool {
	i := lastIndex(before, []byte("startxref"))
	return i >= 0 && string(bytes.TrimFunc(before[i+len("startxref"):], isPDFSpace)) == "0"
}

func isPDFSpace(r rune) bool {
	return r == 0 || r == '\t' || r == '\n' || r == '\f' || r == '\r' || r == ' '
}

func isAlphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func isNumber(word []byte) bool {
	return len(word) > 0 && len(bytes.Trim(word, "0123456789")) == 0
}
