package watcher

import (
	"os"
	"path/filepath"
	"testing"
)

// TestRemoteIsNotAsked shows that open writers and holes do not count on a file system that other hosts can write to,
// because this kernel's word on them is worth nothing there.
func TestRemoteIsNotAsked(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"open.mp3", "sparse.mp3"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	must(t, os.Truncate(dir+"/sparse.mp3", 1<<20))
	writer, err := os.OpenFile(dir+"/open.mp3", os.O_WRONLY, 0)
	must(t, err)
	defer writer.Close()
	s := newScout(Folder{Path: dir, VerifyEnding: true}, nil)
	for _, c := range []struct {
		remote, open string
		holes        holes
	}{
		{"", "it is open for writing", holesAtEnd},
		{"fuse", "", noHoles},
	} {
		s.remote = c.remote
		clear(s.torn)
		a := s.answer(t.Context(), request{due: []string{"open.mp3", "sparse.mp3"}})
		if a.leaseErr != nil {
			t.Fatal(a.leaseErr)
		}
		if got := a.seen[1].look.holes; got != c.holes {
			t.Errorf("on %q: the holes found are %v, want %v", c.remote, got, c.holes)
		}
		for i, reason := range []string{c.open, ""} {
			if got := a.seen[i].look; !got.examined || got.obstacle.reason != reason {
				t.Errorf("on %q: %s is held back for %q, want %q", c.remote, a.seen[i].name, got.obstacle.reason, reason)
			}
		}
	}
}
