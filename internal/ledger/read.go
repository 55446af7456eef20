package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"time"

	"kaizala-drop/internal/file"
)

// Reader asks the ledger, and changes nothing. It is safe for concurrent use.
type Reader struct {
	dir  string
	read *sql.DB      // read-only
	same func() error // an error if what was read may be wrong; nil: that cannot be
}

func (l *Reader) path() string { return filepath.Join(l.dir, fileName) }

// maxReaders is the number of connections for reading. Reads do not wait for the writer, nor the writer for them.
const maxReaders = 2

// Unfinished lists the deliveries of a destination that have something left to do, in the order in which they were claimed; ""
// stands for all destinations. A start goes on with these. A step that has no answer yet may or may not be in it.
func (l *Reader) Unfinished(ctx context.Context, destination string) ([]Delivery, error) {
	return l.load(ctx, "finished_at IS NULL AND ? IN (destination, '')", destination)
}

// Get returns one delivery, finished or not. Its error wraps ErrUnknown if there is no delivery with this id.
func (l *Reader) Get(ctx context.Context, id int64) (Delivery, error) {
	found, err := l.load(ctx, "id = ?", id)
	if err != nil {
		return Delivery{}, err
	}
	if len(found) == 0 {
		return Delivery{}, fmt.Errorf("delivery %d: %w", id, ErrUnknown)
	}
	return found[0], nil
}

// load reads the deliveries that meet the condition where, and their files, as of one moment.
func (l *Reader) load(ctx context.Context, where string, args ...any) (found []Delivery, err error) {
	err = l.reading(ctx, func(tx *sql.Tx) (err error) {
		found, err = loadIn(ctx, tx, where, args...)
		return err
	})
	return found, err
}

// reading has ask read as of one moment.
func (l *Reader) reading(ctx context.Context, ask func(tx *sql.Tx) error) error {
	tx, err := l.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return l.explain(err)
	}
	defer tx.Rollback() //nolint:errcheck // the transaction only reads
	if err := ask(tx); err != nil {
		return l.explain(err)
	}
	if l.same != nil {
		return l.same()
	}
	return nil
}

func loadIn(ctx context.Context, tx *sql.Tx, where string, args ...any) ([]Delivery, error) {
	deliveries, err := collect(ctx, tx, scanDelivery, `SELECT id, folder, action, state, finished_at IS NOT NULL, group_id,
		caption, resource, reference, reason, maybe_twice, attempts, settled_at, updated_at, destination, key, coalesce(posting_at, ''),
		claimed_at, coalesce(finished_at, '')
		FROM delivery WHERE `+where+" ORDER BY id", args...)
	if err != nil {
		return nil, err
	}
	files, err := collect(ctx, tx, scanFile, `SELECT delivery, name, claimed_as, dev, ino, size, mtime_ns, ctime_ns, sha256, dest
		FROM file WHERE delivery IN (SELECT id FROM delivery WHERE `+where+") ORDER BY delivery, position", args...)
	if err != nil {
		return nil, err
	}
	for i := range deliveries {
		d := &deliveries[i]
		for len(files) > 0 && files[0].delivery == d.ID {
			d.Files, files = append(d.Files, files[0].File), files[1:]
		}
	}
	return deliveries, nil
}

// collect runs a query and makes one T of each row.
func collect[T any](
	ctx context.Context, tx *sql.Tx, scan func(*sql.Rows) (T, error), query string, args ...any,
) ([]T, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

func scanDelivery(rows *sql.Rows) (Delivery, error) {
	var d Delivery
	var folder []byte
	var settled, updated, posting, claimed, finished string
	err := rows.Scan(&d.ID, &folder, &d.Kind, &d.State, &d.Finished, &d.Group, &d.Caption, &d.Resource, &d.Reference, &d.Reason,
		&d.MaybeTwice, &d.Attempts, &settled, &updated, &d.Destination, &d.Key, &posting, &claimed, &finished)
	if err != nil {
		return d, err
	}
	d.Folder = string(folder)
	for _, one := range []struct {
		column, text string
		to           *time.Time
	}{
		{"settled_at", settled, &d.SettledAt}, {"updated_at", updated, &d.UpdatedAt}, {"posting_at", posting, &d.PostingAt},
		{"claimed_at", claimed, &d.ClaimedAt}, {"finished_at", finished, &d.FinishedAt},
	} {
		if *one.to, err = timeOf(one.text); err != nil {
			return d, fmt.Errorf("%s of delivery %d: %w", one.column, d.ID, err)
		}
	}
	return d, nil
}

// timeOf reads what timeText wrote; "" is no time.
func timeOf(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(timeLayout, text)
}

type fileRow struct {
	delivery int64
	File
}

func scanFile(rows *sql.Rows) (fileRow, error) {
	var f fileRow
	var name, claimedAs, dest []byte
	var dev, ino int64
	err := rows.Scan(&f.delivery, &name, &claimedAs, &dev, &ino, &f.ID.Size, &f.ID.Mtime, &f.ID.Ctime, &f.SHA256, &dest)
	f.Name, f.ClaimedAs, f.Dest = string(name), string(claimedAs), string(dest)
	f.ID = file.Identity{Dev: uint64(dev), Ino: uint64(ino), Size: f.ID.Size, Mtime: f.ID.Mtime, Ctime: f.ID.Ctime}
	return f, err
}
