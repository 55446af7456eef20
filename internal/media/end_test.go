package media_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"kaizala-drop/internal/media"
	"kaizala-drop/internal/samples"
)

func typeOf(t testing.TB, name string) media.Type {
	t.Helper()
	typ, ok := media.ByName(name)
	if !ok {
		t.Fatalf("%s: not a type", name)
	}
	return typ
}

// missingEnd calls MissingEnd, asserts what every call must keep to, and gives what was said.
func missingEnd(t testing.TB, ext string, r *strict) string {
	t.Helper()
	missing, err := media.MissingEnd(typeOf(t, "a"+ext), r, r.size)
	if err != nil {
		t.Fatalf("%s of %d bytes: %v", ext, r.size, err)
	}
	if r.outside || r.reads > media.MaxReads || r.bytes > media.MaxBytes {
		t.Fatalf("%s of %d bytes: %d reads, %d bytes, outside the file: %t", ext, r.size, r.reads, r.bytes, r.outside)
	}
	for _, c := range missing {
		if c < ' ' || c > '~' {
			t.Fatalf("%s of %d bytes: %q cannot be shown", ext, r.size, missing)
		}
	}
	return missing
}

// corpusSize is the number of files to make of each format: what KAIZALA_DROP_CORPUS says, 5,000 in CI, and few where
// somebody waits for the result, or where the race detector makes everything many times slower.
func corpusSize() int {
	n, err := strconv.Atoi(os.Getenv("KAIZALA_DROP_CORPUS"))
	switch {
	case err == nil && n > 0:
		return n
	case os.Getenv("KAIZALA_DROP_CI") != "" && !raceEnabled:
		return 5000
	}
	return 100
}

// TestCuts shows that files of every format are torn when they are cut at 20 random places and around every place where
// a cut may pass, and pass only where the comment of the format says so.
func TestCuts(t *testing.T) {
	n := corpusSize()
	for ext, generate := range generators() {
		t.Run(ext, func(t *testing.T) {
			t.Parallel()
			var size, cuts, held, lawful int
			for i := range n {
				rng := rand.New(rand.NewPCG(3, uint64(i)))
				sp := generate(rng)
				name := fmt.Sprintf("%s %d (%s)", ext, i, sp.style)
				if missing := missingEnd(t, ext, strictBytes(sp.data)); missing != "" {
					t.Fatalf("%s, whole, %d bytes: %s", name, len(sp.data), missing)
				}
				for _, cut := range cutsOf(rng, sp) {
					passed := missingEnd(t, ext, strictBytes(sp.data[:cut])) == ""
					if passed != sp.mayPass(cut) {
						t.Fatalf("%s, cut at %d of %d: passes: %t; a cut passes in %v",
							name, cut, len(sp.data), passed, sp.passes)
					}
					cuts++
					if passed {
						lawful++
					} else {
						held++
					}
				}
				size += len(sp.data)
			}
			t.Logf("%d whole files, %d bytes on average, pass; of %d cuts %d are held back, %d pass where they may",
				n, size/n, cuts, held, lawful)
		})
	}
}

// cutsOf gives 20 random lengths, and those where something may go wrong: 1 to 16, the last 16, and around every span.
func cutsOf(rng *rand.Rand, sp specimen) []int {
	var cuts []int
	add := func(n int) {
		if n > 0 && n < len(sp.data) {
			cuts = append(cuts, n)
		}
	}
	for range 20 {
		add(rng.IntN(len(sp.data)))
	}
	for i := range 16 {
		add(1 + i)
		add(len(sp.data) - 1 - i)
	}
	for _, s := range sp.passes {
		for i := -2; i < 2; i++ {
			add(s.from + i)
			add(s.to + i)
		}
	}
	return cuts
}

// TestFilledHalf shows that files of full size with zeros after a random place are torn, as a Windows client that dies
// leaves them.
func TestFilledHalf(t *testing.T) {
	for ext, generate := range generators() {
		t.Run(ext, func(t *testing.T) {
			t.Parallel()
			held := 0
			for i := range max(20, corpusSize()/4) {
				rng := rand.New(rand.NewPCG(4, uint64(i)))
				sp := generate(rng)
				if sp.sure == 0 {
					continue
				}
				torn := make([]byte, len(sp.data))
				for _, cut := range cutsOf(rng, sp) {
					copy(torn, sp.data[:cut])
					clear(torn[cut:])
					written := len(bytes.TrimRight(torn, "\x00"))
					if bytes.Equal(torn[:sp.sure], sp.data[:sp.sure]) || sp.mayPassFilled(written) {
						continue
					}
					if missing := missingEnd(t, ext, strictBytes(torn)); missing == "" {
						t.Fatalf("%s %d (%s): filled up to %d of %d (sure at %d) passes",
							ext, i, sp.style, cut, len(torn), sp.sure)
					}
					held++
				}
			}
			if ext != ".wav" && ext != ".doc" && held == 0 {
				t.Error("nothing was tried")
			}
		})
	}
}

// TestGeneratorsMakeWhatOthersRead shows that the standard library can read the generated files, where it has a reader
// for their format.
func TestGeneratorsMakeWhatOthersRead(t *testing.T) {
	for i := range 60 {
		rng := rand.New(rand.NewPCG(5, uint64(i)))
		if _, err := jpeg.Decode(bytes.NewReader(jpegFile(rng).data)); err != nil {
			t.Errorf("JPEG %d: %v", i, err)
		}
		if _, err := png.Decode(bytes.NewReader(pngFile(rng).data)); err != nil {
			t.Errorf("PNG %d: %v", i, err)
		}
		data := zipFile(rng).data
		if _, err := zip.NewReader(bytes.NewReader(data), int64(len(data))); err != nil {
			t.Errorf("ZIP %d: %v", i, err)
		}
	}
}

// TestSamplesCut shows that files of real tools are torn when they are cut at every fifth length, and at every length
// near the start and the end.
func TestSamplesCut(t *testing.T) {
	for _, s := range samples.All() {
		ext := typeOf(t, s.Name).Ext
		if missing := missingEnd(t, ext, strictBytes(s.Bytes)); missing != "" {
			t.Errorf("%s, whole: %s", s.Name, missing)
		}
		passed, cuts := 0, 0
		for cut := 1; cut < len(s.Bytes); cut++ {
			if cut%5 > 0 && cut > 300 && cut < len(s.Bytes)-300 {
				continue
			}
			cuts++
			if missingEnd(t, ext, strictBytes(s.Bytes[:cut])) == "" {
				passed++
			}
		}
		want := map[string]int{".mp3": cuts, ".pdf": 3}[ext] // no end; the line ends after the table's offset and after %%EOF
		if passed != want {
			t.Errorf("%s: %d of %d cuts pass, want %d", s.Name, passed, cuts, want)
		}
	}
}

// TestOtherFormats: of a format that is not known by its extension nothing is asked but that it is not all zeros, and that of a format
// which its first bytes show the end is there.
func TestOtherFormats(t *testing.T) {
	zeros := func(n int) string { return strings.Repeat("\x00", n) }
	for _, c := range []struct {
		ext, content string
		whole        bool
	}{
		{".txt", "x", true}, {".csv", "a;b\n1;2\n", true}, {"", "ok", true}, {".dcm", zeros(128) + "DICM and more of it", true},
		{".iso", zeros(32<<10) + "\x01CD001" + zeros(2000) + "x", true}, {".ico", "\x00\x00\x01\x00\x01\x00\x10\x10\x00\x00\x01\x00\x20\x00", true},
		{".txt", zeros(5), false}, {".xyz", zeros(1 << 20), false}, {".zip", "PK\x03\x04 cut off", false}, {".heic", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", false},
		{".pdf", "x", false}, {".doc", zeros(20) + "x", false},
	} {
		missing, err := media.MissingEnd(media.Type{Ext: c.ext, Kind: media.Document}, strings.NewReader(c.content), int64(len(c.content)))
		if err != nil || (missing == "") != c.whole {
			t.Errorf("%s, %d bytes: %q, %v", c.ext, len(c.content), missing, err)
		}
	}
}
