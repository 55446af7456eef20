package media_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"kaizala-drop/internal/media"
)

// hostile is a file that was made to be slow, with the extension of its format.
type hostile struct {
	name string
	data []byte
}

// unpacked reads a file of testdata, gzipped or not.
func unpacked(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func hostiles(t testing.TB) []hostile {
	all := []hostile{{"lines of a number.pdf", unpacked(t, "slow-pdf-lines.pdf.gz")}}
	return slices.Concat(all, hostilePDFs(), hostileCompounds(), hostileFilms(), hostileOthers())
}

func hostilePDFs() (all []hostile) {
	const whole = "%PDF-1.4\n1 0 obj\n<<>>\nendobj\nxref\n0 1\ntrailer\n<<>>\nstartxref\n27\n%%EOF\n"
	for name, line := range map[string]string{
		"objects in lines": "text 1 1 obj ", "obj": "obj ", "numbers and spaces": "\r1 " + strings.Repeat(" ", 60) + "obj",
		"tables": "\nxref\nno", "no tables": " xref\n0 1 ", "endobj": "x endobj", "numbers": "\n1 1 ", "long numbers": strings.Repeat("1", 70) + " 1 obj",
		"markers": "%%EOF", "starts": "startxref 27 ", "starts in lines": "\nstartxref\n27\n", "spaces": " ", "line ends": "\r\n",
		"tables, spaces": "xref" + strings.Repeat(" ", 70),
	} {
		text := strings.Repeat(line, (447<<10)/len(line))
		all = append(all, hostile{name + ".pdf", []byte(whole + text)}, hostile{name + ", no end.pdf", []byte(whole[:27] + text)},
			hostile{name + ", much.pdf", []byte(whole + strings.Repeat(text, 3))})
	}
	return all
}

// hostileCompounds are old Office files with chains that go round, and counts that no file has.
func hostileCompounds() (all []hostile) {
	le := binary.LittleEndian
	rng := rand.New(rand.NewPCG(13, 1))
	make1 := func(name string, spoil func(head, table []byte, sector func(int) []byte)) {
		for _, shift := range []uint{9, 12} {
			var parts []part
			for range 60 {
				parts = append(parts, part{"stream", ending(rng, 4096)})
			}
			parts = append(parts, part{"mini", ending(rng, 6399)}, part{"minifat", miniTable(100)}, part{kind: "dir"})
			data := layOut(parts, layout{shift: shift, fatFirst: true}).data
			sector := func(n int) []byte { return data[(n+1)<<shift : (n+2)<<shift] }
			fats := int(le.Uint32(data[44:]))
			spoil(data[:512], data[1<<shift:(1+fats)<<shift], sector)
			short := data[:len(data)-100]
			all = append(all, hostile{name + ".doc", data}, hostile{name + ", short.doc", short},
				hostile{name + ", zeros.doc", filledUpTo(data, len(data)-700)})
		}
	}
	dirOf := func(head []byte) int { return int(le.Uint32(head[48:])) }
	make1("nothing spoiled", func(head, table []byte, sector func(int) []byte) {})
	make1("a directory that goes round", func(head, table []byte, sector func(int) []byte) {
		at := dirOf(head)
		le.PutUint32(table[4*at:], uint32(at))
	})
	make1("streams that go round", func(head, table []byte, sector func(int) []byte) {
		at := dirOf(head)
		for i := 1; i < at; i++ {
			le.PutUint32(table[4*i:], uint32(i%7+1))
		}
		le.PutUint32(table[4*at:], uint32(at))
		for e := sector(at); len(e) > 0; e = e[128:] {
			le.PutUint32(e[120:], math.MaxUint32)
		}
	})
	make1("a DIFAT that goes round", func(head, table []byte, sector func(int) []byte) {
		le.PutUint32(head[44:], 400)
		le.PutUint32(head[68:], 2)
		le.PutUint32(head[72:], 9)
		le.PutUint32(sector(2)[len(sector(2))-4:], 2)
	})
	make1("a mini FAT that goes round", func(head, table []byte, sector func(int) []byte) {
		at := int(le.Uint32(head[60:]))
		le.PutUint32(table[4*at:], uint32(at))
		le.PutUint32(head[64:], math.MaxUint32)
		le.PutUint32(sector(dirOf(head))[120:], math.MaxUint32)
	})
	make1("special values everywhere", func(head, table []byte, sector func(int) []byte) {
		for i := 0; i < len(table); i += 4 {
			le.PutUint32(table[i:], endOfChain)
		}
	})
	return all
}

func hostileFilms() []hostile {
	ftyp := box("ftyp", []byte("isom\x00\x00\x02\x00"))
	nested, flat := box("stbl"), box("moov", bytes.Repeat(box("trak"), 100_000))
	for range 2000 {
		nested = box("trak", nested)
	}
	tables := movie(film{format: "avc1", at: 4000, sizes: make([]int, 5000)})
	for _, kind := range []string{"stco", "stsz", "stsc"} { // counts that no file has
		at := bytes.Index(tables, []byte(kind)) + 8
		copy(tables[at:], "\xff\xff\xff\xff")
		copy(tables[at+4:], "\xff\xff\xff\xff")
	}
	var tracks []film
	for range 900 {
		tracks = append(tracks, film{format: "avc1", at: 9, sizes: []int{99, 99, 99}})
	}
	mdat := box("mdat", bytes.Repeat([]byte{1}, 5000), make([]byte, 200))
	long := box("mdat", bytes.Repeat([]byte{1}, 5000))
	binary.BigEndian.PutUint32(long, 6000)
	moof := box("moof", box("mfhd", make([]byte, 8)))
	fakes := box("mdat", bytes.Repeat([]byte("mfhd"), 300_000))
	var all []hostile
	for name, moov := range map[string][]byte{
		"nested": box("moov", nested), "flat": flat, "counts": tables, "tracks": movie(tracks...), "zeros": box("moov", make([]byte, 9000)),
		"zero boxes": box("moov", box("trak", make([]byte, 64))), "no size": join(box("moov", box("trak", []byte("\x00\x00\x00\x00mdia")))),
	} {
		all = append(all, hostile{name + ".mp4", join(ftyp, moov, mdat)}, hostile{name + ", too long.mp4", join(ftyp, moov, long)},
			hostile{name + ", last.mp4", join(ftyp, mdat, moov)}, hostile{name + ", padded.mp4", join(ftyp, long[:8], moov, make([]byte, 900))})
	}
	return append(all,
		hostile{"empty boxes.mp4", join(ftyp, bytes.Repeat(box("free"), 200_000))},
		hostile{"empty fragments.mp4", join(ftyp, box("moov"), bytes.Repeat(box("moof"), 200_000))},
		hostile{"no fragments.mp4", join(ftyp, box("moov"), bytes.Repeat(join(moof, box("mdat")), 9000), fakes)},
		hostile{"an item list.jpg", join(box("ftyp", []byte("heic\x00\x00\x00\x00")), box("meta", make([]byte, 4),
			box("iloc", []byte("\x00\x00\x00\x00\x00\x00\xff\xff"), bytes.Repeat([]byte{0, 0, 0, 0, 255, 255}, 20_000))), mdat)})
}

func hostileOthers() []hostile {
	jpeg := join([]byte("\xff\xd8"), segment(0xC0, make([]byte, 15)), segment(0xDA, make([]byte, 10)))
	nearly := bytes.Repeat([]byte("abcdefg1"), 130_000)
	for i := 65_500; i < len(nearly); i += 65_536 {
		nearly[i] = 0x80
	}
	png := []byte("\x89PNG\r\n\x1a\n")
	wav := func(chunk string) []byte {
		return join([]byte("RIFF\xff\xff\xff\xffWAVE"), bytes.Repeat([]byte(chunk), 90_000))
	}
	record := "PK\x05\x06\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00"
	return []hostile{
		{"fill bytes.jpg", join([]byte("\xff\xd8"), bytes.Repeat([]byte{0xFF}, 1<<20))},
		{"segments.jpg", join([]byte("\xff\xd8"), bytes.Repeat(segment(0xE1, nil), 300_000))},
		{"text again and again.jpg", join(jpeg, nearly)}, {"spaces.jpg", join(jpeg, bytes.Repeat([]byte(" "), 2<<20))},
		{"markers.jpg", join(jpeg, bytes.Repeat([]byte("\xff\xd0"), 1<<20))},
		{"segments behind a scan.jpg", join(jpeg, bytes.Repeat(segment(0xE1, nil), 400_000))},
		{"half an end.jpg", join(jpeg, bytes.Repeat([]byte("\xd9\xff\x00"), 500_000))},
		{"chunks.png", join(png, bytes.Repeat(pngChunk("tEXt", nil), 90_000))},
		{"runs.png", join(png, bytes.Repeat(join(pngChunk("IDAT", nil), pngChunk("IDAT", []byte{1})), 50_000))},
		{"ends without a checksum.png", join(png, bytes.Repeat([]byte("\x00\x00\x00\x00IEND"), 200_000))},
		{"records.docx", []byte("PK\x03\x04" + strings.Repeat(record, 9000))},
		{"records of 64 bits.docx", []byte("PK\x03\x04" + strings.Repeat("PK\x06\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00"+record, 9000))},
		{"chunks.wav", wav("fact\x00\x00\x00\x00")}, {"lengths.wav", wav("ds64\xff\xff\xff\xff")},
		{"zeros.mp3", make([]byte, 5<<20)}, {"zeros.jpg", join(jpeg, make([]byte, 5<<20))},
	}
}

// TestHostileFiles shows that the check of files which were made to be slow keeps its bounds: whole, cut, and with
// zeros at the end. missingEnd asserts the bounds.
func TestHostileFiles(t *testing.T) {
	var reads, bytes int64
	for _, h := range hostiles(t) {
		ext := typeOf(t, h.name).Ext
		n := len(h.data)
		for _, data := range [][]byte{h.data, h.data[:n-1], h.data[:n/2], filledUpTo(h.data, n-40), filledUpTo(h.data, n/2), join(h.data, make([]byte, 40_000))} {
			r := strictBytes(data)
			missingEnd(t, ext, r)
			reads, bytes = max(reads, r.reads), max(bytes, r.bytes)
		}
	}
	t.Logf("%d reads and %d bytes at most; %d and %d are allowed", reads, bytes, media.MaxReads, media.MaxBytes)
	if reads < 1000 || bytes < 900_000 {
		t.Error("none of the files is hostile")
	}
}

// BenchmarkHostile measures the check of the same files in memory. More than 5 ms is much.
func BenchmarkHostile(b *testing.B) {
	for _, h := range hostiles(b) {
		typ, r := typeOf(b, h.name), bytes.NewReader(h.data)
		b.Run(h.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := media.MissingEnd(typ, r, int64(len(h.data))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
