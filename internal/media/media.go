// Package media turns a file name into what Kaizala calls it, the ActionType to post and the MIME type to upload with,
// and the file's content into a word on whether its end is there ([MissingEnd]).
//
// The table is the one of Microsoft's reference page for /media. It is the program's own, never the host's
// mime.types: Go's and most hosts' tables have no entry for .3gpp, and answer differently for .wav.
package media

import (
	"path"
	"slices"
	"strings"
)

// Action is Kaizala's name for a kind of post (actionType on the wire).
type Action string

// The action types of the reference. Image and Album share their extensions: configuration decides, never the file.
const (
	Image    Action = "Image"
	Album    Action = "Album"
	Audio    Action = "Audio"
	Document Action = "Document"
	Video    Action = "Video"
)

// Type is what one extension stands for.
type Type struct {
	Ext    string // lower case, with its dot
	Action Action // never Album
	MIME   string // of the multipart part; another one is answered with 415
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

// Extensions lists what is supported, in the order of the reference, for messages.
func Extensions() []string {
	types := table()
	exts := make([]string, len(types))
	for i, t := range types {
		exts[i] = t.Ext
	}
	return exts
}
