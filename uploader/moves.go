package uploader

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
)

// mover moves one file, to done/ or to failed/ (filing.Filer).
type mover func(filing.Move) (dest string, err error)

// fileAway moves the posted files to done/.
func (w *work) fileAway(ctx context.Context) error {
	if err := w.clearUp(); err != nil {
		return err
	}
	if err := w.endAnyway(w.writeRecognised(ctx)); err != nil {
		return err
	}
	if err := w.move(ctx, w.u.Filer.Move, w.job.to.Done); err != nil {
		return err
	}
	return w.endAnyway(w.u.Ledger.Filed(ctx, w.job.ID, w.dests()))
}

// fail moves the rejected files to failed/, each with the reason beside it.
func (w *work) fail(ctx context.Context) error {
	if err := w.decide(ctx); err != nil {
		return err
	}
	if err := w.clearUp(); err != nil {
		return err
	}
	if err := w.endAnyway(w.writeRecognised(ctx)); err != nil {
		return err
	}
	note := w.job.note
	note.When, note.Group, note.SentAs = time.Now(), w.job.to.Group, string(w.job.Kind)
	toFailed := func(m filing.Move) (string, error) { return w.u.Filer.Fail(m, note) }
	if err := w.move(ctx, toFailed, w.job.to.Failed); err != nil {
		return err
	}
	return w.endAnyway(w.u.Ledger.FailedFiled(ctx, w.id(), w.dests()))
}

// decide has the ledger know that the delivery failed. What was rejected for its name, or because it is torn, has never been claimed.
func (w *work) decide(ctx context.Context) (err error) {
	switch {
	case w.job.ID == 0:
		if err = w.isNew(); err == nil {
			err = w.claim(ctx, ledger.Failed)
		}
	case !w.job.ledgerFailed:
		err = w.endAnyway(w.u.Ledger.Failed(ctx, w.job.ID, w.job.note.Reason))
	}
	w.got.ledgerFailed = err == nil
	return err
}

// movesAtOnce is how many images of one album are moved at the same time: they share their syncs.
const movesAtOnce = 8

// move moves each file that still lies in its folder, and as many of an album as can be moved.
func (w *work) move(ctx context.Context, move mover, dir string) error {
	var all errgroup.Group
	all.SetLimit(movesAtOnce)
	for i := range w.job.Files {
		all.Go(func() error { return w.moveFile(ctx, i, move, dir) })
	}
	err := all.Wait()
	if err == nil && w.job.to.RemoveEmptied {
		_ = w.job.calls.Do("remove emptied folders in", w.job.Folder, func() error { // what cannot be removed stays
			return w.u.Filer.RemoveEmptied(w.job.Folder, w.job.names())
		})
	}
	return err
}

// moveFile moves a file. One that somebody took away or replaced meanwhile is left to them. A posted one is looked for before: its
// bytes may lie there with other looks, or in the folder under another name.
func (w *work) moveFile(ctx context.Context, i int, move mover, dir string) error {
	if w.job.Files[i].Dest != "" {
		return nil
	}
	dest, err := w.moveAs(i, move, dir)
	if errors.Is(err, filing.ErrReplaced) && w.job.mayBeFiled() && w.looksOther(i) {
		if err := w.writeLooks(ctx, i); err != nil {
			return err
		}
		dest, err = w.moveAs(i, move, dir)
	}
	if err != nil {
		return w.notMoved(i, dest, err)
	}
	w.got.files[i].dest = dest
	return nil
}

// notMoved returns what it means that a file could not be moved: nil if it is left to whoever has it.
func (w *work) notMoved(i int, dest string, err error) error {
	f := w.file(i)
	copied, isCopied := errors.AsType[filing.Copied](err)
	switch {
	case isCopied && w.job.lookedFor:
		if len(f.SHA256) == 0 { // it was refused before all of it was read
			w.got.files[i].sum = copied.SHA256
		}
		return errCopied
	case isAway(err) && w.job.mayBeFiled() && w.job.lookedFor:
		return errAway
	case isAway(err):
		w.log().Info().Str("reason", reasonOf(err)).Msg("not moved")
		return w.clearLeftovers(f, "")
	}
	// With a dest, the next try finds it there, and repeats the sync and the clearing up that failed.
	w.got.files[i].landed = dest != "" && !errors.Is(err, filing.ErrFolderGone)
	return err
}

// copySpeed is how many bytes a second a move to another device copies at least, or it counts as hanging.
const copySpeed = 1 << 20

func (w *work) moveAs(i int, move mover, dir string) (dest string, err error) {
	f := w.file(i)
	m := filing.Move{Folder: w.job.Folder, Name: f.Name, Want: w.want(i), SHA256: f.SHA256, Dir: dir,
		Again: w.job.again, Sought: w.job.lookedFor && !w.got.files[i].landed}
	copying := time.Duration(f.ID.Size/copySpeed) * time.Second
	err = w.job.calls.DoLong("move", filepath.Join(w.job.Folder, f.Name), copying, func() (err error) { dest, err = move(m); return err })
	return dest, err
}

// clearLeftovers removes what is left of earlier moves of f that were broken off, now that f itself lies at found, or nobody knows where.
func (w *work) clearLeftovers(f ledger.File, found string) error {
	dir, noted := w.job.to.Done, false
	if w.job.stage == toFail {
		dir, noted = w.job.to.Failed, true
	}
	m := filing.Move{Folder: w.job.Folder, Name: f.Name, Want: f.ID, SHA256: f.SHA256, Dir: dir}
	return w.job.calls.Do("clear up after", filepath.Join(w.job.Folder, f.Name), func() error { return w.u.Filer.Forget(m, found, noted) })
}
