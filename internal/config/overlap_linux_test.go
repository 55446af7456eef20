package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBindMount: one directory in two places, with no link between them.
func TestBindMount(t *testing.T) {
	dir := tree(t)
	if err := unix.Mount(filepath.Join(dir, "a"), filepath.Join(dir, "b"), "", unix.MS_BIND, ""); err != nil {
		if os.Getenv("KAIZALA_DROP_CI") != "" {
			t.Fatalf("cannot mount: %v", err)
		}
		t.Skipf("needs the right to mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(filepath.Join(dir, "b"), 0); err != nil {
			t.Error(err)
		}
	})
	got := problemsOf(t, dir, token+folderA+folderB, env("TOKEN", "t"))
	if len(got) != 1 || got[0].Line != 7 || !strings.Contains(got[0].Text, "is the same directory as") {
		t.Errorf("got %v", got)
	}
}
