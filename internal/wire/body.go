package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"sync/atomic"

	"kaizala-drop/internal/text"
)

// Body is the body of a call: texts and files, one after the other. It can be sent any number of times.
type Body struct {
	ContentType string
	Pieces      []Piece
}

// Piece is a file, or a text if File is nil.
type Piece struct {
	Text []byte
	File *File
}

// File is a file in a body.
type File struct {
	Name string // for errors
	Size int64  // bytes; not negative
	// Open returns a reader of the content from its start, once for each time that the body is sent. Only the last reader of
	// one call is in use.
	Open func() io.Reader
}

// JSON returns a body with v as JSON. Its errors are those of json.Marshal.
func JSON(v any) (*Body, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return &Body{ContentType: "application/json", Pieces: []Piece{{Text: text}}}, nil
}

// Length is the number of bytes of the body.
func (b *Body) Length() int64 {
	var n int64
	for _, p := range b.Pieces {
		n += p.length()
	}
	return n
}

func (p Piece) length() int64 {
	if p.File != nil {
		return p.File.Size
	}
	return int64(len(p.Text))
}

// bodyReader reads a body once, for net/http. It hands over the end of a file only when it knows that the file has exactly its
// size, so that a server never gets a whole request with a torn file.
type bodyReader struct {
	body  *Body // nil: none
	watch *watchdog

	mu      sync.Mutex // held while a file is read, so that nobody reads any more once stop returns
	piece   int
	offset  int64     // in the piece
	content io.Reader // of the file; nil: not opened yet
	sent    int64     // bytes of all pieces
	err     error     // why the content could not be read
	closed  bool

	started atomic.Bool // bytes of the body were handed over
	early   atomic.Bool // the answer began before started, so that bytes sent after it are not counted
}

func newBodyReader(b *Body, w *watchdog) *bodyReader { return &bodyReader{body: b, watch: w} }

// attach makes r the body of a request.
func (r *bodyReader) attach(req *http.Request) error {
	req.Header.Set("Content-Type", r.body.ContentType)
	req.ContentLength = r.body.Length()
	if req.ContentLength == 0 { // for an empty Body, net/http would read on and send it chunked
		req.Body = http.NoBody
		_, _ = r.Read(make([]byte, 1))
		return r.failed()
	}
	req.Body = r
	// With GetBody, net/http sends the request on a new connection if an idle one turns out to be closed. It never does that
	// for a POST or PUT without Idempotency-Key of which a byte was written (http.Transport).
	req.GetBody = func() (io.ReadCloser, error) { r.rewind(); return r, nil }
	return nil
}

var errClosed = errors.New("the request was broken off")

// Read reads the body. The watchdog rests meanwhile, because the network does not stand still while a disk does.
func (r *bodyReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watch.pause()
	defer r.watch.touch()
	for len(p) > 0 && r.err == nil && r.piece < len(r.body.Pieces) {
		if r.closed {
			return 0, errClosed
		}
		n := r.next(p)
		r.passEmpty()
		if n > 0 && r.err == nil {
			r.sent += int64(n)
			r.started.Store(true)
			return n, nil
		}
	}
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	return 0, io.EOF
}

// next reads from the present piece, and goes on to the next piece at its end.
func (r *bodyReader) next(p []byte) int {
	piece := r.body.Pieces[r.piece]
	if piece.File != nil {
		return r.readFile(piece.File, p)
	}
	n := copy(p, piece.Text[r.offset:])
	if r.offset += int64(n); r.offset == int64(len(piece.Text)) {
		r.piece, r.offset = r.piece+1, 0
	}
	return n
}

// passEmpty skips pieces of length 0. So the last bytes of a body are handed over only when an empty file after them is known
// to be empty.
func (r *bodyReader) passEmpty() {
	for r.err == nil && r.piece < len(r.body.Pieces) && r.body.Pieces[r.piece].length() == 0 {
		r.next(nil)
	}
}

func (r *bodyReader) readFile(f *File, p []byte) int {
	if r.content == nil {
		r.content = f.Open()
	}
	left := f.Size - r.offset
	if left == 0 { // the file should be empty
		r.endFile(f)
		return 0
	}
	n, err := r.content.Read(p[:min(int64(len(p)), left)])
	r.offset += int64(n)
	switch {
	case err == io.EOF && r.offset < f.Size:
		r.err = contentError(f, fmt.Errorf("it ended after %d of %d bytes", r.offset, f.Size))
	case err != nil && err != io.EOF:
		r.err = contentError(f, err)
	case r.offset == f.Size:
		r.endFile(f)
	}
	if r.err != nil {
		return 0
	}
	return n
}

// endFile checks that the file has no byte after those that were read.
func (r *bodyReader) endFile(f *File) {
	switch _, err := io.ReadFull(r.content, make([]byte, 1)); err {
	case io.EOF:
		r.piece, r.offset, r.content = r.piece+1, 0, nil
	case nil:
		r.err = contentError(f, fmt.Errorf("it is longer than %d bytes", f.Size))
	default:
		r.err = contentError(f, err)
	}
}

func contentError(f *File, err error) error {
	return fmt.Errorf("%w of %s: %w", ErrContent, text.Printable(f.Name), err)
}

// Close is called by the transport when it wants no more.
func (r *bodyReader) Close() error {
	r.stop()
	return nil
}

// stop waits for a Read under way, and makes later ones fail. It may be called many times.
func (r *bodyReader) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// rewind makes Read start again at the beginning.
func (r *bodyReader) rewind() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.piece, r.offset, r.content, r.sent, r.err, r.closed = 0, 0, nil, 0, nil, false
	r.started.Store(false)
	r.early.Store(false)
}

// failed returns why the content could not be read, or nil.
func (r *bodyReader) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// traced makes net/http report when an answer begins.
func (r *bodyReader) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotFirstResponseByte: func() { r.early.Store(!r.started.Load()) },
		Got1xxResponse:       func(int, textproto.MIMEHeader) error { r.early.Store(false); return nil }, // the server wants the body
	})
}

// begun reports whether bytes of the body were handed to the network before the answer came.
func (r *bodyReader) begun() bool { return r.started.Load() && !r.early.Load() }

// complete reports whether all bytes of all files were handed to the network.
func (r *bodyReader) complete() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.body == nil || !r.body.hasFile() || r.sent == r.body.Length()
}

func (b *Body) hasFile() bool {
	for _, p := range b.Pieces {
		if p.File != nil {
			return true
		}
	}
	return false
}
