package uploader

import (
	"errors"
	"fmt"
	"strings"

	"kaizala-drop/internal/text"
)

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

// find gives the troubles of a kind by name.
func (t troubles) find(kind func(error) bool) map[string]error {
	found := map[string]error{}
	for _, one := range t {
		if kind(one.err) {
			found[one.name] = one.err
		}
	}
	return found
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

func reasonOf(err error) string { return text.Printable(err.Error()) }

// unfilable says why a file could not be moved away after its post.
type unfilable struct {
	error
	// all says that it is so for every file of the folder, not for this one alone.
	all bool
}

func (e unfilable) Unwrap() error { return e.error }

// errAway says that a posted file is not where it was. It may come to light under another name.
var errAway = errors.New("it is posted, but not under its name any more: it is filed as soon as it is found again in its folder")

// errCopied is errAway of what is refused: a crash came when a copy of it was made, and before its original went.
var errCopied = fmt.Errorf("%w; its copy is made", errAway)
