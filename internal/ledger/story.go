package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"time"

	"kaizala-drop/internal/file"
)

// AskedOf finds what was asked of the files of these deliveries after they had failed, and what was asked of the files that these
// deliveries then took up, in the order in which it was asked.
func (l *Reader) AskedOf(ctx context.Context, deliveries ...int64) ([]Asked, error) {
	if len(deliveries) == 0 {
		return nil, nil
	}
	list, err := json.Marshal(deliveries)
	if err != nil {
		return nil, err
	}
	var ids []int64
	err = l.reading(ctx, func(tx *sql.Tx) (err error) { // mostly there are none, and this is the cheaper question
		ids, err = collect(ctx, tx, func(rows *sql.Rows) (id int64, err error) { return id, rows.Scan(&id) },
			`SELECT id FROM asked WHERE delivery IN (SELECT value FROM json_each(?1))
			UNION SELECT id FROM asked WHERE became IN (SELECT value FROM json_each(?1))`, string(list))
		return err
	})
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	if list, err = json.Marshal(ids); err != nil {
		return nil, err
	}
	return l.askedWhere(ctx, "a.id IN (SELECT value FROM json_each(?))", string(list))
}

// Like finds deliveries that moved a file away which may be f, wherever it lies now, the latest first: it has the size of f, and its
// inode, its modification time as a file system keeps it, or the sum of f, if that is not nil. It takes a few milliseconds if an inode
// is known, and else reads all that the ledger holds.
func (l *Reader) Like(ctx context.Context, f file.Identity, sum []byte) ([]Delivery, error) {
	if sum == nil {
		found, err := l.load(ctx, `id IN (SELECT delivery FROM file WHERE ino = ? AND size = ? AND mtime_ns = ? AND dest IS NOT NULL
			ORDER BY delivery DESC LIMIT 20)`, int64(f.Ino), f.Size, f.Mtime)
		if err != nil || len(found) > 0 {
			slices.Reverse(found)
			return found, err
		}
	}
	const coarse = int64(2 * time.Second) // of FAT, the coarsest
	found, err := l.load(ctx, `id IN (SELECT delivery FROM file WHERE size = ?1 AND dest IS NOT NULL AND (abs(mtime_ns - ?2) <= ?3 OR sha256 = ?4)
		ORDER BY delivery DESC LIMIT 20)`, f.Size, f.Mtime, coarse, sum)
	slices.Reverse(found)
	return found, err
}
