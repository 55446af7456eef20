package matrix

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/media"
	"kaizala-drop/internal/shape"
	"kaizala-drop/internal/text"
	"kaizala-drop/internal/wire"
)

// thumbnail is a small picture that was uploaded for a large one.
type thumbnail struct {
	stored
	MIME   string `json:"mime"`
	Size   int64  `json:"size"` // bytes
	Width  int    `json:"w"`    // pixels
	Height int    `json:"h"`    //
}

// describe enters into up what the file shows, so that clients need not fetch it to know how large it is. What cannot be told is left
// out.
func (c *Client) describe(ctx context.Context, f destination.File, sealed bool, up *uploaded) (err error) {
	t, _ := typeOf(f.Name)
	if f.At == nil || t.Kind == media.Document {
		return nil
	}
	shows := shape.Of(f.At, f.Size, path.Ext(f.Name))
	up.Width, up.Height = shows.Width, shows.Height
	if t.Kind != media.Image {
		up.Duration = shows.Duration.Milliseconds()
	}
	if t.Kind == media.Audio { // a cover that it brings along is no picture of it
		up.Width, up.Height = 0, 0
	}
	if t.Kind == media.Image && c.previews != nil {
		up.Thumbnail, err = c.uploadThumbnail(ctx, f, sealed)
	}
	return err
}

// uploadThumbnail gives nil for a picture that goes without one. Its error is one for which the picture itself would fail.
func (c *Client) uploadThumbnail(ctx context.Context, f destination.File, sealed bool) (*thumbnail, error) {
	small, err := c.previews.Make(ctx, f.At, f.Size)
	if ctx.Err() != nil {
		return nil, &Error{Call: callUpload, Err: wire.Canceled(ctx)}
	}
	if err != nil {
		c.log.Info().Str("file", text.Printable(f.Name)).Str("error", text.Printable(err.Error())).Msg("the picture goes without a thumbnail")
	}
	if small == nil {
		return nil, nil
	}
	up := &thumbnail{MIME: small.MIME, Size: int64(len(small.Bytes)), Width: small.Width, Height: small.Height}
	name := "thumbnail of " + f.Name
	up.stored, _, err = c.sendMedia(ctx, shownName(name), small.MIME, sealed, wire.File{
		Name: name, Size: up.Size, Open: func() io.Reader { return bytes.NewReader(small.Bytes) },
	})
	if answer, ok := errors.AsType[*Error](err); ok && answer.Fault == ofFile {
		c.log.Info().Str("file", text.Printable(f.Name)).Err(err).Msg("the homeserver refuses the thumbnail: the picture goes without one")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return up, nil
}
