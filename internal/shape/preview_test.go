package shape_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kaizala-drop/internal/shape"
)

// corners are the colours of a picture's quarters: upper left, upper right, lower left, lower right.
func corners() [4]color.RGBA {
	return [4]color.RGBA{{220, 30, 30, 255}, {30, 200, 30, 255}, {30, 30, 220, 255}, {230, 220, 40, 255}}
}

// quarters is a picture of four colours.
func quarters(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i, c := range corners() {
		x, y := i%2*(w/2), i/2*(h/2)
		draw.Draw(m, image.Rect(x, y, w, h), image.NewUniform(c), image.Point{}, draw.Src)
	}
	return m
}

func asJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asPNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// preview makes the preview of data, and asserts what holds of each: that it fits, and is what it says.
func preview(t testing.TB, data []byte) (*shape.Preview, image.Image, error) {
	t.Helper()
	p, err := shape.PreviewUnguarded(t.Context(), bytes.NewReader(data), int64(len(data)))
	if p == nil || err != nil {
		if p != nil && err != nil {
			t.Fatalf("a preview of %d bytes, and %v", len(p.Bytes), err)
		}
		return nil, nil, err
	}
	m, format, err := image.Decode(bytes.NewReader(p.Bytes))
	if err != nil {
		t.Fatal(err)
	}
	if b := m.Bounds(); b.Dx() != p.Width || b.Dy() != p.Height || p.Width > 800 || p.Height > 600 || "image/"+format != p.MIME {
		t.Fatalf("%v, %s; the preview says %d x %d, %s", b, format, p.Width, p.Height, p.MIME)
	}
	return p, m, nil
}

func near(a, b color.Color, most int) bool {
	ar, ag, ab, aa := a.RGBA()
	br, bg, bb, ba := b.RGBA()
	for _, d := range []int{int(ar) - int(br), int(ag) - int(bg), int(ab) - int(bb), int(aa) - int(ba)} {
		if max(d, -d) > most<<8 {
			return false
		}
	}
	return true
}

// TestPreviewIsUpright shows for all EXIF orientations, as exiftool writes them, that a preview has its corners where a person
// sees them, and that nothing of the EXIF is in it.
func TestPreviewIsUpright(t *testing.T) {
	need(t, "command -v exiftool", "apt-get install libimage-exiftool-perl")
	// which corner of the stored picture is seen upper left, upper right, lower left, lower right: EXIF 2.32, 4.6.4
	seen := [][4]int{1: {0, 1, 2, 3}, 2: {1, 0, 3, 2}, 3: {3, 2, 1, 0}, 4: {2, 3, 0, 1}, 5: {0, 2, 1, 3}, 6: {2, 0, 3, 1}, 7: {3, 1, 2, 0}, 8: {1, 3, 0, 2}}
	dir := t.TempDir()
	stored := map[string][]byte{"jpg": asJPEG(t, quarters(1001, 701)), "png": asPNG(t, quarters(1001, 701))}
	for turn := 1; turn <= 8; turn++ {
		if !thorough() && turn != 1 && turn != 6 && turn != 7 {
			continue
		}
		for ext, data := range stored {
			if err := os.WriteFile(fmt.Sprintf("%s/%d.%s", dir, turn, ext), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		exiftool := exec.CommandContext(t.Context(), "exiftool", "-q", "-q", "-overwrite_original", "-n", fmt.Sprintf("-Orientation=%d", turn),
			"-GPSLatitude=12.5", "-GPSLatitudeRef=N", "-Make=SecretCamera", "-Comment=SecretWords", fmt.Sprintf("%s/%d.jpg", dir, turn), fmt.Sprintf("%s/%d.png", dir, turn))
		if out, err := exiftool.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for ext := range stored {
			data, err := os.ReadFile(fmt.Sprintf("%s/%d.%s", dir, turn, ext))
			if err != nil || !bytes.Contains(data, []byte("SecretCamera")) {
				t.Fatalf("%d.%s: %v, or exiftool wrote no EXIF", turn, ext, err)
			}
			p, m, err := preview(t, data)
			if err != nil {
				t.Fatal(err)
			}
			want := image.Pt(800, 560)
			if turn > 4 {
				want = image.Pt(420, 600)
			}
			if p.Width != want.X || p.Height != want.Y {
				t.Errorf("%s turned by %d: %d x %d, want %v", ext, turn, p.Width, p.Height, want)
			}
			for i, at := range []image.Point{{}, {p.Width - 1, 0}, {0, p.Height - 1}, {p.Width - 1, p.Height - 1}} {
				if got, want := m.At(at.X, at.Y), corners()[seen[turn][i]]; !near(got, want, 12) {
					t.Errorf("%s turned by %d, corner %d: %v, want %v", ext, turn, i, got, want)
				}
			}
			for _, word := range []string{"Exif", "eXIf", "Secret", "GPS"} {
				if bytes.Contains(p.Bytes, []byte(word)) {
					t.Errorf("%s turned by %d: %q is in the preview", ext, turn, word)
				}
			}
		}
	}
}

// thorough reports whether all must be tried: by hand, and under the race detector, it takes too long.
func thorough() bool { return os.Getenv("KAIZALA_DROP_CI") != "" && !raceEnabled }

// TestPreviewLooksLikeThePicture shows that previews of every kind of JPEG and PNG differ little from what ImageMagick makes of
// them, and that only those that let something shine through are PNG.
func TestPreviewLooksLikeThePicture(t *testing.T) {
	need(t, "command -v convert", "apt-get install imagemagick")
	dir := t.TempDir()
	kinds := map[string][]string{
		"plain.jpg": nil, "progressive.jpg": {"-interlace", "JPEG"}, "gray.jpg": {"-colorspace", "gray"}, "cmyk.jpg": {"-colorspace", "CMYK"},
		"full.jpg": {"-sampling-factor", "1x1"}, "half.jpg": {"-sampling-factor", "2x1"}, "plain.png": nil, "interlaced.png": {"-interlace", "PNG"},
		"deep.png": {"-depth", "16"}, "gray.png": {"-colorspace", "gray"}, "palette.png": {"-colors", "64"}, "one-bit.png": {"-monochrome"},
		"shining.png":         {"-alpha", "set", "-channel", "A", "-evaluate", "set", "50%", "+channel"},
		"shining-palette.png": {"-fuzz", "30%", "-transparent", "gray50", "-colors", "16"},
	}
	base := waves(t, dir, 837, 1173)
	for name, args := range kinds {
		if !thorough() && name != "plain.jpg" && name != "shining.png" {
			continue
		}
		path := filepath.Join(dir, name)
		args = append([]string{base}, append(args, path)...)
		if out, err := exec.CommandContext(t.Context(), "convert", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		p, m, err := preview(t, data)
		if err != nil || p == nil {
			t.Fatalf("%s: %v", name, err)
		}
		if p.Width != 428 || p.Height != 600 || (p.MIME == "image/png") != strings.HasPrefix(name, "shining") {
			t.Errorf("%s: %d x %d, %s", name, p.Width, p.Height, p.MIME)
		}
		other := filepath.Join(dir, "other.png")
		if out, err := exec.CommandContext(t.Context(), "convert", path, "-colorspace", "sRGB", "-filter", "box", "-resize", "428x600!", "PNG32:"+other).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		file, err := os.ReadFile(other)
		if err != nil {
			t.Fatal(err)
		}
		want, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		d := apart(m, want)
		if t.Logf("%-20s differs by %.1f of 255 on average", name, d); d > 9 {
			t.Errorf("%s: differs by %.1f of 255 on average", name, d)
		}
	}
}

// waves gives the name of a PNG with smooth colours.
func waves(t *testing.T, dir string, w, h int) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			at := func(a, b float64) uint8 { return uint8(127 + 100*math.Sin(float64(x)/a+float64(y)/b)) }
			m.SetRGBA(x, y, color.RGBA{at(31, 57), at(-77, 43), at(19, -113), 255})
		}
	}
	path := filepath.Join(dir, "waves.png")
	if err := os.WriteFile(path, asPNG(t, m), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// apart is by how much the channels of two pictures differ on average.
func apart(a, b image.Image) float64 {
	sum := 0.0
	size := a.Bounds()
	n := 0
	for y := 0; y < size.Dy(); y += 3 {
		for x := 0; x < size.Dx(); x += 3 {
			n++
			p, q := color.NRGBAModel.Convert(a.At(x, y)).(color.NRGBA), color.NRGBAModel.Convert(b.At(x, y)).(color.NRGBA)
			for _, d := range []int{int(p.R) - int(q.R), int(p.G) - int(q.G), int(p.B) - int(q.B), int(p.A) - int(q.A)} {
				sum += float64(max(d, -d))
			}
		}
	}
	return sum / float64(4*n)
}

// TestPreviewSizes shows what has a preview, and of which size, and that no pixel at an edge is left out.
func TestPreviewSizes(t *testing.T) {
	for _, c := range []struct{ w, h, wide, high int }{
		{800, 800, 0, 0}, {799, 20, 0, 0}, {1, 1, 0, 0}, {801, 10, 800, 10}, {10, 801, 7, 600}, {801, 801, 600, 600}, {1600, 1200, 800, 600},
		{1599, 1199, 800, 600}, {3001, 2003, 800, 534}, {2003, 3001, 400, 600}, {12000, 2, 800, 1}, {2, 12000, 1, 600}, {803, 599, 800, 597},
	} {
		m := image.NewRGBA(image.Rect(0, 0, c.w, c.h))
		draw.Draw(m, m.Rect, image.NewUniform(color.RGBA{90, 160, 200, 255}), image.Point{}, draw.Src)
		for _, data := range [][]byte{asPNG(t, m), asJPEG(t, m)} {
			p, small, err := preview(t, data)
			switch {
			case err != nil:
				t.Errorf("%d x %d: %v", c.w, c.h, err)
			case p == nil && c.wide > 0, p != nil && (p.Width != c.wide || p.Height != c.high):
				t.Errorf("%d x %d: %+v, want %d x %d", c.w, c.h, p, c.wide, c.high)
			case p != nil && p.MIME != "image/jpeg":
				t.Errorf("%d x %d: %s, so an edge was left out", c.w, c.h, p.MIME)
			case p != nil:
				for y := range p.Height {
					for x := 0; x < p.Width; x += max(1, min(7, p.Width-1-x)) {
						if !near(small.At(x, y), color.RGBA{90, 160, 200, 255}, 4) {
							t.Fatalf("%d x %d: %v at %d, %d", c.w, c.h, small.At(x, y), x, y)
						}
					}
				}
			}
		}
	}
}

// turned gives a JPEG an EXIF orientation (EXIF 2.32, 4.5.4 and 4.6.4).
func turned(data []byte, by byte) []byte {
	tiff := []byte{'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, by, 0, 0, 0, 0, 0, 0}
	segment := append([]byte{0xff, 0xe1, 0, byte(2 + 6 + len(tiff)), 'E', 'x', 'i', 'f', 0, 0}, tiff...)
	return slices.Concat(data[:2], segment, data[2:])
}

// TestSmallPicturesHaveAPreviewIfTheyAreTurned shows that a picture of at most 800 pixels has one, as large as itself where that fits,
// if and only if its EXIF turns it.
func TestSmallPicturesHaveAPreviewIfTheyAreTurned(t *testing.T) {
	for _, c := range []struct {
		w, h       int
		by         byte
		wide, high int
	}{
		{480, 300, 0, 0, 0}, {480, 300, 1, 0, 0}, {480, 300, 9, 0, 0}, // 9 is none of the eight
		{480, 300, 2, 480, 300}, {480, 300, 3, 480, 300}, {480, 300, 6, 300, 480}, {480, 300, 8, 300, 480}, {800, 800, 6, 600, 600}, {1, 1, 6, 1, 1},
	} {
		m := quarters(c.w, c.h)
		p, small, err := preview(t, turned(asJPEG(t, m), c.by))
		switch {
		case err != nil:
			t.Errorf("%d x %d turned by %d: %v", c.w, c.h, c.by, err)
		case p == nil && c.wide > 0, p != nil && (p.Width != c.wide || p.Height != c.high):
			t.Errorf("%d x %d turned by %d: %+v, want %d x %d", c.w, c.h, c.by, p, c.wide, c.high)
		case c.by == 6 && c.w > 1 && !near(small.At(p.Width-5, 5), corners()[0], 12):
			t.Errorf("%d x %d turned by %d: %v is upper right", c.w, c.h, c.by, small.At(p.Width-5, 5))
		}
	}
	if p, _, err := preview(t, turned([]byte("\xff\xd8\xff\xd9"), 6)); p != nil || err != nil {
		t.Errorf("a picture without a frame: %v, %v", p, err)
	}
}

// withFrame gives a JPEG another frame header: marker C0 to CF, size.
func withFrame(data []byte, marker byte, w, h int) []byte {
	data = bytes.Clone(data)
	i := bytes.Index(data, []byte{0xFF, 0xC0, 0, 17})
	data[i+1] = marker
	binary.BigEndian.PutUint16(data[i+5:], uint16(h))
	binary.BigEndian.PutUint16(data[i+7:], uint16(w))
	return data
}

// withHeader gives a PNG another size and another way of interlacing.
func withHeader(data []byte, w, h uint32, interlaced byte) []byte {
	data = bytes.Clone(data)
	binary.BigEndian.PutUint32(data[16:], w)
	binary.BigEndian.PutUint32(data[20:], h)
	data[28] = interlaced
	return data
}

// TestPreviewRefuses shows that pictures which would take too much memory are refused by their headers, before anything is
// decoded, and that broken ones go without a preview.
func TestPreviewRefuses(t *testing.T) {
	photo, drawing := asJPEG(t, quarters(900, 700)), asPNG(t, quarters(900, 700))
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"PNG of 60000 x 60000":        {withHeader(drawing, 60000, 60000, 0), "to decode 60000 x 60000 pixels takes"},
		"PNG of a million squared":    {withHeader(drawing, 1<<20, 1<<20, 0), "MiB of memory, 96 are allowed"},
		"interlaced PNG":              {withHeader(drawing, 4000, 4000, 1), "takes 122 MiB"},
		"JPEG of 65535 x 65535":       {withFrame(photo, 0xC0, 65535, 65535), "MiB of memory, 96 are allowed"},
		"progressive JPEG":            {withFrame(photo, 0xC2, 5000, 3000), "takes 107 MiB"},
		"arithmetic JPEG":             {withFrame(photo, 0xC9, 900, 700), "no decoder"},
		"lossless JPEG":               {withFrame(photo, 0xC3, 900, 700), "no decoder"},
		"JPEG cut in its scan":        {photo[:len(photo)-len(photo)/3], ""},
		"PNG cut in its pixels":       {drawing[:len(drawing)-len(drawing)/3], ""},
		"PNG whose header is changed": {withHeader(drawing, 900, 701, 0), "checksum"},
		"JPEG without its picture":    {append(photo[:len(photo)/3:len(photo)/3], 0xFF, 0xD9), ""},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p, _, err := preview(t, c.data)
		runtime.ReadMemStats(&after)
		if p != nil || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, %v; want %q", name, p, err, c.says)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
			t.Errorf("%s: took %d bytes", name, took)
		}
	}
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "half a header of a JPEG": photo[:40], "half a header of a PNG": drawing[:20],
		"GIF": append([]byte("GIF89a\xff\xff\xff\xff"), make([]byte, 20)...), "JPEG without a height": withFrame(photo, 0xC0, 900, 0),
		"PNG of no size": withHeader(drawing, 0, 900, 0), "PNG of no sane size": withHeader(drawing, 1<<31-1, 1<<31-1, 0),
	} {
		if p, _, err := preview(t, data); p != nil || err != nil {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}

// TestPreviewMemory shows that what decoding takes is not more than was told from the header, with 16 MiB for the rest.
func TestPreviewMemory(t *testing.T) {
	need(t, "command -v convert", "apt-get install imagemagick")
	dir := t.TempDir()
	base := waves(t, dir, 1401, 901)
	for name, args := range map[string][]string{
		"plain.jpg": nil, "progressive.jpg": {"-interlace", "JPEG"}, "full-progressive.jpg": {"-interlace", "JPEG", "-sampling-factor", "1x1"},
		"cmyk.jpg": {"-colorspace", "CMYK"}, "gray.jpg": {"-colorspace", "gray"}, "odd.jpg": {"-sampling-factor", "4x1"}, "rgb.jpg": {"-set", "colorspace", "RGB", "-colorspace", "RGB"},
		"plain.png": nil, "interlaced.png": {"-interlace", "PNG"}, "gray.png": {"-colorspace", "gray"}, "palette.png": {"-colors", "64"},
		"deep.png": {"-depth", "16", "-define", "png:bit-depth=16"}, "deep-interlaced.png": {"-interlace", "PNG", "-define", "png:bit-depth=16"},
		"masked.png": {"-colorspace", "gray", "-transparent", "black"},
	} {
		if !thorough() && name != "plain.jpg" && name != "shining.png" {
			continue
		}
		path := filepath.Join(dir, name)
		if out, err := exec.CommandContext(t.Context(), "convert", append([]string{base}, append(args, path)...)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bound := shape.MemoryOf(bytes.NewReader(data), int64(len(data)))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p, err := shape.PreviewUnguarded(t.Context(), bytes.NewReader(data), int64(len(data)))
		runtime.ReadMemStats(&after)
		if err != nil || p == nil {
			t.Fatalf("%s: %v", name, err)
		}
		took := int64(after.TotalAlloc - before.TotalAlloc)
		t.Logf("%-22s told %3d MiB, took %3d MiB", name, bound>>20, took>>20)
		if took > bound+16<<20 || bound > shape.MaxMemory {
			t.Errorf("%s: took %d bytes, told %d", name, took, bound)
		}
	}
}

// hook is a file that does something before each read.
type hook struct {
	io.ReaderAt
	reads int
	do    func(n int) error
}

func (h *hook) ReadAt(b []byte, off int64) (int, error) {
	h.reads++
	if err := h.do(h.reads); err != nil {
		return 0, err
	}
	return h.ReaderAt.ReadAt(b, off)
}

// TestPreviewEndsWithItsContext shows that a preview is given up when its context ends, at whatever read, with the reason of the
// context, and that nothing is read afterwards.
func TestPreviewEndsWithItsContext(t *testing.T) {
	for ext, data := range map[string][]byte{"jpg": asJPEG(t, noise(1200, 900)), "png": asPNG(t, noise(850, 500))} {
		all := &hook{ReaderAt: bytes.NewReader(data), do: func(int) error { return nil }}
		if p, err := shape.PreviewUnguarded(t.Context(), all, int64(len(data))); err != nil || p == nil {
			t.Fatal(err)
		}
		if all.reads < 20 {
			t.Fatalf("%s: %d reads show nothing", ext, all.reads)
		}
		for _, at := range []int{1, 2, all.reads / 2, all.reads - 1, all.reads} {
			why := errors.New("enough")
			ctx, cancel := context.WithCancelCause(t.Context())
			h := &hook{ReaderAt: bytes.NewReader(data), do: func(n int) error {
				if n == at {
					cancel(why)
				}
				return nil
			}}
			p, err := shape.PreviewUnguarded(ctx, h, int64(len(data)))
			if p != nil || !errors.Is(err, why) {
				t.Errorf("%s, ended at read %d of %d: %v, %v", ext, at, all.reads, p, err)
			}
			if h.reads > at {
				t.Errorf("%s, ended at read %d: %d reads", ext, at, h.reads)
			}
		}
	}
}

// TestPreviewTakesAMinute shows that a preview is given up after a minute, without anybody's context.
func TestPreviewTakesAMinute(t *testing.T) {
	data := asJPEG(t, noise(1200, 900)) // some 40 reads
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		slow := &hook{ReaderAt: bytes.NewReader(data), do: func(int) error { time.Sleep(3 * time.Second); return nil }}
		p, err := shape.NewPreviewer().Make(t.Context(), slow, int64(len(data)))
		if p != nil || err == nil || err.Error() != "make a preview: it took more than 1m0s" || time.Since(start) > 63*time.Second {
			t.Errorf("%v, %v after %v", p, err, time.Since(start))
		}
	})
}

// TestPreviewsBesideAHangingDisk shows that files whose disk hangs keep only their own memory: small pictures have previews beside
// them, and one that needs more than is left goes without, after 20 seconds.
func TestPreviewsBesideAHangingDisk(t *testing.T) {
	small := asJPEG(t, noise(1200, 900))
	large := withFrame(small, 0xC0, 8000, 5000) // its header alone is read before it has its memory
	synctest.Test(t, func(t *testing.T) {
		maker, heals := shape.NewPreviewer(), make(chan struct{})
		var hung sync.WaitGroup
		hung.Go(func() {
			hangs := &hook{ReaderAt: bytes.NewReader(large), do: func(n int) error {
				if n > 6 {
					<-heals
				}
				return nil
			}}
			if p, err := maker.Make(t.Context(), hangs, int64(len(large))); p != nil || err == nil {
				t.Errorf("a picture that hung for minutes: %v, %v", p, err)
			}
		})
		synctest.Wait()
		start := time.Now()
		if p, err := maker.Make(t.Context(), bytes.NewReader(small), int64(len(small))); p == nil || err != nil || time.Since(start) > 0 {
			t.Errorf("a small one: %v, %v after %v", p, err, time.Since(start))
		}
		p, err := maker.Make(t.Context(), bytes.NewReader(large), int64(len(large)))
		if p != nil || err == nil || err.Error() != "make a preview: other pictures took all memory for 20s" || time.Since(start) != 20*time.Second {
			t.Errorf("a large one: %v, %v after %v", p, err, time.Since(start))
		}
		close(heals)
		hung.Wait()
		if p, err = maker.Make(t.Context(), bytes.NewReader(small), int64(len(small))); p == nil || err != nil {
			t.Errorf("when all is over: %v, %v", p, err)
		}
	})
}

// TestPreviewOfADiskThatFails shows that a failed read is the reason why there is no preview.
func TestPreviewOfADiskThatFails(t *testing.T) {
	data := asJPEG(t, noise(1200, 900))
	broken := errors.New("broken disk")
	for at := 8; at < 40; at += 5 {
		h := &hook{ReaderAt: bytes.NewReader(data), do: func(n int) error {
			if n == at {
				return broken
			}
			return nil
		}}
		if p, err := shape.PreviewUnguarded(t.Context(), h, int64(len(data))); p != nil && h.reads >= at || p == nil && err == nil {
			t.Errorf("read %d fails: %v, %v", at, p, err)
		}
	}
}

// noise is a picture that cannot be compressed much.
func noise(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	n := uint32(1)
	for i := range m.Pix {
		n = n*1664525 + 1013904223
		m.Pix[i] = byte(n >> 24)
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	return m
}
