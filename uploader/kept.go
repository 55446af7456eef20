package uploader

import (
	"bytes"
	"errors"
)

// A file that is touched while it is uploaded may be written to: it must settle anew before it is posted. But if its bytes
// are the same then, they are not sent again.

// keptMost is how many uploads are kept for one folder.
const keptMost = 64

// upload is one that is kept for a file that settles anew.
type upload struct {
	size     int64
	sum      []byte
	resource string
}

// touched says that a file was uploaded, and that its mtime or its inode has changed meanwhile although its bytes have not.
type touched struct{ resource string }

func (*touched) Error() string { return errChanged.Error() + ", in its looks only" }

func (*touched) Unwrap() error { return errChanged }

// isTouched reports whether the file has other looks than it settled with, and not only another ctime. Images of an album
// are not told apart in this: they count as changed.
func (w *work) isTouched() bool {
	return !w.job.isAlbum() && !w.job.probe && !looksSame(w.job.Files[0].ID, w.want(0))
}

// keepIfTouched keeps what was uploaded of a file that is touched.
func (l *lane) keepIfTouched(d *delivery, err error) {
	if t, ok := errors.AsType[*touched](err); ok {
		if len(l.uploads) >= keptMost {
			clear(l.uploads) // of files that did not come back
		}
		f := d.Files[0]
		l.uploads[f.Name] = upload{f.ID.Size, f.SHA256, t.resource}
	}
}

// takeUpload gives what is kept for the file of d, once.
func (l *lane) takeUpload(d *delivery) (kept upload) {
	if d.isAlbum() {
		return upload{}
	}
	kept = l.uploads[d.name()]
	delete(l.uploads, d.name())
	if kept.size != d.Files[0].ID.Size {
		return upload{}
	}
	return kept
}

// kept gives the resource of an earlier upload of the same bytes, or "".
func (w *work) kept() (resource string, err error) {
	earlier := w.job.earlier
	if earlier.resource == "" {
		return "", nil
	}
	f := w.job.Files[0]
	sum, looks, err := w.sumOf(f.Name)
	switch {
	case err != nil:
		return "", w.missing(f, err)
	case !looksSame(looks, f.ID):
		return "", errChanged
	case !bytes.Equal(sum, earlier.sum):
		return "", nil
	}
	w.got.files[0].sum = sum
	return earlier.resource, nil
}
