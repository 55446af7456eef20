package media_test

import (
	"strings"
	"testing"

	"kaizala-drop/internal/media"
)

// TestByName shows the type of each extension, in any case, and that other names have none.
func TestByName(t *testing.T) {
	const ooxml = "application/vnd.openxmlformats-officedocument."
	for name, want := range map[string]media.Type{
		"a.jpg":              {Ext: ".jpg", Kind: media.Image, MIME: "image/jpeg"},
		"IMG_1.JPG":          {Ext: ".jpg", Kind: media.Image, MIME: "image/jpeg"},
		"a.jpeg":             {Ext: ".jpeg", Kind: media.Image, MIME: "image/jpeg"},
		"a.png":              {Ext: ".png", Kind: media.Image, MIME: "image/png"},
		"a.mp3":              {Ext: ".mp3", Kind: media.Audio, MIME: "audio/mpeg"},
		"a.Wav":              {Ext: ".wav", Kind: media.Audio, MIME: "audio/wav"},
		"a.doc":              {Ext: ".doc", Kind: media.Document, MIME: "application/msword"},
		"a.docx":             {Ext: ".docx", Kind: media.Document, MIME: ooxml + "wordprocessingml.document"},
		"a.xls":              {Ext: ".xls", Kind: media.Document, MIME: "application/vnd.ms-excel"},
		"a.xlsx":             {Ext: ".xlsx", Kind: media.Document, MIME: ooxml + "spreadsheetml.sheet"},
		"a.ppt":              {Ext: ".ppt", Kind: media.Document, MIME: "application/vnd.ms-powerpoint"},
		"a.pptx":             {Ext: ".pptx", Kind: media.Document, MIME: ooxml + "presentationml.presentation"},
		"sub/a.b.c.PDF":      {Ext: ".pdf", Kind: media.Document, MIME: "application/pdf"},
		"a.mp4":              {Ext: ".mp4", Kind: media.Video, MIME: "video/mp4"},
		"a\xff b\n.3GPP":     {Ext: ".3gpp", Kind: media.Video, MIME: "video/3gpp"},
		"a.pdf.txt":          {},
		"pdf":                {},
		"sub.pdf/a":          {},
		"a.":                 {},
		"a.jpg ":             {},
		"":                   {},
		"a.\u212aPG":         {}, // the Kelvin sign lower-cases to k
		"name.with.dots.doc": {Ext: ".doc", Kind: media.Document, MIME: "application/msword"},
	} {
		got, ok := media.ByName(name)
		if got != want || ok != (want != media.Type{}) {
			t.Errorf("ByName(%q) = %+v, %t; want %+v", name, got, ok, want)
		}
	}
}

// TestExtensionsAreThoseOfTheTable shows that Extensions lists exactly the known extensions, in a fixed order.
func TestExtensionsAreThoseOfTheTable(t *testing.T) {
	got := strings.Join(media.Extensions(), " ")
	const want = ".jpg .jpeg .png .mp3 .wav .doc .docx .xls .xlsx .ppt .pptx .pdf .mp4 .3gpp"
	if got != want {
		t.Errorf("Extensions() = %s, want %s", got, want)
	}
	for _, ext := range media.Extensions() {
		if _, ok := media.ByName("a" + ext); !ok {
			t.Errorf("%s is listed, and not known", ext)
		}
	}
}
