package media_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// verdict is whether something must be said to be missing at the end of a file.
type verdict struct {
	name string
	data []byte
	torn bool
}

func judge(t *testing.T, verdicts []verdict) {
	t.Helper()
	for _, v := range verdicts {
		missing := missingEnd(t, typeOf(t, v.name).Ext, strictBytes(v.data))
		if (missing != "") != v.torn {
			t.Errorf("%s, %d bytes, torn: %t: %q", v.name, len(v.data), v.torn, missing)
		}
	}
}

// filledUpTo gives data of full size with zeros from n on, as a Windows client that dies leaves a file.
func filledUpTo(data []byte, n int) []byte {
	torn := make([]byte, len(data))
	copy(torn, data[:n])
	return torn
}

// TestBehindTheSectors shows that free sectors and padding behind the last sector in use do not make an old Office file
// torn, and that a cut before them does.
func TestBehindTheSectors(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 1))
	parts := func() []part { return []part{{"dir", nil}, {"stream", ending(rng, 300_000)}} }
	first := layOut(parts(), layout{shift: 9, fatFirst: true}).data
	last := layOut(parts(), layout{shift: 12}).data
	short := layOut(parts(), layout{shift: 9, fatFirst: true, short: true}).data
	small := layOut([]part{{"dir", nil}, {"stream", ending(rng, 30_000)}}, layout{shift: 9}).data
	free := layOut(parts(), layout{shift: 9, fatFirst: true, free: 4000, spare: 40}).data
	padded := func(data []byte, n int) []byte { return append(bytes.Clone(data), make([]byte, n)...) }
	judge(t, []verdict{
		{"64 KiB of padding.doc", padded(first, 64<<10), false},
		{"5 MB of padding.doc", padded(first, 5_000_000), false},
		{"padded to a whole MiB.xls", padded(last, 1<<20-len(last)), false},
		{"a short last sector, padded.ppt", padded(short, 1<<20), false},
		{"2 MB of free sectors.doc", free, false},
		{"free sectors and padding.doc", padded(free, 100_000), false},

		{"cut.doc", first[:len(first)-50], true},
		{"cut before free sectors.doc", free[:300_000], true},
		{"half of it zeros.doc", filledUpTo(first, 150_000), true},
		{"half of it zeros, padded.doc", padded(filledUpTo(first, 150_000), 100_000), true},
		{"half of it zeros, free sectors.doc", filledUpTo(free, 200_000), true},
		{"the table is zeros.doc", filledUpTo(last, len(last)-4096), true},
		{"the table is zeros, padded.xls", padded(filledUpTo(last, len(last)-4096), 5_000_000), true},
		{"a small table is zeros, padded.xls", padded(filledUpTo(small, 20_000), 100_000), true},
		{"half a table, padded.xls", padded(filledUpTo(small, len(small)-300), 100_000), true},
	})
}

// scanned is entropy-coded data: it has no marker but restarts, and 00 after each byte FF.
func scanned(rng *rand.Rand, n int) []byte {
	b := noise(rng, n)
	for i := range b {
		if b[i] == 0xFF || i > 0 && b[i-1] == 0xFF {
			b[i] = 0
		}
		if b[i] == 0x55 && i+1 < len(b) {
			b[i], b[i+1] = 0xFF, 0xD0&-byte(rng.IntN(2))
		}
	}
	return append(b, 'x')
}

// photo is a JPEG without its EOI. Segments may lie between its scans.
func photo(rng *rand.Rand, sof byte, scans ...[]byte) []byte {
	b := append([]byte("\xff\xd8"), segment(0xDB, make([]byte, 65))...)
	b = append(b, segment(sof, make([]byte, 15))...)
	for _, between := range scans {
		b = append(append(b, between...), segment(0xDA, make([]byte, 10))...)
		b = append(b, scanned(rng, 300_000)...)
	}
	return b
}

// samplesOf gives n numbers of a camera's second sensor, of several bytes each.
func samplesOf(n int, next func(b []byte, i int) []byte) []byte {
	var b []byte
	for i := range n {
		b = next(b, i)
	}
	return b
}

// TestBehindTheEOI shows that a JPEG is whole if a camera has appended uncompressed data that are larger than the
// search for the EOI reaches.
func TestBehindTheEOI(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 2))
	whole := append(photo(rng, 0xC0, nil), 0xFF, 0xD9)
	with := func(trailer ...[]byte) []byte { return join(append([][]byte{whole}, trailer...)...) }
	floats := samplesOf(2*640*512, func(b []byte, i int) []byte {
		return binary.LittleEndian.AppendUint32(b, math.Float32bits(20+rng.Float32()*15))
	})
	counts := samplesOf(640*1024, func(b []byte, i int) []byte {
		return binary.LittleEndian.AppendUint16(b, uint16(7000+i/640+rng.IntN(300)))
	})
	slope := samplesOf(1<<20, func(b []byte, i int) []byte { return append(b, byte(min(255, i%1024/3))) })
	low := samplesOf(1<<20, func(b []byte, i int) []byte { return append(b, byte(i/1024%200)) })
	text := bytes.Repeat([]byte("QmFzZTY0IG9mIGEgZmlsbQ"), 50_000)
	sef := []byte("SEFH\x6b\x00\x00\x00\x00\x00\x00\x00\x0c\x00\x00\x00SEFT")
	judge(t, []verdict{
		{"two frames of temperatures.jpg", with(floats), false},
		{"counts of 14 bits.jpg", with(counts), false},
		{"a depth map.jpg", with(slope), false},
		{"a depth map, padded.jpg", with(slope, make([]byte, 3000)), false},
		{"a Samsung's depth map.jpg", with(low, sef), false},
		{"a Samsung's depth map, padded.jpg", with(low, sef, make([]byte, 3000)), false},
		{"700 KiB of text.jpg", with(text[:700<<10]), false},
		{"1 MiB of text.jpg", with(text), false},
		{"small numbers.jpg", with(low), false},

		{"cut.jpg", whole[:len(whole)-1], true},
		{"a plain surface is not told from a scan.jpg", with(bytes.Repeat([]byte("\x28\xa2\x8a"), 300_000)), true},
	})
}

// TestTornBetweenScans shows that large JPEGs of many scans, with segments between them, are torn wherever they are
// cut.
func TestTornBetweenScans(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 3))
	content := bytes.ReplaceAll(noise(rng, 65_533), []byte("\xff\xd9"), []byte("\xff\xd8"))
	tables := join(segment(0xDB, bytes.Repeat([]byte("\xff\x63"), 32)), segment(0xC4, content[:200]),
		segment(0xDD, []byte("\x00\x10")), []byte("\xff\xff"), segment(0xCC, []byte("\x00\x10")))
	for name, data := range map[string][]byte{
		"one scan":    photo(rng, 0xC0, nil, nil, nil, nil),
		"progressive": photo(rng, 0xC2, nil, tables, tables, tables, tables, tables, tables),
		"arithmetic":  photo(rng, 0xCA, nil, tables, nil, tables, tables),
		"a comment":   photo(rng, 0xC2, nil, nil, nil, segment(0xFE, content), tables),
		"a profile":   photo(rng, 0xC1, nil, nil, nil, tables, segment(0xE2, content)),
		"lossless":    bytes.ReplaceAll(photo(rng, 0xF7, nil, nil, nil, nil), []byte("\xff\x00"), []byte("\xff\x42")),
	} {
		for range 300 {
			cut := 1 + rng.IntN(len(data))
			if missing := missingEnd(t, ".jpg", strictBytes(data[:cut])); missing == "" {
				t.Fatalf("%s: cut at %d of %d passes", name, cut, len(data))
			}
		}
	}
}

// TestBehindTheEOF shows that junk behind the %%EOF of a PDF does no harm, and that a PDF which goes on behind the
// %%EOF of one of its parts is torn.
func TestBehindTheEOF(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 4))
	pdf := &pdfWriter{rng: rng, eol: "\n"}
	pdf.WriteString("%PDF-1.4\n")
	pdf.object(1, noise(rng, 20_000))
	pdf.trailer(-1)
	whole := pdf.Bytes()
	with := func(parts ...string) []byte { return append(bytes.Clone(whole), strings.Join(parts, "")...) }
	html := "<html>\n<body>see the trailer\ntrailer\n trailers: endobj is a word\nxref tables have\n12 objects 3 0 object\n"
	text := strings.Repeat("nothing that belongs to a PDF, line for line\r\n", 9000)
	stream := "<</Length 900000>>stream\n" + string(noise(rng, 440_000))
	first := "%PDF-1.4\n1 0 obj\n<</Linearized 1/L 2000000>>\nendobj\nxref\n0 1\ntrailer\n<<>>\nstartxref\n0\n%%EOF\n"
	glued := strings.TrimRight(string(with()), "\n")
	judge(t, []verdict{
		{"a web page.pdf", with(html), false},
		{"a web page, indented.pdf", with("   ", html), false},
		{"100 kB of text.pdf", with(text[:100_000]), false},
		{"400 kB of text, a web page.pdf", with(text[:400_000], html), false},
		{"400 kB of noise.pdf", with(string(noise(rng, 400_000))), false},
		{"noise and zeros.pdf", with(string(noise(rng, 100_000)), strings.Repeat("\x00", 900_000)), false},

		{"an update.pdf", with("2 0 obj", stream[:1000]), true},
		{"a long update.pdf", with("2 0 obj", stream), true},
		{"an update by CR.pdf", with("\r2 0 obj\r", stream[:100_000]), true},
		{"an indented update.pdf", with(" \t12  0  obj[", stream[:100_000]), true},
		{"an update without objects.pdf", with("xref\r\n0 1\r\n"), true},
		{"text, then an update.pdf", with(text[:300_000], "\n12 0 obj\n"), true},
		{"a linearized one.pdf", []byte(first + "2 0 obj\n" + stream[:100_000]), true},
		{"a linearized one, cut before an object.pdf", []byte(first), true},
		{"an embedded one.pdf", []byte("%PDF-1.4\n1 0 obj\n<<>>\nstream\n" + glued + "endstream endobj"), true},
		{"an embedded one, filled up.pdf", []byte("%PDF-1.4\n1 0 obj\n<<>>\nstream\n" + glued + "\x00\x00endstream"), true},
		{"cut.pdf", whole[:len(whole)-3], true},
		{"cut behind the offset of the table, as readers need no more.pdf", whole[:len(whole)-6], false},
		{"cut in the offset of the table.pdf", whole[:len(whole)-9], true},

		{"a whole one with 600 kB behind it is not told from a torn one.pdf", with(text, text[:200_000]), true},
	})
	for _, n := range []int{2 << 10, 66 << 10} { // a keyword that lies where one read ends and the next begins
		for at := n - 200; at < n+100; at++ {
			judge(t, []verdict{{"between two reads.pdf", with(text[:at], "\n12 0 obj\n", text[:70_000]), true}})
		}
	}
}

// TestBehindTheFragments shows what may follow the last fragment of a film without an index of its fragments, where
// another fragment could follow.
func TestBehindTheFragments(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 5))
	moof := box("moof", box("mfhd", make([]byte, 8)), noise(rng, 400))
	mdat := box("mdat", ending(rng, 900))
	film := join(box("ftyp", []byte("iso5\x00\x00\x02\x00")), box("moov", noise(rng, 100)), moof, mdat, moof, mdat)
	with := func(parts ...[]byte) []byte { return join(append([][]byte{film}, parts...)...) }
	free := box("free", make([]byte, 90))
	silent := box("mdat", make([]byte, 9000))
	zeros := func(n int) []byte { return make([]byte, n) }
	verdicts := []verdict{
		{"16 bytes.mp4", with(noise(rng, 16)), false},
		{"4 zeros.mp4", with(zeros(4)), false},
		{"512 zeros.mp4", with(zeros(512)), false},
		{"200,000 zeros.mp4", with(zeros(200_000)), false},
		{"a line end.mp4", with([]byte("\r\n")), false},
		{"a text.mp4", with([]byte("recorded by a camera at the door")), false},
		{"a short text.mp4", with([]byte("\x00\x00\x00\x02cam")), false},
		{"free.mp4", with(free), false},
		{"free, zeros.mp4", with(free, zeros(512)), false},
		{"skip, zeros.mp4", with(box("skip", zeros(9)), zeros(70_000)), false},
		{"another fragment, zeros.mp4", with(moof, mdat, zeros(512)), false},

		{"silence.mp4", with(moof, silent), false},
		{"zeros behind silence are not told from missing ones.mp4", with(moof, silent, zeros(512)), true},
		{"3 zeros are not told from a header.mp4", with(zeros(3)), true},
		{"a fragment without data.mp4", with(moof), true},
		{"a fragment without data, free.mp4", with(moof, free), true},
		{"a fragment without data, zeros.mp4", with(moof, zeros(512)), true},
		{"a fragment without data, text.mp4", with(moof, []byte("recorded by a camera")), true},
	}
	for _, kind := range []string{"moof", "styp", "sidx", "emsg", "prft", "uuid"} {
		b := box(kind, bytes.Repeat([]byte{1}, 300))
		for n := 1; n < len(b); n++ {
			verdicts = append(verdicts, verdict{"a begun " + kind + ".mp4", with(b[:n]), true})
			if n > 2 && n < len(b)-3 {
				verdicts = append(verdicts, verdict{"a begun " + kind + ", zeros.mp4", with(b[:n], zeros(5000)), true})
			}
		}
	}
	for n := range len(mdat) {
		whole := with(moof, mdat, moof, mdat)
		to := len(film) + len(moof) + n
		verdicts = append(verdicts, verdict{"begun data.mp4", whole[:to], true},
			verdict{"begun data, zeros.mp4", filledUpTo(whole, to), n < len(mdat)-3})
	}
	judge(t, verdicts)
}

// TestManyFragments shows that a cut is found in films whose last fragment is far from both ends, within the bounds of
// cost.
func TestManyFragments(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 6))
	film := func(fragments, last int) []byte {
		var b bytes.Buffer
		b.Write(join(box("ftyp", []byte("iso5\x00\x00\x02\x00")), box("moov", noise(rng, 100))))
		moof := box("moof", box("mfhd", make([]byte, 8)), noise(rng, 90))
		for range fragments {
			b.Write(join(moof, box("mdat", ending(rng, 200))))
		}
		b.Write(join(moof, box("mdat", []byte("a mfhd that is none"), ending(rng, last))))
		return b.Bytes()
	}
	var verdicts []verdict
	for _, f := range []struct{ fragments, last, missing int }{
		{20, 2_000_000, 1}, {1_600, 300_000, 1}, {1_600, 300_000, 299_000}, {1_900, 5_000_000, 1}, {5_000, 700_000, 1},
		{5_000, 5_000_000, 4_400_000}, {300, 900_000, 100},
	} {
		whole := film(f.fragments, f.last)
		name := fmt.Sprintf("%d fragments, then %d bytes", f.fragments, f.last)
		verdicts = append(verdicts, verdict{name + ".mp4", whole, false},
			verdict{fmt.Sprintf("%s, %d missing.mp4", name, f.missing), whole[:len(whole)-f.missing], true})
	}
	far := film(2_100, 2_000_000)
	judge(t, append(verdicts, verdict{"more than there are reads for.mp4", far, false},
		verdict{"more than there are reads for: it passes.mp4", far[:len(far)-1], false}))
}

// TestBehindTheLengths shows that WAV files whose header tells of less than there is pass, as Python's wave module
// leaves them: those written to a pipe are whole, and those of a killed program cannot be told from them.
func TestBehindTheLengths(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 7))
	format := riffChunk("fmt ", []byte("\x01\x00\x01\x00\x11\x2b\x00\x00\x22\x56\x00\x00\x02\x00\x10\x00"))
	wav := func(sound []byte) []byte {
		return riffChunk("RIFF", join([]byte("WAVE"), format, riffChunk("data", sound)))
	}
	sound := ending(rng, 99_999)
	none, first := join(wav(nil), sound), join(wav(sound[:4096]), sound[4096:])
	judge(t, []verdict{
		{"no sound.wav", wav(nil), false},
		{"no sound when the header was written.wav", none, false},
		{"a piece of the sound when the header was written.wav", first, false},
		{"cut, not told from a whole one.wav", none[:50_001], false},
		{"cut behind the first piece, not told from a whole one.wav", first[:50_001], false},

		{"cut in the first piece.wav", first[:4000], true},
		{"corrected and cut.wav", wav(sound)[:50_000], true},
		{"cut in the header.wav", none[:43], true},
	})
}
