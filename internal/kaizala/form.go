package kaizala

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/media"
)

// ErrContent is wrapped by the error of an upload that was broken off because a part could not be read, or did not have
// its size. What the reader said is wrapped beside it. It is never the network's fault.
var ErrContent = errors.New("cannot read the content")

// Part is one file of an upload.
type Part struct {
	Name string // the file's name; of a path, only what follows the last slash is sent
	MIME string // its Content-Type; another than Kaizala expects for the extension is answered with 415
	Size int64  // bytes
	// Open gives the content from its start, anew for each sending. Of the readers it gave, only the last is in use.
	Open func() io.Reader
}

// payload is the body of a call: fixed bytes with the content of parts between them. It can be sent any number of times.
type payload struct {
	contentType string
	length      int64
	fixed       [][]byte // one more than there are parts
	parts       []Part
}

func newAction(p Post) (*payload, error) {
	type body struct {
		MediaResource string `json:"mediaResource"`
		Caption       string `json:"caption,omitempty"`
	}
	text, err := json.Marshal(struct {
		ActionType media.Action `json:"actionType"`
		ActionBody body         `json:"actionBody"`
	}{p.Action, body{p.Resource, p.Caption}})
	if err != nil {
		return nil, err
	}
	return &payload{contentType: "application/json", length: int64(len(text)), fixed: [][]byte{text}}, nil
}

// newForm lays the parts out as multipart/form-data (RFC 7578), each in a field named files.
func newForm(parts []Part) (*payload, error) {
	if len(parts) == 0 {
		return nil, errors.New("nothing to upload")
	}
	var text bytes.Buffer
	w := multipart.NewWriter(&text)
	p := &payload{contentType: w.FormDataContentType(), parts: parts}
	var cuts []int
	for _, part := range parts {
		header, err := part.header()
		if err != nil {
			return nil, err
		}
		if _, err := w.CreatePart(header); err != nil {
			return nil, err
		}
		cuts = append(cuts, text.Len())
		p.length += part.Size
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	p.length += int64(text.Len())
	start := 0
	for _, cut := range append(cuts, text.Len()) {
		p.fixed = append(p.fixed, text.Bytes()[start:cut])
		start = cut
	}
	return p, nil
}

func (p Part) header() (textproto.MIMEHeader, error) {
	name := formName(p.Name)
	switch {
	case name == "":
		return nil, fmt.Errorf("%q is not a file name", p.Name)
	case p.MIME == "" || !isHeaderValue(p.MIME):
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

// sending is one sending of a payload: what net/http reads and closes as the request's body. The end of a part is handed
// over only when the part is known to have exactly its size, so that a server never gets a whole request of a torn file.
type sending struct {
	payload *payload // nil: no body
	watch   *watchdog

	mu      sync.Mutex // held while a part is read: once Close returns, nobody reads any more
	piece   int        // even: fixed[piece/2], odd: parts[piece/2]
	offset  int64      // in the piece
	content io.Reader  // of the part; nil: not opened yet
	sent    int64      // bytes in all
	err     error      // why the content could not be had
	closed  bool

	started atomic.Bool // bytes of the body were handed over
	early   atomic.Bool // the answer began before that: what is sent after it is broken off
}

func newSending(p *payload, w *watchdog) *sending { return &sending{payload: p, watch: w} }

// Read reads the payload. While it reads a file, the network is not blamed for standing still.
func (s *sending) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch.pause()
	defer s.watch.touch()
	for len(p) > 0 && s.err == nil && s.piece < len(s.payload.fixed)+len(s.payload.parts) {
		if s.closed {
			return 0, errClosed
		}
		if n := s.next(p); n > 0 {
			s.sent += int64(n)
			s.started.Store(true)
			return n, nil
		}
	}
	if s.err != nil {
		return 0, s.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	return 0, io.EOF
}

var errClosed = errors.New("the request was broken off")

// next reads from the piece at hand and goes to the following one at its end.
func (s *sending) next(p []byte) int {
	if s.piece%2 == 1 {
		return s.readPart(s.payload.parts[s.piece/2], p)
	}
	fixed := s.payload.fixed[s.piece/2]
	n := copy(p, fixed[s.offset:])
	if s.offset += int64(n); s.offset == int64(len(fixed)) {
		s.piece, s.offset = s.piece+1, 0
	}
	return n
}

func (s *sending) readPart(part Part, p []byte) int {
	if s.content == nil {
		s.content = part.Open()
	}
	left := part.Size - s.offset
	if left == 0 {
		s.endPart(part)
		return 0
	}
	n, err := s.content.Read(p[:min(int64(len(p)), left)])
	s.offset += int64(n)
	switch {
	case err == io.EOF && s.offset < part.Size:
		s.err = contentError(part, fmt.Errorf("it ended after %d of %d bytes", s.offset, part.Size))
	case err != nil && err != io.EOF:
		s.err = contentError(part, err)
	default:
		return n
	}
	return 0
}

// endPart makes sure that nothing follows what was read.
func (s *sending) endPart(part Part) {
	switch _, err := io.ReadFull(s.content, make([]byte, 1)); err {
	case io.EOF:
		s.piece, s.offset, s.content = s.piece+1, 0, nil
	case nil:
		s.err = contentError(part, fmt.Errorf("it is longer than %d bytes", part.Size))
	default:
		s.err = contentError(part, err)
	}
}

func contentError(part Part, err error) error {
	return fmt.Errorf("%w of %s: %w", ErrContent, file.Printable(part.Name), err)
}

// Close waits for a Read under way and lets no other one touch a part. It may be called many times.
func (s *sending) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// rewind begins again.
func (s *sending) rewind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.piece, s.offset, s.content, s.sent, s.err, s.closed = 0, 0, nil, 0, nil, false
	s.started.Store(false)
	s.early.Store(false)
}

// failed says why the content could not be had, or nil.
func (s *sending) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// traced has net/http tell when an answer begins.
func (s *sending) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotFirstResponseByte: func() { s.early.Store(!s.started.Load()) },
		Got1xxResponse:       func(int, textproto.MIMEHeader) error { s.early.Store(false); return nil }, // it wants the body
	})
}

// begun reports whether the body was handed to the network before its answer came.
func (s *sending) begun() bool { return s.started.Load() && !s.early.Load() }

// complete reports whether all of every part was handed to the network.
func (s *sending) complete() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.payload == nil || len(s.payload.parts) == 0 || s.sent == s.payload.length
}
