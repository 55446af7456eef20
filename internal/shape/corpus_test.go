package shape_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/shape"
)

// writer is a program that makes files, by the script of its name in testdata/writers.
type writer struct {
	name  string
	tries string // a command that succeeds where the program is
	hint  string // how to get it
}

func writers() []writer {
	return []writer{
		{"ffmpeg", "command -v ffmpeg ffprobe", "apt-get install ffmpeg"},
		{"convert", "command -v convert", "apt-get install imagemagick"},
		{"exiftool", "command -v exiftool convert", "apt-get install libimage-exiftool-perl imagemagick"},
		{"sox", "command -v sox", "apt-get install sox"},
		{"lame", "command -v lame sox", "apt-get install lame sox"},
		{"flac", "command -v flac sox", "apt-get install flac sox"},
		{"gst", "command -v gst-launch-1.0", "apt-get install gstreamer1.0-tools gstreamer1.0-plugins-good"},
		{"pillow", "/usr/bin/python3 -c 'import PIL'", "apt-get install python3-pil"},
	}
}

// need skips a test that lacks a program, and fails it in CI.
func need(t testing.TB, tries, hint string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "bash", "-c", tries).CombinedOutput(); err != nil {
		if os.Getenv("KAIZALA_DROP_CI") != "" {
			t.Fatalf("%s: %v; to get it: %s\n%s", tries, err, hint, out)
		}
		t.Skipf("%s: %v; to get it: %s", tries, err, hint)
	}
}

// made runs the script of a writer, and gives the names of the files that it made.
func made(t *testing.T, w writer) []string {
	t.Helper()
	need(t, w.tries, w.hint)
	need(t, "command -v ffmpeg ffprobe exiftool convert", "apt-get install ffmpeg libimage-exiftool-perl imagemagick")
	script, err := filepath.Abs("testdata/writers/" + w.name + ".sh")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/out", 0o755); err != nil {
		t.Fatal(err)
	}
	sh := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", script)
	sh.Dir, sh.Env = dir, append(os.Environ(), "LC_ALL=C.UTF-8", "HOME="+dir)
	if out, err := sh.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob(dir + "/out/*")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	return files
}

// counted is a file whose reads are counted.
type counted struct {
	r       io.ReaderAt
	size    int64
	reads   int
	bytes   int64
	longest int
	outside bool
}

func (c *counted) ReadAt(b []byte, off int64) (int, error) {
	c.reads++
	c.bytes += int64(len(b))
	c.longest = max(c.longest, len(b))
	c.outside = c.outside || off < 0 || off+int64(len(b)) > c.size
	return c.r.ReadAt(b, off)
}

// shapeOf asserts what holds of every file: bounds, sane numbers, no panic.
func shapeOf(t testing.TB, ext string, r io.ReaderAt, size int64) (shape.Shape, *counted) {
	t.Helper()
	c := &counted{r: r, size: size}
	s := shape.OfUnguarded(c, size, ext)
	if c.outside || c.reads > shape.MaxReads || c.bytes > shape.MaxBytes || c.longest > 64<<10 {
		t.Fatalf("%d bytes%s: %d reads, %d bytes, %d in one, outside the file: %t", size, ext, c.reads, c.bytes, c.longest, c.outside)
	}
	if s.Width < 0 || s.Width > shape.MaxSide || s.Height < 0 || s.Height > shape.MaxSide || (s.Width == 0) != (s.Height == 0) ||
		s.Duration < 0 || s.Duration > shape.MaxDuration || s.Duration%time.Millisecond != 0 {
		t.Fatalf("%d bytes%s: %+v", size, ext, s)
	}
	return s, c
}

// TestFilesOfRealPrograms shows that size and duration of files which real programs made are those that other programs tell
// (exiftool, ImageMagick, ffprobe), or, of sound, those that decoding it gives; and that what it costs is small.
func TestFilesOfRealPrograms(t *testing.T) {
	for _, w := range writers() {
		t.Run(w.name, func(t *testing.T) {
			if os.Getenv("KAIZALA_DROP_CI") == "" && os.Getenv("KAIZALA_DROP_CORPUS") == "" {
				t.Skip("takes long; KAIZALA_DROP_CI or KAIZALA_DROP_CORPUS asks for it")
			}
			files := made(t, w)
			pictures := exif(t, files)
			for _, path := range files {
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				name := filepath.Base(path)
				got, c := shapeOf(t, strings.ToUpper(filepath.Ext(name)), bytes.NewReader(data), int64(len(data)))
				want, slack := told(t, path, pictures)
				if strings.Contains(name, "unknown") {
					want.Duration = 0
				}
				apart := (got.Duration - want.Duration).Abs()
				if got.Width != want.Width || got.Height != want.Height || apart > slack || (got.Duration == 0) != (want.Duration == 0) {
					t.Errorf("%s: %d x %d, %v; others tell %d x %d, %v", name, got.Width, got.Height, got.Duration, want.Width, want.Height, want.Duration)
				}
				t.Logf("%-24s %4d x %4d %8v, %3d reads, %6d of %7d bytes", name, got.Width, got.Height, got.Duration, c.reads, c.bytes, len(data))
				ends := strings.Contains(name, "untold") || strings.Contains(name, "fragments") || slices.Contains([]string{".aac", ".amr"}, filepath.Ext(name))
				if !ends && (c.reads > 100 || c.bytes > 300<<10) {
					t.Errorf("%s: %d reads, %d bytes", name, c.reads, c.bytes)
				}
				onlyBelow(t, filepath.Ext(name), data, got)
			}
		})
	}
}

// onlyBelow shows that a file which is cut anywhere tells the truth or nothing, as far as its formats can be told to be cut.
func onlyBelow(t *testing.T, ext string, data []byte, whole shape.Shape) {
	t.Helper()
	for i := range 60 {
		n := len(data) * i / 60
		s, _ := shapeOf(t, ext, bytes.NewReader(data[:n]), int64(n))
		turned := s.Width == whole.Height && s.Height == whole.Width // the EXIF of WebP and PNG may stand at the end
		if s.Width != 0 && (s.Width != whole.Width || s.Height != whole.Height) && !turned {
			t.Errorf("%s cut at %d of %d: %+v, whole %+v", ext, n, len(data), s, whole)
		}
		if s.Duration > whole.Duration+60*time.Millisecond {
			t.Errorf("%s cut at %d of %d: %v, whole %v", ext, n, len(data), s.Duration, whole.Duration)
		}
	}
}

// exif is what exiftool says of pictures, by their path.
func exif(t *testing.T, files []string) map[string]shape.Shape {
	t.Helper()
	var said []struct {
		SourceFile                           string
		ImageWidth, ImageHeight, Orientation int
	}
	args := append([]string{"-n", "-json", "-ImageWidth", "-ImageHeight", "-Orientation"}, files...)
	out, err := exec.CommandContext(t.Context(), "exiftool", args...).Output()
	if bad := json.Unmarshal(out, &said); bad != nil || len(said) != len(files) {
		t.Fatalf("%v, %v: %s", err, bad, out)
	}
	all := map[string]shape.Shape{}
	for _, s := range said {
		all[s.SourceFile] = shape.Shape{Width: s.ImageWidth, Height: s.ImageHeight}
		if s.Orientation > 4 {
			all[s.SourceFile] = shape.Shape{Width: s.ImageHeight, Height: s.ImageWidth}
		}
	}
	return all
}

// told is what other programs say of a file, and how much durations may differ. EXIF does not turn HEIC.
func told(t *testing.T, path string, pictures map[string]shape.Shape) (shape.Shape, time.Duration) {
	t.Helper()
	switch filepath.Ext(path) {
	case ".heic", ".avif":
		return shape.Shape{Width: ask(t, "convert", path, "-format", "%w", "info:"), Height: ask(t, "convert", path, "-format", "%h", "info:")}, 0
	case ".jpg", ".jpeg", ".png", ".gif", ".webp", ".tif", ".tiff", ".bmp":
		return pictures[path], 0
	}
	s := probed(t, path)
	if s.Width == 0 {
		// Encoders add up to two frames before and behind, which some formats tell and some do not.
		return shape.Shape{Duration: decoded(t, path)}, 80 * time.Millisecond
	}
	return s, 80 * time.Millisecond
}

// ask gives the number that a program prints.
func ask(t *testing.T, program string, args ...string) int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, args...).Output()
	n, bad := strconv.Atoi(string(bytes.TrimSpace(out)))
	if err != nil || bad != nil {
		t.Fatalf("%s %v: %v, %s", program, args, err, out)
	}
	return n
}

// probed is what ffprobe says of a film, as it is shown.
func probed(t *testing.T, path string) (s shape.Shape) {
	t.Helper()
	var said struct {
		Streams []struct {
			Width, Height int
			Aspect        string `json:"sample_aspect_ratio"`
			Side          []struct {
				Rotation int
			} `json:"side_data_list"`
		}
		Format struct{ Duration string }
	}
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", path).Output()
	if err != nil || json.Unmarshal(out, &said) != nil {
		t.Fatalf("%s: %v: %s", path, err, out)
	}
	if said.Format.Duration == "" && filepath.Ext(path) == ".mkv" { // a live recording: another container has the duration
		other := filepath.Join(t.TempDir(), "other.mkv")
		if out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-c", "copy", other).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", path, err, out)
		}
		return probed(t, other)
	}
	seconds, _ := strconv.ParseFloat(said.Format.Duration, 64)
	s.Duration = time.Duration(seconds * float64(time.Second))
	for _, stream := range said.Streams {
		if stream.Width == 0 {
			continue
		}
		x, y := 1, 1
		fmt.Sscanf(stream.Aspect, "%d:%d", &x, &y)
		s.Width, s.Height = int(math.Round(float64(stream.Width)*float64(x)/float64(y))), stream.Height
		for _, side := range stream.Side {
			if side.Rotation%180 != 0 {
				s.Width, s.Height = s.Height, s.Width
			}
		}
	}
	return s
}

// decoded is how long the sound in a file is when it is decoded.
func decoded(t *testing.T, path string) time.Duration {
	t.Helper()
	pcm, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-i", path, "-f", "s16le", "-ac", "1", "-ar", "8000", "-").Output()
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return time.Duration(len(pcm)/2) * time.Second / 8000
}
