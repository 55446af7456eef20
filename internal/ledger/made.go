package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kaizala-drop/internal/durable"
)

// madeName is a file beside the ledger which shows that a ledger was made here. Without it, a deleted ledger would look like
// one that was never made. Its existence counts, not its text.
const madeName = "ledger.made"

const madeText = `kaizala-drop made ` + fileName + ` in this folder, and does not start if that is missing.
Remove this file too to start without a memory: ` + without + `.
`

// without says what it means to start without a memory.
const without = "files still in their folders are then taken as new, also one that was posted but not yet moved"

func (l *Ledger) madePath() string { return filepath.Join(l.dir, madeName) }

// wasMade reports whether a ledger was ever made in state_dir.
func (l *Ledger) wasMade() (bool, error) {
	_, err := os.Lstat(l.madePath())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// markMade makes the file madeName if it is missing. It is called after the database was made: a crash in between must not
// make the next start look for a ledger that nobody has used.
func (l *Ledger) markMade() error {
	f, err := os.OpenFile(l.madePath(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return unwritable(l.dir, err)
	}
	_, err = f.WriteString(madeText)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = durable.SyncFolder(l.dir)
	}
	if err != nil { // the next start makes the file anew
		return unwritable(l.dir, errors.Join(err, os.Remove(l.madePath())))
	}
	return nil
}

// refuseNew returns an error if a ledger was made here before, because a new one would be made now.
func (l *Ledger) refuseNew() error {
	made, err := l.wasMade()
	if err == nil && made {
		err = fmt.Errorf("missing or empty, though one was made here: put it back from a backup, or remove %q too "+
			"to start without a memory (%s)", l.madePath(), without)
	}
	return err
}
