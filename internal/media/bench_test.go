package media_test

import (
	"archive/zip"
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"kaizala-drop/internal/media"
)

// fiveMB are files of about 5 MB, whole, as devices and programs write them.
func fiveMB() map[string][]byte {
	const size = 5 << 20
	rng := rand.New(rand.NewPCG(8, 8))
	scan := noise(rng, size)
	for i, c := range scan {
		if c == 0xFF {
			scan[i] = 0xFE // no marker in it
		}
	}
	jpeg := append([]byte{0xFF, 0xD8}, segment(0xE1, noise(rng, 60_000))...)
	jpeg = append(append(jpeg, segment(0xDA, make([]byte, 10))...), append(scan, 0xFF, 0xD9)...)

	png := []byte("\x89PNG\r\n\x1a\n")
	for range size / 8192 {
		png = append(png, pngChunk("IDAT", scan[:8192])...)
	}
	png = append(png, pngChunk("IEND", nil)...)

	pdf := &pdfWriter{rng: rng, eol: "\n"}
	pdf.WriteString("%PDF-1.4\n")
	for n := range 50 {
		pdf.object(n+1, scan[:size/50])
	}
	pdf.trailer(-1)

	film := append(box("ftyp", []byte("isom\x00\x00\x02\x00isom")), box("moov", scan[:9000])...)
	pieces := append([]byte(nil), film...)
	for range 300 {
		pieces = append(append(pieces, box("moof", box("mfhd", scan[:8]))...), box("mdat", scan[:size/300])...)
	}
	old := layOut([]part{{"stream", scan}, {"dir", nil}}, layout{shift: 9})
	body := append([]byte("WAVE"), riffChunk("fmt ", scan[:16])...)
	wav := riffChunk("RIFF", append(body, riffChunk("data", scan)...))
	docx := storedZip(scan)
	return map[string][]byte{
		"photo.jpg": jpeg, "torn.jpg": jpeg[:len(jpeg)-2], "plan.png": png, "torn.png": png[:len(png)-1],
		"scan.pdf": pdf.Bytes(), "torn.pdf": pdf.Bytes()[:pdf.Len()-9], "letter.docx": docx, "torn.docx": docx[:size],
		"old.doc": old.data, "torn.doc": old.data[:size], "film.mp4": append(film, box("mdat", scan)...),
		"pieces.mp4": pieces, "torn.mp4": pieces[:len(pieces)-1], "sound.wav": wav,
		"music.mp3": append([]byte("ID3"), scan...),
	}
}

func storedZip(content []byte) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.CreateHeader(&zip.FileHeader{Name: "word/media/image1.jpeg", Method: zip.Store})
	if err != nil {
		panic(err)
	}
	f.Write(content)
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// BenchmarkMissingEnd checks open files of 5 MB on the local disk.
func BenchmarkMissingEnd(b *testing.B) {
	dir := b.TempDir()
	for name, data := range fiveMB() {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			typ := typeOf(b, name)
			b.ReportAllocs()
			for b.Loop() {
				missing, err := media.MissingEnd(typ, f, int64(len(data)))
				if err != nil || (missing != "") != (name[:4] == "torn") {
					b.Fatalf("%q, %v", missing, err)
				}
			}
		})
	}
}
