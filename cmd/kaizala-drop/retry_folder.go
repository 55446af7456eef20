package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/inquiry"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/retry"
	"kaizala-drop/internal/text"
)

// The failed files of a whole folder.

// failedOf finds the failed files of a folder in the order in which they settled there, so that the group sees them in it. One that was
// renamed in failed/ goes by its new name, and one that is not there any more is told as gone.
func (r retries) failedOf(ctx context.Context, q control.Retry) (errands []control.Retried, err error) {
	folder, err := inquiry.WatchedFolder(r.folders(), q.Folder)
	if err != nil {
		return nil, err
	}
	all, err := searchAll(ctx, r.book, ledger.Query{Folder: folder, State: ledger.Failed, Since: q.Since})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b ledger.Delivery) int {
		if c := a.SettledAt.Compare(b.SettledAt); c != 0 {
			return c
		}
		return int(a.ID - b.ID)
	})
	asked, err := r.askedOf(ctx, all)
	if err != nil {
		return nil, err
	}
	return r.errandsOf(ctx, all, asked)
}

// errandsOf looks where the files of failed deliveries lie now.
func (r retries) errandsOf(ctx context.Context, all []ledger.Delivery, asked map[spot]ledger.Asked) (errands []control.Retried, err error) {
	var missing []retry.Missing
	var at []int // of errands
	seen := map[string]bool{}
	for _, d := range all {
		for i, f := range d.Files {
			if !d.Finished || f.Dest == "" || seen[f.Dest] {
				continue
			}
			one, before := control.Retried{Path: f.Dest}, asked[spot{d.ID, i}]
			_, err := os.Lstat(f.Dest)
			switch gone := errors.Is(err, fs.ErrNotExist); {
			case !gone:
				seen[f.Dest] = true
			case before.State == ledger.Done:
				continue
			case before.State == ledger.Pending:
				one.Path = before.Path
			default:
				one.Gone = true
				missing, at = append(missing, retry.Missing{Delivery: d.ID, Position: i, File: f}), append(at, len(errands))
			}
			errands = append(errands, one)
		}
	}
	paths, err := r.retrier.Renamed(ctx, missing)
	for i, found := range paths {
		errands[at[i]] = renamed(errands[at[i]], found)
	}
	return errands, err
}

// renamed is the errand of a file that does not lie where it was, and may lie at these paths.
func renamed(one control.Retried, paths []string) control.Retried {
	switch len(paths) {
	case 0:
		return one
	case 1:
		return control.Retried{Path: paths[0]}
	}
	var names []string
	for _, path := range paths {
		names = append(names, text.Quoted(path))
	}
	return control.Retried{Path: one.Path, Error: fmt.Sprintf("\"%s\": it was renamed, and %d files may be it: name the one that is to be sent: %s",
		text.Printable(one.Path), len(paths), strings.Join(names, ", "))}
}

// spot is a file of a delivery.
type spot struct {
	delivery int64
	position int
}

// askedOf gives what was asked last of the files of deliveries.
func (r retries) askedOf(ctx context.Context, all []ledger.Delivery) (map[spot]ledger.Asked, error) {
	last := map[spot]ledger.Asked{}
	for some := range slices.Chunk(all, ledger.SearchMost) {
		var ids []int64
		for _, d := range some {
			ids = append(ids, d.ID)
		}
		asked, err := r.book.AskedOf(ctx, ids...)
		if err != nil {
			return nil, err
		}
		for _, a := range asked {
			last[spot{a.Delivery, a.Position}] = a
		}
	}
	return last, nil
}

// searchAll is Search without a limit.
func searchAll(ctx context.Context, book *ledger.Ledger, q ledger.Query) (all []ledger.Delivery, err error) {
	for {
		found, err := book.Search(ctx, q)
		if err != nil {
			return nil, err
		}
		if all = append(all, found...); len(found) < ledger.SearchMost {
			return all, nil
		}
		q.Before = found[len(found)-1].ID
	}
}
