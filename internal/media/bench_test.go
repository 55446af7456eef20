package media_test

import (
	"archive/zip"
	"bytes"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kaizala-drop/internal/media"
)

// fiveMB are whole files of about 5 MB, as devices and programs write them.
func fiveMB() map[string][]byte {
	const size = 5 << 20
	rng := rand.New(rand.NewPCG(8, 8))
	scan := scanned(rng, size)
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
	film = append(film, box("mdat", scan)...)
	depth := samplesOf(1<<20, func(b []byte, i int) []byte { return append(b, byte(min(255, i%1024/3))) })
	return map[string][]byte{
		"photo.jpg": jpeg, "torn.jpg": jpeg[:len(jpeg)-2], "with depth.jpg": append(jpeg[:len(jpeg):len(jpeg)], depth...),
		"plan.png": png, "torn.png": png[:len(png)-1],
		"scan.pdf": pdf.Bytes(), "torn.pdf": pdf.Bytes()[:pdf.Len()-9],
		"letter.docx": docx, "torn.docx": docx[:size],
		"old.doc": old.data, "torn.doc": old.data[:size],
		"film.mp4": film, "torn.mp4": film[:size], "pieces.mp4": pieces, "torn pieces.mp4": pieces[:len(pieces)-1],
		"film.3gpp": film, "torn.3gpp": film[:size],
		"sound.wav": wav, "torn.wav": wav[:size],
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

// BenchmarkMissingEnd measures the check of open files of 5 MB on the local disk.
func BenchmarkMissingEnd(b *testing.B) {
	dir := b.TempDir()
	for name, data := range fiveMB() {
		f := fileWith(b, filepath.Join(dir, name), data)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				endOf(b, f, name, len(data))
			}
		})
	}
}

// TestUsualCost shows that few reads are needed for a usual file, whole or cut off. The benchmarks show the time.
func TestUsualCost(t *testing.T) {
	files := fiveMB()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		r := strictBytes(files[name])
		if missing := missingEnd(t, typeOf(t, name).Ext, r); (missing != "") != strings.HasPrefix(name, "torn") {
			t.Errorf("%s: %q", name, missing)
		}
		t.Logf("%-16s %4d reads, %7d bytes", name, r.reads, r.bytes)
		reads, bytes := int64(20), int64(20<<10)
		switch {
		case strings.HasPrefix(name, "torn"):
			reads, bytes = 100, media.MaxBytes
		case name == "with depth.jpg":
			bytes = 300 << 10
		case name == "pieces.mp4":
			reads, bytes = 30, 90<<10
		}
		if r.reads > reads || r.bytes > bytes {
			t.Errorf("%s: %d reads, %d bytes; %d and %d are allowed", name, r.reads, r.bytes, reads, bytes)
		}
	}
}

func fileWith(tb testing.TB, path string, data []byte) *os.File {
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() })
	return f
}

// endOf calls MissingEnd for one of fiveMB.
func endOf(tb testing.TB, f *os.File, name string, size int) {
	missing, err := media.MissingEnd(typeOf(tb, name), f, int64(size))
	if err != nil || (missing != "") != strings.HasPrefix(name, "torn") {
		tb.Fatalf("%s: %q, %v", name, missing, err)
	}
}
