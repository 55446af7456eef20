package shape_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/shape"
)

// ebml makes an element of Matroska, with a length of eight bytes.
func ebml(id uint32, content ...[]byte) []byte {
	b := slices.Concat(content...)
	head := bytes.TrimLeft(binary.BigEndian.AppendUint32(nil, id), "\x00")
	return slices.Concat(head, []byte{1}, binary.BigEndian.AppendUint64(nil, uint64(len(b)))[1:], b)
}

func ebmlNumber(id uint32, n uint16) []byte {
	return ebml(id, binary.BigEndian.AppendUint16(nil, n))
}

// TestMatroskaSizes shows which of its sizes a video track is shown with.
func TestMatroskaSizes(t *testing.T) {
	const width, height, wide, high, unit, top, left, projection, roll = 0xB0, 0xBA, 0x54B0, 0x54BA, 0x54B2, 0x54BB, 0x54CC, 0x7670, 0x7675
	pixels := slices.Concat(ebmlNumber(width, 720), ebmlNumber(height, 576))
	turn := func(degrees float32) []byte {
		return ebml(projection, ebml(roll, binary.BigEndian.AppendUint32(nil, math.Float32bits(degrees))))
	}
	for name, c := range map[string]struct {
		video [][]byte
		want  shape.Shape
	}{
		"pixels":                  {nil, shape.Shape{Width: 720, Height: 576}},
		"pixels of the display":   {[][]byte{ebmlNumber(wide, 1024), ebmlNumber(high, 576)}, shape.Shape{Width: 1024, Height: 576}},
		"a ratio":                 {[][]byte{ebmlNumber(wide, 16), ebmlNumber(high, 9), ebmlNumber(unit, 3)}, shape.Shape{Width: 1024, Height: 576}},
		"centimetres":             {[][]byte{ebmlNumber(wide, 40), ebmlNumber(high, 30), ebmlNumber(unit, 1)}, shape.Shape{Width: 768, Height: 576}},
		"a unit that is unknown":  {[][]byte{ebmlNumber(wide, 40), ebmlNumber(high, 30), ebmlNumber(unit, 4)}, shape.Shape{Width: 720, Height: 576}},
		"cut":                     {[][]byte{ebmlNumber(top, 76), ebmlNumber(left, 20)}, shape.Shape{Width: 700, Height: 500}},
		"cut to nothing":          {[][]byte{ebmlNumber(top, 5760)}, shape.Shape{}},
		"turned":                  {[][]byte{turn(-90)}, shape.Shape{Width: 576, Height: 720}},
		"turned by three":         {[][]byte{turn(270)}, shape.Shape{Width: 576, Height: 720}},
		"upside down":             {[][]byte{turn(180)}, shape.Shape{Width: 720, Height: 576}},
		"turned by what is none":  {[][]byte{turn(float32(math.NaN()))}, shape.Shape{Width: 720, Height: 576}},
		"a number of eight bytes": {[][]byte{ebml(wide, make([]byte, 8))}, shape.Shape{Width: 720, Height: 576}},
	} {
		track := ebml(0xAE, ebml(0xE0, append([][]byte{pixels}, c.video...)...))
		small := ebml(0xAE, ebml(0xE0, ebmlNumber(width, 72), ebmlNumber(height, 57)))
		data := slices.Concat(ebml(0x1A45DFA3, []byte("x")), ebml(0x18538067, ebml(0x1654AE6B, small, track, small)))
		if name == "cut to nothing" {
			data = slices.Concat(ebml(0x1A45DFA3, []byte("x")), ebml(0x18538067, ebml(0x1654AE6B, track)))
		}
		if got, _ := shapeOf(t, ".mkv", bytes.NewReader(data), int64(len(data))); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// frames are n frames of MPEG-1 layer III, 44,100 Hz, of 128 kbit/s and 417 bytes, or of the bitrate with that index.
func frames(n int, bitrate ...byte) []byte {
	var all []byte
	for i := range n {
		size, index := 417, byte(9)
		if len(bitrate) > 0 && i%2 == 1 {
			index = bitrate[0]
			size = 144 * []int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128}[index] * 1000 / 44100
		}
		all = append(all, append([]byte{0xFF, 0xFB, index << 4, 0x40}, make([]byte, size-4)...)...)
	}
	return all
}

// TestSoundByHand shows sound in forms for which no program is at hand: counted as Fraunhofer's encoder does it, with tags
// behind it, of AMR-WB, and long enough that the bitrate is looked at in some places alone.
func TestSoundByHand(t *testing.T) {
	const each = 1152 * time.Second / 44100
	ape := func(header bool) []byte {
		foot := slices.Concat([]byte("APETAGEX\xD0\x07\x00\x00"), []byte{0x20 + 100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 8))
		b := slices.Concat(make([]byte, 100), foot)
		if header {
			foot[23] = 0x80
			b = slices.Concat(foot, make([]byte, 100), foot)
		}
		return b
	}
	id3 := append([]byte("TAG"), make([]byte, 125)...)
	vbri := frames(100)
	copy(vbri[36:], slices.Concat([]byte("VBRI\x00\x01\x00\x00\x00\x00"), binary.BigEndian.AppendUint32(nil, uint32(len(vbri))), binary.BigEndian.AppendUint32(nil, 77)))
	wide := append([]byte("#!AMR-WB\n"), bytes.Repeat(append([]byte{3<<3 | 4}, make([]byte, 36)...), 100)...)
	for name, c := range map[string]struct {
		ext  string
		data []byte
		want time.Duration
	}{
		"a few frames":              {".mp3", frames(50), 50 * each},
		"one frame":                 {".mp3", frames(1), each},
		"ID3 behind":                {".mp3", slices.Concat(bytes.Repeat(frames(1), 5000), id3), 5000 * each},
		"APE behind":                {".mp3", slices.Concat(bytes.Repeat(frames(1), 5000), ape(false)), 5000 * each},
		"APE with a header, ID3":    {".mp3", slices.Concat(bytes.Repeat(frames(1), 5000), ape(true), id3), 5000 * each},
		"many frames":               {".mp3", bytes.Repeat(frames(1), 50_000), 50_000 * each},
		"of two bitrates":           {".mp3", bytes.Repeat(frames(2, 5), 10_000), 20_000 * each},
		"of two bitrates, too long": {".mp3", bytes.Repeat(frames(2, 8), 70_000), 0},
		"VBRI":                      {".mp3", vbri, 77 * each},
		"VBRI of what is not there": {".mp3", vbri[:len(vbri)-10_000], 76 * each},
		"behind zeros":              {".mp3", slices.Concat(make([]byte, 5000), frames(50)), 50 * each},
		"AMR-WB":                    {".awb", wide, 2 * time.Second},
		"AMR-WB with a hole":        {".awb", slices.Concat(wide[:9+37*20], bytes.Repeat([]byte{0xFF}, 20_000), wide[9+37*20:]), 0},
		"AMR of several channels":   {".amr", append([]byte("#!AMR_MC1.0\n"), make([]byte, 100)...), 0},
		"a free bitrate":            {".mp3", bytes.Repeat(append([]byte{0xFF, 0xFB, 0x00, 0x40}, make([]byte, 400)...), 100), 0},
	} {
		got, _ := shapeOf(t, c.ext, bytes.NewReader(c.data), int64(len(c.data)))
		if (got.Duration-c.want).Abs() > c.want/400+each || got.Width != 0 {
			t.Errorf("%s: %+v, want %v", name, got, c.want)
		}
	}
}

// panicking is a file whose reads panic, as a mistake in a decoder does.
type panicking struct{}

func (panicking) ReadAt([]byte, int64) (int, error) { panic("a mistake") }

// TestMistakesStopNothing shows that what panics in there is nothing told, and a preview that could not be made.
func TestMistakesStopNothing(t *testing.T) {
	if s := shape.Of(panicking{}, 1000, ".jpg"); s != (shape.Shape{}) {
		t.Errorf("%+v", s)
	}
	p, err := shape.NewPreviewer().Make(t.Context(), panicking{}, 1000)
	if p != nil || err == nil || !strings.Contains(err.Error(), "a mistake") {
		t.Errorf("%v, %v", p, err)
	}
	jpg := asJPEG(t, quarters(30, 20))
	if s := shape.Of(bytes.NewReader(jpg), int64(len(jpg)), ".jpg"); s != (shape.Shape{Width: 30, Height: 20}) {
		t.Errorf("%+v", s)
	}
}
