package ledger

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"unicode"

	"kaizala-drop/internal/file"
)

// Which delivery took up what was put back into its folder.

// putBack finds what was put back into the folder ?1 and nobody has taken up yet, of the size ?2.
const putBack = `became IS NULL AND state <> 'void' AND what <> 'was-posted' AND size = ?2
	AND ?1 = (SELECT folder FROM delivery WHERE delivery.id = asked.delivery)`

const (
	takenUp = "UPDATE asked SET became = ?5 WHERE " + putBack + " AND ino = ?3 AND mtime_ns = ?4"
	// copies are those whose move may still be under way. The file can be a copy then, with an inode of its own, and with the
	// modification time as far as its file system keeps it.
	copies = "SELECT id, path, (SELECT name FROM file WHERE file.delivery = asked.delivery AND file.position = asked.position) FROM asked WHERE " +
		putBack + " AND state = 'asked' AND abs(mtime_ns - ?3) <= 2000000000 ORDER BY id"
)

// takeUp notes that a delivery has claimed what was put back, if it has. One that may have been posted before is posted
// again with it.
func (w *writer) takeUp(id int64, folder string, f File) error {
	n, err := w.affected(takenUp, []byte(folder), f.ID.Size, int64(f.ID.Ino), f.ID.Mtime, id)
	if err == nil && n == 0 {
		n, err = w.takeUpCopy(id, folder, f)
	}
	if err != nil || n == 0 {
		return err
	}
	return w.exec(`UPDATE delivery SET maybe_twice = 1 WHERE id = ?1 AND EXISTS
		(SELECT 1 FROM asked WHERE became = ?1 AND what LIKE 'post-again%')`, id)
}

// takeUpCopy is takeUp for a copy: other files of its size may have been put back at the same time, and its name tells them apart.
func (w *writer) takeUpCopy(id int64, folder string, f File) (int64, error) {
	s, err := w.prepared(copies)
	if err != nil {
		return 0, err
	}
	rows, err := s.Query([]byte(folder), f.ID.Size, f.ID.Mtime)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	question := int64(0)
	for rows.Next() && question == 0 {
		var one int64
		var path, name []byte
		if err := rows.Scan(&one, &path, &name); err != nil {
			return 0, err
		}
		if isNamedLike(string(path), f.Name) || isNamedLike(string(name), f.Name) {
			question = one
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || question == 0 {
		return 0, err
	}
	return w.affected("UPDATE asked SET became = ? WHERE id = ?", id, question)
}

// isNamedLike reports whether a file that was to be called as at path can have got the name: with a number, cut, or without what its
// file system does not take, which is what Windows refuses, or all beyond ASCII.
func isNamedLike(path, name string) bool {
	isASCII := strings.IndexFunc(name, func(r rune) bool { return r > unicode.MaxASCII }) < 0
	plain := func(name string) (stem, ext string) {
		ext = filepath.Ext(name)
		stem = strings.TrimSuffix(filepath.Base(name), ext)
		if i := strings.LastIndex(stem, " ("); i > 0 && strings.HasSuffix(stem, ")") {
			stem = stem[:i]
		}
		return strings.Map(func(r rune) rune {
			if r <= ' ' || strings.ContainsRune(`<>:"\|?*-_.`, r) || isASCII && r > unicode.MaxASCII {
				return -1
			}
			return unicode.ToLower(r)
		}, stem), strings.ToLower(ext)
	}
	want, ext := plain(path)
	got, its := plain(name)
	return ext == its && (want == got || got != "" && len(name) > cutFrom && strings.HasPrefix(want, got))
}

// cutFrom is the length in bytes from which on a file system may have cut a name.
const cutFrom = 100

// layDown notes that a delivery which is forgotten did not take up anything after all.
func (w *writer) layDown(id int64) error {
	return w.exec("UPDATE asked SET became = NULL WHERE became = ?", id)
}

// SentAsItIs reports whether a file in folder was asked to be sent without the check of its ending, and nobody has claimed it
// since. It counts for one file, in the state in which it was put back: its inode, size and modification time tell. Its device
// does not, which may have another number after a mount, nor does its name.
func (l *Reader) SentAsItIs(ctx context.Context, folder string, f file.Identity) (is bool, err error) {
	err = l.reading(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM asked WHERE became IS NULL AND state <> 'void' AND what <> 'was-posted'
			AND size = ?2 AND ino = ?3 AND mtime_ns = ?4 AND what LIKE '%as-it-is'
			AND ?1 = (SELECT folder FROM delivery WHERE delivery.id = asked.delivery))`,
			[]byte(folder), f.Size, int64(f.Ino), f.Mtime).Scan(&is)
	})
	return is, err
}
