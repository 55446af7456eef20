package retry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/text"
)

// Finish brings to its end what was asked and not done, because a crash came between. It is to be called at a start, before the
// folders are watched, and may be called again: what cannot be done yet, because a share is away, say, stays asked. Its error tells
// of all that was not done.
func (r *Retrier) Finish(ctx context.Context) (done []Result, err error) {
	pending, err := r.Ledger.Asked(ctx, ledger.Questions{Pending: true})
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, a := range pending {
		if ctx.Err() != nil {
			return done, errors.Join(append(errs, context.Cause(ctx))...)
		}
		at := place{a.Delivery, a.Position}
		if !r.enter(at) {
			continue // it is being done
		}
		result, err := r.carry(context.WithoutCancel(ctx), a, true)
		r.leave(at)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s, which %s asked for: %w", quote(a.Path), a.By, err))
			r.Log.Warn().Err(err).Str("file", text.Printable(a.Path)).Str("asked", string(a.What)).Str("by", text.Printable(a.By)).
				Msg("what was asked of a failed file is not done yet")
			continue
		}
		done = append(done, result)
	}
	return done, errors.Join(errs...)
}

// goOn goes on with what was asked of the file before, if that is not done. If something else is asked now, and the file still lies
// where it did, what was asked before does not count any more.
func (r *Retrier) goOn(ctx context.Context, q Request, f found) (Result, bool, error) {
	all, err := r.Ledger.Asked(ctx, ledger.Questions{Delivery: f.place.delivery, Pending: true})
	if err != nil {
		return Result{}, false, err
	}
	for _, a := range all {
		if a.Position != f.place.position {
			continue
		}
		what, err := q.what(f.delivery)
		if liesAs(a.Path, a.File) && (err != nil || what != a.What) {
			if err == nil {
				err = r.dismiss(ctx, a, "something else was asked since then: "+string(what))
			}
			return Result{}, false, err
		}
		result, err := r.carry(context.WithoutCancel(ctx), a, true)
		if err == nil {
			result, err = asAsked(q, result)
		}
		return result, true, err
	}
	return Result{}, false, nil
}

// carry does what was asked. again says that an earlier try may have been broken off.
func (r *Retrier) carry(ctx context.Context, a ledger.Asked, again bool) (Result, error) {
	folder, err := r.folderOf(a.Folder)
	if err != nil {
		return Result{}, err
	}
	m, err := r.moveOf(ctx, a, folder)
	if err != nil {
		return Result{}, err
	}
	if a.Became != 0 && again {
		return r.takenUp(ctx, a, m)
	}
	dest, err := r.Filer.Move(m)
	r.pass("moved")
	if err != nil {
		return Result{}, r.notMoved(ctx, a, m, again, dest, err)
	}
	as := a.File
	if info, err := file.Lstat(dest); err == nil { // else it was sent already, and moved on
		as = info.Identity
	}
	return r.end(ctx, a, dest, as)
}

// end removes the note of a file that was moved, and writes down that all is done.
func (r *Retrier) end(ctx context.Context, a ledger.Asked, dest string, as file.Identity) (Result, error) {
	left, err := r.dropNotes(ctx, a)
	if err != nil {
		return Result{}, err
	}
	r.pass("note dropped")
	if err := r.Ledger.AskDone(ctx, a.ID, dest, as); err != nil {
		return Result{}, err
	}
	r.pass("done")
	a.Dest, a.DoneAt = dest, time.Now()
	result := resultOf(a, false)
	result.NoteLeft = left
	r.Log.Info().Str("folder", text.Printable(a.Folder)).Str("file", text.Printable(a.Path)).Str("asked", string(a.What)).
		Str("by", text.Printable(a.By)).Str("to", text.Printable(dest)).Msg("a failed file was moved, as somebody asked")
	return result, nil
}

// dropNotes removes the note where the file lay, and where it lay before somebody renamed it in failed/.
func (r *Retrier) dropNotes(ctx context.Context, a ledger.Asked) (left string, err error) {
	left, err = r.Filer.DropNote(a.Path)
	d, getErr := r.Ledger.Get(ctx, a.Delivery)
	if err != nil || getErr != nil {
		return left, cmp.Or(err, getErr)
	}
	if was := d.Files[a.Position].Dest; was != "" && was != a.Path {
		var other string
		other, err = r.Filer.DropNote(was)
		left = cmp.Or(left, other)
	}
	return left, err
}

// notMoved says what it means that the move failed. What has not begun is not asked any more.
func (r *Retrier) notMoved(ctx context.Context, a ledger.Asked, m filing.Move, again bool, dest string, err error) error {
	gone := errors.Is(err, filing.ErrGone) || errors.Is(err, filing.ErrReplaced)
	if dest == "" && (gone || !again) {
		return errors.Join(err, r.void(ctx, a, m, again, err.Error()))
	}
	return fmt.Errorf("%w; it is asked for all the same: ask again once that is mended, or restart the daemon", err)
}

// dismiss forgets what was asked before anything was moved for good.
func (r *Retrier) dismiss(ctx context.Context, a ledger.Asked, reason string) error {
	folder, err := r.folderOf(a.Folder)
	if err != nil {
		return err
	}
	m, err := r.moveOf(ctx, a, folder)
	if err != nil {
		return err
	}
	return r.void(ctx, a, m, true, reason)
}

// void removes what tries of the move have left, and has it not asked any more.
func (r *Retrier) void(ctx context.Context, a ledger.Asked, m filing.Move, again bool, reason string) error {
	found := ""
	if liesAs(a.Path, a.File) {
		found = a.Path
	}
	if again { // else the move itself has done so
		if err := r.Filer.Forget(m, found, false); err != nil {
			return err
		}
	}
	return r.Ledger.AskVoid(ctx, a.ID, reason)
}

// takenUp ends what a crash broke off when the file was in its folder, from where it was sent meanwhile. If it, or a file that looks
// just like it, lies in failed/ too, a person has to look.
func (r *Retrier) takenUp(ctx context.Context, a ledger.Asked, m filing.Move) (Result, error) {
	if liesAs(a.Path, a.File) {
		err := fmt.Errorf("delivery %d is of a file of the same size and time, and this one still lies here: look whether it was posted", a.Became)
		return Result{}, errors.Join(err, r.void(ctx, a, m, true, err.Error()))
	}
	return r.end(ctx, a, filepath.Join(m.Dir, m.As), a.File)
}

// moveOf is the move that was asked for.
func (r *Retrier) moveOf(ctx context.Context, a ledger.Asked, folder Folder) (filing.Move, error) {
	d, err := r.Ledger.Get(ctx, a.Delivery)
	if err != nil {
		return filing.Move{}, err
	}
	m := filing.Move{
		Folder: filepath.Dir(a.Path), Name: filepath.Base(a.Path), Want: a.File, As: folder.nameFor(d.Files[a.Position], a.Path),
		Dir: folder.Path, Back: true,
		Again: true, // what any earlier try has left would be in the way
	}
	if a.What == ledger.WasPosted {
		m.As, m.Dir, m.Back = nameFor(d.Files[a.Position], a.Path), folder.Done, false
	}
	return m, nil
}

// nameFor is the name that the file is to have: its own, or the one that somebody gave it in failed/.
func nameFor(f ledger.File, path string) string {
	if base := filepath.Base(path); f.Dest != "" && base != filepath.Base(f.Dest) {
		return filepath.Join(filepath.Dir(f.Name), base)
	}
	return f.Name
}

// nameFor is the name that a file is to have in the folder. Where nobody looks into subfolders any more, it is in none.
func (f Folder) nameFor(one ledger.File, path string) string {
	if !f.Recursive {
		return filepath.Base(nameFor(one, path))
	}
	return nameFor(one, path)
}

// liesAs reports whether a file in that state lies at path.
func liesAs(path string, want file.Identity) bool {
	info, err := file.Lstat(path)
	return err == nil && info.Ino == want.Ino && info.Size == want.Size && info.Mtime == want.Mtime
}

// isMounted refuses to put a file where a share is to be mounted: it would lie below it, where nobody looks. The folder is one if
// it is empty, and of the file system above it, and not of the one on which the file was; unless failed/ is in it.
func isMounted(folder Folder, f found) error {
	if below, err := filepath.Rel(folder.Path, f.path); err == nil && filepath.IsLocal(below) {
		return nil
	}
	info, err := file.Stat(folder.Path)
	if err != nil {
		return fmt.Errorf("%w: is its share mounted? (%w)", filing.ErrFolderGone, err)
	}
	above, err := file.Stat(filepath.Dir(folder.Path))
	if err != nil || info.Dev == f.delivery.Files[f.place.position].ID.Dev || info.Dev != above.Dev {
		return err
	}
	if entries, err := os.ReadDir(folder.Path); err != nil || len(entries) > 0 {
		return err
	}
	return fmt.Errorf("%s is empty, and not on the file system that the file came from: %w", quote(folder.Path), filing.ErrFolderGone)
}

// isPlain refuses a path that leads through a symbolic link below the folder of failed files: whoever may write there can make one, and
// what it leads to is not theirs to have moved.
func isPlain(folder Folder, path string) error {
	for _, root := range []string{folder.Failed, folder.Path} {
		if !isIn(root, path) {
			continue
		}
		for dir := filepath.Dir(path); len(dir) > len(root); dir = filepath.Dir(dir) {
			if info, err := file.Lstat(dir); err != nil || !info.Mode.IsDir() {
				return fmt.Errorf("%w: %s is a symbolic link, and none is followed here", ErrNotFailed, quote(dir))
			}
		}
		return nil
	}
	return nil
}

func (r *Retrier) question(ctx context.Context, q ledger.Questions) (ledger.Asked, error) {
	all, err := r.Ledger.Asked(ctx, q)
	if err == nil && len(all) == 0 {
		err = ledger.ErrUnknown
	}
	if err != nil {
		return ledger.Asked{}, err
	}
	return all[len(all)-1], nil
}

func resultOf(a ledger.Asked, already bool) Result {
	return Result{Delivery: a.Delivery, What: a.What, By: a.By, From: a.Path, To: a.Dest, Already: already, At: a.DoneAt}
}
