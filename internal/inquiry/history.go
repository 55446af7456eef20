package inquiry

import (
	"context"
	"path/filepath"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/ledger"
)

// The states that a person asks for. Each is one or more of the ledger's.
const (
	StateDelivered = "delivered"
	StateFailed    = "failed"
	StateWaiting   = "waiting"
)

// History lists what became of files, the latest first: a row for each file. A folder that is not watched must have been.
func (d *Desk) History(ctx context.Context, f control.Filter) ([]control.Entry, error) {
	var unwatched error
	if f.Folder != "" {
		var folder string
		if folder, unwatched = WatchedFolder(d.Config().Folders, f.Folder); unwatched == nil {
			f.Folder = folder
		}
	}
	all, err := d.history(ctx, f)
	if err == nil && len(all) == 0 && unwatched != nil {
		err = unwatched
	}
	return all, err
}

func (d *Desk) history(ctx context.Context, f control.Filter) (all []control.Entry, err error) {
	q := ledger.Query{Folder: f.Folder, Part: f.Name, Since: f.Since, Until: f.Until, ByTime: true}
	switch f.State {
	case "", StateWaiting:
	case StateDelivered:
		q.State = ledger.Filed
	case StateFailed:
		q.State = ledger.Failed
	default:
		return nil, &control.Refusal{Text: "state must be delivered, failed or waiting, not " + quote(f.State)}
	}
	all = []control.Entry{}
	for {
		found, err := d.Ledger.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, one := range found {
			if f.State == StateWaiting && one.Finished {
				continue
			}
			all = append(all, entriesOf(one)...)
			if f.Limit > 0 && len(all) >= f.Limit {
				return all[:f.Limit], nil
			}
		}
		if len(found) < ledger.SearchMost {
			return all, nil
		}
		last := found[len(found)-1]
		q.Before, q.BeforeAt = last.ID, last.At()
	}
}

// StateOf is the state that a person asks for to find a row.
func StateOf(e control.Entry) string {
	switch e.State {
	case string(ledger.Filed):
		return StateDelivered
	case string(ledger.Failed):
		return StateFailed
	}
	return StateWaiting
}

// entriesOf makes a row of each file of a delivery.
func entriesOf(d ledger.Delivery) (all []control.Entry) {
	for _, f := range d.Files {
		e := control.Entry{
			ID: d.ID, At: d.At(), Settled: d.SettledAt, Folder: d.Folder, Name: f.Name, ClaimedAs: f.ClaimedAs,
			Destination: d.Destination, Target: d.Group, Kind: string(d.Kind), State: string(d.State), Finished: d.Finished,
			Reason: d.Reason, Reference: d.Reference, MaybeTwice: d.MaybeTwice, MaybePosted: mayBePosted(d), Dest: f.Dest, Size: f.ID.Size,
		}
		if len(d.Files) > 1 {
			e.Of = len(d.Files)
		}
		all = append(all, e)
	}
	return all
}

// mayBePosted reports whether a delivery that failed may be in the group: what was surely not posted has forgotten its resource.
func mayBePosted(d ledger.Delivery) bool { return d.State == ledger.Failed && d.Resource != "" }

// entryOf is the row of the file of d that lies at path, or that has or had the name; else of its first file.
func entryOf(d ledger.Delivery, path, name string) control.Entry {
	all := entriesOf(d)
	for _, e := range all {
		if e.Dest == path {
			return e
		}
	}
	for _, e := range all {
		if e.Name == name || e.ClaimedAs == name || filepath.Base(e.Name) == name || e.Dest != "" && filepath.Base(e.Dest) == name {
			return e
		}
	}
	return all[0]
}
