package inquiry

import (
	"context"

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
		entries, err := d.entriesOfAll(ctx, found)
		if err != nil {
			return nil, err
		}
		for i, one := range found {
			if f.State == StateWaiting && one.Finished {
				continue
			}
			all = append(all, entries[i]...)
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
