package main

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"path"
	"slices"
	"testing"

	"kaizala-drop/internal/samples"
)

// meal is how long the generated files are, about, in bytes: long enough that no writer is done in one write.
func meal() int {
	if raceEnabled {
		return 3 << 19
	}
	return 3 << 20
}

// food makes a whole file of the type that name's extension says, with content that no other name has: for each test and
// folder another.
func food(t testing.TB, name string) []byte {
	t.Helper()
	sum := fnv.New64a()
	sum.Write([]byte(t.Name() + name))
	r := rand.New(rand.NewPCG(sum.Sum64(), 1))
	if path.Base(name) == "pages.pdf" {
		return pdfRevisions(r, 4, meal())
	}
	switch path.Ext(name) {
	case ".pdf":
		return pdfRevisions(r, 1, meal())
	case ".jpg":
		return photograph(t, r)
	case ".3gpp":
		return film(t, r)
	case ".docx":
		return letter(t, r)
	case ".wav":
		return sound(r)
	case ".mp3":
		return bytes.Repeat(sample(t, ".mp3"), 1+meal()/len(sample(t, ".mp3")))
	}
	b := sample(t, path.Ext(name))
	return slices.Clone(b)
}

// sample is the first sample with that extension.
func sample(t testing.TB, ext string) []byte {
	t.Helper()
	for _, s := range samples.All() {
		if path.Ext(s.Name) == ext {
			return s.Bytes
		}
	}
	t.Fatalf("no sample is a %q", ext)
	return nil
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n+8)
	for at := 0; at < n; at += 8 {
		binary.LittleEndian.PutUint64(b[at:], r.Uint64())
	}
	return b[:n]
}

// pdfRevisions makes a PDF of n revisions (ISO 32000-1, 7.5.6): each adds an object, a cross-reference section and a
// trailer of its own, so the file is whole after each. All are equally long, size altogether.
func pdfRevisions(r *rand.Rand, n, size int) []byte {
	var b bytes.Buffer
	prev := 0
	for i := range n {
		if i == 0 {
			b.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
		}
		var at []int
		object := func(format string, args ...any) {
			at = append(at, b.Len())
			fmt.Fprintf(&b, "%d 0 obj\n"+format+"\nendobj\n", append([]any{3*i + len(at)}, args...)...)
		}
		object("<</Type/Catalog/Pages %d 0 R>>", 3*i+2)
		object("<</Type/Pages/Kids[]/Count 0>>")
		const tail = 400 // at least what follows the stream
		data := noise(r, size/n*(i+1)-b.Len()-tail)
		object("<</Length %d>>stream\n%s\nendstream", len(data), data)
		var end bytes.Buffer
		fmt.Fprintf(&end, "xref\n%d 3\n", 3*i+1)
		for _, offset := range at {
			fmt.Fprintf(&end, "%010d 00000 n \n", offset)
		}
		fmt.Fprintf(&end, "trailer\n<</Size %d/Root %d 0 R/Prev %d>>\n", 3*i+4, 3*i+1, prev)
		pad := size/n*(i+1) - b.Len() - end.Len() - len("%\nstartxref\n0123456789\n%%EOF\n")
		fmt.Fprintf(&b, "%%%s\n", bytes.Repeat([]byte{'-'}, pad))
		prev = b.Len()
		b.Write(end.Bytes())
		fmt.Fprintf(&b, "startxref\n%010d\n%%%%EOF\n", prev)
	}
	return b.Bytes()
}

// photograph is a JPEG of noise with a thumbnail: its head holds a whole small JPEG, with an end of its own.
func photograph(t testing.TB, r *rand.Rand) []byte {
	t.Helper()
	encode := func(side, quality int) []byte {
		m := image.NewRGBA(image.Rect(0, 0, side, side))
		copy(m.Pix, noise(r, len(m.Pix)))
		var b bytes.Buffer
		must(t, jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}))
		return b.Bytes()
	}
	whole, thumbnail := encode(int(math.Sqrt(float64(meal()/2))), 97), encode(96, 50)
	app1 := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(2+6+len(thumbnail)))
	return slices.Concat(whole[:2], app1, []byte("Exif\x00\x00"), thumbnail, whole[2:])
}

// film is the sample with a box of free space before its last, the moov.
func film(t testing.TB, r *rand.Rand) []byte {
	t.Helper()
	b := sample(t, ".3gpp")
	moov := bytes.LastIndex(b, []byte("moov")) - 4
	free := append(binary.BigEndian.AppendUint32(nil, uint32(meal()+8)), "free"...)
	return slices.Concat(b[:moov], free, noise(r, meal()), b[moov:])
}

// letter is the sample with a large picture added.
func letter(t testing.TB, r *rand.Rand) []byte {
	t.Helper()
	b := sample(t, ".docx")
	old, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, part := range old.File {
		must(t, z.Copy(part))
	}
	picture, err := z.CreateHeader(&zip.FileHeader{Name: "word/media/image1.png", Method: zip.Store})
	must(t, err)
	_, err = picture.Write(noise(r, meal()))
	must(t, err)
	must(t, z.Close())
	return out.Bytes()
}

// sound is 16 bit mono at 48 kHz.
func sound(r *rand.Rand) []byte {
	b := []byte("RIFF....WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\xbb\x00\x00\x00\x77\x01\x00\x02\x00\x10\x00data....")
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8+meal()))
	binary.LittleEndian.PutUint32(b[len(b)-4:], uint32(meal()))
	return append(b, noise(r, meal())...)
}
