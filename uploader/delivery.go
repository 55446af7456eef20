package uploader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/hang"
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
	toDivide                // an album that cannot be posted as it is: forget it, for what it is divided into
	toHold                  // its uploads fail, and nothing shows whose fault it is: write that down, and wait
)

// isCall reports whether the step is a call of the destination.
func (s stage) isCall() bool { return s == toUpload || s == toPost }

// delivery is one post on its way: one file, or the images of an album. While busy it belongs to the goroutine of its
// step, else to the loop.
type delivery struct {
	ledger.Delivery
	lane  *lane
	to    Folder // the lane's folder, as it was configured when the step began
	stage stage
	busy  bool
	long  bool       // its upload, the last one begun, is not a small one
	calls hang.Calls // of the step that is under way, on the file system
	// hanging says that one of them has not returned for so long that the step no longer holds what others need.
	hanging  bool
	breakOff context.CancelCauseFunc // ends the calls of the destination that the step makes

	posting bool // the ledger has it as being posted
	decided bool // the ledger knows that it failed
	unknown bool // an answer to its action was lost
	doubts  int  // how many were, in this run
	resumed bool // its mediaResource is from an earlier run
	known   bool // to the ledger since an earlier run
	note    filing.Note

	search   *search  // what is sent is a part of the album, to find the image that is refused
	culprits int      // images that were refused for good, and found in the album that it was a part of
	division division // at toDivide: what becomes of it

	relooked  []file.Identity // what the step under way found files to look like that hold the same bytes; zero: nothing
	rival     bool            // another one has, or had, a file of the same name
	earlier   upload          // of a file of its name, which may hold the same bytes
	suspects  []suspect       // whose files the files of d may be
	renamed   []renamed       // files that were found under another name, which the ledger does not know yet
	away      time.Time       // since when a posted file is not where it was
	copied    bool            // a file that is away has a copy, which is one too many if that is found
	lookedFor bool            // it may still be found
	landed    []bool          // of each file whether an earlier step moved it, and failed only at what comes after
	postBegun time.Time       // when its post began first, in this run

	pause      pause
	begun      time.Time      // when this run took it up
	since      time.Time      // when its last step began
	gone       bool           // it is withdrawn because its file is not there any more
	passed     passed         // when it failed last
	postedThen int            // posts of its folder up to then
	failedAt   bool           // passed and postedThen are valid
	tries      int            // failed calls since it stood aside for others
	passedBy   bool           // something passed since another post was tried for its sake
	blamed     bool           // its last failure counted as its own
	stale      int            // refusals of its post with a resource of an earlier run, without anybody's word
	sent       int            // uploads in vain whose body had left
	asked      int            // that were refused for their headers
	heldTimes  int            // how often it was held since
	heldUntil  time.Time      // at toHold
	notBefore  time.Time      // at toHold, though another upload passes
	noted      bool           // at toHold: the ledger knows why
	successors []file.Settled // newer files under the names of its own, which settled meanwhile
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

// isAlbum reports whether it has several files, which then are images.
func (d *delivery) isAlbum() bool { return len(d.Files) > 1 }

// resume makes the delivery that the ledger tells of go on where it was.
func resume(l *lane, known ledger.Delivery) *delivery {
	d := &delivery{Delivery: known, lane: l, stage: toUpload, known: true, resumed: known.Resource != ""}
	_, sendable := media.ByName(d.name())
	switch known.State {
	case ledger.Claimed:
		if !sendable { // an earlier version had claimed it, and was stopped before it gave it up
			d.refuse(unsupported(d.name()))
		}
	case ledger.Uploaded:
		d.stage = toPost
	case ledger.Posting:
		d.stage, d.unknown = toPost, true
	case ledger.Posted:
		d.stage = toFile
	case ledger.Failed:
		d.stage, d.decided, d.unknown = toFail, true, known.Resource != ""
		d.note = filing.Note{Reason: known.Reason, Attempts: known.Attempts}
	}
	return d
}

// refuse sends the delivery down the other road.
func (d *delivery) refuse(n filing.Note) {
	d.stage, d.note, d.Reason = toFail, n, n.Reason
}

// name is that of its file, or of the first of an album.
func (d *delivery) name() string { return d.Files[0].Name }

func (d *delivery) names() []string {
	names := make([]string, len(d.Files))
	for i, f := range d.Files {
		names[i] = f.Name
	}
	return names
}

// isOpen reports whether it is still to be posted; else only a local end is left.
func (d *delivery) isOpen() bool {
	return d.stage <= toPost || d.stage == toDivide || d.stage == toHold
}

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
	errHung       = errors.New("the file system did not answer, so the upload was broken off")
)

// troubles says what is wrong with which images of an album. There is at least one. What is wrong with a single file is
// said by a plain error.
type troubles []trouble

type trouble struct {
	name string
	err  error
}

// Error names them, but not all of a long album.
func (t troubles) Error() string {
	const most = 5
	var texts []string
	for _, one := range t[:min(most, len(t))] {
		texts = append(texts, one.name+": "+one.err.Error())
	}
	if more := len(t) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}

func (t troubles) Unwrap() []error {
	errs := make([]error, len(t))
	for i, one := range t {
		errs[i] = one.err
	}
	return errs
}

// each checks every one of files, which are all or some of d's. Of an album it returns troubles, for each image that
// something is wrong with; that the folder is gone is not said of any.
func (d *delivery) each(files []ledger.File, check func(i int) error) error {
	if !d.isAlbum() {
		return check(0)
	}
	var wrong troubles
	for i, f := range files {
		switch err := check(i); {
		case errors.Is(err, errFolderGone):
			return err
		case err != nil:
			wrong = append(wrong, trouble{f.Name, err})
		}
	}
	if wrong == nil {
		return nil
	}
	return wrong
}

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

// isForGood reports whether the ledger refused a step because it does not have the delivery in the state that this run
// left it in: somebody else changed it, or a commit was made that was told to have failed. Trying again cannot help.
func isForGood(err error) bool {
	return errors.Is(err, ledger.ErrState) || errors.Is(err, ledger.ErrUnknown)
}

// isBlameless reports whether err says nothing against the file.
func isBlameless(err error) bool {
	_, ours := errors.AsType[ledgerError](err)
	_, stays := errors.AsType[unfilable](err)
	return ours || stays || errors.Is(err, errFolderGone) || errors.Is(err, errHung) || errors.Is(err, errAway)
}

// unchanged looks once more at the files: a change since they settled, or another file in the place of one, means that
// they must not be posted. Its errors are those of look, of an album as each gives them.
func (d *delivery) unchanged() error {
	return d.each(d.Files, func(i int) error { return d.look(i) })
}

// look says whether the file at index i still is what it was when it settled: nil, errChanged, errVanished, errFolderGone
// or another error. Where only its looks differ the bytes decide, if it is known what was sent.
func (d *delivery) look(i int) error {
	f := d.Files[i]
	now, err := d.lstat(f)
	switch {
	case err != nil:
		return err
	case d.isThe(d.want(i), now):
		return nil
	case len(f.SHA256) == 0 && looksSame(d.want(i), now):
		return nil
	}
	same, err := d.holdsStill(i, now)
	if err == nil && !same {
		err = errChanged
	}
	return err
}

// lstat looks at f. Its errors are those of look.
func (d *delivery) lstat(f ledger.File) (file.Identity, error) {
	var info file.Info
	path := filepath.Join(d.Folder, f.Name)
	err := d.calls.Do("look at", path, func() (err error) { info, err = file.Lstat(path); return err })
	if err != nil {
		return file.Identity{}, d.missing(f, err)
	}
	return info.Identity, nil
}

// isTheInode is isThe, whatever was written to the file.
func (d *delivery) isTheInode(want, id file.Identity) bool {
	return id.Ino == want.Ino && (d.known || id.Dev == want.Dev)
}

// isThe reports whether id is the file of d that was taken up as want, in that state. With a reboot or another mount some
// file systems get another device number.
func (d *delivery) isThe(want, id file.Identity) bool {
	if d.known {
		id.Dev = want.Dev
	}
	return id == want
}

// missing tells a file that is gone from a folder that is gone: an unmounted share is an empty folder on its parent's
// device, and its files will be back.
func (d *delivery) missing(f ledger.File, err error) error {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) { // its subfolder may be a file now
		return err
	}
	var folder file.Info
	ferr := d.calls.Do("look at", d.Folder, func() (err error) { folder, err = file.Stat(d.Folder); return err })
	if ferr != nil || folder.Dev != f.ID.Dev {
		return errFolderGone
	}
	return errVanished
}
