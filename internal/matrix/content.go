package matrix

import (
	"kaizala-drop/internal/matrix/e2ee"
	"kaizala-drop/internal/media"
)

// content is the content of an event that shows a file (specification, "m.room.message", and "Media captions" for Body and Filename).
// Its Key is for all to read, and means nothing to them.
type content struct {
	Kind     string `json:"msgtype"`
	Body     string `json:"body"`     // the caption, or the name
	Filename string `json:"filename"` // other than Body: Body is a caption
	stored
	Info info   `json:"info"`
	Key  string `json:"kaizala-drop.key,omitempty"`
}

// info has whole numbers only: others are refused.
type info struct {
	MIME     string `json:"mimetype"`
	Size     int64  `json:"size"`               // bytes
	Width    int    `json:"w,omitempty"`        // pixels, as it is shown
	Height   int    `json:"h,omitempty"`        //
	Duration int64  `json:"duration,omitempty"` // milliseconds

	ThumbnailURL  string     `json:"thumbnail_url,omitempty"`
	ThumbnailFile *e2ee.File `json:"thumbnail_file,omitempty"`
	Thumbnail     *info      `json:"thumbnail_info,omitempty"`
}

func newContent(kind media.Kind, f uploaded, caption, key string) content {
	c := content{
		Kind: messageType(kind), Body: f.Name, Filename: f.Name, stored: f.stored, Key: key,
		Info: info{MIME: f.MIME, Size: f.Size, Width: f.Width, Height: f.Height, Duration: f.Duration},
	}
	if small := f.Thumbnail; small != nil {
		c.Info.ThumbnailURL, c.Info.ThumbnailFile = small.URL, small.File
		c.Info.Thumbnail = &info{MIME: small.MIME, Size: small.Size, Width: small.Width, Height: small.Height}
	}
	if caption != "" {
		c.Body = caption
	}
	return c
}

func messageType(kind media.Kind) string {
	switch kind {
	case media.Image, media.Album:
		return "m.image"
	case media.Audio:
		return "m.audio"
	case media.Video:
		return "m.video"
	}
	return "m.file"
}
