package kaizala

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"strings"
	"unicode"
	"unicode/utf8"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/media"
	"kaizala-drop/internal/wire"
)

// Part is one file of an upload.
type Part struct {
	Name string // the file's name; of a path, only what follows the last slash is sent
	MIME string // its Content-Type; another than Kaizala expects for the extension is answered with 415
	Size int64  // bytes
	// Open gives the content from its start, anew for each sending. Of the readers it gave, only the last is in use.
	Open func() io.Reader
}

func newAction(p Post) (*wire.Body, error) {
	type body struct {
		MediaResource string `json:"mediaResource"`
		Caption       string `json:"caption,omitempty"`
	}
	return wire.JSON(struct {
		ActionType media.Action `json:"actionType"`
		ActionBody body         `json:"actionBody"`
	}{p.Action, body{p.Resource, p.Caption}})
}

// newForm lays the parts out as multipart/form-data (RFC 7578), each in a field named files.
func newForm(parts []Part) (*wire.Body, error) {
	if len(parts) == 0 {
		return nil, errors.New("nothing to upload")
	}
	var text bytes.Buffer
	w := multipart.NewWriter(&text)
	body := &wire.Body{ContentType: w.FormDataContentType()}
	for _, part := range parts {
		header, err := part.header()
		if err != nil {
			return nil, err
		}
		if _, err := w.CreatePart(header); err != nil {
			return nil, err
		}
		body.Pieces = append(body.Pieces, wire.Piece{Text: bytes.Clone(text.Bytes())},
			wire.Piece{File: &wire.File{Name: part.Name, Size: part.Size, Open: part.Open}})
		text.Reset()
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	body.Pieces = append(body.Pieces, wire.Piece{Text: text.Bytes()})
	return body, nil
}

func (p Part) header() (textproto.MIMEHeader, error) {
	name := formName(p.Name)
	switch {
	case name == "":
		return nil, fmt.Errorf("%q is not a file name", p.Name)
	case p.MIME == "" || !wire.IsHeaderValue(p.MIME):
		return nil, fmt.Errorf("%s: %q is not a MIME type", file.Printable(p.Name), p.MIME)
	case p.Size < 0 || p.Open == nil:
		return nil, fmt.Errorf("%s: no content given", file.Printable(p.Name))
	}
	return textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition("files", name)},
		"Content-Type":        {p.MIME},
	}, nil
}

// formName is how a name is sent: without its folders (RFC 7578, 4.2), in raw UTF-8 as browsers do, with U+FFFD for every
// byte that is not UTF-8, and with control characters spelled %0A as browsers spell line breaks, so that no name can end
// the header it stands in.
func formName(name string) string {
	name = name[strings.LastIndexByte(name, '/')+1:]
	if utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl) {
		return name
	}
	var b strings.Builder
	for _, r := range name {
		if !unicode.IsControl(r) {
			b.WriteRune(r)
			continue
		}
		for _, c := range []byte(string(r)) {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
