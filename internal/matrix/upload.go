package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/matrix/e2ee"
	"kaizala-drop/internal/matrix/names"
	"kaizala-drop/internal/text"
	"kaizala-drop/internal/wire"
)

// ref is what Upload gives, as JSON: all that Post and Find need.
type ref struct {
	Room  string     `json:"room"` // id of the room that it is for
	At    int64      `json:"at"`   // when it was uploaded, by the server's clock: epoch milliseconds
	Files []uploaded `json:"files"`
}

// uploaded is one file of an upload.
type uploaded struct {
	stored
	Name     string `json:"name"`
	MIME     string `json:"mime"`
	Size     int64  `json:"size"`
	Width    int    `json:"w,omitempty"`
	Height   int    `json:"h,omitempty"`
	Duration int64  `json:"duration,omitempty"` // milliseconds
	// Thumbnail is the small picture that stands for it; nil: it has none.
	Thumbnail *thumbnail `json:"thumbnail,omitempty"`
}

// Upload sends the bytes of the files, one after the other, for the room that target names. Nobody is shown anything yet, so
// uploading twice is harmless. Before a byte leaves, it looks whether the room can be posted to and whether the server takes files
// of that size.
//
// The content streams with its length known beforehand. If a file cannot be read, or has not exactly File.Size bytes, the request
// is broken off before its end. When Upload returns, no reader of a File.Open is in use any more, so that a Read that hangs keeps
// Upload from returning.
//
// Its errors are *destination.Error, each of which wraps an *Error.
func (c *Client) Upload(ctx context.Context, target string, files []destination.File) (string, error) {
	up, err := c.upload(ctx, target, files)
	if err != nil {
		return "", c.destinationError(err)
	}
	text, err := json.Marshal(up)
	if err != nil { // no such struct fails
		return "", c.destinationError(&Error{Call: callUpload, Err: err})
	}
	return string(text), nil
}

func (c *Client) upload(ctx context.Context, target string, files []destination.File) (up ref, err error) {
	if len(files) == 0 {
		return up, &Error{Call: callUpload, Fault: ofFile, Err: errors.New("there is no file to upload")}
	}
	since := files[0].TakenUp
	if since.IsZero() {
		since = time.Now()
	}
	var sealed bool
	if up.Room, sealed, err = c.admit(ctx, target, since); err != nil {
		return up, err
	}
	most, err := c.UploadLimit(ctx)
	if err != nil {
		return up, err
	}
	for _, f := range files {
		if err := sendable(f, most); err != nil {
			return up, err
		}
	}
	for i, f := range files {
		if i > 0 { // the ones before may have taken long
			if sealed, err = c.look(ctx, target, up.Room, since); err != nil {
				return up, err
			}
		}
		one, at, err := c.uploadFile(ctx, f, sealed)
		if err != nil {
			return up, err
		}
		up.Files = append(up.Files, one)
		if up.At == 0 {
			up.At = at.UnixMilli()
		}
	}
	return up, nil
}

// sendable refuses what the server would refuse, and what it would take although it is of no use.
func sendable(f destination.File, most int64) error {
	e := &Error{Call: callUpload, Fault: ofFile}
	switch {
	case f.Size <= 0 || f.Open == nil:
		e.Err = fmt.Errorf("%s has no content", text.Printable(f.Name))
	case f.MIME == "" || !wire.IsHeaderValue(f.MIME):
		e.Err = fmt.Errorf("%s: %q is not a MIME type", text.Printable(f.Name), f.MIME)
	case most > 0 && f.Size > most:
		e.Err = fmt.Errorf("it has %d bytes, and the homeserver takes at most %d", f.Size, most)
		e.Reason, e.Same = e.Err.Error(), true
		e.Advice = "Make it smaller, send it another way, or have the homeserver's administrator allow larger uploads."
	default:
		return nil
	}
	return e
}

// uploadFile sends one file, encrypted if sealed says so. at is when the server had it, by its own clock.
func (c *Client) uploadFile(ctx context.Context, f destination.File, sealed bool) (up uploaded, at time.Time, err error) {
	up = uploaded{Name: shownName(f.Name), MIME: f.MIME, Size: f.Size}
	if err := c.describe(ctx, f, sealed, &up); err != nil {
		return up, at, err
	}
	up.stored, at, err = c.sendMedia(ctx, up.Name, f.MIME, sealed, wire.File{Name: f.Name, Size: f.Size, Open: f.Open})
	if answer, ok := errors.AsType[*Error](err); ok && answer.Fault == ofFile {
		c.forgetLimit()
	}
	return up, at, err
}

// stored is what the homeserver keeps of a file.
type stored struct {
	URL  string     `json:"url,omitempty"`  // mxc://server/id, in the clear
	File *e2ee.File `json:"file,omitempty"` // encrypted, with what decrypts it
}

// sendMedia makes the call of an upload. Of what is encrypted, the server is told neither the name nor the type.
func (c *Client) sendMedia(ctx context.Context, name, mime string, sealed bool, f wire.File) (m stored, at time.Time, err error) {
	k := call{name: callUpload, method: http.MethodPost, path: "/_matrix/media/v3/upload"}
	var seal *sealing
	if sealed {
		seal = &sealing{plain: f}
		mime, f.Open = "application/octet-stream", seal.open
	} else {
		k.query = "?filename=" + url.QueryEscape(name)
	}
	k.body = &wire.Body{ContentType: mime, Pieces: []wire.Piece{{File: &f}}}
	var said struct {
		URI string `json:"content_uri"`
	}
	a, err := c.result(ctx, k, &said, func() error { return checkMedia(said.URI) })
	if err != nil {
		return m, at, err
	}
	if !sealed {
		return stored{URL: said.URI}, a.ServerTime(), nil
	}
	if m.File, err = seal.file(said.URI); err != nil {
		return m, at, &Error{Call: callUpload, Err: err}
	}
	return m, a.ServerTime(), nil
}

func checkMedia(uri string) error {
	rest, ok := strings.CutPrefix(uri, "mxc://")
	server, id, both := strings.Cut(rest, "/")
	if !ok || !both || id == "" || strings.Contains(id, "/") || names.CheckServer(server) != nil {
		return errors.New("no content_uri in the answer")
	}
	return nil
}

// shownName is the name that people see: without folders, in UTF-8, without control characters and without what turns the direction
// of text around.
func shownName(name string) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(name, string(unicode.ReplacementChar)))
}
