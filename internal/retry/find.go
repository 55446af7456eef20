package retry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/text"
)

// found is a failed file.
type found struct {
	path     string
	info     file.Info // of what lies at path
	delivery ledger.Delivery
	place    place
	already  *ledger.Asked // what was asked is done, and nothing lies at path any more
}

// find finds out which failed file lies at path, or lay there when something was asked of it.
func (r *Retrier) find(ctx context.Context, path string) (found, error) {
	info, err := file.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r.findGone(ctx, path)
	case err != nil:
		return found{}, err
	case info.Mode.IsDir():
		return found{}, fmt.Errorf("%w: it is a folder; name the files in it", ErrNotFailed)
	}
	known, err := r.Ledger.Search(ctx, ledger.Query{Dest: path, State: ledger.Failed})
	if err != nil {
		return found{}, err
	}
	lies := func(f ledger.File) bool { return f.Dest == path }
	if f, ok := pick(known, info, lies); ok {
		f.path = path
		return f, nil
	}
	if f, ok, err := r.findRenamed(ctx, path, info); ok || err != nil {
		return f, err
	}
	return found{}, r.describe(ctx, path, info)
}

// pick takes the file that looks like what lies there, else the latest that is to lie there.
func pick(all []ledger.Delivery, info file.Info, lies func(ledger.File) bool) (found, bool) {
	var best *found
	for _, d := range all {
		for i, f := range d.Files {
			if !d.Finished || !lies(f) {
				continue
			}
			is := found{info: info, delivery: d, place: place{d.ID, i}}
			if f.ID.Size == info.Size && f.ID.Mtime == info.Mtime {
				return is, true
			}
			if best == nil {
				best = &is
			}
		}
	}
	if best == nil {
		return found{}, false
	}
	return *best, true
}

// findRenamed finds a file that somebody renamed within failed/, and one whose path is spelled in another way than in the ledger,
// through a link, say.
func (r *Retrier) findRenamed(ctx context.Context, path string, info file.Info) (found, bool, error) {
	known, err := r.Ledger.FailedLike(ctx, info.Size)
	if err != nil {
		return found{}, false, err
	}
	f, ok := pick(known, info, func(f ledger.File) bool { return isRenamed(f, path, info) })
	f.path = path
	return f, ok, nil
}

// isRenamed reports whether the file that the ledger has in failed/ is the one at path, which is in that folder, too. Its inode tells,
// or what was sent of it; a copy of a file that was never sent is known by its time alone, if it is where it was not any more.
func isRenamed(f ledger.File, path string, info file.Info) bool {
	if f.Dest == "" || f.ID.Size != info.Size {
		return false
	}
	there, err := file.Lstat(f.Dest)
	if err == nil && there.SameFile(info.Identity) {
		return there.Links == 1 && sameFolder(path, f.Dest)
	}
	if err == nil && there.Size == f.ID.Size && there.Mtime == f.ID.Mtime || !sameFolder(path, f.Dest) {
		return false
	}
	switch {
	case f.ID.Ino == info.Ino && f.ID.Mtime == info.Mtime:
		return true
	case f.SHA256 != nil:
		return isSum(path, f.SHA256)
	}
	return isKept(f.ID.Mtime, info.Mtime)
}

// isKept reports whether a modification time is another one as a file system keeps it: to the nanosecond, or in the steps of NTFS,
// ext3, exFAT, FAT, and of what archives and SFTP write.
func isKept(mtime, kept int64) bool {
	for _, step := range []int64{1, 100, 1000, int64(time.Millisecond), int64(10 * time.Millisecond), int64(time.Second), int64(2 * time.Second)} {
		if off := kept - mtime; kept%step == 0 && -step < off && off < step {
			return true
		}
	}
	return false
}

func sameFolder(a, b string) bool {
	ia, errA := file.Stat(filepath.Dir(a))
	ib, errB := file.Stat(filepath.Dir(b))
	return errA == nil && errB == nil && ia.SameFile(ib.Identity)
}

func isSum(path string, sum []byte) bool {
	f, _, err := file.Open(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return false
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return err == nil && bytes.Equal(h.Sum(nil), sum)
}

// findGone finds what was asked of a file that lay at path, unless another one was moved there since: then it is not the one that is
// meant now.
func (r *Retrier) findGone(ctx context.Context, path string) (found, error) {
	all, err := r.Ledger.Asked(ctx, ledger.Questions{Path: path})
	if err != nil {
		return found{}, err
	}
	known, err := r.Ledger.Search(ctx, ledger.Query{Dest: path})
	if err != nil {
		return found{}, err
	}
	for _, a := range slices.Backward(all) {
		if a.State == ledger.Void {
			continue
		}
		if slices.ContainsFunc(known, func(d ledger.Delivery) bool { return d.ID > a.Delivery || d.FinishedAt.After(a.At) }) {
			break
		}
		if a.State == ledger.Done {
			return found{already: &a}, nil
		}
		d, err := r.Ledger.Get(ctx, a.Delivery)
		return found{path: path, delivery: d, place: place{a.Delivery, a.Position}}, err
	}
	return found{}, r.describeGone(ctx, path, known)
}

// describeGone says of a path where nothing lies what is known.
func (r *Retrier) describeGone(ctx context.Context, path string, known []ledger.Delivery) error {
	if len(known) > 0 {
		return fmt.Errorf("%w: nothing lies there any more; delivery %d moved a file there on %s, and somebody has taken it away since",
			ErrNotFailed, known[0].ID, day(known[0].At()))
	}
	named, err := r.Ledger.Search(ctx, ledger.Query{Name: filepath.Base(path), Limit: 1})
	if err != nil {
		return err
	}
	if len(named) == 0 {
		return fmt.Errorf("%w: nothing lies there, and no file of that name is known; failed files lie in the failed/ of their folder", ErrNotFailed)
	}
	return fmt.Errorf("%w: nothing lies there; what became of files of that name: %s", ErrNotFailed,
		text.Command(r.Options, "history", "--name", filepath.Base(path)))
}

func day(t time.Time) string { return t.Local().Format("2 January 2006 at 15:04 MST") }

// describe says what it is that lies at path, which is no failed file, and what to do.
func (r *Retrier) describe(ctx context.Context, path string, info file.Info) error {
	if filing.IsNoteName(path) {
		return fmt.Errorf("%w: name the file itself", ErrNote)
	}
	if filing.IsOwnName(filepath.Base(path)) {
		return fmt.Errorf("%w: it is kaizala-drop's own; leave it there", ErrNotFailed)
	}
	if !info.Mode.IsRegular() {
		return fmt.Errorf("%w: it is no regular file, and nothing else is sent", ErrNotFailed)
	}
	paths := []string{path}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		paths = append(paths, filepath.Join(dir, filepath.Base(path)))
	}
	for _, p := range paths {
		for _, f := range r.Folders() {
			switch {
			case isIn(f.Done, p):
				return r.describeDone(ctx, p, f)
			case isIn(f.Failed, p):
				return r.describeFailed(ctx, p, f)
			}
		}
	}
	for _, p := range paths {
		for _, f := range r.Folders() {
			if isIn(f.Path, p) {
				return fmt.Errorf("%w: it lies in its folder, from where it is sent by itself; what it waits for: %s", ErrNotFailed, text.Command(r.Options, "explain", p))
			}
		}
	}
	return fmt.Errorf("%w: it lies in no folder of the configuration; to have it sent, copy it into one", ErrNotFailed)
}

func isIn(dir, path string) bool {
	below, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(below)
}

func (r *Retrier) describeDone(ctx context.Context, path string, f Folder) error {
	known, err := r.Ledger.Search(ctx, ledger.Query{Dest: path, Limit: 1})
	if err != nil {
		return err
	}
	what := "it lies in done/"
	if len(known) > 0 {
		what = fmt.Sprintf("it was posted, and moved to done/ on %s (delivery %d)", day(known[0].At()), known[0].ID)
	}
	return fmt.Errorf("%w: %s; to have it posted once more, copy it into %s", ErrNotFailed, what, quote(f.Path))
}

func (r *Retrier) describeFailed(ctx context.Context, path string, f Folder) error {
	known, err := r.Ledger.Search(ctx, ledger.Query{Folder: f.Path, Name: filepath.Base(path), State: ledger.Failed, Limit: 1})
	switch {
	case err != nil:
		return err
	case len(known) > 0 && !known[0].Finished:
		return fmt.Errorf("%w: it is being moved to failed/ just now; ask again in a moment", ErrBusy)
	}
	return fmt.Errorf("%w: it lies in failed/, but the ledger does not know it: somebody put it there, or it is older than keep_history; "+
		"to have it sent, move it into %s", ErrNotFailed, quote(f.Path))
}
