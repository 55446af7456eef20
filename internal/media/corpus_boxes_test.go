package media_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"unicode/utf16"
)

func crc(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

func box(kind string, content ...[]byte) []byte {
	all := bytes.Join(content, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(all))), kind...), all...)
}

func wideBox(kind string, content []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, 1)
	b = append(b, kind...)
	return append(binary.BigEndian.AppendUint64(b, uint64(16+len(content))), content...)
}

// film is what a moov box says of one track.
type film struct {
	format    string
	at        int   // where its samples begin, in one chunk
	sizes     []int // the sizes of the samples
	fixed     int   // the size of every sample, if not 0
	wide      bool  // offsets of 64 bits
	fragments bool
}

// movie is the moov box of a film with such tracks.
func movie(tracks ...film) []byte {
	be := binary.BigEndian
	long := func(numbers ...int) []byte {
		var b []byte
		for _, n := range numbers {
			b = be.AppendUint32(b, uint32(n))
		}
		return b
	}
	children := [][]byte{box("mvhd", make([]byte, 96), long(len(tracks)+1))}
	for i, f := range tracks {
		stco := box("stco", long(0, 1, f.at))
		if f.wide {
			stco = box("co64", long(0, 1, 0, f.at))
		}
		sizes, n := long(f.sizes...), len(f.sizes)
		if f.fixed > 0 {
			sizes = nil
		}
		table := box("stbl", box("stsd", long(0, 1), box(f.format, make([]byte, 78))), box("stts", long(0, 1, n, 1)),
			box("stsc", long(0, 1, 1, n, 1)), box("stsz", long(0, f.fixed, n), sizes), stco)
		if f.fragments {
			table = box("stbl", box("stsd", long(0, 1), box(f.format, make([]byte, 78))), box("stts", long(0, 0)),
				box("stsc", long(0, 0)), box("stsz", long(0, 0, 0)), box("stco", long(0, 0)))
			children = append(children, box("mvex", box("trex", long(0, i+1, 1, 0, 0, 0))))
		}
		children = append(children, box("trak", box("tkhd", long(3, 0, 0, i+1), make([]byte, 68)),
			box("mdia", box("mdhd", make([]byte, 24)), box("hdlr", make([]byte, 24), []byte("x")),
				box("minf", box("vmhd", make([]byte, 12)), box("dinf", box("dref", long(0, 1), box("url ", long(1)))), table))))
	}
	return box("moov", children...)
}

func mp4File(rng *rand.Rand) specimen {
	ftyp := box("ftyp", []byte("isom\x00\x00\x02\x00isomiso2avc1mp41"))
	sizes := make([]int, 1+rng.IntN(200))
	total := 0
	for i := range sizes {
		sizes[i] = 1 + rng.IntN(600)
		total += sizes[i]
	}
	media := ending(rng, total-1)
	mdat := box("mdat", media)
	if rng.IntN(3) == 0 {
		mdat = wideBox("mdat", media)
	}
	sp := specimen{ext: ".mp4"}
	moovAt := func(media int) []byte { return movie(film{format: "avc1", at: media, sizes: sizes}) }
	size := len(moovAt(0))
	from := func(n int) { sp.passes = append(sp.passes, span{n, len(sp.data)}) }
	switch rng.IntN(5) {
	case 0:
		sp.style = "moov first"
		moov := moovAt(len(ftyp) + size + 8 + len(mdat) - total)
		sp.data = bytes.Join([][]byte{ftyp, moov, box("free"), mdat}, nil)
	case 1:
		sp.style = "moov last"
		sp.data = bytes.Join([][]byte{ftyp, box("free"), mdat, moovAt(len(ftyp) + len(mdat) + 8 - total)}, nil)
		sp.sure = len(sp.data) - 3 // the last offset in it
	case 2:
		sp.style = "to the end"
		binary.BigEndian.PutUint32(mdat, 0)
		mdat = append(mdat[:4:4], append([]byte("mdat"), media...)...)
		sp.data = bytes.Join([][]byte{ftyp, moovAt(len(ftyp) + size + 8), mdat}, nil)
		from(len(ftyp) + size + 8)
		return sp
	default:
		return fragmentedMP4(rng, append(ftyp, movie(film{format: "avc1", fragments: true})...))
	}
	end := len(sp.data)
	switch rng.IntN(3) {
	case 0:
		sp.style += ", free last"
		sp.data = append(sp.data, box("free", make([]byte, 40+rng.IntN(4000)))...)
		from(end)
	case 1:
		sp.style += ", trailer"
		sp.data = append(sp.data, append([]byte{0xF0, 0, 0, 1, 0x80, 2, 3, 4}, ending(rng, 3000)...)...)
		from(end)
	}
	return sp
}

func fragmentedMP4(rng *rand.Rand, data []byte) specimen {
	sp := specimen{ext: ".mp4", style: "fragmented", data: data}
	for range 1 + rng.IntN(30) {
		if rng.IntN(10) == 0 {
			sp.data = append(sp.data, box("sidx", noise(rng, 40))...)
			if n := len(sp.passes); n > 0 {
				sp.passes = append(sp.passes, span{len(sp.data), len(sp.data) + 1})
			}
		}
		sp.data = append(sp.data, box("moof", box("mfhd", make([]byte, 8)), noise(rng, rng.IntN(400)))...)
		sp.data = append(sp.data, box("mdat", ending(rng, rng.IntN(3000)))...)
		sp.passes = append(sp.passes, span{len(sp.data), len(sp.data) + 1})
	}
	end := len(sp.data)
	switch rng.IntN(6) {
	case 0:
		sp.style = "fragmented, padded"
		sp.data = append(sp.data, make([]byte, 4+rng.IntN(100_000))...)
		sp.passes = append(sp.passes, span{end + 4, len(sp.data)})
	case 1:
		sp.style = "fragmented, trailer"
		sp.data = append(sp.data, append([]byte("\r\n\x00\x00"), ending(rng, 20)...)...)
		sp.passes = append(sp.passes, span{end, len(sp.data)})
	case 2, 3, 4:
		sp.style = "fragmented, mfra"
		entries := noise(rng, 100)
		size := binary.BigEndian.AppendUint32(nil, uint32(8+8+len(entries)+16))
		sp.sure = len(sp.data) + 8
		sp.data = append(sp.data, box("mfra", box("tfra", entries), box("mfro", make([]byte, 4), size))...)
	}
	return sp
}

func riffChunk(id string, data []byte) []byte {
	b := append(binary.LittleEndian.AppendUint32([]byte(id), uint32(len(data))), data...)
	return append(b, make([]byte, len(data)%2)...)
}

func wavFile(rng *rand.Rand) specimen {
	le := binary.LittleEndian
	body := []byte("WAVE")
	sp := specimen{ext: ".wav"}
	if rng.IntN(3) == 0 {
		body = append(body, riffChunk("bext", noise(rng, rng.IntN(700)))...)
	}
	body = append(body, riffChunk("fmt ", []byte("\x01\x00\x01\x00\x11\x2b\x00\x00\x22\x56\x00\x00\x02\x00\x10\x00"))...)
	if rng.IntN(2) == 0 {
		body = append(body, riffChunk("LIST", append([]byte("INFOISFT"), noise(rng, rng.IntN(41))...))...)
	}
	sound := noise(rng, 1+rng.IntN(50_000))
	at := 8 + len(body) // of the data chunk, in the file
	body = append(body, riffChunk("data", sound)...)
	last := len(sound)
	if rng.IntN(3) == 0 {
		last = 10 + rng.IntN(300)
		body = append(body, riffChunk("id3 ", noise(rng, last))...)
	}
	sp.data = append(le.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
	n := len(sp.data)
	pad := span{n - last%2, n}
	silent := at + 8 + len(sound) // where the sound ends, before its padding byte and what comes after
	between := span{silent, silent + len(sound)%2 + 1}
	switch rng.IntN(7) {
	case 0, 1:
		sp.style, sp.passes = "plain", []span{pad, between}
	case 2:
		sp.style, sp.passes = "with a trailer", []span{{n - last%2, n + 100}, between}
		sp.data = append(sp.data, noise(rng, 100)...)
	case 3:
		sp.style, sp.passes = "of unknown length", []span{{at + 8, n}}
		unknown := []uint32{0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF024, 0x80000024}[rng.IntN(5)]
		le.PutUint32(sp.data[4:], unknown)
		le.PutUint32(sp.data[at+4:], unknown)
	case 4:
		sp.style, sp.passes = "of known sound", []span{{at + 8 + len(sound), n}}
		le.PutUint32(sp.data[4:], 0xFFFFFFFF)
	case 5: // the length of the file in the header
		sp.style, sp.passes = "8 too many", []span{pad, between}
		le.PutUint32(sp.data[4:], uint32(n))
	case 6:
		const ds64 = 8 + 28
		sp.style, sp.passes = "RF64", []span{{pad.from + ds64, pad.to + ds64}, {between.from + ds64, between.to + ds64}}
		sizes := le.AppendUint64(nil, uint64(len(body)+ds64))
		sizes = append(le.AppendUint64(sizes, uint64(len(sound))), make([]byte, 12)...)
		le.PutUint32(sp.data[at+4:], 0xFFFFFFFF)
		sp.data = bytes.Join([][]byte{[]byte("RF64\xff\xff\xff\xffWAVE"), riffChunk("ds64", sizes), sp.data[12:]}, nil)
		if rng.IntN(2) == 0 {
			copy(sp.data, "BW64")
		}
	}
	return sp
}

const (
	freeSector  = 0xFFFFFFFF
	endOfChain  = 0xFFFFFFFE
	fatSector   = 0xFFFFFFFD
	difatSector = 0xFFFFFFFC
)

// compoundFile lays out what an Office program would: streams, a mini stream with its table, the directory, the FAT.
func compoundFile(rng *rand.Rand) specimen {
	var parts []part
	for range 1 + rng.IntN(5) {
		parts = append(parts, part{"stream", ending(rng, 4096+rng.IntN(40_000))})
	}
	if rng.IntN(2) == 0 {
		parts = append(parts, part{"mini", ending(rng, 64*(1+rng.IntN(100))-1)}, part{kind: "minifat"})
		parts[len(parts)-1].data = miniTable(len(parts[len(parts)-2].data) / 64)
	}
	parts = append(parts, part{kind: "dir"})
	rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return layOut(parts, layout{
		shift:    9 + 3*uint(rng.IntN(2)),
		fatFirst: rng.IntN(2) == 0,
		short:    rng.IntN(2) == 0,
		free:     rng.IntN(4),
	})
}

// miniTable is a mini FAT of the given number of sectors, all in one chain.
func miniTable(sectors int) []byte {
	var b []byte
	for i := range sectors {
		b = binary.LittleEndian.AppendUint32(b, uint32(i+1))
	}
	copy(b[len(b)-4:], "\xfe\xff\xff\xff")
	return b
}

type part struct {
	kind string
	data []byte
}

type layout struct {
	shift           uint
	fatFirst, short bool // the FAT before all else; the last sector not padded
	free            int  // sectors at the end
	spare           int  // FAT sectors for more of them
}

// layOut numbers the sectors of the parts, and of the FAT with its DIFAT, in the order in which they are written.
func layOut(parts []part, how layout) specimen {
	sector := 1 << how.shift
	c := compoundWriter{shift: how.shift, sector: sector}
	used := 0
	for i, p := range parts {
		if p.kind == "dir" { // its length is known before its content
			parts[i].data = make([]byte, c.sectors(128*(1+len(parts)))*sector)
		}
		used += c.sectors(len(parts[i].data))
	}
	for c.fats = 1 + how.spare; c.fats*sector/4 < used+c.fats+c.difats; c.fats++ {
		c.difats = (max(0, c.fats+1-109) + sector/4 - 2) / (sector/4 - 1)
	}
	own := part{"fat", make([]byte, (c.fats+c.difats)*sector)}
	if how.fatFirst {
		c.parts = append([]part{own}, parts...)
	} else {
		c.parts = append(parts[:len(parts):len(parts)], own)
	}
	c.number()
	data, need := c.header(), 0
	c.fillTable(data)
	c.fillDirectory(data)
	for _, p := range c.parts {
		whole := c.sectors(len(p.data)) * sector
		need = len(data) + len(p.data)
		if p.kind == "minifat" { // a table has whole sectors
			need = len(data) + whole
		}
		data = append(append(data, p.data...), make([]byte, whole-len(p.data))...)
	}
	if how.short {
		data = data[:need]
	} else {
		data = append(data, make([]byte, how.free*sector)...)
	}
	return specimen{ext: ".doc", style: fmt.Sprintf("sectors of %d", sector), data: data, passes: []span{{need, len(data)}}}
}

type compoundWriter struct {
	shift        uint
	sector       int
	fats, difats int
	parts        []part
	starts       []int // first sectors of the parts
	fat          []uint32
}

func (c *compoundWriter) sectors(n int) int { return (n + c.sector - 1) / c.sector }

// number gives each part its sectors, one after the other, and fills the FAT.
func (c *compoundWriter) number() {
	c.fat = slices.Repeat([]uint32{freeSector}, c.fats*c.sector/4)
	at := 0
	for _, p := range c.parts {
		c.starts = append(c.starts, at)
		n := c.sectors(len(p.data))
		for i := range n {
			switch {
			case p.kind == "fat" && i < c.fats:
				c.fat[at] = fatSector
			case p.kind == "fat":
				c.fat[at] = difatSector
			case i == n-1:
				c.fat[at] = endOfChain
			default:
				c.fat[at] = uint32(at + 1)
			}
			at++
		}
	}
}

func (c *compoundWriter) header() []byte {
	le, header := binary.LittleEndian, make([]byte, c.sector)
	copy(header, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	for off, v := range map[int]uint16{24: 0x3E, 26: uint16(c.shift / 3), 28: 0xFFFE, 30: uint16(c.shift), 32: 6} {
		le.PutUint16(header[off:], v)
	}
	for off, v := range map[int]int{44: c.fats, 56: 4096, 60: endOfChain, 68: endOfChain, 72: c.difats} {
		le.PutUint32(header[off:], uint32(v))
	}
	for i := 76; i < 512; i += 4 {
		le.PutUint32(header[i:], freeSector)
	}
	return header
}

// fillTable writes the FAT, and the places of its sectors into the header and into DIFAT sectors behind it.
func (c *compoundWriter) fillTable(header []byte) {
	le := binary.LittleEndian
	i := slices.IndexFunc(c.parts, func(p part) bool { return p.kind == "fat" })
	first, out := c.starts[i], c.parts[i].data[:0]
	for _, v := range c.fat {
		out = le.AppendUint32(out, v)
	}
	for j := range min(c.fats, 109) {
		le.PutUint32(header[76+4*j:], uint32(first+j))
	}
	if c.difats > 0 {
		le.PutUint32(header[68:], uint32(first+c.fats))
	}
	next := 109
	for d := range c.difats {
		for range c.sector/4 - 1 {
			v := uint32(freeSector)
			if next < c.fats {
				v = uint32(first + next)
				next++
			}
			out = le.AppendUint32(out, v)
		}
		link := uint32(first + c.fats + d + 1)
		if d == c.difats-1 {
			link = endOfChain
		}
		out = le.AppendUint32(out, link)
	}
}

func (c *compoundWriter) fillDirectory(header []byte) {
	root := directoryEntry("Root Entry", 5, endOfChain, 0)
	var rest, dir []byte
	for i, p := range c.parts {
		switch start := uint32(c.starts[i]); p.kind {
		case "stream":
			rest = append(rest, directoryEntry("Stream", 2, start, len(p.data))...)
		case "book":
			rest = append(rest, directoryEntry("Workbook", 2, start, len(p.data))...)
		case "mini":
			root = directoryEntry("Root Entry", 5, start, len(p.data))
		case "minifat":
			binary.LittleEndian.PutUint32(header[60:], start)
			binary.LittleEndian.PutUint32(header[64:], uint32(c.sectors(len(p.data))))
		case "dir":
			binary.LittleEndian.PutUint32(header[48:], start)
			dir = p.data
		}
	}
	copy(dir, append(root, rest...))
	if len(rest) > 0 { // the root's child, and then each one's right sibling
		binary.LittleEndian.PutUint32(dir[76:], 1)
	}
	for i := 2; i <= len(rest)/128; i++ {
		binary.LittleEndian.PutUint32(dir[(i-1)*128+72:], uint32(i))
	}
}

func directoryEntry(name string, kind byte, start uint32, size int) []byte {
	le, e := binary.LittleEndian, make([]byte, 128)
	for i, u := range utf16.Encode([]rune(name)) {
		le.PutUint16(e[2*i:], u)
	}
	le.PutUint16(e[64:], uint16(2*len(name)+2))
	e[66], e[67] = kind, 1
	for _, off := range []int{68, 72, 76} {
		le.PutUint32(e[off:], freeSector)
	}
	le.PutUint32(e[116:], start)
	le.PutUint64(e[120:], uint64(size))
	return e
}
