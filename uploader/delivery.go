package uploader

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/media"
)

// stage is the next step of a delivery. The step's work is in steps.go; what its outcome leads to is in outcome.go.
type stage int

const (
	toClaim    stage = iota // enter it into the ledger
	toUpload                // it is claimed
	toKeep                  // it is uploaded: write the mediaResource down
	toPost                  // its mediaResource is kept
	toConfirm               // it is posted: write that down
	toFile                  // it is known to be posted: move it to done/
	toFail                  // it is refused for good: move it to failed/
	toWithdraw              // its file changed or went away before it was posted: forget it
)

// delivery is one post on its way: one file, or the images of an album. While busy it belongs to the goroutine of its
// step, else to the loop.
type delivery struct {
	ledger.Delivery
	lane  *lane
	to    Folder // the lane's folder, as it was configured when the step began
	stage stage
	busy  bool

	posting bool // the ledger has it as being posted
	decided bool // the ledger knows that it failed
	unknown bool // an answer to its action was lost
	resumed bool // its mediaResource is from an earlier run
	known   bool // to the ledger since an earlier run
	note    filing.Note

	pause     pause
	begun     time.Time     // when this run took it up
	since     time.Time     // when its last step began
	gone      bool          // it is withdrawn because its file is not there any more
	passed    passed        // when it failed last
	failedAt  bool          // passed is valid
	blamed    bool          // its last failure counted as its own
	successor *file.Settled // a newer file under the name of this one, which settled meanwhile
}

// newDelivery makes a delivery of a settled file. What must not be sent at all is refused right here.
func newDelivery(l *lane, s file.Settled) *delivery {
	d := &delivery{lane: l}
	d.Folder, d.SettledAt = s.Folder, s.At
	d.Files = []ledger.File{{Name: s.Name, ID: s.ID}}
	t, ok := media.ByName(s.Name)
	d.Action = t.Action
	switch {
	case !ok:
		d.refuse(unsupported(s.Name))
	case s.Torn != "":
		d.refuse(truncated(s.Torn))
	}
	return d
}

// resume makes the delivery that the ledger tells of go on where it was.
func resume(l *lane, known ledger.Delivery) *delivery {
	d := &delivery{Delivery: known, lane: l, stage: toUpload, known: true, resumed: known.Resource != ""}
	switch known.State {
	case ledger.Uploaded:
		d.stage = toPost
	case ledger.Posting:
		d.stage, d.unknown = toPost, true
	case ledger.Posted:
		d.stage = toFile
	case ledger.Failed:
		d.stage, d.decided = toFail, true
		d.note = filing.Note{Reason: known.Reason, Attempts: known.Attempts}
	}
	return d
}

// refuse sends the delivery down the other road.
func (d *delivery) refuse(n filing.Note) {
	d.stage, d.note, d.Reason = toFail, n, n.Reason
}

// name is what the delivery is called in its folder, and in the log.
func (d *delivery) name() string { return d.Files[0].Name }

// isOpen reports whether it is still to be posted; else only a local end is left.
func (d *delivery) isOpen() bool { return d.stage <= toPost }

// again reports whether an earlier try at its local end may have been broken off.
func (d *delivery) again() bool { return d.known || d.pause.failures > 0 }

func (d *delivery) sums() [][]byte {
	sums := make([][]byte, len(d.Files))
	for i, f := range d.Files {
		sums[i] = f.SHA256
	}
	return sums
}

func (d *delivery) dests() []string {
	dests := make([]string, len(d.Files))
	for i, f := range d.Files {
		dests[i] = f.Dest
	}
	return dests
}

// Errors that a step meets on this side of the wire.
var (
	errChanged    = errors.New("the file changed while it was under way")
	errVanished   = errors.New("the file is gone")
	errFolderGone = errors.New("the watched folder is not there, or another one is mounted in its place")
	errUnknown    = errors.New("the answer to an earlier try was lost")
)

// ledgerError is a step that the ledger did not take: no fault of the file, nor of the destination.
type ledgerError struct{ error }

func (e ledgerError) Unwrap() error { return e.error }

// inLedger marks the error of a step of the ledger.
func inLedger(err error) error {
	if err == nil {
		return nil
	}
	return ledgerError{err}
}

// isBlameless reports whether err says nothing against the file.
func isBlameless(err error) bool {
	_, ours := errors.AsType[ledgerError](err)
	return ours || errors.Is(err, errFolderGone)
}

// unchanged looks once more at the files: a change since they settled, or another file in the place of one, means that
// they must not be posted. Its errors are those of look.
func (d *delivery) unchanged() error {
	for _, f := range d.Files {
		if err := d.look(f); err != nil {
			return err
		}
	}
	return nil
}

// look says whether the file still is what it was when it settled: nil, errChanged, errVanished, errFolderGone or
// another error.
func (d *delivery) look(f ledger.File) error {
	info, err := file.Lstat(filepath.Join(d.Folder, f.Name))
	if err != nil {
		return d.missing(f, err)
	}
	if info.Identity != f.ID {
		return errChanged
	}
	return nil
}

// missing tells a file that is gone from a folder that is gone: an unmounted share is an empty folder on its parent's
// device, and its files will be back.
func (d *delivery) missing(f ledger.File, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	folder, ferr := file.Stat(d.Folder)
	if ferr != nil || folder.Dev != f.ID.Dev {
		return errFolderGone
	}
	return errVanished
}
