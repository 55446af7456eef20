package retry

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
)

// Missing is a file of a failed delivery that does not lie where it was moved to.
type Missing struct {
	Delivery int64
	Position int
	File     ledger.File
}

// Renamed finds where such files lie in their folder under other names. For each of them it gives the paths that Retry takes for it:
// none if it was moved away or deleted, several if there are copies. What lies there is looked at, and nothing is changed.
func (r *Retrier) Renamed(ctx context.Context, missing []Missing) ([][]string, error) {
	lie := map[place][]string{}
	for dir, sizes := range foldersOf(missing) {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			path := filepath.Join(dir, e.Name())
			info, err := file.Lstat(path)
			if err != nil || !info.Mode.IsRegular() || !sizes[info.Size] || filing.IsOwnName(e.Name()) || filing.IsNoteName(path) {
				continue
			}
			f, err := r.find(ctx, path)
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if err == nil && f.already == nil {
				lie[f.place] = append(lie[f.place], path)
			}
		}
	}
	paths := make([][]string, len(missing))
	for i, m := range missing {
		paths[i] = lie[place{m.Delivery, m.Position}]
	}
	return paths, nil
}

// foldersOf gives the folders in which files were, with their sizes.
func foldersOf(missing []Missing) map[string]map[int64]bool {
	all := map[string]map[int64]bool{}
	for _, m := range missing {
		dir := filepath.Dir(m.File.Dest)
		if all[dir] == nil {
			all[dir] = map[int64]bool{}
		}
		all[dir][m.File.ID.Size] = true
	}
	return all
}
