package inquiry

import (
	"context"
	"errors"
	"path/filepath"
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

	posting time.Time // when its post was begun first; zero: never, or it is not known

	lies  lies
	at    string // where it lies now
	holds holds  // what lies there, compared with what the row is about
	away  string // the folder on the way to it that is not there
}

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
		r := row{Entry: entries[i][at], id: one.Files[at].ID, sum: one.Files[at].SHA256, posting: one.PostingAt}
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
