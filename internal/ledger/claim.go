package ledger

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"kaizala-drop/internal/text"
)

// Claim records a new delivery and returns its id. Of d it takes Destination, Key, Folder, Kind and SettledAt, and of each of
// d.Files Name and ID. If d.State is Failed, the delivery is given up in the same step for d.Reason, so that after a crash its
// file is not taken for one to post.
//
// A file that an unfinished delivery has, with this name and identity, cannot be claimed again for any destination, because it
// would be posted twice: the error is a *ClaimedError.
//
// A file that a finished delivery has moved to this very path, in done/ or in failed/, cannot be claimed either while its
// inode, size and mtime are the same: the error is a *FiledError, which wraps ErrFiled. The watcher finds such a file when
// another folder is configured as done/. The ctime does not count, because a move changes it, nor the device, whose number a
// mount may change. The same file at another path was dropped again by somebody, and is claimed. The ledger knows this until
// Prune deletes the delivery, and does not know it of a file whose move to another device gave it another inode.
func (l *Ledger) Claim(ctx context.Context, d Delivery) (int64, error) {
	if d.Folder == "" || len(d.Files) == 0 || slices.ContainsFunc(d.Files, func(f File) bool { return f.Name == "" }) {
		return 0, fmt.Errorf("cannot claim %d files of folder %q: a folder and at least one file are needed, each with a name",
			len(d.Files), d.Folder)
	}
	d.Files = slices.Clone(d.Files) // the caller may have given up, and changed them, before the writer reads them
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
		if err := w.takeUp(id, d.Folder, f); err != nil {
			return 0, err
		}
	}
	return id, nil
}

func (w *writer) claimFile(id int64, position int, folder string, f File) error {
	dev, ino := int64(f.ID.Dev), int64(f.ID.Ino) // the same 64 bits: SQLite's integers are signed
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

// claimedAlready finds the file in an unfinished delivery with the identity to be claimed, or where a finished delivery left
// it.
const claimedAlready = `file f JOIN delivery d ON d.id = f.delivery
	WHERE f.ino = ?5 AND f.size = ?6 AND f.mtime_ns = ?7 AND iif(d.finished_at IS NULL,
		f.dev = ?4 AND f.ctime_ns = ?8 AND f.name = ?3 AND d.folder = ?9, f.dest = ?10)`

// ClaimedError is the error of Claim for a file that belongs to an unfinished delivery.
type ClaimedError struct {
	Position int   // index in Files; later files may belong to other deliveries too
	Delivery int64 // to which the file belongs

	name string
}

func (e *ClaimedError) Error() string {
	return fmt.Sprintf("cannot claim %q: delivery %d has it already", text.Printable(e.name), e.Delivery)
}

// FiledError is the error of Claim that wraps ErrFiled.
type FiledError struct {
	Position int   // index in Files; later files may have been filed too
	Delivery int64 // which has moved the file

	name, finished string
}

func (e *FiledError) Error() string {
	return fmt.Sprintf("cannot claim %q: %v: delivery %d moved it there and was finished at %s",
		text.Printable(e.name), ErrFiled, e.Delivery, e.finished)
}

// Unwrap returns ErrFiled.
func (e *FiledError) Unwrap() error { return ErrFiled }
