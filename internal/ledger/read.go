package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"kaizala-drop/internal/file"
)

// maxReaders is the number of connections for reading. Reads do not wait for the writer, nor the writer for them.
const maxReaders = 2

// Unfinished lists the deliveries of a destination that have something left to do, in the order in which they were claimed; ""
// stands for all destinations. A start goes on with these. A step that has no answer yet may or may not be in it.
func (l *Ledger) Unfinished(ctx context.Context, destination string) ([]Delivery, error) {
	return l.load(ctx, "finished_at IS NULL AND ? IN (destination, '')", destination)
}

// Get returns one delivery, finished or not. Its error wraps ErrUnknown if there is no delivery with this id.
func (l *Ledger) Get(ctx context.Context, id int64) (Delivery, error) {
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
func (l *Ledger) load(ctx context.Context, where string, args ...any) ([]Delivery, error) {
	tx, err := l.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, l.explain(err)
	}
	defer tx.Rollback() //nolint:errcheck // the transaction only reads
	deliveries, err := collect(ctx, tx, scanDelivery, `SELECT id, folder, action, state, finished_at IS NOT NULL, group_id,
		caption, resource, reference, reason, maybe_twice, attempts, settled_at, updated_at, destination, key, coalesce(posting_at, '')
		FROM delivery WHERE `+where+" ORDER BY id", args...)
	if err != nil {
		return nil, l.explain(err)
	}
	files, err := collect(ctx, tx, scanFile, `SELECT delivery, name, claimed_as, dev, ino, size, mtime_ns, ctime_ns, sha256, dest
		FROM file WHERE delivery IN (SELECT id FROM delivery WHERE `+where+") ORDER BY delivery, position", args...)
	if err != nil {
		return nil, l.explain(err)
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
	var settled, updated, posting string
	err := rows.Scan(&d.ID, &folder, &d.Kind, &d.State, &d.Finished, &d.Group,
		&d.Caption, &d.Resource, &d.Reference, &d.Reason, &d.MaybeTwice, &d.Attempts, &settled, &updated, &d.Destination, &d.Key, &posting)
	if err != nil {
		return d, err
	}
	d.Folder = string(folder)
	if d.SettledAt, err = time.Parse(timeLayout, settled); err != nil {
		return d, fmt.Errorf("settled_at of delivery %d: %w", d.ID, err)
	}
	if d.UpdatedAt, err = time.Parse(timeLayout, updated); err != nil {
		return d, fmt.Errorf("updated_at of delivery %d: %w", d.ID, err)
	}
	if posting == "" {
		return d, nil
	}
	if d.PostingAt, err = time.Parse(timeLayout, posting); err != nil {
		return d, fmt.Errorf("posting_at of delivery %d: %w", d.ID, err)
	}
	return d, nil
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
