package kaizala

import (
	"bytes"
	"errors"
	"fmt"
	"mime/multipart"
	"net/textproto"
	"strings"
	"unicode"
	"unicode/utf8"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/text"
	"kaizala-drop/internal/wire"
)

func newAction(m destination.Message) (*wire.Body, error) {
	type body struct {
		MediaResource string `json:"mediaResource"`
		Caption       string `json:"caption,omitempty"`
	}
	return wire.JSON(struct {
		ActionType string `json:"actionType"`
		ActionBody body   `json:"actionBody"`
	}{actionType(m.Kind), body{m.Ref, m.Caption}})
}

// newForm is a multipart/form-data body (RFC 7578) with each file in a field named files.
func newForm(files []destination.File) (*wire.Body, error) {
	if len(files) == 0 {
		return nil, errors.New("there is no file to upload")
	}
	var text bytes.Buffer
	w := multipart.NewWriter(&text)
	body := &wire.Body{ContentType: w.FormDataContentType()}
	for _, f := range files {
		header, err := headerOf(f)
		if err != nil {
			return nil, err
		}
		if _, err := w.CreatePart(header); err != nil {
			return nil, err
		}
		body.Pieces = append(body.Pieces, wire.Piece{Text: bytes.Clone(text.Bytes())},
			wire.Piece{File: &wire.File{Name: f.Name, Size: f.Size, Open: f.Open}})
		text.Reset()
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	body.Pieces = append(body.Pieces, wire.Piece{Text: text.Bytes()})
	return body, nil
}

func headerOf(f destination.File) (textproto.MIMEHeader, error) {
	name := formName(f.Name)
	switch {
	case name == "":
		return nil, fmt.Errorf("%q cannot be uploaded: it is empty or ends with a slash, so that it names no file", f.Name)
	case f.MIME == "" || !wire.IsHeaderValue(f.MIME):
		return nil, fmt.Errorf("%s cannot be uploaded: %q is not a MIME type", text.Printable(f.Name), f.MIME)
	case f.Size < 0 || f.Open == nil:
		return nil, fmt.Errorf("%s cannot be uploaded: it has no content to open, or a negative size", text.Printable(f.Name))
	}
	return textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition("files", name)},
		"Content-Type":        {f.MIME},
	}, nil
}

// formName is the name that is sent for a file: without folders (RFC 7578, 4.2), in raw UTF-8 as browsers send it, with U+FFFD
// for each byte that is not UTF-8. Control characters become %0A and the like, as browsers do with line breaks, so that no
// name can end its header.
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
