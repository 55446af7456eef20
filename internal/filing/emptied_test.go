package filing

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestJunkKeepsNoFolder shows that junk is removed with a folder that is otherwise empty, and stays beside anything else and
// in a folder in which a process works.
func TestJunkKeepsNoFolder(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{
		"day/.DS_Store", "day/Thumbs.db", "day/desktop.ini", "day/._1.jpg", "day/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "day/hour/.ds_store",
		"kept/.DS_Store", "kept/.hidden", "dir/Thumbs.db", "dir/inner/1.txt", "work/Thumbs.db",
	} {
		noError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755))
		noError(t, os.WriteFile(filepath.Join(dir, path), []byte("x"), 0o600))
	}
	outside := dir + "/outside"
	noError(t, os.Mkdir(outside, 0o755))
	noError(t, os.WriteFile(outside+"/1.jpg", []byte("x"), 0o600))
	noError(t, os.Symlink(outside, dir+"/day/@tmp-link"))
	noError(t, os.Rename(dir+"/day/@tmp-link", dir+"/day/.localized")) // a link is junk by its name, and is not followed
	worker := exec.Command("sleep", "60")
	worker.Dir = dir + "/work"
	noError(t, worker.Start())
	t.Cleanup(func() { _ = worker.Process.Kill(); _ = worker.Wait() })
	noError(t, New().RemoveEmptied(dir, []string{"day/hour/1.jpg", "kept/1.jpg", "dir/1.jpg", "work/1.jpg"}))
	if _, err := os.Stat(dir + "/day"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("junk keeps its folder: %v", err)
	}
	for _, path := range []string{"kept/.DS_Store", "kept/.hidden", "dir/Thumbs.db", "dir/inner/1.txt", "work/Thumbs.db", "outside/1.jpg"} {
		if _, err := os.Lstat(filepath.Join(dir, path)); err != nil {
			t.Errorf("it is gone: %v", err)
		}
	}
}

// TestEmptiedIsNeverAnythingElse shows that anything that takes the place of a subfolder stays.
func TestEmptiedIsNeverAnythingElse(t *testing.T) {
	dir := t.TempDir()
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	noError(t, os.MkdirAll(elsewhere+"/inner", 0o755))
	noError(t, os.Symlink(elsewhere, dir+"/link"))
	noError(t, os.Symlink("empty", dir+"/near"))
	noError(t, os.Mkdir(dir+"/empty", 0o755))
	noError(t, os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600))
	noError(t, New().RemoveEmptied(dir, []string{"file/1.jpg", "near/1.jpg", "link/inner/1.jpg", "link/1.jpg", "gone/1.jpg", "1.jpg"}))
	noError(t, unix.Mkfifo(dir+"/fifo", 0o644))
	noError(t, New().RemoveEmptied(dir, []string{"fifo/day/1.jpg"})) // opening the FIFO must not wait for a writer
	for _, path := range []string{dir + "/fifo", dir + "/file", dir + "/near", dir + "/empty", elsewhere + "/inner", dir} {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
}
