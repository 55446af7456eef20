package media_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"strings"
)

// specimen is a whole file, and what is known of it because the test has made it.
type specimen struct {
	ext, style string
	data       []byte
	// passes are the lengths at which a cut leaves a file that passes, as the comment of its format says. A file of
	// every other length that is shorter than the whole must not pass.
	passes []span
	// sure is how much must have been written for a file of full size with zeros at the end to pass; 0 if such zeros
	// cannot be told from content.
	sure int
}

type span struct{ from, to int } // without to

func (sp specimen) mayPass(cut int) bool {
	for _, s := range sp.passes {
		if s.from <= cut && cut < s.to {
			return true
		}
	}
	return cut >= len(sp.data)
}

// mayPassFilled is mayPass for a file of full size whose last byte that is not zero ends at written.
func (sp specimen) mayPassFilled(written int) bool {
	switch sp.ext {
	case ".pdf":
		return sp.mayPass(written)
	case ".mp4":
		return strings.HasPrefix(sp.style, "fragmented") && (sp.mayPass(written) || sp.mayPass(written+1) ||
			sp.mayPass(written+2) || sp.mayPass(written+3))
	}
	return false
}

func generators() map[string]func(*rand.Rand) specimen {
	return map[string]func(*rand.Rand) specimen{
		".jpg": jpegFile, ".png": pngFile, ".pdf": pdfFile, ".docx": zipFile, ".doc": compoundFile, ".mp4": mp4File,
		".wav": wavFile,
	}
}

func noise(rng *rand.Rand, n int) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	return b[:n]
}

// ending is noise that does not end with a zero.
func ending(rng *rand.Rand, n int) []byte { return append(noise(rng, n), 'x') }

func picture(rng *rand.Rand, most int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 1+rng.IntN(most), 1+rng.IntN(most)))
	dx, dy, grain := rng.IntN(5), rng.IntN(5), 1+rng.IntN(120)
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			v := x*dx + y*dy + rng.IntN(grain)
			m.SetRGBA(x, y, color.RGBA{uint8(v), uint8(v / 2), uint8(255 - v), 255})
		}
	}
	return m
}

func encodedJPEG(rng *rand.Rand, most int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picture(rng, most), &jpeg.Options{Quality: 1 + rng.IntN(100)}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func segment(marker byte, content ...[]byte) []byte {
	all := bytes.Join(content, nil)
	return append(binary.BigEndian.AppendUint16([]byte{0xFF, marker}, uint16(len(all)+2)), all...)
}

func jpegFile(rng *rand.Rand) specimen {
	base := encodedJPEG(rng, 200)
	head := []byte{0xFF, 0xD8}
	for range rng.IntN(6) {
		switch rng.IntN(5) {
		case 0:
			head = append(head, segment(0xE1, []byte("Exif\x00\x00II*\x00"), noise(rng, 60), encodedJPEG(rng, 60))...)
		case 1:
			head = append(head, segment(0xE2, []byte("ICC_PROFILE\x00\x01\x01"), noise(rng, rng.IntN(40000)))...)
		case 2:
			head = append(head, segment(0xFE, []byte("a comment \xff\xd9"))...)
		case 3:
			head = append(head, 0xFF, 0xFF) // fill bytes
			head = append(head, segment(0xED, noise(rng, rng.IntN(300)))[1:]...)
		case 4:
			head = append(head, segment(0xE2, []byte("MPF\x00"), noise(rng, 80))...)
		}
	}
	whole := append(head, base[2:]...)
	eoi := len(whole)
	style := rng.IntN(8)
	switch style {
	case 0:
		whole = append(whole, make([]byte, rng.IntN(300_000))...)
	case 1:
		whole = append(whole, ending(rng, rng.IntN(100_000))...)
	case 2: // Multi-Picture Format
		whole = append(whole, encodedJPEG(rng, 200)...)
	case 3: // a motion photo
		whole = append(whole, box("ftyp", []byte("mp42\x00\x00\x00\x00mp42"))...)
		whole = append(whole, box("mdat", ending(rng, 250_000))...)
	case 4:
		whole = append(append(whole, ending(rng, 500)...), "SEFT"...)
	}
	return specimen{".jpg", fmt.Sprintf("trailer %d", style), whole, []span{{eoi, len(whole)}}, eoi}
}

func pngChunk(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc(b[4:]))
}

func encodedPNG(rng *rand.Rand, most int) []byte {
	var b bytes.Buffer
	e := png.Encoder{CompressionLevel: png.CompressionLevel(-rng.IntN(4))}
	if err := e.Encode(&b, picture(rng, most)); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func pngFile(rng *rand.Rand) specimen {
	base := encodedPNG(rng, 150)
	const ihdr = 8 + 25
	whole := bytes.Clone(base[:ihdr])
	sp := specimen{ext: ".png"}
	for range rng.IntN(4) {
		switch rng.IntN(3) {
		case 0:
			whole = append(whole, pngChunk("tEXt", []byte("Comment\x00IEND"))...)
		case 1:
			whole = append(whole, pngChunk("eXIf", noise(rng, rng.IntN(3000)))...)
		case 2: // provenance data with a PNG in it
			inner := encodedPNG(rng, 40)
			whole = append(whole, pngChunk("caBX", inner)...)
			end := len(whole) - 4
			sp.passes, sp.style = append(sp.passes, span{end, end + 1}), "embedded PNG"
		}
	}
	whole = append(whole, base[ihdr:]...)
	iend := len(whole)
	if rng.IntN(3) == 0 {
		sp.style += " trailer"
		whole = append(whole, ending(rng, rng.IntN(100_000))...)
	}
	sp.data, sp.sure = whole, iend
	sp.passes = append(sp.passes, span{iend, len(whole)})
	return sp
}

type pdfWriter struct {
	bytes.Buffer
	rng    *rand.Rand
	eol    string
	offs   []int
	passes []span
	open   int // where the last %%EOF ended; 0 if something came after it
}

// close ends the span in which a cut passes, with the keyword just written.
func (w *pdfWriter) close() {
	if w.open > 0 {
		w.passes = append(w.passes, span{w.open, w.Len()})
		w.open = 0
	}
}

func (w *pdfWriter) object(n int, content []byte) {
	w.offs = append(w.offs, w.Len())
	fmt.Fprintf(w, "%d 0 obj", n)
	w.close()
	fmt.Fprintf(w, "%s<</Length %d>>%sstream%s", w.eol, len(content), w.eol, "\n")
	w.Write(content)
	fmt.Fprintf(w, "%sendstream%sendobj%s", w.eol, w.eol, w.eol)
}

func (w *pdfWriter) trailer(startxref int) {
	table := w.Len()
	fmt.Fprintf(w, "xref")
	w.close()
	fmt.Fprintf(w, "%s0 %d%s", w.eol, len(w.offs), w.eol)
	for _, off := range w.offs {
		fmt.Fprintf(w, "%010d 00000 n\r\n", off)
	}
	if startxref < 0 {
		startxref = table
	}
	fmt.Fprintf(w, "trailer%s<</Size %d/Root 1 0 R>>%s", w.eol, len(w.offs), w.eol)
	fmt.Fprintf(w, "startxref%s%d", w.eol, startxref)
	if startxref > 0 { // readers need no more than that
		w.passes = append(w.passes, span{w.Len(), w.Len() + len(w.eol) + 1})
	}
	fmt.Fprintf(w, "%s%%%%EOF", w.eol)
	w.open = w.Len()
	w.WriteString(w.eol)
}

func pdfFile(rng *rand.Rand) specimen {
	w := &pdfWriter{rng: rng, eol: []string{"\n", "\r\n", "\r"}[rng.IntN(3)]}
	style := ""
	if rng.IntN(8) == 0 {
		w.WriteString("junk before %!\n")
		w.passes = []span{{13, w.Len() + len("%PDF-")}}
		style = "junk "
	}
	w.WriteString("%PDF-1.7" + w.eol + "%\xe2\xe3\xcf\xd3" + w.eol)
	length := -1
	if rng.IntN(3) == 0 {
		style += "linearized "
		w.offs = append(w.offs, w.Len())
		fmt.Fprintf(w, "9 0 obj%s<</Linearized 1/L ", w.eol)
		length = w.Len()
		fmt.Fprintf(w, "          /H[ 600 150]/O 11/E 9000/N 1/T 9000>>%sendobj%s", w.eol, w.eol)
		w.trailer(0)
		w.open = 0 // no end while the file is shorter than /L
	}
	objects := func() {
		for n := range 1 + rng.IntN(6) {
			w.object(n+1, noise(rng, rng.IntN(4000)))
		}
	}
	objects()
	if rng.IntN(4) == 0 {
		style += "embedded "
		inner := pdfFile(rng)
		linearized := func() bool { return bytes.Contains(inner.data, []byte("/Linearized")) }
		for strings.HasPrefix(inner.style, "junk") || bytes.Contains(inner.data, make([]byte, 512)) ||
			linearized() && length >= 0 {
			inner = pdfFile(rng)
		}
		w.offs = append(w.offs, w.Len())
		fmt.Fprintf(w, "7 0 obj%s<</Length %d>>%sstream\n", w.eol, len(inner.data), w.eol)
		for _, s := range inner.passes[:len(inner.passes)-1] {
			if bytes.HasSuffix(inner.data[:s.from], []byte("%%EOF")) { // its offsets are not those of this file
				w.passes = append(w.passes, span{w.Len() + s.from, w.Len() + s.to})
			}
		}
		if strings.HasPrefix(inner.style, "linearized") {
			// The first section of the inner file does not know the outer file, and its startxref counts for nothing
			// there.
			i := bytes.Index(inner.data, []byte("%%EOF")) + 5
			j := bytes.Index(inner.data[i:], []byte(" 0 obj"))
			w.passes = append(w.passes, span{w.Len() + i, w.Len() + i + j + 6})
		}
		last := inner.passes[len(inner.passes)-1].from
		from := w.Len() + last
		w.Write(inner.data)
		fmt.Fprintf(w, "%sendstream", w.eol)
		w.passes = append(w.passes, span{from, w.Len()})
		fmt.Fprintf(w, "%sendobj%s", w.eol, w.eol)
	}
	w.trailer(-1)
	if length >= 0 {
		copy(w.Bytes()[length:], fmt.Sprintf("%d", w.Len()))
	}
	for range rng.IntN(3) {
		style += "update "
		if rng.IntN(4) > 0 {
			objects()
		}
		w.trailer(-1)
	}
	switch rng.IntN(6) {
	case 0:
		w.Write(make([]byte, rng.IntN(200_000)))
	case 1:
		w.WriteString("<html>an <object>, 12 objects, a trail</html>")
	case 2:
		w.WriteString("\r\n0\r\n\r\n" + string(bytes.Repeat([]byte{'\n'}, rng.IntN(5000))))
	}
	end := w.open
	w.close()
	return specimen{".pdf", style, w.Bytes(), w.passes, end}
}

func zipFile(rng *rand.Rand) specimen {
	data, style := archive(rng, rng.IntN(4) == 0)
	if rng.IntN(4) == 0 {
		data, style = zip64(data), style+" zip64"
	}
	end := len(data)
	sp := specimen{ext: ".docx", style: style, sure: end - 2} // a comment may be zeros
	if strings.HasSuffix(style, "zip64") {
		sp.sure = end - 10 // one field of all ones is enough to lead there
	}
	if rng.IntN(3) == 0 {
		comment := noise(rng, rng.IntN(65536))
		binary.LittleEndian.PutUint16(data[end-2:], uint16(len(comment)))
		data = append(data, comment...)
		sp.style = style + " comment"
		sp.passes = nil
	} else if rng.IntN(4) == 0 {
		data, sp.style = append(data, []byte("\r\n\x00\x00")...), style+" trailer"
		sp.passes = []span{{end, len(data)}}
	}
	sp.data = data
	return sp
}

func archive(rng *rand.Rand, nested bool) (data []byte, style string) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	names := []string{"[Content_Types].xml", "_rels/.rels", "word/document.xml", "word/media/image1.jpeg"}
	for _, name := range names[:1+rng.IntN(len(names))] {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: []uint16{zip.Store, zip.Deflate}[rng.IntN(2)]})
		if err != nil {
			panic(err)
		}
		f.Write(bytes.Repeat([]byte("<w:p>text</w:p>"), rng.IntN(200)))
		f.Write(noise(rng, rng.IntN(3000)))
	}
	if nested { // a table in a letter, stored
		inner, _ := archive(rng, false)
		f, err := w.CreateHeader(&zip.FileHeader{Name: "word/embeddings/a.xlsx", Method: zip.Store})
		if err != nil {
			panic(err)
		}
		f.Write(inner)
		style = "nested"
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes(), style
}

// zip64 gives an archive without comment the records of a large one.
func zip64(data []byte) []byte {
	le := binary.LittleEndian
	old := data[len(data)-22:]
	at := len(data) - 22
	out := bytes.Clone(data[:at])
	out = append(out, "PK\x06\x06\x2c\x00\x00\x00\x00\x00\x00\x00\x2d\x00\x2d\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	out = le.AppendUint64(out, uint64(le.Uint16(old[8:])))
	out = le.AppendUint64(out, uint64(le.Uint16(old[10:])))
	out = le.AppendUint64(out, uint64(le.Uint32(old[12:])))
	out = le.AppendUint64(out, uint64(le.Uint32(old[16:])))
	out = append(out, "PK\x06\x07\x00\x00\x00\x00"...)
	out = le.AppendUint64(out, uint64(at))
	out = append(out, "\x01\x00\x00\x00PK\x05\x06\x00\x00\x00\x00"...)
	return append(out, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00"...)
}

// strict is a file that checks each read against the bounds.
type strict struct {
	size         int64
	read         func(b []byte, off int64)
	reads, bytes int64
	outside      bool
}

func (s *strict) ReadAt(b []byte, off int64) (int, error) {
	s.reads++
	s.bytes += int64(len(b))
	if off < 0 || off > s.size || int64(len(b)) > s.size-off {
		s.outside = true
		return 0, io.EOF
	}
	s.read(b, off)
	return len(b), nil
}

func strictBytes(data []byte) *strict {
	return &strict{size: int64(len(data)), read: func(b []byte, off int64) { copy(b, data[off:]) }}
}
