package media

import (
	"bytes"
	"slices"
	"strconv"
)

// pdfEnd wants %%EOF, and after it nothing that belongs to a PDF: ISO 32000-2, 7.5.5 and 7.5.6.
//
// Zeros at the end are left out however many they are, then 64 KiB are looked through. What follows the last %%EOF may
// be anything (line ends, a web server's HTML) but not an object or a cross-reference table: they are an incremental
// update that was begun, the rest of a linearized file, or of a file that has another PDF embedded. The %%EOF near the
// start of a linearized file (annex F) belongs to a section whose startxref is 0: it is no end while the file is
// shorter than its /L says.
//
// A cut passes after the %%EOF of an earlier revision, or of an embedded PDF, as far as the first whole keyword after
// it (obj, endobj, endstream, xref, trailer, startxref); and in junk before the header, where nothing tells a PDF yet.
func pdfEnd(s *source, head []byte) (string, error) {
	const missing = "the PDF has no %%EOF near its end"
	length := linearizedLength(head)
	end, err := s.dataEnd()
	if err != nil {
		return "", err
	}
	for _, n := range []int64{2 << 10, chunk} {
		start := max(0, end-n)
		b, err := s.at(start, int(end-start))
		if err != nil {
			return "", err
		}
		i := lastIndex(b, []byte("%%EOF"))
		switch {
		case i < 0:
			continue
		case pdfGoesOn(b[i+len("%%EOF"):]):
			return missing + ": it goes on after the last one", nil
		case length > end && startxrefIsZero(b[:i]):
			return missing + ": it says " + plural(length, "byte") + ", " + areThere(end), nil
		}
		return "", nil
	}
	return missing, nil
}

// pdfGoesOn reports a keyword of a PDF's structure among words: "12 0 obj<<", "endstream", "xref".
func pdfGoesOn(tail []byte) bool {
	keywords := []string{"endobj", "endstream", "xref", "trailer", "startxref"}
	var before, last []byte
	for word := range bytes.FieldsFuncSeq(tail, isPDFSpace) {
		if bytes.HasPrefix(word, []byte("obj")) && isNumber(before) && isNumber(last) {
			return true
		}
		keyword, _, _ := bytes.Cut(word, []byte("<<"))
		if slices.Contains(keywords, string(keyword)) {
			return true
		}
		before, last = last, word
	}
	return false
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

func isNumber(word []byte) bool {
	return len(word) > 0 && len(bytes.Trim(word, "0123456789")) == 0
}
