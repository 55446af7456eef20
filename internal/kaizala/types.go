package kaizala

import (
	"slices"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/media"
)

// captionMax, in characters, is what Kaizala's reference allows a text message; it names no limit for a caption.
const captionMax = 4000

// Traits says what Kaizala takes: the types of Microsoft's reference page for /media, each with the MIME type that it wants.
func Traits() destination.Traits {
	extensions := []string{
		".jpg", ".jpeg", ".png", ".mp3", ".wav", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".pdf", ".mp4", ".3gpp",
	}
	return destination.Traits{
		Name:       "Kaizala",
		Extensions: extensions,
		CaptionMax: captionMax,
		Accepts: func(name string) (media.Type, bool) {
			t, known := media.ByName(name)
			return t, known && slices.Contains(extensions, t.Ext)
		},
	}
}

// actionType is Kaizala's word for a kind of post; "" if it has none.
func actionType(k media.Kind) string {
	switch k {
	case media.Image, media.Album, media.Audio, media.Document, media.Video:
		return string(k) // the words are its own
	}
	return ""
}
