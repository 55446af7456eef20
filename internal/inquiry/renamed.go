package inquiry

import (
	"context"
	"io/fs"
	"path/filepath"
	"time"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/ledger"
)

// rememberPosted finds the row of a file that is posted, or may be, and that somebody has renamed before it was moved to done/: for the
// running parts it is a new file until its turn.
func (d *Desk) rememberPosted(ctx context.Context, k *facts) error {
	if k.looked != nil || !k.info.Mode.IsRegular() {
		return nil
	}
	open, err := d.Ledger.Unfinished(ctx, k.folder.Destination)
	if err != nil {
		return err
	}
	for _, one := range open {
		if one.Folder != k.folder.Path || one.State != ledger.Posted && one.State != ledger.Posting {
			continue
		}
		for _, f := range one.Files {
			if f.Name == k.name || f.ID.Ino != k.info.Ino || f.ID.Size != k.info.Size || f.ID.Mtime != k.info.Mtime {
				continue
			}
			rows, err := d.rows(ctx, []ledger.Delivery{one}, func(e control.Entry) bool { return e.Name == f.Name })
			if err == nil {
				k.own, k.renamed = &rows[0], true
			}
			return err
		}
	}
	return nil
}

// tellRenamed tells of a file that was posted, or may be, under another name.
func (k *facts) tellRenamed() control.Story {
	s := k.rowed(*k.own)
	s.Lines = append(s.Lines, "It has been renamed since then: it lies at "+quote(k.path)+" now.")
	return k.withDoor(s)
}

// seek looks whether the file of r, which is gone from where it was moved, was renamed in that folder: it is known by its inode.
func (d *Desk) seek(r *row) {
	if r.away != "" {
		return
	}
	type found struct {
		path string
		info file.Info
	}
	got, err := ask(&d.disk, r.Folder, func(stop *stopped) (f found, _ error) {
		began, seen, dir := time.Now(), 0, filepath.Dir(r.Dest)
		err := each(dir, stop, func(e fs.DirEntry) bool {
			if seen++; seen > d.disk.sought() || time.Since(began) > sumTime {
				return false
			}
			if !e.Type().IsRegular() {
				return true
			}
			info, err := file.Lstat(filepath.Join(dir, e.Name()))
			if err != nil || info.Ino != r.id.Ino || info.Size != r.id.Size || info.Mtime != r.id.Mtime {
				return true
			}
			f = found{filepath.Join(dir, e.Name()), info}
			return false
		})
		return f, err
	})
	if err == nil && got.path != "" {
		r.lies, r.at = liesMoved, got.path
		d.compare(r, got.info)
	}
}
