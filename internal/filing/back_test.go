package filing

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"kaizala-drop/internal/file"
)

// back is the move of a file in failed/ to its folder, in which it lay as name.
func (d desk) back(lies, name string) Move {
	d.t.Helper()
	info, err := file.Lstat(filepath.Join(d.done, lies))
	noError(d.t, err)
	return Move{Folder: filepath.Dir(filepath.Join(d.done, lies)), Name: filepath.Base(lies), Want: info.Identity, Dir: d.folder, As: name, Back: true}
}

// TestBack moves files back into their folder: under their own names, never over another, into subfolders that are made as the
// folder is, and without marking the folder as one of filed files.
func TestBack(t *testing.T) {
	for _, way := range ways() {
		t.Run(way.name, func(t *testing.T) {
			d := way.desk(t)
			write(t, d.done+"/scan (2).pdf", "back")
			write(t, d.done+"/trip/a.jpg", "image")
			write(t, d.folder+"/scan.pdf", "newer")
			noError(t, os.Chmod(d.folder, 0o750))
			filer := newFiler(way.calls())
			for _, c := range []struct{ lies, name, want string }{{"scan (2).pdf", "scan.pdf", "scan (2).pdf"}, {"trip/a.jpg", "trip/a.jpg", "trip/a.jpg"}} {
				m := d.back(c.lies, c.name)
				dest, err := filer.Move(m)
				if err != nil || dest != filepath.Join(d.folder, c.want) {
					t.Errorf("%s: %q, %v", c.lies, dest, err)
				}
				m.Again = true
				if again, err := filer.Move(m); err != nil || again != dest {
					t.Errorf("%s again: %q, %v", c.lies, again, err)
				}
			}
			if info, err := os.Stat(d.folder + "/trip"); err != nil || info.Mode().Perm() != 0o750 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			noError(t, os.RemoveAll(d.done))
			holds(t, d.folder, "scan (2).pdf=back", "scan.pdf=newer", "trip/a.jpg=image")
			missing(t, d.folder+"/"+Mark)
		})
	}
}

// TestBackWithoutTheFolder: a folder that is not there, because its share is away, is not made.
func TestBackWithoutTheFolder(t *testing.T) {
	d := newDesk(t)
	d.done = t.TempDir()
	write(t, d.done+"/a.pdf", "x")
	noError(t, os.Remove(d.folder))
	m := d.back("a.pdf", "a.pdf")
	if dest, err := New().Move(m); !errors.Is(err, ErrFolderGone) || dest != "" {
		t.Errorf("%q, %v", dest, err)
	}
	missing(t, d.folder)
	m.As = "../a.pdf"
	mkdir(t, d.folder, 0o755)
	if dest, err := New().Move(m); err == nil {
		t.Errorf("it left its folder: %q", dest)
	}
	holds(t, d.done, "a.pdf=x")
}
