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

// History lists what became of files, the latest first: a row for each file.
func (d *Desk) History(ctx context.Context, f control.Filter) (all []control.Entry, err error) {
	q := ledger.Query{Folder: f.Folder, Part: f.Name, Since: f.Since, Until: f.Until}
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
		q.Before = found[len(found)-1].ID
	}
}
