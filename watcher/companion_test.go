package watcher

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/text"
)

// TestCompanionsAreFoundBothWays shows that companions are found one by one as well as by reading the directory, and
// that a small directory is read at once, a large one only when many of its files were asked about.
func TestCompanionsAreFoundBothWays(t *testing.T) {
	for _, others := range []int{0, 500} {
		dir := t.TempDir()
		for i := range others {
			must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d %s.mp3", i, strings.Repeat("x", 200))), nil, 0o600))
		}
		const free = "free.mp3"
		want := map[string]string{free: ""}
		for i, c := range companions() {
			name := fmt.Sprintf("held %d äöü.mp3", i)
			if c.before == "~$" { // with letters left out, it must not be a companion of another file
				name = fmt.Sprintf("%c%d.mp3", 'a'+i, i)
			}
			want[name] = c.of(name)
			must(t, os.WriteFile(filepath.Join(dir, want[name]), nil, 0o600))
		}
		s := newScout(Folder{Path: dir}, nil)
		read := func() bool { return s.beside[dir].found != nil }
		ask := func() {
			t.Helper()
			for name, companion := range want {
				reason := heldBeside(s, name)
				if (reason != "") != (companion != "") || !strings.Contains(reason, companion) {
					t.Errorf("%d others: %q is held back for %q, want %q", others, name, reason, companion)
				}
			}
		}
		ask()
		info, err := file.Stat(dir)
		must(t, err)
		if worth := int64(len(want))*worthReading >= info.Size; read() != worth {
			t.Errorf("%d others: after %d files the directory of %d bytes was read: %v", others, len(want), info.Size, read())
		} else {
			t.Logf("%d bytes: read at once: %v", info.Size, worth)
		}
		for range others {
			heldBeside(s, free)
		}
		if !read() {
			t.Errorf("%d others: the directory was not read, however often it was asked", others)
		}
		ask()
	}
}

// TestCompanionsOfOneAnswer shows that each answer finds the companions that are there then, and not those of the
// answer before.
func TestCompanionsOfOneAnswer(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/sub", 0o700))
	must(t, os.WriteFile(dir+"/sub/a.mp3", []byte("x"), 0o600))
	s := newScout(Folder{Path: dir, Recursive: true}, nil)
	reason := func() string {
		return s.answer(t.Context(), request{due: []string{"sub/a.mp3"}}).seen[0].look.obstacle.reason
	}
	must(t, os.WriteFile(dir+"/a.mp3.aria2", nil, 0o600)) // a companion of another file
	if r := reason(); r != "" {
		t.Errorf("held back: %s", r)
	}
	must(t, os.WriteFile(dir+"/sub/a.mp3.aria2", nil, 0o600))
	if r := reason(); !strings.Contains(r, `"a.mp3.aria2"`) {
		t.Errorf("held back for %q", r)
	}
	must(t, os.Remove(dir+"/sub/a.mp3.aria2"))
	if r := reason(); r != "" {
		t.Errorf("still held back: %s", r)
	}
}

// heldBeside gives the reason why name is held back on account of what lies beside it, or "".
func heldBeside(s *scout, name string) string {
	for c, beside := range s.companionsOf(name) {
		return fmt.Sprintf(c.reason, text.Printable(beside))
	}
	return ""
}
