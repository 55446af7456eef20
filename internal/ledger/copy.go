package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/durable"
)

// keepCopyFor is how long the ledger must have worked before the copy in its older schema is removed.
const keepCopyFor = 24 * time.Hour

// migrationRoom is the disk space, in bytes, that a migration may need beside the copy, because SQLite writes it to the -wal
// first.
const migrationRoom = 1 << 20

// copyPath is the path of the copy of the ledger in an older schema.
func (l *Ledger) copyPath(version int) string { return fmt.Sprintf("%s.v%d", l.path(), version) }

// Kept is the path of the copy of the ledger that Open made before it changed the schema; "" if Open changed nothing.
func (l *Ledger) Kept() string { return l.kept }

// keepCopy copies the ledger, with the content of its -wal, before a migration changes it. The copy gets its name when all of
// it is on disk, so that a file of that name is whole. It replaces the copy of an earlier try or update, because the older
// program may have taken steps since then.
func (l *Ledger) keepCopy(version int) error {
	var bytes int64
	err := l.w.get(&bytes, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
	if err != nil {
		return err
	}
	path := l.copyPath(version)
	part := path + ".part"
	if err = removePart(part); err == nil { // a power cut in an earlier try may have left one
		err = l.roomFor(bytes + migrationRoom)
	}
	if err == nil {
		err = l.copyTo(part)
	}
	if err == nil {
		err = putInPlace(part, path)
	}
	if err != nil {
		_ = removePart(part) // the next try removes a file that stays
		return fmt.Errorf("cannot keep a copy, which comes before its schema is changed: %d bytes are needed for %q: %w; "+
			"the ledger is as it was", bytes+migrationRoom, path, err)
	}
	return nil
}

// roomFor fails if the disk has less than that many bytes, before a copy fills a disk that may hold the folders as well.
func (l *Ledger) roomFor(bytes int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(l.dir, &st); err != nil || st.Blocks == 0 {
		return nil // the file system does not say how much is free
	}
	free := uint64(st.Bavail) * uint64(st.Bsize) //nolint:unconvert // other types on Darwin
	if free < uint64(bytes) {
		return fmt.Errorf("its disk has %d bytes: make room there", free)
	}
	return nil
}

// removePart removes an unfinished copy, and the journal that SQLite keeps beside it.
func removePart(path string) error {
	var errs []error
	for _, p := range []string{path + "-journal", path} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("%w: %s", err, remedy(err)))
		}
	}
	return errors.Join(errs...)
}

// copyTo copies the ledger to path. It makes the file itself, because SQLite would let other users read it.
func (l *Ledger) copyTo(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("%w: %s", err, remedy(err))
	}
	if err := f.Close(); err != nil { // prepareFile says why SQLite must not find it open
		return err
	}
	if _, err := l.w.conn.ExecContext(context.Background(), "VACUUM INTO ?", path); err != nil {
		return err
	}
	return syncFile(path)
}

// putInPlace gives a file whose content is on disk its final name, durably.
func putInPlace(part, path string) error {
	if err := durable.Rename(part, path); err != nil {
		return fmt.Errorf("%w: %s", err, remedy(err))
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("%w: %s", err, remedy(err))
	}
	return nil
}

// dropCopies removes the copies that keepCopy made, once the ledger has worked for a day in its new schema and is sound: it
// must hold a step that was taken a day or more after the copy was made. The day is counted by the system's clock, from the
// copy's mtime to the step's updated_at, so a day without any step does not count.
func (l *Ledger) dropCopies(ctx context.Context) error {
	for version := 1; version < len(migrations()); version++ {
		path := l.copyPath(version)
		due, err := l.outlived(ctx, path)
		if err == nil && due {
			err = os.Remove(path)
		}
		if err != nil {
			return fmt.Errorf("the ledger's copy %q is kept: %w", path, err)
		}
	}
	return nil
}

// outlived reports whether the copy at path exists and may be removed.
func (l *Ledger) outlived(ctx context.Context, path string) (bool, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	from := info.ModTime().Add(keepCopyFor)
	if time.Now().Before(from) {
		return false, nil
	}
	var worked bool
	err = l.read.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM delivery WHERE updated_at >= ?)", timeText(from)).Scan(&worked)
	if err != nil || !worked {
		return false, err
	}
	err = l.checkAgain(ctx)
	return err == nil, err
}

// checkAgain is check without making the writer wait. It opens a connection of its own, because a connection that may only
// read does not know the CHECK constraints.
func (l *Ledger) checkAgain(ctx context.Context) error {
	db, err := openDB(l.path(), 1, url.Values{})
	if err != nil {
		return err
	}
	defer db.Close()
	var found string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&found); err != nil {
		return err
	}
	return damageFound(found)
}

// errNewer is the error about a ledger in a newer schema. It names the copy with which this program can go on.
func (l *Ledger) errNewer(version, known int) error {
	back := "or put back the copy from before the update"
	for v := known; v > 0; v-- {
		info, err := os.Lstat(l.copyPath(v))
		if err == nil && info.Mode().IsRegular() {
			back = fmt.Sprintf("or, to go back to this one, move %s and %s-wal away and copy %q, which is how it was at %s, to %s: "+
				"what was posted since then and is not yet moved is posted again", fileName, fileName,
				filepath.Base(l.copyPath(v)), timeText(info.ModTime()), fileName)
			break
		}
	}
	return fmt.Errorf("written by a newer kaizala-drop (schema %d, this one knows %d): install that version again, %s",
		version, known, back)
}
