package media_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestFilesOfRealTools has ImageMagick, ffmpeg, Ghostscript, LibreOffice and zip make files of every format, and cuts
// each at 200 places and more. LibreOffice takes half a minute: it runs only when the environment asks for it.
func TestFilesOfRealTools(t *testing.T) {
	for _, tool := range []struct {
		program, debian string
		script          string
	}{
		{"convert", "imagemagick", imageMagickScript},
		{"ffmpeg", "ffmpeg", ffmpegScript},
		{"gs", "ghostscript", ghostscriptScript},
		{"zip", "zip", zipScript},
		{"soffice", "libreoffice-writer-nogui libreoffice-calc-nogui libreoffice-impress-nogui", officeScript},
	} {
		t.Run(tool.program, func(t *testing.T) {
			if _, err := exec.LookPath(tool.program); err != nil {
				if os.Getenv("KAIZALA_DROP_CI") != "" {
					t.Fatalf("%v; Debian has it in: %s", err, tool.debian)
				}
				t.Skipf("%v; Debian has it in: %s", err, tool.debian)
			}
			if testing.Short() || tool.program == "soffice" && !thorough() {
				t.Skip("takes too long; KAIZALA_DROP_CI or KAIZALA_DROP_CORPUS asks for it")
			}
			t.Parallel()
			dir := t.TempDir()
			sh := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", tool.script)
			sh.Dir = dir
			sh.Env = append(os.Environ(), "HOME="+dir, "LC_ALL=C.UTF-8")
			if out, err := sh.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			files, err := filepath.Glob(dir + "/out/*")
			if err != nil || len(files) < 3 {
				t.Fatalf("%d files, %v", len(files), err)
			}
			for _, path := range files {
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				cutOne(t, filepath.Base(path), data)
			}
		})
	}
}

func thorough() bool {
	return os.Getenv("KAIZALA_DROP_CI") != "" || os.Getenv("KAIZALA_DROP_CORPUS") != ""
}

func cutOne(t *testing.T, name string, data []byte) {
	ext := typeOf(t, name).Ext
	if missing := missingEnd(t, ext, strictBytes(data)); missing != "" {
		t.Errorf("%s, whole, %d bytes: %s", name, len(data), missing)
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

// realPasses is where a cut may pass in what the tools below write, found by other means than those of the package.
func realPasses(name string, data []byte) []span {
	end := len(data)
	switch kind, _, _ := bytes.Cut([]byte(name), []byte(".")); {
	case filepath.Ext(name) == ".pdf":
		return []span{{bytes.LastIndex(data, []byte("%%EOF")) + 5, end}} // the line end
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

const imageMagickScript = `
mkdir out
convert -size 320x240 -seed 1 plasma:red-blue a.png
convert a.png -quality 92 out/baseline.jpg
convert a.png -interlace JPEG -quality 80 out/progressive.jpg
convert a.png -sampling-factor 4:2:0 -colorspace Gray out/gray.jpeg
convert -size 1000x700 xc:white out/white.jpg
convert a.png -set comment 'a comment' -density 300 -colorspace CMYK out/cmyk.jpg
convert a.png -depth 16 out/deep.png
convert a.png -interlace PNG -colors 16 out/interlaced.png
convert -size 1000x700 xc:white PNG8:out/blank.png
`

const ffmpegScript = `
mkdir out
run() { ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x240:d=4 -f lavfi -i sine=d=4 -c:v mpeg4 -g 10 -c:a aac "$@"; }
run out/last.mp4
run -movflags +faststart out/first.mp4
run -movflags frag_keyframe+empty_moov out/fragments.mp4
run -movflags frag_keyframe+empty_moov+default_base_moof+skip_trailer -f mp4 out/fragments-untold.mp4
run -movflags +frag_every_frame+empty_moov out/fragments-many.mp4
run -moov_size 200000 out/roomy.mp4
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=176x144:d=2 -c:v mpeg4 -an -f 3gp out/small.3gpp
sine() { ffmpeg -nostdin -v error -f lavfi -i sine=d=3 "$@"; }
sine out/plain.wav
sine -rf64 always out/rf64.wav
sine -c:a adpcm_ms -metadata title=x out/adpcm.wav
sine -c:a pcm_u8 -af atrim=end_sample=7001 out/odd.wav
sine -f wav - > out/piped.wav
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=640x480:d=0.04 out/mjpeg.jpg
ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=640x480:d=0.04 out/frame.png
`

const ghostscriptScript = `
mkdir out
page='/Helvetica 20 selectfont 100 100 moveto (text) show 0 1 300 { dup 2 mul moveto (more) show } for showpage'
pdf() { echo "%! $page $page $page" | sed 's/^%! /%!\n/; s/dup 2 mul/dup dup 2 mul exch pop 0 exch/' |
  gs -q -dSAFER -dBATCH -dNOPAUSE -sDEVICE=pdfwrite "$@" -; }
pdf -sOutputFile=out/plain.pdf
pdf -dCompatibilityLevel=1.3 -dCompressPages=false -sOutputFile=out/old.pdf
pdf -dFastWebView=true -sOutputFile=out/linearized.pdf
pdf -dPDFA=2 -sOutputFile=out/archive.pdf
`

const zipScript = `
mkdir out word
head -c 3000 /dev/urandom > word/image.jpeg
seq 5000 > word/document.xml
zip -q out/plain.docx -r word
zip -q -0 out/stored.xlsx -r word
echo 'a comment at the end' | zip -q -z out/commented.pptx -r word
zip -q -fz out/wide.docx -r word
zip -q - word/document.xml | cat > out/streamed.docx
zip -q -0 out/nested.docx out/stored.xlsx word/document.xml
`

const officeScript = `
mkdir out
office() { soffice --headless -env:UserInstallation="file://$PWD/profile" --convert-to "$@" >/dev/null 2>&1; }
{ echo '<html><body><h1>Title</h1>'; for i in $(seq 400); do echo "<p>paragraph $i of a long letter</p>"; done; } > letter.html
for i in $(seq 2000); do echo "$i,article $i,$((i * 7))"; done > table.csv
office docx:'MS Word 2007 XML' --infilter='HTML (StarWriter)' --outdir out letter.html
office doc:'MS Word 97' --infilter='HTML (StarWriter)' --outdir out letter.html
office pdf:writer_web_pdf_Export --outdir out letter.html
office xlsx --outdir out table.csv
office xls:'MS Excel 97' --outdir out table.csv
printf '%s' '<?xml version="1.0"?><office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" office:version="1.2"
office:mimetype="application/vnd.oasis.opendocument.presentation"><office:body><office:presentation>
<draw:page draw:name="a"/><draw:page draw:name="b"/></office:presentation></office:body></office:document>' > slides.fodp
office pptx --outdir out slides.fodp
office ppt:'MS PowerPoint 97' --outdir out slides.fodp
ls out/letter.{docx,doc,pdf} out/table.{xlsx,xls} out/slides.{pptx,ppt}
`
