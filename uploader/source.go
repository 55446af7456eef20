package uploader

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"

	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/hang"
	"kaizala-drop/internal/ledger"
)

// source is the opened files of a delivery: the descriptors are the files, whatever happens to their names.
type source struct {
	w     *work
	sent  []ledger.File // those of its job that are sent
	files []*os.File
	sums  []hash.Hash
	wrong []error // what was wrong with each when it was read

	readers []*fileReader   // the last one that was given of each
	looks   []file.Identity // what each looked like when it was compared last
	rereads []int           // how often each was read again
}

// openSource opens the files that w is to send and makes sure that they are those that settled.
func openSource(w *work) (*source, error) {
	s := &source{w: w, sent: w.job.toSend()}
	s.readers = make([]*fileReader, len(s.sent))
	s.wrong, s.looks, s.rereads = make([]error, len(s.sent)), make([]file.Identity, len(s.sent)), make([]int, len(s.sent))
	if err := w.job.each(s.sent, s.open); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *source) open(i int) error {
	f := s.sent[i]
	var opened *os.File
	var info file.Info
	err := s.w.job.calls.Do("open", filepath.Join(s.w.job.Folder, f.Name), func() (err error) {
		opened, info, err = file.Open(s.w.job.Folder, f.Name)
		return err
	})
	if err != nil {
		return s.w.missing(f, err)
	}
	s.files = append(s.files, opened)
	s.sums = append(s.sums, sha256.New())
	if !s.w.job.isThe(f.ID, info.Identity) && !looksSame(f.ID, info.Identity) {
		return errChanged
	}
	return nil
}

// toUpload gives the files as an upload takes them. What is read of each is hashed on the way; each new send starts anew.
func (s *source) toUpload() []destination.File {
	files := make([]destination.File, len(s.files))
	for i, f := range s.sent {
		t, _ := s.w.u.Traits.TypeOf(f.Name)
		files[i] = destination.File{
			Name: filepath.Base(f.Name), MIME: t.MIME, Size: f.ID.Size, At: anywhere{s.files[i], s.w.job.calls}, TakenUp: s.w.job.begun,
			Open: func() io.Reader {
				s.sums[i].Reset()
				if old := s.readers[i]; old != nil { // it is sent anew
					s.w.job.sent.Add(-old.at)
				}
				// Not bounded by Size: a file that grew must be noticed.
				from := &fileReader{f: s.files[i], calls: s.w.job.calls, sent: s.w.job.sent}
				s.readers[i] = from
				s.looks[i] = f.ID
				return &watchedReader{r: io.TeeReader(from, s.sums[i]), look: func() error { return s.glance(i, from.at) }, wrong: &s.wrong[i]}
			},
		}
	}
	return files
}

// glance says whether the file is still the one that is being sent. If its mtime has changed, what was sent of it is read
// once more; of a file that is touched again and again, only the end of the upload tells.
func (s *source) glance(i int, sent int64) error {
	f := s.sent[i]
	now, err := s.w.lstat(f)
	if err != nil {
		return err
	}
	was := s.looks[i]
	switch {
	case s.w.job.isThe(was, now), looksSame(was, now):
		return nil
	case sent == 0 || !mayBeSame(was, now) || !s.w.job.isTheInode(was, now):
		return errChanged
	case s.rereads[i] == rereadsMost:
		return nil
	}
	s.rereads[i]++
	s.looks[i] = now
	return s.unchangedUpTo(i, sent)
}

// rereadsMost is how often one upload of a file reads again what was sent of it.
const rereadsMost = 2

// unchangedUpTo compares what was sent of a file with what it holds now. Its error is errChanged or that of reading.
func (s *source) unchangedUpTo(i int, sent int64) error {
	now := sha256.New()
	if _, err := io.Copy(now, io.LimitReader(&fileReader{f: s.files[i], calls: s.w.job.calls}, sent)); err != nil {
		return err
	}
	if !bytes.Equal(now.Sum(nil), s.sums[i].Sum(nil)) {
		return errChanged
	}
	return nil
}

// lookEvery is how many bytes of a file are sent between two looks at it: what it costs to look is nothing to that.
const lookEvery = 1 << 20

// watchedReader reads a file and looks at it before its first byte, now and then, and after its last: one that is not what
// settled breaks the request off there, not when all of it, or of an album's other images, was sent.
type watchedReader struct {
	r     io.Reader
	look  func() error
	wrong *error // where to note why it could not be read
	left  int    // bytes until the next look
}

func (r *watchedReader) Read(p []byte) (n int, err error) {
	if r.left <= 0 {
		r.left = lookEvery
		err = r.look()
	}
	if err == nil {
		n, err = r.r.Read(p)
		r.left -= n
	}
	if errors.Is(err, io.EOF) {
		if changed := r.look(); changed != nil {
			err = changed
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		*r.wrong = err
	}
	return n, err
}

// trouble says which images of an album could not be read, as each does, or nil.
func (s *source) trouble() error {
	if !s.w.job.isAlbum() {
		return nil
	}
	return s.w.job.each(s.sent, func(i int) error { return s.wrong[i] })
}

// fileReader reads a file from its start without moving its offset, so that it can be read again.
type fileReader struct {
	f     *os.File
	at    int64
	calls *hang.Calls
	sent  *atomic.Int64 // counts what was read; nil: nothing does
}

func (r *fileReader) Read(p []byte) (n int, err error) {
	n, err = anywhere{r.f, r.calls}.ReadAt(p, r.at)
	r.at += int64(n)
	if r.sent != nil {
		r.sent.Add(int64(n))
	}
	return n, err
}

// anywhere reads a file at any place.
type anywhere struct {
	f     *os.File
	calls *hang.Calls
}

func (a anywhere) ReadAt(p []byte, off int64) (n int, err error) {
	err = a.calls.Do("read", a.f.Name(), func() (err error) { n, err = a.f.ReadAt(p, off); return err })
	return n, err
}

// noteSums notes the checksums of what was sent, which is all files of the job.
func (s *source) noteSums() {
	for i, sum := range s.sums {
		s.w.got.files[i].sum = sum.Sum(nil)
	}
}

func (s *source) close() {
	for _, f := range s.files {
		_ = f.Close() // it was only read
	}
}
