package media_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// writer is a program that makes files, by the script of its name in testdata/writers.
type writer struct {
	name  string
	tries string // a command that succeeds where the program is
	hint  string // how to get it
}

func writers() []writer {
	debian := func(name, packages string, tries ...string) writer {
		return writer{name: name, tries: strings.Join(append(tries, "command -v "+name)[:1], ""), hint: "apt-get install " + packages}
	}
	python := func(name, packages string) writer {
		return debian(name, packages, "/usr/bin/python3 -c 'import "+name+"'")
	}
	perl := func(module, packages, name string) writer { return debian(name, packages, "perl -M"+module+" -e 1") }
	node := func(name string) writer {
		module := strings.Replace(name, "sheetjs", "xlsx", 1)
		return writer{name: name, tries: "node -e 'require(\"" + module + "\")'",
			hint: "npm ci in a copy of internal/media/testdata/npm, and NODE_PATH=its node_modules"}
	}
	office := "libreoffice-writer-nogui libreoffice-calc-nogui libreoffice-impress-nogui"
	return []writer{
		debian("convert", "imagemagick"), debian("ffmpeg", "ffmpeg"), debian("gs", "ghostscript"), debian("zip", "zip"),
		debian("soffice", office), debian("sox", "sox"), debian("qpdf", "qpdf ghostscript"), debian("7zz", "7zip"),
		debian("cjpeg", "libjpeg-turbo-progs imagemagick"), debian("espeak", "espeak-ng", "command -v espeak-ng"),
		debian("exiftool", "libimage-exiftool-perl ffmpeg ghostscript imagemagick"), debian("flac", "flac sox"),
		debian("gsf", "libgsf-bin"), debian("img2pdf", "img2pdf imagemagick"), debian("lame", "lame sox"),
		debian("mutool", "mupdf-tools"), debian("optipng", "optipng imagemagick"),
		debian("poppler", "poppler-utils ghostscript", "command -v pdfunite"), debian("ssconvert", "gnumeric"),
		debian("tiff2pdf", "libtiff-tools imagemagick"),
		debian("gst", "gstreamer1.0-tools gstreamer1.0-plugins-good", "command -v gst-launch-1.0"),
		python("openpyxl", "python3-openpyxl"), python("reportlab", "python3-reportlab"), python("xlwt", "python3-xlwt"),
		python("xlsxwriter", "python3-xlsxwriter"), python("uno", "python3-uno "+office),
		debian("python", "python3", "/usr/bin/python3 -c 1"),
		perl("Spreadsheet::WriteExcel", "libspreadsheet-writeexcel-perl", "writeexcel"),
		node("sheetjs"), node("xlsx-populate"),
		{name: "excelize", tries: "true", hint: "the Go module proxy has it"},
	}
}

// TestFilesOfRealPrograms shows that files of every format which real programs make pass. Each is then cut at 200
// places, and filled with zeros from as many places on: of these only so few may pass as power says.
func TestFilesOfRealPrograms(t *testing.T) {
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	counts := &counts{of: map[string]*count{}}
	t.Run("by", func(t *testing.T) {
		for _, w := range writers() {
			t.Run(w.name, func(t *testing.T) {
				if !thorough() {
					t.Skip("takes long; KAIZALA_DROP_CI or KAIZALA_DROP_CORPUS asks for it")
				}
				if out, err := exec.CommandContext(t.Context(), "bash", "-c", w.tries).CombinedOutput(); err != nil {
					if os.Getenv("KAIZALA_DROP_CI") != "" {
						t.Fatalf("%s: %v; to get it: %s\n%s", w.tries, err, w.hint, out)
					}
					t.Skipf("%s: %v; to get it: %s", w.tries, err, w.hint)
				}
				t.Parallel()
				for _, path := range filesOf(t, w.name, testdata) {
					data, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					cutOne(t, w.name, filepath.Base(path), data)
					counts.add(t, filepath.Base(path), data)
				}
			})
		}
	})
	counts.report(t)
}

// filesOf runs the script of a writer, and gives the names of the files that it made.
func filesOf(t *testing.T, name, testdata string) []string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/out", 0o755); err != nil {
		t.Fatal(err)
	}
	sh := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", testdata+"/writers/"+name+".sh")
	sh.Dir = dir
	sh.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TESTDATA="+testdata)
	if name != "excelize" { // excelize finds its modules there
		sh.Env = append(sh.Env, "HOME="+dir)
	}
	if out, err := sh.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := filepath.Glob(dir + "/out/*")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	return files
}

func thorough() bool {
	return os.Getenv("KAIZALA_DROP_CI") != "" || os.Getenv("KAIZALA_DROP_CORPUS") != ""
}

// power is how many of 10,000 cuts, and of 10,000 ends of zeros, may pass in files of real programs, by format. Sound
// may end with zeros, and what has no ending passes always.
func power() map[string][2]int {
	return map[string][2]int{
		".doc": {0, 60}, ".ppt": {0, 30}, ".xls": {5, 100}, ".xlsx": {5, 20}, ".docx": {0, 150}, ".pptx": {0, 30},
		".jpg": {0, 0}, ".png": {0, 0}, ".pdf": {25, 25}, ".mp4": {0, 90}, ".mp4 in fragments": {0, 250}, ".wav": {10, 10_000},
	}
}

// kindOf tells those files apart of which something else is known.
func kindOf(name string) string {
	kind := filepath.Ext(name)
	switch {
	case kind == ".jpeg":
		return ".jpg"
	case kind == ".3gpp":
		return ".mp4"
	case kind == ".wav" && strings.Contains(name, "piped"):
		return ".wav of unknown length"
	case kind == ".mp4" && strings.Contains(name, "fragments"):
		return ".mp4 in fragments"
	}
	return kind
}

type count struct{ files, cuts, cutPassed, hollow, hollowPassed int }

type counts struct {
	sync.Mutex
	of map[string]*count
}

func (c *counts) add(t *testing.T, name string, data []byte) {
	ext := typeOf(t, name).Ext
	one := count{files: 1}
	rng := rand.New(rand.NewPCG(12, uint64(len(data))))
	places := 200
	if raceEnabled {
		places = 20
	}
	for range places {
		one.cuts++
		if missingEnd(t, ext, strictBytes(data[:1+rng.IntN(len(data)-1)])) == "" {
			one.cutPassed++
		}
	}
	for range places {
		torn := filledUpTo(data, 1+rng.IntN(len(data)-1))
		if bytes.Equal(torn, data) {
			continue
		}
		one.hollow++
		if missingEnd(t, ext, strictBytes(torn)) == "" {
			one.hollowPassed++
		}
	}
	t.Logf("%s: %d bytes; %d of %d cuts pass, %d of %d ends of zeros",
		name, len(data), one.cutPassed, one.cuts, one.hollowPassed, one.hollow)
	c.Lock()
	defer c.Unlock()
	all := c.of[kindOf(name)]
	if all == nil {
		all = &count{}
		c.of[kindOf(name)] = all
	}
	all.files++
	all.cuts += one.cuts
	all.cutPassed += one.cutPassed
	all.hollow += one.hollow
	all.hollowPassed += one.hollowPassed
}

func (c *counts) report(t *testing.T) {
	for kind, all := range c.of {
		t.Logf("%-25s %3d files: %5.2f %% of %d cuts pass, %5.2f %% of %d ends of zeros", kind, all.files,
			100*float64(all.cutPassed)/float64(all.cuts), all.cuts,
			100*float64(all.hollowPassed)/float64(all.hollow), all.hollow)
		most, known := power()[kind]
		// Two in a small sample say nothing, because what the programs write differs every time.
		if known && (all.cutPassed*10_000 > most[0]*all.cuts || max(0, all.hollowPassed-2)*10_000 > most[1]*all.hollow) {
			t.Errorf("%s: more pass than %d of 10,000 cuts, or %d of 10,000 ends of zeros", kind, most[0], most[1])
		}
	}
}

func cutOne(t *testing.T, program, name string, data []byte) {
	ext := typeOf(t, name).Ext
	if missing := missingEnd(t, ext, strictBytes(data)); missing != "" {
		t.Errorf("%s, whole, %d bytes: %s", name, len(data), missing)
	}
	if !slices.Contains([]string{"convert", "ffmpeg", "gs", "zip", "soffice"}, program) || ext == ".mp3" {
		return
	}
	rng := rand.New(rand.NewPCG(9, uint64(len(data))))
	sp := specimen{data: data, passes: realPasses(name, data)}
	cuts := cutsOf(rng, sp)
	for range 9 {
		cuts = append(cuts, cutsOf(rng, specimen{data: data})[:15]...)
	}
	held := 0
	for _, cut := range cuts {
		passed := missingEnd(t, ext, strictBytes(data[:cut])) == ""
		if passed != sp.mayPass(cut) {
			t.Errorf("%s, cut at %d of %d: passes: %t; a cut may pass in %v", name, cut, len(data), passed, sp.passes)
		}
		if !passed {
			held++
		}
	}
	t.Logf("%s: %d bytes, %d of %d cuts held back", name, len(data), held, len(cuts))
}

// realPasses gives where a cut may pass in what these programs write, found by other means than those of the package.
func realPasses(name string, data []byte) []span {
	end := len(data)
	switch kind, _, _ := bytes.Cut([]byte(name), []byte(".")); {
	case filepath.Ext(name) == ".pdf": // behind the offset that readers go by
		start := bytes.LastIndex(data, []byte("startxref")) + 9
		var offset int
		fmt.Sscan(string(data[start:]), &offset)
		behind := start + bytes.Index(data[start:], fmt.Append(nil, offset)) + len(fmt.Sprint(offset))
		marker := behind + bytes.Index(data[behind:], []byte("%%EOF"))
		if bytes.Contains(data[:1024], []byte("/Linearized")) {
			behind++ // the table lies elsewhere, so the digits could be the first digits of an offset
		}
		return []span{{behind, marker + 1}, {marker + 5, end}}
	case filepath.Ext(name) == ".mp4" && bytes.Contains(kind, []byte("fragments")):
		var spans []span
		for i := 1; i < end; { // a fragment begins where the one before it was whole
			j := bytes.Index(data[i:], []byte("moof"))
			if j < 0 {
				break
			}
			i += j
			if at := i - 4; bytes.Count(data[:at], []byte("mdat")) > 0 {
				spans = append(spans, span{at, at + 1})
			}
			i++
		}
		if at := bytes.LastIndex(data, []byte("mfra")) - 4; at > 0 {
			spans = append(spans, span{at, at + 1})
		}
		return spans
	case name == "odd.wav":
		return []span{{end - 1, end}} // the padding byte
	case bytes.Contains(kind, []byte("piped")):
		return []span{{bytes.Index(data, []byte("data")) + 8, end}}
	}
	return nil
}
