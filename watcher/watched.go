package watcher

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"kaizala-drop/internal/file"
)

// watch makes sure that the folder at path, which info describes, is watched.
func (s *scout) watch(path string, info file.Info, a *answer) {
	old, known := s.watched[path]
	if known && !old.SameFile(info.Identity) { // the folder was renamed and made again, or another was mounted over it
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
		// The folder has gone meanwhile, or cannot be listed either: neither is a fault of the watching.
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			a.watchErr = watchAdvice(path, err)
		}
		return
	}
	s.watched[path] = info.Identity
}

// forgetBelow ends the watches of path and of everything below it.
func (s *scout) forgetBelow(path string) {
	for watched := range s.watched {
		if watched == path || isBelow(watched, path) {
			if s.notify != nil {
				_ = s.notify.Remove(watched) // the watch may have died with the folder
			}
			delete(s.watched, watched)
		}
	}
}

// isBelow reports whether path lies below dir. Both are absolute and clean.
func isBelow(path, dir string) bool {
	return len(path) > len(dir) && path[:len(dir)] == dir && path[len(dir)] == filepath.Separator
}

// watchAdvice adds to the kernel's terse errors about inotify limits what to do about them (inotify(7)).
func watchAdvice(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("cannot watch %q: all inotify watches of this user are taken: raise the sysctl fs.inotify.max_user_watches "+
			"(sysctl -w fs.inotify.max_user_watches=524288, and a line in /etc/sysctl.d/ to keep it): %w", path, err)
	case errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("cannot watch %q: all inotify instances of this user, or all descriptors of this process, are taken: raise the sysctl "+
			"fs.inotify.max_user_instances (sysctl -w fs.inotify.max_user_instances=1024, and a line in /etc/sysctl.d/ to keep it) "+
			"or LimitNOFILE= of the unit: %w", path, err)
	}
	return fmt.Errorf("cannot watch %q: %w", path, err)
}

// Watches counts how many directories a Watcher of folder would ask the kernel to watch now. It leaves out those that
// are left alone, that cannot be listed, or where changes bring no event.
func Watches(folder Folder) int { return newScout(folder, nil).countWatches(".") }

// countWatches enters the same folders as enter and visit.
func (s *scout) countWatches(dir string) int {
	path := filepath.Join(s.folder.Path, dir)
	entries, err := os.ReadDir(path)
	if err != nil || RemoteFS(path) != "" {
		return 0
	}
	n := 1
	for _, entry := range entries {
		name := filepath.Join(dir, entry.Name())
		if !s.folder.Recursive || !entry.IsDir() || s.leavesAlone(name) {
			continue
		}
		if info, err := file.Lstat(filepath.Join(s.folder.Path, name)); err == nil && info.Mode.IsDir() && !s.excluded(info) {
			n += s.countWatches(name)
		}
	}
	return n
}

// leavesAlone reports whether the folder name is not entered because of its name.
func (s *scout) leavesAlone(name string) bool {
	rule, filed := s.filter.rule(name, true)
	return filed || rule != ""
}
