package media_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestFilesOfTheField shows that files as real programs left them, with other content, are whole, all but the last one.
func TestFilesOfTheField(t *testing.T) {
	for name, torn := range map[string]bool{
		"cfb-sheetjs.xls":                      false, // the FAT is filled up with ends of chains
		"cfb-ole32-grown-stream-short-end.xls": false, // a stream in three pieces, of which the last is short
		"jpeg-no-eoi-samsung-trailer.jpg":      false,
		"jpeg-text-after-eoi.jpg.gz":           false,
		"mp4-free-at-end-longer-than-file.mp4": false,
		"mp4-mdat-8-too-long.mp4":              false,
		"pdf-eof-then-text-xref.pdf":           false,
		"pdf-no-eof-marker.pdf":                false,
		"slow-pdf-lines.pdf.gz":                false,
		"wav-rf64-stale-ds64.wav":              false,
		"torn-mp4-moov-zeroed.mp4.gz":          true,
	} {
		data := unpacked(t, name)
		judge(t, []verdict{{strings.TrimSuffix(name, ".gz"), data, torn}})
		if torn || strings.HasPrefix(name, "jpeg-text") || strings.HasPrefix(name, "slow") {
			continue // what follows their end may be cut
		}
		for n := 13; n < len(data)-1100; n += 1 + len(data)/300 {
			judge(t, []verdict{{"cut: " + name, data[:n], true}})
		}
	}
}

// filledUp gives the free entries at the end of the FAT another value. The FAT comes first in data.
func filledUp(data []byte, value uint32) []byte {
	le := binary.LittleEndian
	data = bytes.Clone(data)
	shift, fats := le.Uint16(data[30:]), int(le.Uint32(data[44:]))
	table := data[1<<shift : (1+fats)<<shift]
	for i := len(table) - 4; le.Uint32(table[i:]) == freeSector; i -= 4 {
		le.PutUint32(table[i:], value)
	}
	return data
}

// TestFilledTables shows that old Office files whose FAT has entries for sectors beyond the file are whole, as SheetJS
// and excelize write them, and that a cut is found by what leads to the missing sectors.
func TestFilledTables(t *testing.T) {
	for i := range 60 {
		rng := rand.New(rand.NewPCG(14, uint64(i)))
		parts := []part{{"stream", ending(rng, 4096+rng.IntN(40_000))}, {"stream", ending(rng, 4095)}, {kind: "dir"}}
		if i%2 == 0 {
			parts = append(parts, part{"mini", ending(rng, 64*(1+rng.IntN(60))-1)}, part{kind: "minifat"})
			parts[4].data = miniTable(len(parts[3].data) / 64)
		}
		rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		sp := layOut(parts, layout{shift: 9 + 3*uint(i/2%2), fatFirst: true, spare: i / 4 % 2})
		for _, special := range []uint32{endOfChain, fatSector, difatSector} {
			data := filledUp(sp.data, special)
			name := fmt.Sprintf("%d, %x.xls", i, special)
			judge(t, []verdict{{name, data, false}, {"a line end behind " + name, join(data, []byte("\r\n")), false}})
			sector := 512 << (3 * (i / 2 % 2))
			need := len(data)
			for cut := 13; cut < need; cut += 1 + rng.IntN(sector) {
				judge(t, []verdict{{"cut " + name, data[:cut], true}, {"cut at a sector " + name, data[:cut/sector*sector+sector*(1-min(1, cut/sector))], true}})
			}
			judge(t, []verdict{{"cut " + name, data[:need-1], true}})
		}
	}
}

// scattered moves the sectors of an old Office file without DIFAT to other places, as in a file that has grown for
// long.
func scattered(rng *rand.Rand, data []byte) []byte {
	le := binary.LittleEndian
	shift, fats := le.Uint16(data[30:]), int(le.Uint32(data[44:]))
	size := 1 << shift
	n := len(data)/size - 1
	to := rng.Perm(n)
	moved := func(b []byte) {
		if v := le.Uint32(b); v < uint32(n) {
			le.PutUint32(b, uint32(to[v]))
		}
	}
	out := bytes.Clone(data)
	table := bytes.Repeat([]byte{0xFF}, fats*size)
	var dirs []int
	for at := le.Uint32(data[48:]); at < uint32(n); at = le.Uint32(data[size+4*int(at):]) {
		dirs = append(dirs, to[at])
	}
	for i := range n {
		copy(out[(to[i]+1)*size:], data[(i+1)*size:(i+2)*size])
		entry := bytes.Clone(data[size+4*i : size+4*i+4]) // the FAT comes first
		moved(entry)
		copy(table[4*to[i]:], entry)
	}
	for i := range fats {
		moved(out[76+4*i:])
		copy(out[(le.Uint32(out[76+4*i:])+1)<<shift:], table[i*size:(i+1)*size])
	}
	moved(out[48:])
	moved(out[60:])
	for _, d := range dirs {
		for e := out[(d+1)*size : (d+2)*size]; len(e) > 0; e = e[128:] {
			moved(e[116:])
		}
	}
	return out
}

// TestScatteredStreams shows that cuts are found by following chains, if the last sector is short, and if the FAT is
// filled up.
func TestScatteredStreams(t *testing.T) {
	le := binary.LittleEndian
	shortened := 0
	for i := range 200 {
		rng := rand.New(rand.NewPCG(15, uint64(i)))
		parts := []part{{"stream", ending(rng, 4096+rng.IntN(20_000))}, {"stream", ending(rng, 4096+rng.IntN(20_000))}, {kind: "dir"}}
		whole := layOut(parts, layout{shift: 9, fatFirst: true}).data
		data := scattered(rng, whole)
		if i%2 == 0 {
			for _, b := range [][]byte{data} { // its FAT may lie anywhere
				for j := range int(le.Uint32(b[44:])) {
					part := b[(le.Uint32(b[76+4*j:])+1)<<9:][:512]
					for k := 508; k >= 0 && le.Uint32(part[k:]) == freeSector; k -= 4 {
						le.PutUint32(part[k:], endOfChain)
					}
				}
			}
		}
		judge(t, []verdict{{"scattered.doc", data, false}})
		last := len(data) - 512
		end := len(bytes.TrimRight(data, "\x00")) // a stream ends with an x
		judge(t, []verdict{{"without the last sector.doc", data[:last], true}, {"without more.doc", data[:last-512*rng.IntN(5)-rng.IntN(511)], true}})
		if i%2 == 1 && end < len(data) && data[end-1] == 'x' && end > last {
			shortened++
			judge(t, []verdict{{"a short last sector.doc", data[:end], false}, {"one byte less.doc", data[:end-1], true}})
		}
	}
	if shortened == 0 {
		t.Error("no stream ended in the last sector")
	}
}

// TestHollowCompounds shows that old Office files are torn if zeros of any length at their end cover what cannot be
// zeros.
func TestHollowCompounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(14, 2))
	book := join(noise(rng, 6000), []byte("x\x0a\x00\x00\x00"))
	mini := []part{{"mini", ending(rng, 64*20-1)}, {"minifat", miniTable(20)}}
	stream := part{"stream", ending(rng, 5000)}
	file := func(parts ...part) []byte { return layOut(parts, layout{shift: 9, fatFirst: true}).data }
	miniLast := file(stream, part{kind: "dir"}, mini[1], mini[0])
	tableLast := file(stream, part{kind: "dir"}, mini[0], mini[1])
	dirLast := file(stream, stream, stream, stream, stream, part{kind: "dir"})
	streamLast := file(part{kind: "dir"}, stream, part{"stream", ending(rng, 4095)})
	summary := join([]byte("\xfe\xff\x00\x00"), noise(rng, 900), make([]byte, 3192))
	bookLast := file(part{kind: "dir"}, stream, part{"book", book})
	judge(t, []verdict{
		{"a summary of 4,096 bytes, as Office pads it.doc", file(part{kind: "dir"}, stream, part{"stream", summary}), false},
		{"a padded workbook.xls", file(part{kind: "dir"}, stream, part{"book", join(book, make([]byte, 3000))}), false},
		{"the workbook last.xls", bookLast, false},

		{"no mini stream.doc", filledUpTo(miniLast, len(miniLast)-3*512), true},
		{"no mini FAT.doc", filledUpTo(tableLast, len(tableLast)-512), true},
		{"half of the mini FAT.doc", filledUpTo(tableLast, len(tableLast)-512+40), true},
		{"half of the directory.doc", filledUpTo(dirLast, len(dirLast)-512), true},
		{"an entry without its begin.doc", filledUpTo(dirLast, len(dirLast)-3*128+100), true},
		{"no last stream.doc", filledUpTo(streamLast, len(streamLast)-4096), true},
		{"a workbook without its end.xls", filledUpTo(bookLast, len(bookLast)-700), true},
	})
}

// TestLengthsOfWAV shows the verdicts on lengths that do not agree with the file, or with each other.
func TestLengthsOfWAV(t *testing.T) {
	rng := rand.New(rand.NewPCG(14, 3))
	le := binary.LittleEndian
	format := riffChunk("fmt ", []byte("\x01\x00\x01\x00\x11\x2b\x00\x00\x22\x56\x00\x00\x02\x00\x10\x00"))
	list := riffChunk("LIST", []byte("INFOISFT\x04\x00\x00\x00test"))
	wav := func(id string, riff uint32, chunks ...[]byte) []byte {
		body := join(chunks...)
		if riff == 0 {
			riff = uint32(len(body) + 4)
		}
		return join([]byte(id), le.AppendUint32(nil, riff), []byte("WAVE"), body)
	}
	data := func(says uint32, there int) []byte {
		return join([]byte("data"), le.AppendUint32(nil, says), ending(rng, there-1))
	}
	ds64 := func(riff, sound uint64) []byte {
		return riffChunk("ds64", join(le.AppendUint64(le.AppendUint64(nil, riff), sound), make([]byte, 12)))
	}
	const unknown = 0xFFFFFFFF
	judge(t, []verdict{
		{"RF64.wav", wav("RF64", unknown, ds64(4+36+24+8+9000, 9000), format, data(unknown, 9000)), false},
		{"RF64 with a stale ds64.wav", wav("RF64", 0, ds64(99_999, 88_888), format, data(9000, 9000)), false},
		{"RF64 with a stale ds64 for the file alone.wav", wav("RF64", 0, ds64(99_999, 9000), format, data(unknown, 9000)), false},
		{"BW64 with a ds64 of zeros.wav", wav("BW64", 0, ds64(0, 0), format, data(9000, 9000)), false},
		{"RF64, of unknown length.wav", wav("RF64", unknown, ds64(0, 0), format, data(unknown, 9000)), false},
		{"RF64, torn.wav", wav("RF64", unknown, ds64(4+36+24+8+9000, 9000), format, data(unknown, 7000)), true},
		{"RF64 with lengths of 32 bits, torn.wav", wav("RF64", 4+36+24+8+9000, ds64(99_999, 88_888), format, data(9000, 7000)), true},

		{"a recorder's that was streamed.wav", wav("RIFF", unknown, format, data(0, 9000)), false},
		{"no length of the sound.wav", wav("RIFF", 0, format, data(0, 9000)), false},
		{"4 GiB of sound.wav", wav("RIFF", 0, format, data(unknown, 9000)), false},
		{"the file's length for RIFF's.wav", wav("RIFF", 8+4+24+8+9000, format, data(9000, 9000)), false},
		{"RIFF's length with a list that is not there.wav", wav("RIFF", 4+24+8+9000+28, format, data(9000, 9000)), false},
		{"RIFF's length much too great.wav", wav("RIFF", 1<<20, format, data(9000, 9000)), false},
		{"RIFF's length of the header alone.wav", wav("RIFF", 36, format, data(9000, 9000)), false},
		{"odd, without padding.wav", wav("RIFF", 4+24+8+9001, format, data(9001, 9001)), false},
		{"odd, the missing padding counted.wav", wav("RIFF", 4+24+8+9002, format, data(9001, 9001)), false},
		{"a list behind the sound.wav", wav("RIFF", 0, format, data(9000, 9000), list), false},
		{"odd, padded, a list.wav", wav("RIFF", 0, format, data(9001, 9001), []byte{0}, list), false},

		{"torn.wav", wav("RIFF", 4+24+8+9000, format, data(9000, 8999)), true},
		{"torn, RIFF's length much too great.wav", wav("RIFF", 1<<20, format, data(9000, 8000)), true},
		{"a list that is cut.wav", wav("RIFF", 4+24+8+9000+28, format, data(9000, 9000), list[:12]), true},
		{"no sound yet.wav", wav("RIFF", 1<<20, format), true},
	})
}

// TestEndsOfFilms shows that films whose boxes are longer than the file pass if all samples are there, and are torn if
// samples are missing.
func TestEndsOfFilms(t *testing.T) {
	rng := rand.New(rand.NewPCG(14, 4))
	be := binary.BigEndian
	ftyp := box("ftyp", []byte("isom\x00\x00\x02\x00isomavc1"))
	sizes := []int{900, 40, 700, 333}
	const total = 900 + 40 + 700 + 333
	samples := ending(rng, total-1)
	says := func(b []byte, more int) []byte {
		b = bytes.Clone(b)
		if be.Uint32(b) == 1 {
			be.PutUint64(b[8:], be.Uint64(b[8:])+uint64(more))
		} else {
			be.PutUint32(b, be.Uint32(b)+uint32(more))
		}
		return b
	}
	mdat, wide := box("mdat", samples), wideBox("mdat", samples)
	index := func(at int, f film) []byte {
		f.at, f.sizes = at, sizes
		if f.format == "" {
			f.format = "avc1"
		}
		return movie(f)
	}
	n := len(index(0, film{}))
	first := func(parts ...[]byte) []byte {
		return join(append([][]byte{ftyp, index(len(ftyp)+n+8, film{})}, parts...)...)
	}
	firstWide := join(ftyp, index(len(ftyp)+n+16, film{}))
	last := join(ftyp, mdat, index(len(ftyp)+8, film{}))
	co64 := film{wide: true}
	pcm := film{format: "sowt", fixed: 4}
	zeros := func(n int) []byte { return make([]byte, n) }
	free := func(n int) []byte { return box("free", zeros(n)) }
	silence := join(ftyp, movie(film{format: "sowt", at: len(ftyp) + n + 8 - 4*4, sizes: make([]int, 10_000), fixed: 4}), box("mdat", []byte{1, 2, 3, 4}, zeros(39_996)))
	judge(t, []verdict{
		{"mdat.mp4", first(mdat), false},
		{"mdat, 8 too long.mp4", first(says(mdat, 8)), false},
		{"mdat, 16 too long, 64 bits.mp4", join(firstWide, says(wide, 16)), false},
		{"mdat, 8 too long, 64 bits in the index.mp4", join(ftyp, index(len(ftyp)+n+4+8, co64), says(mdat, 8)), false},
		{"mdat, 8 too long, plain sound.mp4", join(ftyp, movie(film{format: "sowt", at: len(ftyp) + n + 8 - 16, sizes: make([]int, 450), fixed: 4}), says(box("mdat", noise(rng, 1816)), 8)), false},
		{"a megabyte too long.mp4", first(says(mdat, 1<<20)), false},
		{"to the end.mp4", first(says(mdat, -len(mdat))), false},
		{"free, cut.mp4", first(mdat, free(4000)[:900]), false},
		{"free, 7 bytes.mp4", first(mdat, free(4000)[:7]), false},
		{"skip, too long.mp4", first(mdat, says(box("skip", zeros(90)), 10)), false},
		{"free, cut behind the index.mp4", join(last, free(4000)[:900]), false},
		{"free, skip and a UUID.mp4", join(last, free(40), box("skip", zeros(9)), box("uuid", noise(rng, 99))), false},
		{"free in the index.mp4", join(ftyp, mdat, says(index(len(ftyp)+8, film{}), 8+70_000), free(70_000)), false},
		{"an index that is padded with zeros.mp4", join(ftyp, mdat, says(index(len(ftyp)+8, film{}), 500), zeros(500)), false},
		{"silence.mp4", silence, false},

		{"mdat, 8 too long, a byte missing.mp4", first(says(mdat, 8))[:len(ftyp)+n+8+total-1], true},
		{"mdat, 64 bits, cut.mp4", join(firstWide, wide[:len(wide)-1]), true},
		{"plain sound, cut.mp4", join(ftyp, index(len(ftyp)+n+8, pcm), mdat[:len(mdat)-300]), false},
		{"free between two mdats, cut.mp4", join(ftyp, index(len(ftyp)+n+8+90, film{}), box("mdat", zeros(9)), free(4000)[:30]), true},
		{"a UUID, cut.mp4", join(last, box("uuid", noise(rng, 99))[:50]), true},
		{"fragments, free, cut.mp4", join(ftyp, movie(film{format: "avc1", fragments: true}), box("moof", box("mfhd", zeros(8))), mdat, free(400)[:90]), true},
		{"fragments, mdat too long.mp4", join(ftyp, movie(film{format: "avc1", fragments: true}), box("moof", box("mfhd", zeros(8))), says(mdat, 8)), true},
	})
	for cut := len(ftyp) + n; cut < len(ftyp)+n+8+total; cut += 7 {
		judge(t, []verdict{{"cut.mp4", first(says(mdat, 8))[:cut], true}})
	}
	for to := len(ftyp) + len(mdat); to < len(last)-4; to++ {
		judge(t, []verdict{{fmt.Sprintf("index is zeros from %d of %d.mp4", to, len(last)), filledUpTo(last, to), to < len(last)-4}})
	}
	whole := first(mdat)
	for to := len(ftyp) + n; to < len(whole)-sizes[3]; to += 3 {
		judge(t, []verdict{{"samples are zeros.mp4", filledUpTo(whole, to), true}})
	}
}

// TestHollowFragments shows that films without an index of their fragments are torn if their last samples are zeros.
func TestHollowFragments(t *testing.T) {
	rng := rand.New(rand.NewPCG(14, 7))
	be := binary.BigEndian
	ftyp := box("ftyp", []byte("iso5\x00\x00\x02\x00"))
	long := func(numbers ...int) (b []byte) {
		for _, n := range numbers {
			b = be.AppendUint32(b, uint32(n))
		}
		return b
	}
	made := func(format string, explicit bool) (head, whole []byte) {
		head = join(ftyp, movie(film{format: format, fragments: true}))
		for range 3 {
			tfhd := box("tfhd", long(0x020000|0x08|0x20, 1, 40, 0))
			if explicit {
				tfhd = box("tfhd", long(0x01|0x10, 1, 0, len(head), 700))
			}
			moof := func(n int) []byte {
				run := long(0x205, 3, n+8, 0, 700, 90, 700)
				if explicit {
					run = long(0x105, 3, n+8, 0, 40, 40, 40)
				}
				return box("moof", box("mfhd", long(0, 1)), box("traf", tfhd, box("trun", run)))
			}
			fragment := moof(len(moof(0)))
			total := 700 + 90 + 700
			if explicit {
				total = 3 * 700
			}
			head = join(head, fragment)
			whole = join(head, box("mdat", ending(rng, total-1)))
			head = whole
		}
		return head[:len(whole)-700], whole
	}
	for _, explicit := range []bool{false, true} {
		before, whole := made("avc1", explicit)
		_, sound := made("sowt", explicit)
		n := len(whole)
		judge(t, []verdict{
			{"whole.mp4", whole, false},
			{"20 zeros.mp4", filledUpTo(whole, n-20), false},
			{"no last fragment.mp4", filledUpTo(sound, n-3000), true},
			{"plain sound, silent at last.mp4", filledUpTo(sound, n-700), false},
			{"the last sample.mp4", filledUpTo(whole, len(before)), true},
			{"the last sample and more.mp4", filledUpTo(whole, len(before)-40), true},
		})
	}
}

// TestEndsOfPDF shows the verdicts on what programs, servers and people leave at the end of a PDF, and at its
// beginning.
func TestEndsOfPDF(t *testing.T) {
	const body = "%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj\n"
	const table = "xref\n0 2\n0000000000 65535 f \n0000000009 00000 n \ntrailer\n<</Size 2/Root 1 0 R>>\nstartxref\n"
	at := fmt.Sprint(len(body))
	whole := body + table + at + "\n%%EOF\n"
	stream := body + "2 0 obj\n<</Type/XRef/Size 3/W[1 2 1]/Root 1 0 R/Length 12>>\nstream\n000000000000\nendstream\nendobj\nstartxref\n"
	hybrid := strings.Replace(whole, "/Root", "/XRefStm 9/Root", 1)
	judge(t, []verdict{
		{"whole.pdf", []byte(whole), false},
		{"no marker.pdf", []byte(body + table + at + "\n"), false},
		{"no marker, no line end.pdf", []byte(body + table + at), false},
		{"no marker, line ends.pdf", []byte(body + table + at + "\r\n\r\n\r\n"), false},
		{"no marker, zeros.pdf", []byte(body + table + at + "\n" + strings.Repeat("\x00", 9000)), false},
		{"no marker, a web page.pdf", []byte(body + table + at + "\n<html>404</html>\n"), false},
		{"a table in a stream.pdf", []byte(stream + at + "\n%%EOF"), false},
		{"a table in a stream, no marker.pdf", []byte(stream + at + "\n"), false},
		{"both kinds of a table.pdf", []byte(hybrid), false},
		{"junk before, offsets from the header, no marker.pdf", []byte("\xef\xbb\xbf\r\n" + body + table + at + "\n"), false},
		{"an offset that leads nowhere.pdf", []byte(body + table + "7\n%%EOF\n"), false},
		{"an offset of the line end before it.pdf", []byte(body + table + fmt.Sprint(len(body)-1) + "\n"), false},
		{"words in a text.pdf", []byte(whole + "a log:\nxref\nstartxref 0\nendobj\nendstream\ntrailer\nobj\n12 0 objects\n1 obj\n"), false},
		{"words of a web page.pdf", []byte(whole + "<pre>\nxref\n</pre>\n<p>\nxref table\nstartxref\n</html>"), false},
		{"line ends.pdf", []byte(whole + strings.Repeat("\r\n", 9000)), false},
		{"zeros.pdf", []byte(whole + strings.Repeat("\x00", 90_000)), false},

		{"half a marker.pdf", []byte(body + table + at + "\n%%E"), true},
		{"half a marker, zeros.pdf", []byte(body + table + at + "\n%\x00\x00\x00\x00\x00"), true},
		{"no startxref.pdf", []byte(body + table[:len(table)-10]), true},
		{"no offset.pdf", []byte(body + table), true},
		{"an offset that is cut.pdf", []byte(body + table + at[:1]), true},
		{"an offset that leads nowhere, no marker.pdf", []byte(body + table + "7\n"), true},
		{"an offset that leads to an object without a table, no marker.pdf", []byte(body + table + "9\n"), true},
		{"an offset of zero, no marker.pdf", []byte(body + table + "0\n"), true},
		{"an update.pdf", []byte(whole + "2 0 obj\n<<"), true},
		{"an update's table.pdf", []byte(whole + "xref\n0 1"), true},
		{"an update's table by CR.pdf", []byte(whole + "\rxref\r0 1\r0000"), true},
		{"an update whose table is begun.pdf", []byte(whole + "xref"), true},
		{"an update, no marker, no offset.pdf", []byte(whole + "2 0 obj\n<<>>\nendobj\n" + table), true},
		{"another one embedded.pdf", []byte("%PDF-1.4\n1 0 obj\n<<>>stream\n" + whole + "endstream\nendobj\n"), true},
	})
}

// TestEndsOfPictures shows the verdicts on what is appended to JPEG and PNG files, and on a Samsung trailer instead of
// the EOI.
func TestEndsOfPictures(t *testing.T) {
	rng := rand.New(rand.NewPCG(14, 5))
	scan := photo(rng, 0xC0, nil)
	jpeg, png := append(bytes.Clone(scan), 0xFF, 0xD9), encodedPNG(rng, 60)
	sef := []byte("SEFH\x6b\x00\x00\x00\x00\x00\x00\x00\x0c\x00\x00\x00SEFT")
	film := join(box("ftyp", []byte("mp42\x00\x00\x00\x00")), box("mdat", ending(rng, 400_000)))
	large := photo(rng, 0xC0, nil, nil, nil, nil)
	json := []byte(strings.Repeat(`{"x": 0.25, "y": 0.75, "label": "caf`+"\u00e9"+`"}`+"\n", 30_000))
	judge(t, []verdict{
		{"a Samsung trailer, no end.jpg", join(scan, sef), false},
		{"a large Samsung trailer, no end.jpg", join(large, noise(rng, 900_000), sef), false},
		{"a Samsung trailer, no end, zeros.jpg", join(scan, sef, make([]byte, 9000)), false},
		{"a second picture.jpg", join(jpeg, jpeg), false},
		{"a film.jpg", join(jpeg, film), false},
		{"JSON.jpg", join(jpeg, json), false},
		{"JSON and a film.jpg", join(jpeg, json, film[:90_000]), false},
		{"a byte.png", join(png, []byte{10}), false},
		{"zeros.png", join(png, make([]byte, 70_000)), false},
		{"a film.png", join(png, film), false},

		{"no end.jpg", scan, true},
		{"no end, large.jpg", large, true},
		{"half a Samsung trailer, no end.jpg", join(scan, sef[:len(sef)-2]), true},
		{"no end.png", png[:len(png)-1], true},
	})
}

// TestLengthsOfZIP shows the verdicts on end records that do not agree with the file, and on what is appended to it.
func TestLengthsOfZIP(t *testing.T) {
	rng := rand.New(rand.NewPCG(14, 6))
	data, _ := archive(rng, false)
	n := len(data)
	le := binary.LittleEndian
	with := func(spoil func(record []byte), more ...[]byte) []byte {
		out := bytes.Clone(data)
		spoil(out[n-22:])
		return join(append([][]byte{out}, more...)...)
	}
	as := func([]byte) {}
	wide := zip64(data)
	judge(t, []verdict{
		{"a line end.docx", with(as, []byte("\r\n")), false},
		{"60 kB behind it.docx", with(as, ending(rng, 60_000)), false},
		{"a comment.docx", with(func(r []byte) { le.PutUint16(r[20:], 5) }, []byte("words")), false},
		{"a comment that is longer than it says.docx", with(func(r []byte) { le.PutUint16(r[20:], 5) }, []byte("words and more")), false},
		{"zeros.docx", with(as, make([]byte, 200_000)), false},
		{"64 bits.docx", wide, false},
		{"64 bits, zeros.docx", join(wide, make([]byte, 5000)), false},
		{"another number of disks.docx", with(func(r []byte) { le.PutUint32(r[4:], 0x00010001) }), false},
		{"another number of entries on this disk.docx", with(func(r []byte) { le.PutUint16(r[8:], 77) }), false},

		{"a comment that is cut.docx", with(func(r []byte) { le.PutUint16(r[20:], 50) }, []byte("words")), true},
		{"a directory that begins elsewhere.docx", with(func(r []byte) { le.PutUint32(r[16:], 1) }), true},
		{"no record.docx", data[:n-22], true},
		{"64 bits, cut.docx", wide[:len(wide)-1], true},
	})
}
