package media

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"kaizala-drop/internal/peek"
)

// pdfEnd requires %%EOF, and after it nothing that belongs to a PDF: ISO 32000-2, 7.5.4 to 7.5.6.
//
// Zeros at the end are skipped however many there are; then 448 KiB are searched. What follows the last %%EOF may be
// anything (line ends, a web server's HTML) but an object or a cross-reference table: these belong to an incremental
// update that was begun, to the rest of a linearized file, or to a file that has another PDF embedded. Their first
// words count at the start of a line, where writers put them: "12 0 obj", or "xref" with "0 5" on the next line. If the
// startxref before the %%EOF does not lead to a table of this file, as that of an embedded PDF does not, endobj and
// endstream count as well.
//
// Without %%EOF, a last startxref is an end if it leads to a table, and if neither anything that belongs to a PDF nor
// half of a %%EOF follows: readers go by it.
//
// The %%EOF near the start of a linearized file (annex F) belongs to a section whose startxref is 0. It is no end while
// the file is shorter than its /L says.
//
// A cut passes in the line end after the offset that startxref gives. It passes after the %%EOF of an earlier revision,
// or of an embedded PDF, as far as the first of those words after it. It passes in junk before the header, where
// nothing shows a PDF yet.
func pdfEnd(s *source, head []byte) (string, error) {
	end, err := s.dataEnd()
	if err != nil {
		return "", err
	}
	p := pdf{source: s, head: head, end: end}
	missing, err := p.missing()
	if err != nil || missing == "" {
		return "", err
	}
	if whole, err := p.endsWithoutMarker(); err != nil || whole {
		return "", err
	}
	return missing, nil
}

type pdf struct {
	*source
	head []byte
	end  int64 // without the zeros behind it
}

const (
	pdfMarker    = "%%EOF"
	pdfStart     = "startxref"
	pdfLookBack  = 448 << 10 // how far the marker is searched for; these bytes may be read a second time, forwards
	pdfStartBack = 32 << 10  // how far a startxref without a marker is searched for; these bytes may be read a second time as well
)

// missing judges the last %%EOF, and what follows it.
func (p *pdf) missing() (string, error) {
	const missing = "the PDF has no %%EOF near its end"
	eof, err := p.findLast(pdfMarker, 0, p.end, pdfLookBack)
	switch {
	case err != nil:
		return "", err
	case eof < 0:
		return missing, nil
	}
	before, err := p.at(max(0, eof-sample), int(min(eof, sample)))
	if err != nil {
		return "", err
	}
	offset, _, given := pdfOffset(before)
	own := false
	if given {
		if own, err = p.leadsToTable(offset); err != nil {
			return "", err
		}
	}
	goesOn, err := p.goesOn(eof+int64(len(pdfMarker)), own)
	switch {
	case err != nil:
		return "", err
	case goesOn:
		return missing + ": it goes on after the last one", nil
	}
	if length := linearizedLength(p.head); length > p.end && given && offset == 0 {
		return missing + ": it says " + plural(length, "byte") + ", " + areThere(p.end), nil
	}
	return "", nil
}

// endsWithoutMarker reports whether the file ends with a startxref and the offset of a table.
func (p *pdf) endsWithoutMarker() (bool, error) {
	start, err := p.findLast(pdfStart, 0, p.end, pdfStartBack)
	if err != nil || start < 0 {
		return false, err
	}
	b, err := p.at(start, int(min(sample, p.end-start)))
	if err != nil {
		return false, err
	}
	offset, rest, given := pdfOffset(b)
	rest = bytes.TrimLeft(rest, pdfSpace)
	cut := len(rest) > 0 && strings.HasPrefix(pdfMarker, string(rest))
	perhapsCut := isDigit(b[len(b)-1])
	if !given || cut {
		return false, nil
	}
	own, err := p.leadsToTable(offset)
	if err == nil && own && perhapsCut {
		own, err = p.tableIsLast(offset, start)
	}
	if err != nil || !own {
		return false, err
	}
	goesOn, err := p.goesOn(start+int64(len(pdfStart)), true)
	return !goesOn, err
}

// leadsToTable reports whether a cross-reference table, or an object with one in its stream (7.5.8), stands at offset,
// counted from the beginning of the file or, as readers do, from its header.
func (p *pdf) leadsToTable(offset int64) (bool, error) {
	header := int64(max(0, bytes.Index(p.head, []byte("%PDF-"))))
	for _, at := range slices.Compact([]int64{offset, header + offset}) {
		if offset <= 0 || offset >= p.end-header {
			return false, nil
		}
		b, err := p.at(at, 2*sample)
		if err != nil {
			return false, err
		}
		if b = bytes.TrimLeft(b, pdfSpace); pdfTable(b) || pdfObject(b) && bytes.Contains(b, []byte("/XRef")) {
			return true, nil
		}
	}
	return false, nil
}

// tableIsLast reports that the table at offset, and nothing else, stands before start. Where the file ends with an
// offset, its last digits may be missing, and the rest of them lead to another table.
func (p *pdf) tableIsLast(offset, start int64) (bool, error) {
	if offset >= start || start-offset > chunk/2 {
		return false, nil
	}
	b, err := p.at(offset, int(start-offset))
	objects := bytes.Count(b, []byte("endobj"))
	return objects == 0 || objects == 1 && bytes.Contains(b, []byte("/XRef")), err
}

// goesOn reports whether words of a PDF's structure stand at the start of a line in [from, end). A line starts at from.
func (p *pdf) goesOn(from int64, own bool) (bool, error) {
	starts := true
	for n := int64(2 << 10); from < p.end; n = chunk {
		b, err := p.at(from, int(min(n, p.end-from)))
		if err != nil {
			return false, err
		}
		last := from+int64(len(b)) >= p.end
		if pdfWords(b, starts, last, own) {
			return true, nil
		}
		if last {
			break
		}
		from, starts = from+int64(len(b))-3*pdfWordsLen, false
	}
	return false, nil
}

// pdfOffset gives the number after the last startxref in b, and what follows it.
func pdfOffset(b []byte) (offset int64, rest []byte, given bool) {
	i := peek.LastIndex(b, []byte(pdfStart))
	if i < 0 {
		return 0, nil, false
	}
	b = bytes.TrimLeft(b[i+len(pdfStart):], pdfSpace)
	n, err := strconv.ParseInt(string(b[:digits(b)]), 10, 64)
	return n, b[digits(b):], err == nil
}

// linearizedLength gives /L of a linearization dictionary, which is the first object and near the start, or 0 if there
// is none.
func linearizedLength(head []byte) int64 {
	head, _, _ = bytes.Cut(head, []byte("endobj"))
	_, dict, ok := bytes.Cut(head, []byte("/Linearized"))
	if !ok {
		return 0
	}
	dict, _, _ = bytes.Cut(dict, []byte(">>"))
	for rest := range bytes.SplitSeq(dict, []byte("/")) {
		value, ok := bytes.CutPrefix(rest, []byte("L"))
		if n, err := strconv.ParseInt(string(bytes.Trim(value, pdfSpace)), 10, 64); ok && err == nil {
			return n
		}
	}
	return 0
}
