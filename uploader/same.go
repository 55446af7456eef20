package uploader

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
)

// What only looks changed is not sent again, and what only looks new is not posted again. A chmod, a touch, a new inode or
// another name leave the bytes as they were, so where the looks differ the bytes decide: the SHA-256 of what was sent.
//
// A file is known again only by a delivery that is posted, or may be, and is not filed yet. Each of its files is found only once.
// Whatever else is dropped is posted, even the same bytes once more.

// looksSame reports whether nothing was written to the file, as far as can be seen from outside. The ctime is left out because
// it changes with the name, the owner and the permissions.
func looksSame(a, b file.Identity) bool {
	return a.Ino == b.Ino && a.Size == b.Size && a.Mtime == b.Mtime
}

// mayBeSame reports whether the file that looked like want may hold the same bytes now: only these can tell.
func mayBeSame(want, now file.Identity) bool { return want.Size == now.Size }

// holdsStill reports whether the file at index i, which has other looks now, holds the bytes that were sent. All of it is read.
// That is bounded, because it is asked at most once for each upload, each post and each move.
func (w *work) holdsStill(i int, now file.Identity) (bool, error) {
	f := w.file(i)
	if len(f.SHA256) == 0 || !mayBeSame(f.ID, now) {
		return false, nil
	}
	sum, read, err := w.sumOf(f.Name)
	if err != nil || !bytes.Equal(sum, f.SHA256) {
		return false, err
	}
	w.got.files[i].looks = read
	return true, nil
}

// sumOf reads a file, and returns its sum and what it looked like when it was read. The error is errChanged if it is written to
// meanwhile.
func (w *work) sumOf(name string) ([]byte, file.Identity, error) {
	var opened *os.File
	var before file.Info
	folder := w.job.Folder
	err := w.job.calls.Do("open", filepath.Join(folder, name), func() (err error) { opened, before, err = file.Open(folder, name); return err })
	if err != nil {
		return nil, file.Identity{}, err
	}
	defer opened.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, &fileReader{f: opened, calls: w.job.calls}); err != nil {
		return nil, file.Identity{}, err
	}
	after, err := w.lstatName(name)
	if err == nil && !looksSame(before.Identity, after.Identity) {
		err = errChanged
	}
	return sum.Sum(nil), after.Identity, err
}

// sameAs is the error that tells which files of a delivery are files of others.
type sameAs []match

func isKnown(err error) bool {
	_, is := errors.AsType[sameAs](err)
	return is
}

// match says that a file is one that another delivery has posted.
type match struct {
	index int // of the file
	known suspect
	name  string // of the file
}

func (sameAs) Error() string {
	return "it is a file that was posted already and not filed yet, under another name or with other looks"
}

// isNew looks whether files of the job are files of its suspects, which are no longer where they were. Its error is a sameAs, in
// which each file and each suspect is found once.
func (w *work) isNew() error {
	var found sameAs
	for _, s := range w.job.suspects {
		for i, f := range w.job.Files {
			taken := func(m match) bool { return m.index == i || m.known.of == s.of && m.known.index == s.index }
			if !slices.ContainsFunc(found, taken) && w.isSuspect(i, s) {
				found = append(found, match{i, s, f.Name})
			}
		}
	}
	if found == nil {
		return nil
	}
	return found
}

// isSuspect reports whether f is the file s, renamed or otherwise changed in looks. While the looks do not tell, the sum of
// what was uploaded does, or else of what lies there; of what has its very name only the sum does, for it was looked at before.
// What still lies where it was is another file, and what no longer lies where it settled is none.
func (w *work) isSuspect(i int, s suspect) bool {
	f := w.file(i)
	if s.copied && len(f.SHA256) == 0 && !looksSame(f.ID, s.file.ID) && mayBeSame(f.ID, s.file.ID) {
		f.SHA256, _, _ = w.sumOf(f.Name) // it may be refused before it is uploaded
	}
	same := len(f.SHA256) > 0 && bytes.Equal(f.SHA256, s.file.SHA256)
	if f.Name == s.file.Name {
		return same
	}
	if !same && !looksSame(f.ID, s.file.ID) {
		return false
	}
	return w.liesStill(i) && !w.lies(s.file.Name, s.file.ID)
}

// liesStill reports whether the file at index i lies where it settled, perhaps with other looks.
func (w *work) liesStill(i int) bool {
	return w.lies(w.job.Files[i].Name, w.want(i)) || w.looksOther(i)
}

// lies reports whether a file lies under a name, as far as its looks tell.
func (w *work) lies(name string, want file.Identity) bool {
	info, err := w.lstatName(name)
	return err == nil && looksSame(info.Identity, want)
}

// looksOther reports whether the file at index i is the wanted one after all, with other looks.
func (w *work) looksOther(i int) bool {
	now, err := w.lstat(w.file(i))
	if err != nil {
		return false
	}
	same, err := w.holdsStill(i, now)
	return err == nil && same
}

// writeLooks tells the ledger what the file at index i looks like now, as far as the step knows.
func (w *work) writeLooks(ctx context.Context, i int) error {
	return w.endAnyway(w.u.Ledger.Recognised(ctx, w.id(), i, w.job.Files[i].Name, w.want(i)))
}

// renamed is a file that was found under another name, or with other looks.
type renamed struct {
	index int
	was   ledger.File
}

// clearUp removes what is left of moves of the renamed files from their old names. It comes before the ledger forgets these.
func (w *work) clearUp() error {
	for _, r := range w.job.renamed {
		if err := w.clearLeftovers(r.was, filepath.Join(w.job.Folder, w.job.Files[r.index].Name)); err != nil {
			return err
		}
	}
	return nil
}

// writeRecognised tells the ledger under which names the renamed files lie now.
func (w *work) writeRecognised(ctx context.Context) error {
	for _, r := range w.job.renamed[w.got.recognised:] {
		f := w.job.Files[r.index]
		if err := w.u.Ledger.Recognised(ctx, w.id(), r.index, f.Name, f.ID); err != nil {
			return inLedger(err)
		}
		w.got.recognised++
	}
	return nil
}
