package media_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"kaizala-drop/internal/media"
)

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// TestWhatIsSaid shows every sentence that can stand in a note to a person.
func TestWhatIsSaid(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	jpeg, png := encodedJPEG(rng, 50), encodedPNG(rng, 50)
	doc := layOut([]part{{"dir", nil}, {"stream", ending(rng, 9000)}}, layout{shift: 9, fatFirst: true}).data
	zeros := []part{{"dir", nil}, {"stream", make([]byte, 200_000)}}
	zeroDoc := layOut(zeros, layout{shift: 9, fatFirst: true}).data
	docx, _ := archive(rng, true)
	ftyp, moov := box("ftyp", []byte("isom\x00\x00\x02\x00")), box("moov", make([]byte, 100))
	index := movie(film{format: "avc1", at: 100, sizes: []int{9, 9}})
	fragment := box("moof", box("mfhd", make([]byte, 8)))
	mdat := box("mdat", ending(rng, 50_000))
	heif := box("ftyp", []byte("heic\x00\x00\x00\x00mif1heic"))
	wav := riffChunk("RIFF", join([]byte("WAVE"), riffChunk("fmt ", make([]byte, 16)), riffChunk("data", noise(rng, 1000))))
	update := "%PDF-1.4\n1 0 obj<<>>endobj\nxref\ntrailer\nstartxref\n30\n%%EOF\n2 0 obj<<>>"
	first := "%PDF-1.4\n1 0 obj<</Linearized 1/L 12345/N 1>>endobj\nxref\ntrailer\nstartxref\n0\n%%EOF\n"
	const notYet = ": it was given its size, but not yet its content"
	const hollow = "the file is zeros where it should begin" + notYet
	const noEOF = "the PDF has no %%EOF near its end"
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty.jpg", nil, "the file is empty"},
		{"empty.mp3", nil, "the file is empty"},
		{"one.png", png[:1], "the file has only 1 byte"},
		{"begun.wav", wav[:11], "the file has only 11 bytes"},
		{"begun.mp3", []byte("ID3"), ""},
		{"zeros.jpg", make([]byte, 5000), hollow},
		{"zeros.docx", make([]byte, 13), hollow},
		{"header last.doc", join(make([]byte, 512), []byte("content")), hollow},
		{"zeros.mp3", make([]byte, 50_000), "the file is all zeros" + notYet},
		{"silent start.mp3", join(make([]byte, 5000), []byte("\xff\xfb\x90")), ""},
		{"half.mp3", join([]byte("\xff\xfb\x90"), make([]byte, 5000)), ""},

		{"a.jpg", jpeg, ""},
		{"a.jpg", jpeg[:len(jpeg)-1], "the JPEG has no end marker (FF D9)"},
		{"a.jpg", jpeg[:100], "the JPEG has no end marker (FF D9): it breaks off before the picture begins"},
		{"truly a PNG.jpg", png, ""},
		{"truly a PNG.jpg", png[:len(png)-1], "the PNG has no end chunk (IEND)"},
		{"a.png", append(png[:60:60], make([]byte, 3000)...), "the PNG has no end chunk (IEND)"},
		{"an iPhone's.jpg", join(heif, box("meta", make([]byte, 50)), mdat), ""},
		{"a live picture.jpg", join(heif, moov, mdat), ""},
		{"an iPhone's.jpg", join(heif, box("meta", make([]byte, 50)), mdat)[:5000],
			"the HEIF picture's last box (mdat) says 50,009 bytes, 4,918 are there"},

		{"a.pdf", []byte(update[:60]), ""},
		{"a.pdf", []byte("%PDF-1.4\n1 0 obj<<>>endobj\n"), noEOF},
		{"a.pdf", []byte(update), noEOF + ": it goes on after the last one"},
		{"a.pdf", []byte(first), noEOF + ": it says 12,345 bytes, 83 are there"},
		{"mail.pdf", []byte("Content-Type: application/pdf\r\n\r\n" + update), noEOF + ": it goes on after the last one"},
		{"a web page.pdf", []byte("<html>404 not found</html>"), ""},
		{"about.docx", []byte("<p>%PDF-1.4 is a version</p>"), ""},

		{"a.docx", docx, ""},
		{"a.docx", docx[:len(docx)-1], "the Office document (a ZIP file) has no directory at its end"},
		{"nothing in it.docx", []byte("PK\x05\x06" + strings.Repeat("\x00", 18)), ""},
		{"encrypted.docx", doc, ""},
		{"encrypted.docx", doc[:5000], "the old Office file says at least 10,752 bytes, 5,000 are there"},
		{"a.doc", doc[:400], "the old Office file breaks off in its header"},
		{"a.doc", append(doc[:20:20], make([]byte, 9000)...), "the old Office file has no complete header"},
		{"a.doc", doc[:600], "the old Office file says at least 1,024 bytes, 600 are there"},
		{"a.doc", append(doc[:1024:1024], make([]byte, len(doc)-1024)...),
			"the old Office file has no directory where its header says"},
		{"a.doc", zeroDoc, "the old Office file ends with 200,453 zero bytes" + notYet},
		{"no table.doc", join(doc[:76], []byte("\xff\xff\xff\xff"), doc[80:2000]),
			"the old Office file says at least 2,001 bytes, 2,000 are there"},
		{"rich text.doc", []byte(`{\rtf1\ansi text`), ""},

		{"a.mp4", join(ftyp, moov, mdat)[:12_100], "the video's last box (mdat) says 50,009 bytes, 11,976 are there"},
		{"a.mp4", join(ftyp, mdat), "the video has no index (moov): it was not finished"},
		{"ffmpeg.mp4", join(ftyp, box("free"), []byte("\x00\x00\x00\x00mdat")),
			"the video has no index (moov): it was not finished"},
		{"a.3gpp", join(ftyp, moov), "the video has an index but no media data (mdat)"},
		{"a.mp4", join(ftyp, moov, fragment, mdat, fragment), "the video's last fragment has no media data (mdat)"},
		{"a.mp4", join(ftyp, moov, fragment, mdat, fragment[:5]), "the video breaks off: its last 5 bytes begin no box"},
		{"a.mp4", join(ftyp, moov, fragment, mdat, fragment[:7], make([]byte, 93)),
			"the video breaks off: its last 100 bytes begin no box"},
		{"a.mp4", join(ftyp, moov, wideBox("mdat", nil)[:9]), "the video's last box (mdat) says 16 bytes, 9 are there"},
		{"a.mp4", join(ftyp, moov, box("mdat", make([]byte, 100_000))),
			"the video ends with 100,000 zero bytes" + notYet},
		{"a.mp4", join(ftyp, mdat, moov), "the video ends with 100 zero bytes" + notYet},
		{"zeros after.mp4", join(ftyp, mdat, index, make([]byte, 100_000)), ""},
		{"zeros in free.mp4", join(ftyp, mdat, index, box("free", make([]byte, 100_000))), ""},
		{"bytes after.mp4", join(ftyp, mdat, index, []byte("\x00\x00\xff\x00SEFH trailer")), ""},
		{"a.mp4", join(ftyp, mdat, moov, []byte("\x00\x00\x01\x00udta")),
			"the video's last box (udta) says 256 bytes, 8 are there"},
		{"a.mp4", join(ftyp, moov, mdat[:9]), "the video's last box (mdat) says 50,009 bytes, 9 are there"},
		{"no ftyp.mp4", join(moov, mdat), ""},

		{"a.wav", wav, ""},
		{"a.wav", wav[:500], "the WAV says 1,044 bytes, 500 are there"},
		{"a.wav", riffChunk("RIFF", join([]byte("WAVE"), riffChunk("fmt ", make([]byte, 16)))),
			"the WAV has no sound (data chunk)"},
		{"a.wav", join([]byte("RIFF\xff\xff\xff\xff"), wav[8:500]), "the WAV says 1,000 bytes of sound, 456 are there"},
		{"piped RF64.wav", join([]byte("RF64\xff\xff\xff\xffWAVE"), riffChunk("ds64", bytes.Repeat([]byte{0xFF}, 28)),
			[]byte("data\xff\xff\xff\xff"), noise(rng, 100)), ""},
		{"an MP3.wav", []byte("ID3\x03\x00\x00\x00\x00\x00\x00 and so on"), ""},
		{"a film.wav", []byte("RIFF\x00\x10\x00\x00AVI LIST"), ""},
	} {
		missing, err := media.MissingEnd(typeOf(t, c.name), bytes.NewReader(c.data), int64(len(c.data)))
		if missing != c.want || err != nil {
			t.Errorf("%s, %d bytes: %q, %v\nwant %q", c.name, len(c.data), missing, err, c.want)
		}
	}
}

// TestLarge shows the verdicts on what only large files have. The strict reader asserts the bounds of cost.
func TestLarge(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	film := join(box("ftyp", []byte("isom\x00\x00\x02\x00")), box("moov", make([]byte, 100)))
	pieces := bytes.Clone(film)
	lasts := 0
	for range 5000 {
		lasts = len(pieces)
		pieces = append(append(pieces, box("moof", box("mfhd", make([]byte, 8)))...), box("mdat", ending(rng, 300))...)
	}
	png := encodedPNG(rng, 50)
	chunks := bytes.Clone(png[:33])
	for range 3000 {
		chunks = append(chunks, pngChunk("tEXt", []byte("a\x00b"))...)
	}
	chunks = append(chunks, png[33:]...)
	wide := layOut([]part{{"stream", ending(rng, 17<<20)}, {"dir", nil}}, layout{shift: 9}) // needs two DIFAT sectors
	short := layOut([]part{{"dir", nil}, {"stream", ending(rng, 17<<20)}}, layout{shift: 9, fatFirst: true, short: true})
	for name, c := range map[string]struct {
		ext   string
		whole []byte
		held  []int // cuts
		pass  []int
	}{
		"5,000 fragments": {".mp4", pieces, []int{len(pieces) - 1, lasts + 1, lasts + 8, lasts + 20, 100_001}, []int{lasts}},
		"3,000 chunks":    {".png", append(chunks, ending(rng, 9999)...), []int{len(chunks) - 1, 1000}, []int{len(chunks) + 9998}},
		"DIFAT":           {".doc", wide.data, []int{len(wide.data) - 1, 17 << 20, 1 << 20}, nil},
		"DIFAT, short":    {".doc", short.data, []int{len(short.data) - 1, 17 << 20, 1 << 20}, nil},
	} {
		if missing := missingEnd(t, c.ext, strictBytes(c.whole)); missing != "" {
			t.Errorf("%s, whole: %s", name, missing)
		}
		for _, cut := range c.held {
			if missingEnd(t, c.ext, strictBytes(c.whole[:cut])) == "" {
				t.Errorf("%s: cut at %d of %d passes", name, cut, len(c.whole))
			}
		}
		for _, cut := range c.pass {
			if missing := missingEnd(t, c.ext, strictBytes(c.whole[:cut])); missing != "" {
				t.Errorf("%s: cut at %d of %d: %s", name, cut, len(c.whole), missing)
			}
		}
	}
}

// TestClaims shows that sizes and counts which no file can have are handled without harm.
func TestClaims(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 3))
	for ext, generate := range generators() {
		data := generate(rng).data
		for _, size := range []int64{math.MaxInt64, 1 << 62, 1 << 40, 1<<32 - 1} {
			for _, filler := range []byte{0, 0xFF, 'P'} {
				r := &strict{size: size, read: func(b []byte, off int64) {
					n := copy(b, data[min(off, int64(len(data))):])
					copy(b[n:], bytes.Repeat([]byte{filler}, len(b)-n))
				}}
				missingEnd(t, ext, r)
			}
		}
	}
	huge := join(box("ftyp", []byte("isom\x00\x00\x02\x00")), wideBox("mdat", make([]byte, 5000)))
	binary.BigEndian.PutUint64(huge[16+8:], math.MaxUint64)
	const want = "the video's last box (mdat) says 9,223,372,036,854,775,807 bytes, 5,016 are there"
	if missing := missingEnd(t, ".mp4", strictBytes(huge)); missing != want {
		t.Errorf("%q, want %q", missing, want)
	}
}

// TestReadErrors shows that a file which cannot be read is an error: a closed file, a directory, a file that became
// shorter.
func TestReadErrors(t *testing.T) {
	path := t.TempDir() + "/a.pdf"
	if err := os.WriteFile(path, []byte("%PDF-1.4 and more"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := func(path string) *os.File {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	closed := open(path)
	closed.Close()
	for _, c := range []struct {
		f    *os.File
		size int64
		want error
	}{
		{closed, 17, fs.ErrClosed},
		{open(t.TempDir()), 17, nil},
		{open(path), 18, io.ErrUnexpectedEOF},
		{open(path), 1 << 40, io.ErrUnexpectedEOF},
	} {
		missing, err := media.MissingEnd(typeOf(t, "a.pdf"), c.f, c.size)
		if err == nil || missing != "" || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%q, %v; want %v", missing, err, c.want)
		}
	}
}

// TestEveryReadCanFail shows that a failure of any one read is given back as an error, for whole and for torn files.
func TestEveryReadCanFail(t *testing.T) {
	broken := errors.New("input/output error")
	rng := rand.New(rand.NewPCG(2, 4))
	tried := 0
	for ext, generate := range generators() {
		for i := range 20 {
			data := generate(rng).data
			data = data[:len(data)-i*len(data)/40]
			sound := strictBytes(data)
			missingEnd(t, ext, sound)
			for n := range sound.reads {
				left := n
				failing := readerFunc(func(b []byte, off int64) (int, error) {
					if left--; left < 0 {
						return 0, broken
					}
					return bytes.NewReader(data).ReadAt(b, off)
				})
				missing, err := media.MissingEnd(typeOf(t, "a"+ext), failing, int64(len(data)))
				if missing != "" || !errors.Is(err, broken) {
					t.Errorf("%s, read %d of %d broken: %q, %v", ext, n, sound.reads, missing, err)
				}
				tried++
			}
		}
	}
	t.Logf("%d reads", tried)
}

type readerFunc func(b []byte, off int64) (int, error)

func (f readerFunc) ReadAt(b []byte, off int64) (int, error) { return f(b, off) }
