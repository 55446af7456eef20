package uploader

import (
	"crypto/sha256"
	"hash"
	"io"
	"os"
	"path/filepath"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/kaizala"
	"kaizala-drop/internal/media"
)

// source is the opened files of a delivery: the descriptors are the files, whatever happens to their names.
type source struct {
	d     *delivery
	files []*os.File
	sums  []hash.Hash
}

// openSource opens the files of d and makes sure that they are those that settled.
func openSource(d *delivery) (*source, error) {
	s := &source{d: d}
	for _, f := range d.Files {
		opened, info, err := file.Open(d.Folder, f.Name)
		if err != nil {
			s.close()
			return nil, d.missing(f, err)
		}
		s.files = append(s.files, opened)
		s.sums = append(s.sums, sha256.New())
		if info.Identity != f.ID {
			s.close()
			return nil, errChanged
		}
	}
	return s, nil
}

// parts gives the files as parts of an upload. What is read of each is hashed on the way; each new send starts anew.
func (s *source) parts() []kaizala.Part {
	parts := make([]kaizala.Part, len(s.files))
	for i, f := range s.d.Files {
		t, _ := media.ByName(f.Name)
		parts[i] = kaizala.Part{
			Name: filepath.Base(f.Name), MIME: t.MIME, Size: f.ID.Size,
			Open: func() io.Reader {
				s.sums[i].Reset()
				// Not bounded by Size: a file that grew must be noticed.
				return io.TeeReader(&fileReader{f: s.files[i]}, s.sums[i])
			},
		}
	}
	return parts
}

// fileReader reads a file from its start without moving its offset, so that it can be read again.
type fileReader struct {
	f  *os.File
	at int64
}

func (r *fileReader) Read(p []byte) (int, error) {
	n, err := r.f.ReadAt(p, r.at)
	r.at += int64(n)
	return n, err
}

// noteSums notes the checksums of what was sent.
func (s *source) noteSums() {
	for i, sum := range s.sums {
		s.d.Files[i].SHA256 = sum.Sum(nil)
	}
}

func (s *source) close() {
	for _, f := range s.files {
		f.Close()
	}
}
