package uploader

import (
	"errors"
	"path/filepath"
	"time"

	"kaizala-drop/internal/filing"
)

// Whether a file can be filed is found out before it is posted. One that is posted and stays where it is looks to people as if it
// had not been posted, and blocks its name.

const (
	// maxStuck is how many deliveries of one folder may have failed to be moved away before it sends nothing more.
	maxStuck = 4
	// mendedWithin is the longest time between two looks whether a folder can be filed from again. They are calls on the
	// file system alone.
	mendedWithin = 30 * time.Second
)

// filable looks whether the files can be moved to done/. Its error is an unfilable.
func (w *work) filable() error {
	for _, f := range w.job.Files {
		m := filing.Move{Folder: w.job.Folder, Name: f.Name, Want: f.ID, Dir: w.job.to.Done}
		err := w.job.calls.Do("look whether it can be moved:", filepath.Join(m.Folder, f.Name), func() error { return w.u.Filer.CanFile(m) })
		gone := errors.Is(err, filing.ErrGone) || errors.Is(err, filing.ErrFolderGone) // which the step finds out for itself
		if err != nil && !gone {
			return w.unfilable(err)
		}
	}
	return nil
}

// unfilable finds out whether it is only this file that cannot be moved.
func (w *work) unfilable(err error) error {
	from, to := w.job.Folder, w.job.to.Done
	all := w.job.calls.Do("look whether files can be moved from", from, func() error { return w.u.Filer.CanFileFrom(from, to) })
	if all != nil {
		return unfilable{all, true}
	}
	return unfilable{err, false}
}

// stuck reports whether so many deliveries of l cannot be moved away that there must be something wrong with the folder.
func (l *lane) stuck() bool {
	failing := 0
	for _, d := range l.unfiled {
		if d.cannotBeMoved() {
			failing++
		}
		if failing == maxStuck {
			return true
		}
	}
	return false
}

// cannotBeMoved reports whether a move of d has failed, and not because its file is looked for.
func (d *delivery) cannotBeMoved() bool { return d.pause.failures > 0 && d.away.IsZero() }

// becameUnfilable has the folder wait, with looks that are never far apart.
func (l *lane) becameUnfilable(now time.Time, err error) {
	l.sick.fail(now)
	l.sick.because(err)
	l.sick.atMost(now.Add(mendedWithin))
}
