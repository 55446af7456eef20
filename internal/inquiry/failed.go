package inquiry

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/ledger"
	"kaizala-drop/internal/view"
)

// What the disk says of a folder for the status: which failed files are still in failed/, and which of those that wait are not under
// their names any more. It is looked at for each folder at the same time, so that one which hangs costs the answer lookTime once.

// seen is what the disk says of a folder.
type seen struct {
	failed int
	names  []string // the latest of the failed ones
	err    error
}

const (
	dirsMost   = 50 // subfolders of failed/ that are listed
	lookedMost = 50 // files that wait which are looked for
)

// seeFailed counts the files of each folder that failed, and are still to be dealt with: what is not in failed/ any more was.
func (d *Desk) seeFailed(ctx context.Context, folders []config.Folder) map[string]seen {
	type result struct {
		folder string
		seen
	}
	results, all := make(chan result, len(folders)), map[string]seen{}
	for _, f := range folders {
		go func() { results <- result{f.Path, d.failedIn(ctx, f)} }()
	}
	for range folders {
		r := <-results
		all[r.folder] = r.seen
	}
	return all
}

// failedIn counts the failed files of a folder.
func (d *Desk) failedIn(ctx context.Context, f config.Folder) (s seen) {
	known, err := d.Ledger.Search(ctx, ledger.Query{Folder: f.Path, State: ledger.Failed})
	if err != nil {
		return seen{err: err}
	}
	var files []ledger.File
	for _, one := range known {
		for _, file := range one.Files {
			if one.Finished && file.Dest != "" {
				files = append(files, file)
			}
		}
	}
	if len(files) == 0 {
		return s
	}
	lying, err := d.lying(f.Path, files)
	if err != nil { // as far as is known
		lying = files
	}
	s.failed = len(lying)
	for _, file := range lying[:min(len(lying), namesMost)] {
		s.names = append(s.names, file.Name)
	}
	return s
}

// lying gives those of the failed files that lie where they were moved, or that somebody renamed there.
func (d *Desk) lying(folder string, files []ledger.File) (all []ledger.File, err error) {
	dirs := map[string]listing{}
	var absent []ledger.File
	for _, file := range files {
		dir, base := filepath.Split(file.Dest)
		if _, listed := dirs[dir]; !listed && len(dirs) < dirsMost {
			if dirs[dir], err = d.disk.list(folder, dir); err != nil && !isAbsent(err) {
				return nil, err
			}
		}
		there, listed := dirs[dir]
		switch {
		case !listed || there.cut || there.names[base]:
			all = append(all, file)
			delete(there.names, base)
		default:
			absent = append(absent, file)
		}
	}
	if len(absent) == 0 {
		return all, nil
	}
	renamed, err := ask(&d.disk, folder, func(stop *stopped) ([]ledger.File, error) { return renamedIn(dirs, absent, stop), nil })
	return slices.Concat(all, renamed), err
}

// renamedIn gives those files that are not under their names, but under others of the folders' that nobody else is known by.
func renamedIn(dirs map[string]listing, absent []ledger.File, stop *stopped) (all []ledger.File) {
	looked := 0
	for dir, there := range dirs {
		for name := range there.names {
			if looked++; looked > lookedMost || stop.Load() {
				return all
			}
			info, err := os.Lstat(filepath.Join(dir, name))
			if err != nil || !info.Mode().IsRegular() {
				continue
			}
			is := func(f ledger.File) bool {
				return f.ID.Size == info.Size() && isKept(f.ID.Mtime, info.ModTime().UnixNano())
			}
			if i := slices.IndexFunc(absent, is); i >= 0 {
				all = append(all, absent[i])
				absent = slices.Delete(slices.Clone(absent), i, i+1)
			}
		}
	}
	return all
}

// markGone finds which of the files that wait are not under their names any more.
func (d *Desk) markGone(folders []control.Folder) {
	var looking sync.WaitGroup
	for i := range folders {
		looking.Go(func() { d.markGoneIn(&folders[i]) })
	}
	looking.Wait()
}

func (d *Desk) markGoneIn(f *control.Folder) {
	var open []int
	for i, q := range f.Queue {
		if isOpen(q) && !q.Busy && q.Files == 1 && len(open) < lookedMost {
			open = append(open, i)
		}
	}
	if len(open) == 0 {
		return
	}
	queue := slices.Clone(f.Queue)
	gone, err := ask(&d.disk, f.Path, func(stop *stopped) (gone []int, _ error) {
		if _, err := os.Stat(f.Path); err != nil {
			return nil, err
		}
		for _, i := range open {
			if _, err := os.Lstat(filepath.Join(f.Path, queue[i].Name)); isAbsent(err) && !stop.Load() {
				gone = append(gone, i)
			}
		}
		return gone, nil
	})
	if err != nil {
		return
	}
	for _, i := range gone {
		queue[i].Gone = true
	}
	f.Queue = queue
}

// reasons puts together what is held for the same kind of reason, the ones that wait longest first.
func reasons(held []view.Held, warnAfter time.Duration, now time.Time) (all []control.Reason) {
	byKind := map[string][]view.Held{}
	for _, h := range held {
		byKind[h.Kind] = append(byKind[h.Kind], h)
	}
	for kind, some := range byKind {
		slices.SortFunc(some, func(a, b view.Held) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Name, b.Name)) })
		oldest := some[0]
		r := control.Reason{Kind: kind, Reason: oldest.Reason, Files: len(some), Since: oldest.Since, Late: now.Sub(oldest.Since) >= warnAfter}
		for _, h := range some {
			r.Next, r.Fails, r.Goes = first(r.Next, h.Next), first(r.Fails, h.Fails), first(r.Goes, h.Goes)
		}
		for _, h := range some[:min(len(some), namesMost)] {
			r.Names = append(r.Names, h.Name)
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b control.Reason) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Kind, b.Kind)) })
	return all
}

// first is the earlier of two times; the zero time is none.
func first(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
