package media

import "bytes"

const (
	pdfSpace    = "\x00\t\n\f\r " // ISO 32000-2, 7.2.3
	pdfWordsLen = 64              // how much of a line is read
)

// pdfWords reports whether words of a PDF's structure stand at the start of a line of b. starts says that a line starts
// at b, and last that nothing follows b. The words are searched for first, and then what stands around them is checked,
// because there may be any number of lines.
func pdfWords(b []byte, starts, last, own bool) bool {
	words := []string{"obj", "xref"}
	if !own {
		words = append(words, "endobj", "endstream")
	}
	for _, word := range words {
		for from := 0; ; {
			i := bytes.Index(b[from:], []byte(word))
			if i < 0 {
				break
			}
			i += from
			if from = i + len(word); !last && len(b)-from < pdfWordsLen {
				break // it is read again, with what follows
			}
			if pdfWordAt(b, i, word) && startsLine(b, i, word == "obj", starts) {
				return true
			}
		}
	}
	return false
}

// startsLine reports whether the word at i is the first word of a line, or with numbers the first word behind two
// numbers.
func startsLine(b []byte, i int, numbers, starts bool) bool {
	b = b[:i]
	if numbers {
		for range 2 {
			gap := len(b) - len(trimRight(b, isSpace))
			b = b[:len(b)-gap]
			n := len(b) - len(trimRight(b, isDigit))
			if b = b[:len(b)-n]; gap == 0 || n == 0 {
				return false
			}
		}
	}
	b = trimRight(b, isIndent)
	if len(b) == 0 {
		return starts
	}
	return b[len(b)-1] == '\n' || b[len(b)-1] == '\r'
}

// trimRight cuts off the bytes at the end of b for which so is true, at most pdfWordsLen.
func trimRight(b []byte, so func(byte) bool) []byte {
	n := len(b)
	for least := max(0, n-pdfWordsLen); n > least && so(b[n-1]); n-- {
	}
	return b[:n]
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isSpace(c byte) bool { return c == '\n' || c == '\r' || isIndent(c) }

// isIndent reports whether c may stand between the beginning of a line and its first word.
func isIndent(c byte) bool { return c == ' ' || c == '\t' || c == '\f' || c == 0 }

// pdfWordAt reports whether the word at i is one of a PDF's structure.
func pdfWordAt(b []byte, i int, word string) bool {
	if word == "xref" {
		return pdfTable(b[i:])
	}
	return endsWord(b[i+len(word):])
}

// pdfObject reports whether an object begins at b: "12 0 obj<<".
func pdfObject(b []byte) bool {
	for range 2 {
		n := digits(b)
		rest := bytes.TrimLeft(b[n:], pdfSpace)
		if n == 0 || len(rest) == len(b)-n {
			return false
		}
		b = rest
	}
	return bytes.HasPrefix(b, []byte("obj")) && endsWord(b[3:])
}

// pdfTable reports whether a cross-reference table begins at b: xref, and in the next line the numbers of its first
// part, as far as they are there.
func pdfTable(b []byte) bool {
	b, ok := bytes.CutPrefix(b, []byte("xref"))
	b = bytes.TrimLeft(b, " \t")
	rest := bytes.TrimLeft(b, pdfSpace)
	if !ok || len(b) > 0 && b[0] != '\r' && b[0] != '\n' {
		return false
	}
	for range 2 {
		n := digits(rest)
		if n == len(rest) {
			return true // the rest is not there yet
		}
		if b = rest[n:]; n == 0 || !isSpace(b[0]) {
			return false
		}
		rest = bytes.TrimLeft(b, pdfSpace)
	}
	return true
}

// endsWord reports whether the word before b is a whole word.
func endsWord(b []byte) bool {
	return len(b) == 0 || digits(b) == 0 && (b[0]|0x20 < 'a' || b[0]|0x20 > 'z')
}

// digits counts the digits at the beginning of b.
func digits(b []byte) int {
	n := 0
	for n < len(b) && isDigit(b[n]) {
		n++
	}
	return n
}
