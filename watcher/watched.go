package watcher

import (
	"errors"
	"io/fs"
	"path/filepath"

	"kaizala-drop/internal/file"
)

// watch makes sure that path, which is the folder info, is watched.
func (s *scout) watch(path string, info file.Info, a *answer) {
	old, known := s.watched[path]
	if known && !old.SameFile(info.Identity) { // renamed and made again, or mounted over
		s.forgetBelow(path)
		known = false
	}
	if !known {
		if remote := RemoteFS(path); remote != "" {
			s.remote = remote
		}
		s.linkless = s.linkless || !countsLinks(path)
	}
	if s.notify == nil || s.remote != "" {
		return
	}
	if err := s.notify.Add(path); err != nil {
		// Neither of these is about watching: it has gone meanwhile, or cannot be listed either.
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			a.watchErr = watchAdvice(path, err)
		}
		return
	}
	s.watched[path] = info.Identity
}

// forgetBelow ends the watches of path and of all below it.
func (s *scout) forgetBelow(path string) {
	for watched := range s.watched {
		if watched == path || isBelow(watched, path) {
			if s.notify != nil {
				_ = s.notify.Remove(watched) // it may have died with the folder
			}
			delete(s.watched, watched)
		}
	}
}

// isBelow reports whether path lies below dir; both are absolute and clean.
func isBelow(path, dir string) bool {
	return len(path) > len(dir) && path[:len(dir)] == dir && path[len(dir)] == filepath.Separator
}
