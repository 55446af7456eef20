package sandbox

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"slices"
	"strings"

	"kaizala-drop/internal/media"
	"kaizala-drop/internal/text"
)

// takeMedia is POST /v1/media: one file, or the images of an album, as parts named "files".
//
// The reference does not say what the service answers without Content-Length. The sandbox answers 411, so that a client that
// sends chunks, which servers like Kaizala's often refuse, is found early.
func (s *Server) takeMedia(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength < 0 {
		return refuse(http.StatusLengthRequired, "the header Content-Length is missing: the body must not be chunked")
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "multipart/form-data" {
		return refuse(http.StatusUnsupportedMediaType, "the Content-Type is %q, not multipart/form-data",
			r.Header.Get("Content-Type"))
	}
	if err != nil || params["boundary"] == "" {
		return refuse(http.StatusBadRequest, "the Content-Type names no usable boundary")
	}
	t := s.transfers.Get().(*transfer)
	defer s.transfers.Put(t)
	t.in.Reset(r.Body)
	files, err := s.takeParts(t, multipart.NewReader(t.in, params["boundary"]))
	t.in.Reset(nil)
	if err != nil {
		discard(files)
		return err
	}
	number := s.keep(files)
	answer(w, http.StatusOK, struct {
		MediaResource string `json:"mediaResource"`
	}{s.mint.resource(number)})
	return nil
}

// takeParts stores every part. The caller discards the files that it returns with an error.
func (s *Server) takeParts(t *transfer, parts *multipart.Reader) (files []Media, err error) {
	for {
		// NextPart would decode a part by its Content-Transfer-Encoding.
		part, err := parts.NextRawPart()
		if err == io.EOF && len(files) > 0 { // errors.Is would accept a form that was cut off, whose error wraps io.EOF
			return files, nil
		}
		if err == io.EOF {
			return nil, refuse(http.StatusBadRequest, "the form has no part, where one named files is needed")
		}
		if err != nil {
			return files, refuse(http.StatusBadRequest, "cannot read the form: %v", err)
		}
		name, typ, err := identify(part)
		if err != nil {
			return files, err
		}
		m, err := s.store(t, part, name, typ)
		if err != nil {
			return files, err
		}
		files = append(files, m)
		if len(files) > 1 && !allImages(files) {
			return files, refuse(http.StatusBadRequest,
				"several files make an album, and up to %q they are not all images", text.Printable(name))
		}
	}
}

// identify returns the name and the type of a part, and refuses a part that the reference does not allow.
func identify(part *multipart.Part) (name string, typ media.Type, err error) {
	header := part.Header.Get("Content-Disposition")
	d, ok := parseDisposition(header)
	if !ok {
		return "", typ, refuse(http.StatusBadRequest, "a part has the Content-Disposition %q, not a form's", header)
	}
	if d.field != "files" {
		return "", typ, refuse(http.StatusBadRequest, "a part is named %q, where files is expected", d.field)
	}
	if d.filename == "" {
		return "", typ, refuse(http.StatusBadRequest, "a part has no file name")
	}
	typ, ok = media.ByName(d.filename)
	if !ok || !slices.Contains(extensions(), typ.Ext) {
		return "", typ, refuse(http.StatusUnsupportedMediaType, "the file %q is of no supported type: those are %s",
			text.Printable(d.filename), strings.Join(extensions(), " "))
	}
	kind := part.Header.Get("Content-Type")
	if parsed, _, _ := mime.ParseMediaType(kind); parsed != typ.MIME {
		return "", typ, refuse(http.StatusUnsupportedMediaType, "the part for %q has the Content-Type %q, not %q",
			text.Printable(d.filename), kind, typ.MIME)
	}
	return d.filename, typ, nil
}

// extensions are those of the reference page for /media, in its order.
func extensions() []string {
	return []string{".jpg", ".jpeg", ".png", ".mp3", ".wav", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".pdf", ".mp4", ".3gpp"}
}

// store writes a part to a file with a name of its own. If it fails, it leaves no file.
func (s *Server) store(t *transfer, part io.Reader, name string, typ media.Type) (m Media, err error) {
	f, err := os.CreateTemp(s.dir, "*"+typ.Ext)
	if err != nil {
		return Media{}, fmt.Errorf("cannot keep %q: %w", text.Printable(name), err)
	}
	m = Media{Name: name, MIME: typ.MIME, Path: f.Name()}
	m.Size, m.SHA256, err = t.copy(f, part)
	if closed := f.Close(); err == nil && closed != nil {
		err = fmt.Errorf("cannot keep %q: %w", text.Printable(name), closed)
	}
	if err == nil && m.Size == 0 {
		err = refuse(http.StatusBadRequest, "the file %q is empty", text.Printable(name))
	}
	if err != nil {
		discard([]Media{m})
		return Media{}, err
	}
	return m, nil
}

// transfer holds the buffers for receiving a file. Without them, files would be read and written 4 KiB at a time.
type transfer struct {
	in  *bufio.Reader
	buf []byte
	sum hash.Hash
}

func newTransfer() any {
	const size = 64 << 10
	return &transfer{bufio.NewReaderSize(nil, size), make([]byte, size), sha256.New()}
}

// copy copies src to dst, and returns its length and hash. An error of reading is the client's fault, an error of writing the
// server's.
func (t *transfer) copy(dst io.Writer, src io.Reader) (size int64, sum string, err error) {
	t.sum.Reset()
	for err == nil {
		var n int
		n, err = fill(t.buf, src)
		t.sum.Write(t.buf[:n])
		size += int64(n)
		if _, failed := dst.Write(t.buf[:n]); failed != nil {
			return 0, "", fmt.Errorf("cannot keep the file: %w", failed)
		}
	}
	if err != io.EOF {
		return 0, "", refuse(http.StatusBadRequest, "the upload broke off: %v", err)
	}
	return size, hex.EncodeToString(t.sum.Sum(nil)), nil
}

// fill is io.ReadFull with the reader's own error, by which a broken-off upload differs from its end.
func fill(buf []byte, r io.Reader) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

func discard(files []Media) {
	for _, m := range files {
		_ = os.Remove(m.Path) // a file that cannot be removed stays until the caller removes the folder
	}
}

func allImages(files []Media) bool {
	for _, m := range files {
		if !strings.HasPrefix(m.MIME, "image/") {
			return false
		}
	}
	return true
}
