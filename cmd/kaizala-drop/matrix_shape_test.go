package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kaizala-drop/internal/matrix/dendritetest"
)

// painted is a picture with a red left half and a blue right one.
func painted(width, height int) image.Image {
	p := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.RGBA{R: 200, A: 255}
			if x >= width/2 {
				c = color.RGBA{B: 200, A: 255}
			}
			p.SetRGBA(x, y, c)
		}
	}
	return p
}

// turnedJPEG is a JPEG of that many pixels, which a camera has marked as to be turned to the right (EXIF orientation 6).
func turnedJPEG(t *testing.T, width, height int) string {
	t.Helper()
	var b bytes.Buffer
	must(t, jpeg.Encode(&b, painted(width, height), nil))
	exif := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00")
	head := binary.BigEndian.AppendUint16([]byte("\xff\xd8\xff\xe1"), uint16(len(exif)+2))
	return string(head) + string(exif) + string(b.Bytes()[2:])
}

func drawing(t *testing.T, width, height int) string {
	t.Helper()
	var b bytes.Buffer
	must(t, png.Encode(&b, painted(width, height)))
	return b.String()
}

// looks is what an event says of how its file looks; 0: nothing.
type looks struct{ w, h, duration, small float64 }

// lookOf gives what an event says, small being the width of its thumbnail.
func lookOf(e dendritetest.Event) (l looks, thumbnail map[string]any) {
	about, _ := e.Content["info"].(map[string]any)
	thumbnail, _ = about["thumbnail_info"].(map[string]any)
	number := func(of map[string]any, key string) float64 { n, _ := of[key].(float64); return n }
	return looks{number(about, "w"), number(about, "h"), number(about, "duration"), number(thumbnail, "w")}, thumbnail
}

// TestMatrixShowsHowFilesLook: pictures say their size after the turn, sounds and films how long they are, and large and turned pictures
// come with a small one that is upright; what cannot be told is not told, and no file is held up for it.
func TestMatrixShowsHowFilesLook(t *testing.T) {
	t.Parallel()
	w := newMatrixWorld(t, dendritetest.Options{}, "", "all")
	seed := func(name string) string {
		content, err := os.ReadFile(filepath.Join("../../internal/shape/testdata/seeds", name))
		must(t, err)
		return string(content)
	}
	large := turnedJPEG(t, 1600, 1200)
	drops := map[string]struct {
		content string
		want    looks
	}{
		"camera.jpg":      {large, looks{1200, 1600, 0, 450}},
		"camera small.jp": {turnedJPEG(t, 640, 480), looks{}},                 // no picture by its name
		"camera 640.jpeg": {turnedJPEG(t, 640, 480), looks{480, 640, 0, 450}}, // small, and turned
		"plan.PNG":        {drawing(t, 1800, 200), looks{1800, 200, 0, 800}},
		"broken.jpg":      {large[:2000] + strings.Repeat("\xff\xff\xff\x00", 300) + "\xff\xd9", looks{1200, 1600, 0, 0}},
		"picture.gif":     {seed("picture.gif"), looks{33, 21, 0, 0}},
		"picture.webp":    {seed("picture.webp"), looks{21, 33, 0, 0}},
		"picture.heic":    {seed("picture.heic"), looks{}}, // clients do not show it as a picture
		"sound.ogg":       {seed("sound.ogg"), looks{0, 0, 1000, 0}},
		"sound.flac":      {seed("sound.flac"), looks{0, 0, 200, 0}},
		"plain.mp4":       {seed("plain.mp4"), looks{32, 24, 1000, 0}},
		"film.mkv":        {seed("film.mkv"), looks{32, 24, 1128, 0}},
		"no film.mkv":     {"\x1a\x45\xdf\xa3 and more of it", looks{}},
	}
	p := w.daemon()
	for name, d := range drops {
		w.drop("all", name, d.content)
	}
	w.filed("all", len(drops))
	for _, e := range w.shown("all") {
		name, _ := e.Content["filename"].(string)
		got, thumbnail := lookOf(e)
		want := drops[name].want
		if near := func(a, b float64) bool { return a-b < 100 && b-a < 100 }; near(got.duration, want.duration) && (got.duration > 0) == (want.duration > 0) {
			got.duration = want.duration // frames of sound do not end exactly there
		}
		if w.sumOf(e) != digest(drops[name].content) || got != want {
			t.Errorf("%s looks like %+v, want %+v: %v", name, got, want, e.Content)
		}
		if thumbnail != nil {
			w.compareThumbnail(e, thumbnail, strings.HasPrefix(name, "camera"))
		}
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// compareThumbnail reads back a thumbnail of what painted gives, and looks at its colours. If it was turned, red is above.
func (w *matrixWorld) compareThumbnail(e dendritetest.Event, says map[string]any, turned bool) {
	w.t.Helper()
	about, _ := e.Content["info"].(map[string]any)
	mxc, _ := about["thumbnail_url"].(string)
	content, mime := w.reader.Download(mxc)
	small, _, err := image.Decode(bytes.NewReader(content))
	if err != nil {
		w.t.Fatalf("%v: %v", e.Content, err)
	}
	size := small.Bounds()
	if mime != says["mimetype"] || float64(len(content)) != says["size"] || float64(size.Dx()) != says["w"] || float64(size.Dy()) != says["h"] {
		w.t.Errorf("the thumbnail has %s, %d bytes and %v, and the event says %v", mime, len(content), size, says)
	}
	first, last := small.At(size.Dx()/4, size.Dy()/2), small.At(size.Dx()*3/4, size.Dy()/2)
	if turned {
		first, last = small.At(size.Dx()/2, size.Dy()/4), small.At(size.Dx()/2, size.Dy()*3/4)
	}
	if red, _, _, _ := first.RGBA(); red < 0x8000 {
		w.t.Errorf("%v: the first half is %v", e.Content["filename"], first)
	}
	if _, _, blue, _ := last.RGBA(); blue < 0x8000 {
		w.t.Errorf("%v: the second half is %v", e.Content["filename"], last)
	}
}

// TestMatrixWithoutThumbnails: thumbnails = false makes none; a homeserver that refuses one gets the picture without it; and one that
// answers nothing to it gets both once more.
func TestMatrixWithoutThumbnails(t *testing.T) {
	t.Parallel()
	picture := turnedJPEG(t, 1600, 1200)
	isSmall := func(r *http.Request) bool { return strings.HasPrefix(r.URL.Query().Get("filename"), "thumbnail of ") }
	for name, c := range map[string]struct {
		setting string
		want    float64                                                       // width of the thumbnail
		answer  func(w *matrixWorld, rw http.ResponseWriter, r *http.Request) // to the first thumbnail
	}{
		"off": {"false", 0, nil},
		"refused": {"true", 0, func(_ *matrixWorld, rw http.ResponseWriter, _ *http.Request) {
			http.Error(rw, `{"errcode":"M_TOO_LARGE","error":"no"}`, http.StatusRequestEntityTooLarge)
		}},
		"lost": {"true", 450, func(w *matrixWorld, _ http.ResponseWriter, r *http.Request) { w.lose(r, true) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newMatrixWorld(t, dendritetest.Options{}, "", "all")
			text, err := os.ReadFile(w.config)
			must(t, err)
			must(t, os.WriteFile(w.config, []byte(strings.Replace(string(text), "[defaults]", "thumbnails = "+c.setting+"\n[defaults]", 1)), 0o600))
			asked := 0
			w.between(func(rw http.ResponseWriter, r *http.Request) bool {
				if !isSmall(r) {
					return false
				}
				if asked++; asked > 1 || c.answer == nil {
					return false
				}
				c.answer(w, rw, r)
				return true
			})
			p := w.daemon()
			w.drop("all", "camera.jpg", picture)
			w.filed("all", 1)
			events := w.shown("all")
			if len(events) != 1 {
				t.Fatalf("%d messages", len(events))
			}
			if got, _ := lookOf(events[0]); got.small != c.want || got.w != 1200 || w.sumOf(events[0]) != digest(picture) {
				t.Errorf("it looks like %+v: %v", got, events[0].Content)
			}
			if code := p.stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// TestMatrixTakesFilesOfTheField: files as real programs wrote them, of formats that Kaizala takes and of many that it does not, are read
// back byte for byte, and shown as what they are; the torn one is not sent.
func TestMatrixTakesFilesOfTheField(t *testing.T) {
	t.Parallel()
	w := newMatrixWorld(t, dendritetest.Options{}, "verify_ending = true\n", "all")
	shownAs := map[string]string{}
	for as, endings := range map[string]string{
		"m.image": ".jpg .png .gif .webp .avif", "m.audio": ".wav .ogg .opus .flac .mp3 .aac .aiff .amr", "m.video": ".mp4 .mkv .webm .avi .wmv .mpg",
		"m.file": ".tif .bmp .heic .pdf .xls",
	} {
		for ending := range strings.FieldsSeq(endings) {
			shownAs[ending] = as
		}
	}
	drops := fieldFiles(t)
	seeds, err := filepath.Glob("../../internal/shape/testdata/seeds/*")
	must(t, err)
	for _, path := range seeds {
		content, err := os.ReadFile(path)
		must(t, err)
		drops[filepath.Base(path)] = string(content)
	}
	p := w.daemon()
	for name, content := range drops {
		w.drop("all", name, content)
	}
	const torn = "torn-mp4-moov-zeroed.mp4"
	eventually(t, func() error {
		done := 0
		for name := range files(t, w.folder("all")) {
			if strings.HasPrefix(name, "done/") {
				done++
			}
		}
		if _, err := os.Lstat(w.folder("all") + "/failed/" + torn); err != nil || done != len(drops)-1 {
			return fmt.Errorf("%d of %d in done/, %v", done, len(drops)-1, err)
		}
		return nil
	})
	events := w.shown("all")
	if len(events) != len(drops)-1 || len(drops) < 30 {
		t.Errorf("%d messages of %d files", len(events), len(drops))
	}
	for _, e := range events {
		name, _ := e.Content["filename"].(string)
		about, _ := e.Content["info"].(map[string]any)
		if w.sumOf(e) != digest(drops[name]) || name == torn || about["size"] != float64(len(drops[name])) || e.Content["msgtype"] != shownAs[filepath.Ext(name)] {
			t.Errorf("%s was not read back as it is: %v", name, e.Content)
		}
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
