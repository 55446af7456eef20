package inquiry

import (
	"crypto/sha256"
	"io"
	"path/filepath"
	"slices"
	"time"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
)

// Where the file of a row lies now, and whether what lies there is what the row is about.

// lies is what the disk shows of the file of a row that was moved away.
type lies int

const (
	unlooked    lies = iota
	liesThere        // it lies where it was moved to
	liesMoved        // it lies elsewhere, at row.at
	liesGone         // it is not where it was moved to
	liesChanged      // a file with other content lies there
	liesOther        // something that is no regular file lies there
	liesDark         // that could not be seen
)

// holds is what a file holds, compared with what the ledger knows of it.
type holds int

const (
	holdsUnknown holds = iota // it was not compared, or could not be
	holdsSame
	holdsOther
)

const (
	// sumMost is the largest file, in bytes, that is read to find out which one it is.
	sumMost = 64 << 20
	// sumTime is how long one is read for that: less than lookTime, for a large file is no file system that hangs.
	sumTime = lookTime / 2
	// moveTime is how long before the entry in the ledger the move may have been that the entry is about.
	moveTime = 10 * time.Second
)

// lookAt looks whether the file of r lies where it was moved, and what the note beside it says.
func (d *Desk) lookAt(r *row) {
	if r.Dest == "" || r.lies != unlooked {
		return
	}
	r.at = r.Dest
	info, err := d.disk.lstat(r.Folder, r.Dest)
	switch {
	case isAbsent(err):
		r.lies, r.away = liesGone, d.disk.missing(r.Folder, r.Dest)
		d.seek(r)
	case err != nil:
		r.lies = liesDark
	case !info.Mode.IsRegular():
		r.lies, r.holds = liesOther, holdsOther
	default:
		r.lies = liesThere
		if d.compare(r, info); r.holds == holdsOther {
			r.lies = liesChanged
		}
	}
	d.readNote(r)
}

// compare finds out whether the regular file at r.at, which is info, holds what the file of r held. It is read, if that does not take
// long: the times of an inode are those of a coarse clock, so right after the move they do not show that somebody has written.
func (d *Desk) compare(r *row, info file.Info) {
	switch {
	case info.Size != r.id.Size:
		r.holds = holdsOther
	case r.sum == nil && info.Ino != r.id.Ino && !isKept(r.id.Mtime, info.Mtime):
		r.holds = holdsOther
	case r.sum != nil:
		r.holds = d.compareSum(r, info)
	}
	if r.holds == holdsUnknown && r.untouched(info) {
		r.holds = holdsSame
	}
}

// untouched reports whether nothing happened to the file of r since it was moved: the move is the last that changed its inode. The
// modification time alone shows nothing, for whoever writes into a file can set it.
func (r *row) untouched(info file.Info) bool {
	if info.Ino != r.id.Ino || info.Mtime != r.id.Mtime {
		return false
	}
	moved := []time.Time{r.At}
	if said := saidPosted(*r); said != nil {
		moved = append(moved, said.At)
	}
	changed := time.Unix(0, info.Ctime)
	return slices.ContainsFunc(moved, func(at time.Time) bool {
		return changed.After(at.Add(-moveTime)) && changed.Before(at.Add(time.Millisecond)) // the ledger keeps milliseconds
	})
}

// compareSum reads the file, if that does not take long.
func (d *Desk) compareSum(r *row, info file.Info) holds {
	if info.Size > sumMost {
		return holdsUnknown
	}
	sum, err := d.disk.sum(r.Folder, r.at)
	switch {
	case err != nil:
		return holdsUnknown
	case slices.Equal(sum, r.sum):
		return holdsSame
	}
	return holdsOther
}

// sum reads a file for its SHA-256, for sumTime at most.
func (d *disk) sum(folder, path string) ([]byte, error) {
	return ask(d, folder, func(stop *stopped) ([]byte, error) { return sumOf(path, stop) })
}

func sumOf(path string, stop *stopped) ([]byte, error) {
	f, _, err := file.Open(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum, began := sha256.New(), time.Now()
	for !stop.Load() && time.Since(began) < sumTime {
		if _, err := io.CopyN(sum, f, 1<<20); err == io.EOF { //nolint:errorlint // as io has it
			return sum.Sum(nil), nil
		} else if err != nil {
			return nil, err
		}
	}
	return nil, errSilent
}

// readNote has what the note beside the file of r says replace what the ledger tells.
func (d *Desk) readNote(r *row) {
	if r.State != string(ledger.Failed) || r.at == "" || !r.isSomewhere() {
		return
	}
	n, err := ask(&d.disk, r.Folder, func(*stopped) (filing.Note, error) {
		for _, path := range []string{r.at, r.Dest} { // who renames the file may leave the note as it was
			if n, ok := filing.ReadNote(path); ok {
				return n, nil
			}
		}
		return filing.Note{}, errSilent
	})
	if err == nil {
		r.help.Advice, r.help.Same, r.help.AsItIs, r.help.Unknown = n.Advice, n.Same, n.AsItIs, n.Unknown
	}
}

// isSomewhere reports whether a file of r lies at r.at, changed or not.
func (r row) isSomewhere() bool {
	return r.lies == liesThere || r.lies == liesMoved || r.lies == liesChanged
}

// isKept reports whether a modification time is another one as a file system or a copy keeps it: to the nanosecond, or in coarser steps,
// up to those of FAT.
func isKept(mtime, kept int64) bool {
	for _, step := range []time.Duration{1, 100, time.Microsecond, time.Millisecond, 10 * time.Millisecond, time.Second, 2 * time.Second} {
		if off := time.Duration(kept - mtime); kept%int64(step) == 0 && -step < off && off < step {
			return true
		}
	}
	return false
}

// saidPosted is who said that a file that failed was posted; nil: nobody.
func saidPosted(r row) *control.Asked {
	for i, a := range r.Asked {
		if a.What == "was-posted" && a.State == "done" {
			return &r.Asked[i]
		}
	}
	return nil
}
