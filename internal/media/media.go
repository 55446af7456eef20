// Package media knows the formats of files: their kind and MIME type by the name ([ByName]), and by the content whether their
// end is there ([MissingEnd]). What a destination takes, and what it calls it, is the destination's.
//
// The table is the program's own, never the host's mime.types: Go's and most hosts' tables have no entry for .3gpp, and answer
// differently for .wav.
package media

import (
	"path"
	"slices"
	"strings"
)

// Kind is what a post shows. The ledger keeps these words.
type Kind string

// Image and Album share their extensions: configuration decides, never the file.
const (
	Image    Kind = "Image"
	Album    Kind = "Album" // several images in one post
	Audio    Kind = "Audio"
	Document Kind = "Document"
	Video    Kind = "Video"
)

// Type is what one extension stands for.
type Type struct {
	Ext  string // lower case, with its dot
	Kind Kind   // never Album
	MIME string
}

func table() []Type {
	const ooxml = "application/vnd.openxmlformats-officedocument."
	return []Type{
		{".jpg", Image, "image/jpeg"},
		{".jpeg", Image, "image/jpeg"},
		{".png", Image, "image/png"},
		{".mp3", Audio, "audio/mpeg"},
		{".wav", Audio, "audio/wav"},
		{".doc", Document, "application/msword"},
		{".docx", Document, ooxml + "wordprocessingml.document"},
		{".xls", Document, "application/vnd.ms-excel"},
		{".xlsx", Document, ooxml + "spreadsheetml.sheet"},
		{".ppt", Document, "application/vnd.ms-powerpoint"},
		{".pptx", Document, ooxml + "presentationml.presentation"},
		{".pdf", Document, "application/pdf"},
		{".mp4", Video, "video/mp4"},
		{".3gpp", Video, "video/3gpp"},
	}
}

// ByName tells the type by the extension of a name, in any case: SCAN.PDF, a.b.c.Jpg. ok is false for every other
// extension and for none.
func ByName(name string) (t Type, ok bool) {
	ext := strings.ToLower(path.Ext(name))
	types := table()
	i := slices.IndexFunc(types, func(t Type) bool { return t.Ext == ext })
	if i < 0 {
		return Type{}, false
	}
	return types[i], true
}

// Extensions lists those that ByName knows, each in lower case with its dot.
func Extensions() []string {
	types := table()
	exts := make([]string, len(types))
	for i, t := range types {
		exts[i] = t.Ext
	}
	return exts
}
