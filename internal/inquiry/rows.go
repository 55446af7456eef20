package inquiry

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
)

// entriesMost is how many earlier deliveries a story knows of.
const entriesMost = 20

// row is a file in the ledger, and what is to be seen of it.
type row struct {
	control.Entry
	id   file.Identity // when it was claimed, or last recognised
	sum  []byte        // of what was uploaded; nil: nothing was
	help filing.Note   // of one that failed: what can be done

	lies lies
	at   string // where it lies now
}

// lies is what the disk shows of the file of a row that was moved away.
type lies int

const (
	unlooked  lies = iota
	liesThere      // it lies where it was moved to
	liesMoved      // it lies elsewhere, at row.at
	liesGone       // it is not where it was moved to
	liesOther      // another file lies there
	liesDark       // that could not be seen
)

// entriesOf makes a row of each file of a delivery.
func entriesOf(d ledger.Delivery) (all []control.Entry) {
	for _, f := range d.Files {
		e := control.Entry{
			ID: d.ID, At: d.At(), Settled: d.SettledAt, Folder: d.Folder, Name: f.Name, ClaimedAs: f.ClaimedAs,
			Destination: d.Destination, Target: d.Group, Kind: string(d.Kind), State: string(d.State), Finished: d.Finished,
			Reason: d.Reason, Reference: d.Reference, MaybeTwice: d.MaybeTwice, Dest: f.Dest, Size: f.ID.Size,
			MaybePosted: d.MayBePosted() || d.State == ledger.Posting,
		}
		if len(d.Files) > 1 {
			e.Of = len(d.Files)
		}
		all = append(all, e)
	}
	return all
}

// entriesOfAll makes the rows of each delivery, with what people asked of them.
func (d *Desk) entriesOfAll(ctx context.Context, found []ledger.Delivery) ([][]control.Entry, error) {
	all, place := make([][]control.Entry, len(found)), map[int64]int{}
	var ids []int64
	for i, one := range found {
		all[i] = entriesOf(one)
		place[one.ID] = i
		ids = append(ids, one.ID)
	}
	asked, err := d.Ledger.AskedOf(ctx, ids...)
	for _, a := range asked {
		said := askedOf(a)
		if i, ok := place[a.Delivery]; ok && a.Position < len(all[i]) {
			e := &all[i][a.Position]
			e.Asked = append(e.Asked, said)
		}
		if i, ok := place[a.Became]; ok && a.Became != 0 {
			for p, f := range found[i].Files {
				if len(found[i].Files) == 1 || f.ID.Ino == a.File.Ino && f.ID.Size == a.File.Size {
					all[i][p].Origin = &said
				}
			}
		}
	}
	return all, err
}

func askedOf(a ledger.Asked) control.Asked {
	said := control.Asked{
		Delivery: a.Delivery, What: string(a.What), By: a.By, At: a.At, State: string(a.State), Reason: a.Reason, From: a.Path, To: a.Dest, Became: a.Became,
	}
	if !a.DoneAt.IsZero() {
		said.At = a.DoneAt
	}
	return said
}

// search finds rows in the ledger: of each delivery that of the file for which is is so, else of its first.
func (d *Desk) search(ctx context.Context, q ledger.Query, is func(control.Entry) bool) ([]row, error) {
	q.Limit = entriesMost
	found, err := d.Ledger.Search(ctx, q)
	if err != nil {
		return nil, err
	}
	return d.rows(ctx, found, is)
}

func (d *Desk) rows(ctx context.Context, found []ledger.Delivery, is func(control.Entry) bool) (all []row, err error) {
	entries, err := d.entriesOfAll(ctx, found)
	if err != nil {
		return nil, err
	}
	for i, one := range found {
		at := 0
		for p, e := range entries[i] {
			if is(e) {
				at = p
				break
			}
		}
		r := row{Entry: entries[i][at], id: one.Files[at].ID, sum: one.Files[at].SHA256}
		if one.State == ledger.Failed {
			r.help = d.Rules.Recall(one)
		}
		all = append(all, r)
	}
	return all, nil
}

// get finds the row of a file of a delivery; it is not ok if the ledger has forgotten that.
func (d *Desk) get(ctx context.Context, id int64, is func(control.Entry) bool) (r row, ok bool, err error) {
	one, err := d.Ledger.Get(ctx, id)
	if errors.Is(err, ledger.ErrUnknown) {
		return r, false, nil
	} else if err != nil {
		return r, false, err
	}
	all, err := d.rows(ctx, []ledger.Delivery{one}, is)
	if err != nil {
		return r, false, err
	}
	return all[0], true, nil
}

func isAt(path string) func(control.Entry) bool {
	return func(e control.Entry) bool { return e.Dest == path }
}

// isNamed finds the file that has, had, or was moved to a name, relative to the folder or without its subfolders.
func isNamed(name string) func(control.Entry) bool {
	return func(e control.Entry) bool {
		return e.Name == name || e.ClaimedAs == name || filepath.Base(e.Name) == name || filepath.Base(e.ClaimedAs) == name ||
			e.Dest != "" && filepath.Base(e.Dest) == name
	}
}

// putBack is the last that was done of what was asked of r, if that put it back into its folder.
func (r row) putBack() (a control.Asked, ok bool) {
	for _, one := range r.Asked {
		if one.State == string(ledger.Done) && one.What != string(ledger.WasPosted) {
			a, ok = one, true
		}
	}
	return a, ok
}

// lookAt looks whether the file of r lies where it was moved, and what the note beside it says.
func (d *Desk) lookAt(r *row) {
	if r.Dest == "" || r.lies != unlooked {
		return
	}
	r.at = r.Dest
	info, err := d.disk.lstat(r.Folder, r.Dest)
	switch {
	case isAbsent(err):
		r.lies = liesGone
	case err != nil:
		r.lies = liesDark
	case info.Mode.IsRegular() && info.Size == r.id.Size && d.isStill(r, info):
		r.lies = liesThere
	default:
		r.lies = liesOther
	}
	d.readNote(r)
}

// isStill reports whether what lies at r.at, which has the size of r's file, is that file and holds what it held. One that was touched is
// read; one that was never sent is known by its inode.
func (d *Desk) isStill(r *row, info file.Info) bool {
	switch {
	case isKept(r.id.Mtime, info.Mtime):
		return true
	case r.sum == nil:
		return info.Ino == r.id.Ino
	case info.Size > sumMost:
		return false
	}
	sum, err := ask(&d.disk, r.Folder, func(stop *stopped) ([]byte, error) { return sumOf(r.at, stop) })
	return err == nil && slices.Equal(sum, r.sum)
}

// readNote has what the note beside the file of r says replace what the ledger tells.
func (d *Desk) readNote(r *row) {
	if r.State != string(ledger.Failed) || r.at == "" || r.lies != liesThere && r.lies != liesMoved {
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
