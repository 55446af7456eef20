package shape_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"kaizala-drop/internal/shape"
)

// box makes a box of ISO/IEC 14496-12 with numbers of 16, 32 and 64 bits, bytes, and other boxes in it.
func box(kind string, content ...any) []byte {
	b := append(make([]byte, 4), kind...)
	for _, c := range content {
		switch c := c.(type) {
		case []byte:
			b = append(b, c...)
		case int:
			b = binary.BigEndian.AppendUint32(b, uint32(c))
		case uint16:
			b = binary.BigEndian.AppendUint16(b, c)
		case uint64:
			b = binary.BigEndian.AppendUint64(b, c)
		case byte:
			b = append(b, c)
		}
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

const one = 1 << 16

// matrix is the identity, turned by quarters to the right: 8.2.2.
func matrix(quarters int) []byte {
	m := [][4]int{{one, 0, 0, one}, {0, one, -one, 0}, {-one, 0, 0, -one}, {0, -one, one, 0}}[quarters]
	return box("", m[0], m[1], 0, m[2], m[3], 0, 0, 0, 1<<30)[4:]
}

func mvhd(rate, duration int, turned int) []byte {
	return box("mvhd", 0, 0, 0, rate, duration, one, make([]byte, 12), matrix(turned), make([]byte, 28))
}

func mvhdWide(rate int, duration uint64) []byte {
	return box("mvhd", 1<<24, uint64(0), uint64(0), rate, duration, one, make([]byte, 12), matrix(0), make([]byte, 28))
}

// track has a kind (vide, soun), a size and a turn. Its clock has 1,000 units in a second, and it lasts for five of them.
func track(id int, kind string, w, h, turned int, stsd ...any) []byte {
	return box("trak", box("tkhd", 7, 0, 0, id, 0, 0, make([]byte, 16), matrix(turned), w<<16, h<<16),
		box("mdia", box("mdhd", 0, 0, 0, 1000, 5000, 0), box("hdlr", 0, 0, []byte(kind), make([]byte, 13)), box("minf", box("stbl", stsd...))))
}

func trackWide(id, w, h int) []byte {
	return box("trak", box("tkhd", 1<<24|7, uint64(0), uint64(0), id, 0, uint64(0), make([]byte, 16), matrix(1), w<<16, h<<16),
		box("mdia", box("mdhd", 1<<24, uint64(0), uint64(0), 1000, uint64(5000), 0), box("hdlr", 0, 0, []byte("vide"), make([]byte, 13))))
}

// fragment begins at a time, if that is not negative, and has samples of each so many units.
func fragment(id, begin int, samples ...int) []byte {
	run := []any{1<<8 | 1, len(samples), 0}
	for _, s := range samples {
		run = append(run, s)
	}
	if begin < 0 {
		return slices.Concat(box("moof", box("mfhd", 0, 1), box("traf", box("tfhd", 0, id), box("trun", run...))), box("mdat", 1))
	}
	return slices.Concat(box("moof", box("mfhd", 0, 1), box("traf", box("tfhd", 0, id), box("tfdt", 1<<24, uint64(begin)), box("trun", run...))), box("mdat", 1))
}

// TestMovies shows what is told of films by every form of their boxes, and what is not.
func TestMovies(t *testing.T) {
	video := track(1, "vide", 640, 360, 0)
	mvex := box("mvex", box("trex", 0, 1, 1, 40, 0, 0), box("trex", 0, 2, 1, 20, 0, 0))
	empty := box("moov", mvhd(1000, 0, 0), video, track(2, "soun", 0, 0, 0), mvex)
	uniform := func(begin uint64, n int) []byte { // as long as trex says
		return slices.Concat(box("moof", box("mfhd", 0, 1), box("traf", box("tfhd", 1, 1, uint64(9)), box("tfdt", 1<<24, begin), box("trun", 0, n))), box("mdat", 1))
	}
	own := slices.Concat(box("moof", box("traf", box("tfhd", 0x0A, 1, 1, 50), box("tfdt", 0, 100), box("trun", 0, 10))), box("mdat", 1))
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	for name, c := range map[string]struct {
		data []byte
		want shape.Shape
	}{
		"plain":                  {box("moov", mvhd(600, 3000, 0), video), shape.Shape{Width: 640, Height: 360, Duration: seconds(5)}},
		"turned":                 {box("moov", mvhd(600, 3000, 0), track(1, "vide", 640, 360, 1)), shape.Shape{Width: 360, Height: 640, Duration: seconds(5)}},
		"turned back":            {box("moov", mvhd(600, 3000, 0), track(1, "vide", 640, 360, 3)), shape.Shape{Width: 360, Height: 640, Duration: seconds(5)}},
		"upside down":            {box("moov", mvhd(600, 3000, 0), track(1, "vide", 640, 360, 2)), shape.Shape{Width: 640, Height: 360, Duration: seconds(5)}},
		"all of it turned":       {box("moov", mvhd(600, 3000, 1), video), shape.Shape{Width: 360, Height: 640, Duration: seconds(5)}},
		"turned twice":           {box("moov", mvhd(600, 3000, 1), track(1, "vide", 640, 360, 3)), shape.Shape{Width: 640, Height: 360, Duration: seconds(5)}},
		"64 bits":                {box("moov", mvhdWide(600, 3000), trackWide(1, 640, 360)), shape.Shape{Width: 360, Height: 640, Duration: seconds(5)}},
		"sound":                  {box("moov", mvhd(600, 3000, 0), track(1, "soun", 0, 0, 0)), shape.Shape{Duration: seconds(5)}},
		"the size of a subtitle": {box("moov", mvhd(600, 3000, 0), track(1, "text", 640, 60, 0)), shape.Shape{Duration: seconds(5)}},
		"the larger one":         {box("moov", mvhd(600, 3000, 0), track(1, "vide", 64, 36, 0), video, track(3, "vide", 100, 60, 0)), shape.Shape{Width: 640, Height: 360, Duration: seconds(5)}},
		"duration of a track":    {box("moov", mvhd(600, 0, 0), video), shape.Shape{Width: 640, Height: 360, Duration: seconds(5)}},
		"duration unknown":       {box("moov", mvhd(600, -1, 0), video), shape.Shape{Width: 640, Height: 360, Duration: seconds(5)}},
		"cut by an edit list":    {box("moov", mvhd(600, 600, 0), video), shape.Shape{Width: 640, Height: 360, Duration: seconds(1)}},
		"an hour of 5 seconds":   {box("moov", mvhd(1, 3600, 0), video), shape.Shape{Width: 640, Height: 360}},
		"size of the samples": {box("moov", mvhd(600, 3000, 0), track(1, "vide", 0, 0, 0, box("stsd", 0, 1, box("avc1", make([]byte, 24), uint16(320), uint16(180), make([]byte, 50))))),
			shape.Shape{Width: 320, Height: 180, Duration: seconds(5)}},
		"fragments":                {slices.Concat(empty, fragment(1, 0, 100, 200), fragment(1, 300, 1000, 700)), shape.Shape{Width: 640, Height: 360, Duration: seconds(2)}},
		"fragments, sound longer":  {slices.Concat(empty, fragment(1, 0, 100, 200), fragment(2, 0, 3000), fragment(1, 300, 1000)), shape.Shape{Width: 640, Height: 360, Duration: seconds(3)}},
		"fragments of a live film": {slices.Concat(empty, fragment(1, 9_000_000, 100, 200), fragment(1, 9_000_300, 1700)), shape.Shape{Width: 640, Height: 360, Duration: seconds(2)}},
		"fragments without times":  {slices.Concat(empty, fragment(1, -1, 100, 200), fragment(1, -1, 1000)), shape.Shape{Width: 640, Height: 360}},
		"fragments of one length":  {slices.Concat(empty, uniform(0, 25), uniform(1000, 50)), shape.Shape{Width: 640, Height: 360, Duration: seconds(3)}},
		"a length of their own":    {slices.Concat(empty, own), shape.Shape{Width: 640, Height: 360, Duration: seconds(0.5)}},
		"fragments behind a film":  {slices.Concat(box("moov", mvhd(1000, 5000, 0), video, mvex), fragment(1, 5000, 1000)), shape.Shape{Width: 640, Height: 360, Duration: seconds(6)}},
		"fragments that never end": {slices.Concat(empty, uniform(0, -1), uniform(1<<62, -1)), shape.Shape{Width: 640, Height: 360}},
		"an index alone":           {empty, shape.Shape{Width: 640, Height: 360}},
	} {
		data := slices.Concat(box("ftyp", []byte("isom"), 0), c.data)
		if got, _ := shapeOf(t, ".mp4", bytes.NewReader(data), int64(len(data))); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestPictures shows what is told of HEIF pictures by the properties of the primary one.
func TestPictures(t *testing.T) {
	ispe := func(w, h int) []byte { return box("ispe", 0, w, h) }
	clap := func(w, n, h, m int) []byte { return box("clap", w, n, h, m, 0, 1, 0, 1) }
	irot := func(quarters byte) []byte { return box("irot", quarters) }
	heif := func(pitm, ipma []byte, properties ...any) []byte {
		return slices.Concat(box("ftyp", []byte("heic"), 0), box("meta", 0, box("hdlr", 0, 0, []byte("pict"), make([]byte, 13)), pitm, box("iprp", box("ipco", properties...), ipma)))
	}
	first := box("pitm", 0, uint16(1))
	for name, c := range map[string]struct {
		data []byte
		want shape.Shape
	}{
		"plain":                        {heif(first, box("ipma", 0, 1, uint16(1), byte(1), byte(1)), ispe(640, 480)), shape.Shape{Width: 640, Height: 480}},
		"turned":                       {heif(first, box("ipma", 0, 1, uint16(1), byte(2), byte(1), byte(0x82)), ispe(640, 480), irot(3)), shape.Shape{Width: 480, Height: 640}},
		"mirrored":                     {heif(first, box("ipma", 0, 1, uint16(1), byte(2), byte(1), byte(0x82)), ispe(640, 480), box("imir", byte(1))), shape.Shape{Width: 640, Height: 480}},
		"cut":                          {heif(first, box("ipma", 0, 1, uint16(1), byte(2), byte(1), byte(0x82)), ispe(640, 480), clap(639, 1, 957, 2)), shape.Shape{Width: 639, Height: 478}},
		"cut, then turned":             {heif(first, box("ipma", 0, 1, uint16(1), byte(3), byte(1), byte(0x82), byte(0x83)), ispe(640, 480), clap(600, 1, 400, 1), irot(1)), shape.Shape{Width: 400, Height: 600}},
		"a smaller one beside it":      {heif(first, box("ipma", 0, 2, uint16(2), byte(1), byte(2), uint16(1), byte(1), byte(1)), ispe(640, 480), ispe(64, 48)), shape.Shape{Width: 640, Height: 480}},
		"the other is primary":         {heif(box("pitm", 0, uint16(2)), box("ipma", 0, 2, uint16(1), byte(1), byte(1), uint16(2), byte(1), byte(2)), ispe(640, 480), ispe(64, 48)), shape.Shape{Width: 64, Height: 48}},
		"long numbers":                 {heif(box("pitm", 1<<24, 70_000), box("ipma", 1<<24|1, 1, 70_000, byte(1), uint16(0x8001)), ispe(640, 480)), shape.Shape{Width: 640, Height: 480}},
		"cut to nothing":               {heif(first, box("ipma", 0, 1, uint16(1), byte(2), byte(1), byte(2)), ispe(640, 480), clap(1, 0, 1, 1)), shape.Shape{}},
		"a property that is not there": {heif(first, box("ipma", 0, 1, uint16(1), byte(1), byte(9)), ispe(640, 480)), shape.Shape{}},
		"no primary":                   {heif(nil, box("ipma", 0, 1, uint16(1), byte(1), byte(1)), ispe(640, 480)), shape.Shape{}},
		"larger than can be":           {heif(first, box("ipma", 0, 1, uint16(1), byte(1), byte(1)), ispe(1<<31, 480)), shape.Shape{}},
	} {
		if got, _ := shapeOf(t, ".heic", bytes.NewReader(c.data), int64(len(c.data))); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
