package shape_test

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/samples"
	"kaizala-drop/internal/shape"
)

// TestSamples shows what is told of the files of the demo.
func TestSamples(t *testing.T) {
	want := map[string]shape.Shape{
		"IMG_0412.JPG": {Width: 720, Height: 480}, "Baustelle Nord, Mittag.jpeg": {Width: 720, Height: 480}, "crane at dusk.jpg": {Width: 720, Height: 480},
		"walk round the site.mp4": {Width: 480, Height: 270, Duration: 2090 * time.Millisecond}, "gate.camera.3gpp": {Width: 176, Height: 144, Duration: 2090 * time.Millisecond},
		"floor plan.png": {Width: 720, Height: 460}, "door chime.wav": {Duration: 1800 * time.Millisecond}, "waiting melody.mp3": {Duration: 2429 * time.Millisecond},
	}
	for _, s := range append(samples.All(), samples.Unsupported()) {
		got, c := shapeOf(t, filepath.Ext(s.Name), bytes.NewReader(s.Bytes), int64(len(s.Bytes)))
		w := want[s.Name]
		if got.Width != w.Width || got.Height != w.Height || (got.Duration-w.Duration).Abs() > 100*time.Millisecond || (got.Duration == 0) != (w.Duration == 0) {
			t.Errorf("%s: %+v, want %+v", s.Name, got, w)
		}
		t.Logf("%-30s %d reads, %d of %d bytes", s.Name, c.reads, c.bytes, len(s.Bytes))
	}
}

// run makes a file with a program, and gives its content.
func run(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	need(t, "command -v "+program, "apt-get install ffmpeg sox lame imagemagick")
	out := filepath.Join(t.TempDir(), args[len(args)-1])
	args[len(args)-1] = out
	if said, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v: %s", program, args, err, said)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// replaced replaces the first old in data.
func replaced(t *testing.T, data []byte, old, new string) []byte {
	t.Helper()
	if len(old) != len(new) || !bytes.Contains(data, []byte(old)) {
		t.Fatalf("%q is not in %d bytes", old, len(data))
	}
	return bytes.Replace(data, []byte(old), []byte(new), 1)
}

// ffmpeg makes sound or a film of five seconds.
func ffmpeg(t *testing.T, args ...string) []byte {
	t.Helper()
	return run(t, "ffmpeg", slices.Concat([]string{"-nostdin", "-v", "error", "-f", "lavfi", "-i", "sine=d=5:r=48000"}, args)...)
}

// TestDoubtfulIsNotTold shows files of real programs that were changed so that a number in them is wrong: it is not told.
func TestDoubtfulIsNotTold(t *testing.T) {
	vorbis, opus := ffmpeg(t, "-c:a", "libvorbis", "a.ogg"), ffmpeg(t, "-c:a", "libopus", "a.ogg")
	mp3, aac := ffmpeg(t, "-q:a", "5", "a.mp3"), ffmpeg(t, "-c:a", "aac", "-f", "adts", "a.aac")
	m4a, flac := ffmpeg(t, "-c:a", "aac", "a.m4a"), ffmpeg(t, "a.flac")
	webm := ffmpeg(t, "-c:a", "libopus", "a.webm")
	at := bytes.Index(vorbis[100:], []byte("OggS")) + 100 // the second page
	var late []byte
	for i, page := range bytes.SplitAfter(bytes.ReplaceAll(vorbis, []byte("OggS"), []byte("\xffOggS")), []byte("\xff")) {
		page = bytes.TrimSuffix(page, []byte("\xff"))
		if i > 2 && len(page) > 14 {
			binary.LittleEndian.PutUint64(page[6:], binary.LittleEndian.Uint64(page[6:])+3600*48000)
		}
		late = append(late, page...)
	}
	mvhd := bytes.Index(m4a, []byte("mvhd"))
	for name, c := range map[string]struct {
		ext  string
		data []byte
	}{
		"two Ogg files one behind the other":  {".ogg", slices.Concat(opus, vorbis)},
		"the same with a short one behind":    {".ogg", slices.Concat(opus, ffmpeg(t, "-t", "0.3", "-c:a", "libvorbis", "a.ogg"))},
		"Ogg cut out of the midst of another": {".ogg", late},
		"Ogg with a torn last page":           {".ogg", vorbis[:len(vorbis)-9]},
		"Ogg without its first page":          {".ogg", vorbis[at:]},
		"AAC with a hole":                     {".aac", slices.Concat(aac[:len(aac)/2], make([]byte, 20_000), aac[len(aac)/2:])},
		"MP3 of varying bitrate with a hole":  {".mp3", slices.Concat(replaced(t, mp3, "Xing", "Xong"), make([]byte, 20_000), mp3[len(mp3)/2:])},
		"film longer than its tracks":         {".m4a", slices.Concat(m4a[:mvhd+16], []byte{0, 0, 0, 1}, m4a[mvhd+20:])},
		"film without a clock":                {".m4a", slices.Concat(m4a[:mvhd+16], []byte{0, 0, 0, 0, 0, 0, 0, 9}, bytes.ReplaceAll(m4a[mvhd+24:], []byte("mdhd"), []byte("free")))},
		"FLAC without its samples":            {".flac", slices.Concat(flac[:21], []byte{flac[21] & 0xF0, 0, 0, 0, 0}, flac[26:])},
		"MP3 with another name":               {".bin", mp3[bytes.Index(mp3, []byte("\xff\xfb")):]},
		"AAC with another name":               {".xyz", aac},
		"text that begins as a picture does":  {".txt", []byte("BMW and Audi, and other cars that we have had for years")},
		"a raw picture of a camera":           {".nef", run(t, "convert", "-size", "30x20", "xc:red", "a.tif")},
	} {
		if got, _ := shapeOf(t, c.ext, bytes.NewReader(c.data), int64(len(c.data))); got != (shape.Shape{}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for ext, data := range map[string][]byte{".ogg": vorbis, ".mp3": mp3, ".aac": aac, ".m4a": m4a, ".flac": flac, ".webm": webm, ".opus": opus} {
		if got, _ := shapeOf(t, ext, bytes.NewReader(data), int64(len(data))); (got.Duration - 5*time.Second).Abs() > 80*time.Millisecond {
			t.Errorf("%s: %v, want 5 s, so the cases above show nothing", ext, got.Duration)
		}
	}
}

// TestLiveMatroska shows that a film without its duration, or with one that cannot be, has that of its blocks: as browsers record
// it, with clusters of unknown length, cut, and cut out of a longer one.
func TestLiveMatroska(t *testing.T) {
	film := func(args ...string) []byte {
		return ffmpeg(t, slices.Concat([]string{"-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=5", "-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", "-cluster_time_limit", "500"}, args)...)
	}
	known, live := film("a.webm"), film("-live", "1", "a.webm")
	within := func(name string, data []byte, least, most time.Duration) {
		t.Helper()
		got, _ := shapeOf(t, ".webm", bytes.NewReader(data), int64(len(data)))
		if got.Width != 64 || got.Height != 48 || got.Duration < least || got.Duration > most {
			t.Errorf("%s: %+v, want 64 x 48, %v to %v", name, got, least, most)
		}
	}
	const least, most = 4900 * time.Millisecond, 5100 * time.Millisecond
	within("whole", known, least, most)
	within("live", live, least, most)
	within("cut", live[:len(live)*3/4], 3*time.Second, 4500*time.Millisecond)
	within("a number that cannot be", replaced(t, known, "\x44\x89\x88\x40", "\x44\x89\x88\x7F"), least, most)
	within("none", replaced(t, known, "\x44\x89\x88", "\xEC\x89\x88"), least, most)
	const id = "\x1F\x43\xB6\x75"
	unknown := bytes.Clone(live)
	for i := 0; bytes.Contains(unknown[i:], []byte(id)); {
		i += bytes.Index(unknown[i:], []byte(id)) + len(id)
		n := bits.LeadingZeros8(unknown[i]) + 1
		unknown[i] |= 1<<(8-n) - 1
		for j := 1; j < n; j++ {
			unknown[i+j] = 0xFF
		}
	}
	within("of unknown length", unknown, least, most)
	within("of unknown length, cut", unknown[:len(unknown)*3/4], 3*time.Second, 4500*time.Millisecond)
	clusters := bytes.SplitAfter(live, []byte(id))
	if len(clusters) < 5 {
		t.Fatalf("%d clusters show nothing", len(clusters))
	}
	within("cut out of a longer one", slices.Concat(clusters[0], slices.Concat(clusters[4:]...)), 2*time.Second, 4*time.Second)
}

// TestCountedByTheFramesThatAreThere shows that an MP3 that was cut, whose first frame counts more frames than there are, has the
// duration of those that are there.
func TestCountedByTheFramesThatAreThere(t *testing.T) {
	mp3 := run(t, "ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "anoisesrc=d=40:r=44100", "-q:a", "5", "a.mp3")
	got, _ := shapeOf(t, ".mp3", bytes.NewReader(mp3[:len(mp3)/2]), int64(len(mp3)/2))
	if got.Duration < 15*time.Second || got.Duration > 25*time.Second {
		t.Errorf("half of 40 s: %v", got.Duration)
	}
}

// TestWrongEndings shows that the content counts, not the name.
func TestWrongEndings(t *testing.T) {
	contents := map[string][]byte{
		"png": run(t, "convert", "-size", "31x21", "xc:red", "a.png"), "jpg": run(t, "convert", "-size", "31x21", "xc:red", "a.jpg"),
		"heic": run(t, "convert", "-size", "31x21", "xc:red", "a.heic"), "mp4": ffmpeg(t, "-c:a", "aac", "a.mp4"), "wav": ffmpeg(t, "a.wav"), "ogg": ffmpeg(t, "-c:a", "libvorbis", "a.ogg"),
		"tagged mp3": ffmpeg(t, "-metadata", "title=x", "-id3v2_version", "3", "a.mp3"),
	}
	for is, data := range contents {
		first, _ := shapeOf(t, "", bytes.NewReader(data), int64(len(data)))
		if first == (shape.Shape{}) {
			t.Errorf("%s: nothing is told", is)
		}
		for _, ext := range []string{".jpg", ".png", ".mp3", ".aac", ".mp4", ".tif", ".txt", ".PDF"} {
			if got, _ := shapeOf(t, ext, bytes.NewReader(data), int64(len(data))); got != first {
				t.Errorf("%s called %s: %+v, want %+v", is, ext, got, first)
			}
		}
	}
}

// TestPropertiesTurnHEIC shows that a HEIF picture is as wide as its properties say, in their order: ImageMagick sees the same.
func TestPropertiesTurnHEIC(t *testing.T) {
	heic := run(t, "convert", "-size", "322x202", "gradient:red-blue", "a.heic")
	i := bytes.Index(heic, []byte("pixi"))
	for angle := range byte(4) {
		turned := bytes.Clone(heic)
		copy(turned[i:], "irot")
		turned[i+4] = angle
		path := filepath.Join(t.TempDir(), "a.heic")
		if err := os.WriteFile(path, turned, 0o600); err != nil {
			t.Fatal(err)
		}
		want := shape.Shape{Width: ask(t, "convert", path, "-format", "%w", "info:"), Height: ask(t, "convert", path, "-format", "%h", "info:")}
		if (want.Width == 202) != (angle%2 == 1) {
			t.Fatalf("ImageMagick sees %+v", want)
		}
		if got, _ := shapeOf(t, ".heic", bytes.NewReader(turned), int64(len(turned))); got != want {
			t.Errorf("turned by %d: %+v, want %+v", angle, got, want)
		}
	}
}

// TestLargePNG shows that the EXIF behind the picture is found in a PNG of more chunks than are walked.
func TestLargePNG(t *testing.T) {
	png := run(t, "convert", "-size", "31x21", "xc:red", "-strip", "a.png")
	end := bytes.Index(png, []byte("IEND")) - 4
	many := bytes.Repeat([]byte("\x00\x00\x00\x04IDAT12345678"), 5000)
	exif := "\x00\x00\x00\x16eXIfMM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00CRC4"
	for name, c := range map[string]struct {
		data []byte
		want shape.Shape
	}{
		"none":     {slices.Concat(png[:end], many, png[end:]), shape.Shape{Width: 31, Height: 21}},
		"behind":   {slices.Concat(png[:end], many, []byte(exif), png[end:]), shape.Shape{Width: 21, Height: 31}},
		"in front": {slices.Concat(png[:33], []byte(exif), png[33:end], many, png[end:]), shape.Shape{Width: 21, Height: 31}},
	} {
		if got, _ := shapeOf(t, ".png", bytes.NewReader(c.data), int64(len(c.data))); got != c.want {
			t.Errorf("EXIF %s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestBehindMuchElse shows that what is told stays the same behind what cameras and phones write: large EXIF and previews in a
// JPEG, pictures of albums in ID3, text and colours in a PNG.
func TestBehindMuchElse(t *testing.T) {
	jpg, mp3 := run(t, "convert", "-size", "31x21", "xc:red", "a.jpg"), ffmpeg(t, "-b:a", "64k", "a.mp3")
	for range 40 { // 2.6 MB
		jpg = slices.Concat(jpg[:2], []byte{0xFF, 0xE2, 0xFF, 0xFF}, make([]byte, 0xFFFD), jpg[2:])
	}
	big := slices.Concat([]byte("ID3\x04\x00\x00\x02\x00\x00\x00"), make([]byte, 2<<21), mp3)
	png := run(t, "convert", "-size", "31x21", "xc:red", "a.png")
	text := slices.Concat([]byte{0, 0x20, 0, 0}, []byte("tEXt"), make([]byte, 0x200000+4))
	png = slices.Concat(png[:33], text, png[33:])
	for ext, data := range map[string][]byte{".jpg": jpg, ".png": png, ".mp3": big} {
		got, c := shapeOf(t, ext, bytes.NewReader(data), int64(len(data)))
		sound := strings.HasPrefix(ext, ".m") && (got.Duration-5*time.Second).Abs() < 80*time.Millisecond
		if !sound && (got.Width != 31 || got.Height != 21) || c.bytes > 300<<10 {
			t.Errorf("%s: %+v, %d bytes read", ext, got, c.bytes)
		}
	}
}
