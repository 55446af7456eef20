package kaizala

import (
	"slices"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/media"
)

// captionMax, in characters, is the limit of a text message in Kaizala's reference, which names none for a caption.
const captionMax = 4000

// Traits are what Kaizala accepts: the file types of Microsoft's reference page for /media, each with its MIME type there.
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

// actionType is Kaizala's name for a kind of post, or "" if it has none.
func actionType(k media.Kind) string {
	switch k {
	case media.Image, media.Album, media.Audio, media.Document, media.Video:
		return string(k) // media named its kinds after Kaizala's actions
	}
	return ""
}
