package ledger

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"kaizala-drop/internal/file"
)

// Claim records a new delivery and returns its id. Of d it takes Destination, Key, Folder, Kind, SettledAt and, of each of Files,
// Name and ID. With the State Failed it is given up in the same step, for its Reason: a crash after it must not have the file
// taken for one to be posted. A file that another open delivery has, in this very state, cannot be claimed again, for whatever destination:
// that would post it twice, and the error is a *ClaimedError.
//
// Nor can a file that a finished delivery has moved to this very path, be it in done/ or in failed/, and that has the
// inode, the size and the modification time it had: the error wraps ErrFiled. Such a file is found when another name is
// configured for done/ and the watcher comes to the old one. A move changes its ctime, and its device may have another
// number after a mount, so these do not count. The same file at another path was dropped in again by somebody, and is
// claimed. The ledger knows this for as long as it keeps the delivery (Prune), and not of a file that got another inode
// on its way, as one does that is moved to another device.
func (l *Ledger) Claim(ctx context.Context, d Delivery) (int64, error) {
	if d.Folder == "" || len(d.Files) == 0 || slices.ContainsFunc(d.Files, func(f File) bool { return f.Name == "" }) {
		return 0, fmt.Errorf("cannot claim %d files of folder %q: it takes a folder and at least one file, each with a name",
			len(d.Files), d.Folder)
	}
	d.Files = slices.Clone(d.Files) // the caller may be gone when the writer comes to it
	var id int64
	err := l.ask(ctx, func(w *writer) (err error) {
		id, err = w.claim(d)
		return err
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

func (w *writer) claim(d Delivery) (int64, error) {
	now := timeText(time.Now())
	state, reason := Claimed, ""
	if d.State == Failed {
		state, reason = Failed, d.Reason
	}
	result, err := w.result(`INSERT INTO delivery (folder, action, state, reason, settled_at, claimed_at, updated_at, destination, key)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, []byte(d.Folder), string(d.Kind), string(state), reason, timeText(d.SettledAt), now, now,
		d.Destination, d.Key)
	if err != nil {
		return 0, err
	}
	id, err := result.LastInsertId()
	if err != nil {
		return 0, err
	}
	for i, f := range d.Files {
		if err := w.claimFile(id, i, d.Folder, f); err != nil {
			return 0, err
		}
		if err := w.takeUp(id, d.Folder, f.ID); err != nil {
			return 0, err
		}
	}
	return id, nil
}

func (w *writer) claimFile(id int64, position int, folder string, f File) error {
	dev, ino := int64(f.ID.Dev), int64(f.ID.Ino) // the same 64 bits; SQLite's integers are signed
	path := filepath.Join(folder, f.Name)
	n, err := w.affected(`INSERT INTO file (delivery, position, name, dev, ino, size, mtime_ns, ctime_ns, base)
		SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?11 WHERE NOT EXISTS (SELECT 1 FROM `+claimedAlready+")",
		id, position, []byte(f.Name), dev, ino, f.ID.Size, f.ID.Mtime, f.ID.Ctime, []byte(folder), []byte(path), []byte(filepath.Base(f.Name)))
	if err != nil || n == 1 {
		return err
	}
	other, finished := int64(0), ""
	err = w.row([]any{&other, &finished}, "SELECT d.id, coalesce(d.finished_at, '') FROM "+claimedAlready+" LIMIT 1",
		nil, nil, []byte(f.Name), dev, ino, f.ID.Size, f.ID.Mtime, f.ID.Ctime, []byte(folder), []byte(path))
	if err != nil {
		return err
	}
	if finished != "" {
		return &FiledError{Position: position, Delivery: other, name: f.Name, finished: finished}
	}
	return &ClaimedError{Position: position, Delivery: other, name: f.Name}
}

// claimedAlready finds the file in an open delivery, in the state that is to be claimed, or where a finished one left it.
const claimedAlready = `file f JOIN delivery d ON d.id = f.delivery
	WHERE f.ino = ?5 AND f.size = ?6 AND f.mtime_ns = ?7 AND iif(d.finished_at IS NULL,
		f.dev = ?4 AND f.ctime_ns = ?8 AND f.name = ?3 AND d.folder = ?9, f.dest = ?10)`

// ClaimedError is Claim's error about a file that another delivery has, which is not finished.
type ClaimedError struct {
	Position int   // which of the Files it is about; there may be more
	Delivery int64 // the other one

	name string
}

func (e *ClaimedError) Error() string {
	return fmt.Sprintf("cannot claim %q: delivery %d has it already", file.Printable(e.name), e.Delivery)
}

// FiledError is Claim's error that wraps ErrFiled.
type FiledError struct {
	Position int   // which of the Files it is about; there may be more
	Delivery int64 // the finished one

	name, finished string
}

func (e *FiledError) Error() string {
	return fmt.Sprintf("cannot claim %q: %v: delivery %d moved it there and was finished at %s",
		file.Printable(e.name), ErrFiled, e.Delivery, e.finished)
}

func (e *FiledError) Unwrap() error { return ErrFiled }
