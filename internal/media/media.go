// Package media knows formats of files: the kind and the MIME type by the name ([ByName]), and by the content whether
// the end of the file is there ([MissingEnd]). What a service takes, and what the service calls it, belongs to the
// destination's package.
//
// The types are the program's own, never those of the host's mime.types: Go's table and those of most hosts have no
// entry for .3gpp, and they differ about .wav.
package media

import (
	"path"
	"strings"
)

// Kind is what a post shows. The ledger keeps these words.
type Kind string

// Image and Album share their extensions: the configuration tells them apart, never the file.
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
	// Guess says that the extension stands for nothing, so that the name may be a temporary one.
	Guess bool
}

// ByName gives the type by the extension of a name, in any case: SCAN.PDF, a.b.c.Jpg. ok is false for every other
// extension and for none.
func ByName(name string) (t Type, ok bool) {
	ext := strings.ToLower(path.Ext(name))
	kind, mime := byExtension(ext)
	if mime == "" {
		return Type{}, false
	}
	return Type{Ext: ext, Kind: kind, MIME: mime}, true
}

// byExtension gives "" for an extension that it does not know.
func byExtension(ext string) (kind Kind, mime string) {
	const ooxml = "application/vnd.openxmlformats-officedocument."
	switch ext {
	case ".jpg", ".jpeg":
		return Image, "image/jpeg"
	case ".png":
		return Image, "image/png"
	case ".mp3":
		return Audio, "audio/mpeg"
	case ".wav":
		return Audio, "audio/wav"
	case ".doc":
		return Document, "application/msword"
	case ".docx":
		return Document, ooxml + "wordprocessingml.document"
	case ".xls":
		return Document, "application/vnd.ms-excel"
	case ".xlsx":
		return Document, ooxml + "spreadsheetml.sheet"
	case ".ppt":
		return Document, "application/vnd.ms-powerpoint"
	case ".pptx":
		return Document, ooxml + "presentationml.presentation"
	case ".pdf":
		return Document, "application/pdf"
	case ".mp4":
		return Video, "video/mp4"
	case ".3gpp":
		return Video, "video/3gpp"
	}
	return "", ""
}

// Extensions lists the extensions that ByName knows, each in lower case with its dot. It is for tests that must cover all of
// them.
func Extensions() []string {
	return []string{".jpg", ".jpeg", ".png", ".mp3", ".wav", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".pdf", ".mp4", ".3gpp"}
}
