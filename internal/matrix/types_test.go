package matrix

import (
	"mime"
	"strings"
	"testing"

	"kaizala-drop/internal/media"
)

// TestTypes shows how names are told apart: what clients show as a picture, a film or a sound, what is a file, and what is only guessed.
func TestTypes(t *testing.T) {
	for name, want := range map[string]media.Type{
		"scan.PDF":      {Ext: ".pdf", Kind: media.Document, MIME: "application/pdf"},
		"a.jpg":         {Ext: ".jpg", Kind: media.Image, MIME: "image/jpeg"},
		"a.b.WebP":      {Ext: ".webp", Kind: media.Image, MIME: "image/webp"},
		"a.heic":        {Ext: ".heic", Kind: media.Document, MIME: "image/heic"},
		"drawing.svg":   {Ext: ".svg", Kind: media.Document, MIME: "image/svg+xml"},
		"talk.ogg":      {Ext: ".ogg", Kind: media.Audio, MIME: "audio/ogg"},
		"film.mov":      {Ext: ".mov", Kind: media.Video, MIME: "video/quicktime"},
		"list.csv":      {Ext: ".csv", Kind: media.Document, MIME: "text/csv"},
		"plan.dwg":      {Ext: ".dwg", Kind: media.Document, MIME: "image/vnd.dwg"},
		"a.tar.gz":      {Ext: ".gz", Kind: media.Document, MIME: "application/gzip"},
		"README":        {Kind: media.Document, MIME: "application/octet-stream", Guess: true},
		"scan.tmp0815":  {Ext: ".tmp0815", Kind: media.Document, MIME: "application/octet-stream", Guess: true},
		"scan.pdf.part": {Ext: ".part", Kind: media.Document, MIME: "application/octet-stream", Guess: true},
	} {
		if got, ok := typeOf(name); !ok || got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for ext := range strings.FieldsSeq(".gif .mkv .txt .odt .zip .jxl .sig .vsdx .conf .mts .wma") {
		got, ok := typeOf("x" + ext)
		if _, _, err := mime.ParseMediaType(got.MIME); !ok || got.Guess || err != nil {
			t.Errorf("%s: %+v, %v", ext, got, err)
		}
	}
}
