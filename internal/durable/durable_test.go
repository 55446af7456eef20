package durable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestRename shows that Rename replaces the file that has the new name, and that an error leaves both files as they were.
func TestRename(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "new"), filepath.Join(dir, "old")
	write(t, from, "new")
	write(t, to, "old")
	if err := Rename(from, to); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(to); err != nil || string(content) != "new" {
		t.Errorf("it holds %q, %v", content, err)
	}
	if err := Rename(from, to); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("renaming a file that is not there: %v", err)
	}
	if content, err := os.ReadFile(to); err != nil || string(content) != "new" {
		t.Errorf("it holds %q, %v", content, err)
	}
}

// TestSyncFolder shows that a path without a folder is an error, and that a folder is none.
func TestSyncFolder(t *testing.T) {
	dir := t.TempDir()
	if err := SyncFolder(dir); err != nil {
		t.Error(err)
	}
	write(t, filepath.Join(dir, "file"), "")
	for _, name := range []string{"file", "missing"} {
		if err := SyncFolder(filepath.Join(dir, name)); err == nil {
			t.Errorf("no error for %q", name)
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
