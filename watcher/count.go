package watcher

import (
	"os"
	"path/filepath"

	"kaizala-drop/internal/file"
)

// Watches counts the folders below folder, itself included, that a Watcher would ask the kernel to watch now: none that
// is left alone, none that cannot be listed, and none where changes bring no event.
func Watches(folder Folder) int { return newScout(folder, nil).watches(".") }

// watches goes the way of enter and look.
func (s *scout) watches(dir string) int {
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
			n += s.watches(name)
		}
	}
	return n
}

// leavesAlone reports whether the folder name is not entered because of its name.
func (s *scout) leavesAlone(name string) bool {
	rule, filed := s.filter.rule(name, true)
	return filed || rule != ""
}
