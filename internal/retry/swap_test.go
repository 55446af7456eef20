package retry

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
)

// TestSwapped: whoever may write to failed/ puts something else where the file lies, after it was looked at and before it is moved.
// Nothing of theirs is moved or read through a link, nothing is left asked, and the file itself is where they put it.
func TestSwapped(t *testing.T) {
	for what, swap := range map[string]func(path, aside, secret string) error{
		"removed": func(path, aside, _ string) error { return os.Rename(path, aside) },
		"a symbolic link": func(path, aside, secret string) error {
			return errors.Join(os.Rename(path, aside), os.Symlink(secret, path))
		},
		"a link to itself": func(path, aside, _ string) error { return errors.Join(os.Rename(path, aside), os.Symlink(aside, path)) },
		"a folder":         func(path, aside, _ string) error { return errors.Join(os.Rename(path, aside), os.Mkdir(path, 0o755)) },
		"another file": func(path, aside, _ string) error {
			return errors.Join(os.Rename(path, aside), os.WriteFile(path, []byte("theirs"), 0o600))
		},
		"another one alike": func(path, aside, _ string) error { return errors.Join(os.Rename(path, aside), alike(aside, path)) },
		"a hard link": func(path, aside, secret string) error {
			return errors.Join(os.Rename(path, aside), os.Link(secret, path))
		},
	} {
		for _, far := range []bool{false, true} {
			for _, point := range []string{"before it is asked", "asked"} {
				t.Run(what+", "+point, func(t *testing.T) {
					o := newOffice(t, far)
					d, paths := o.fail("refused", "a.pdf")
					aside := filepath.Join(filepath.Dir(o.folder.Failed), "aside.pdf")
					secret := filepath.Join(filepath.Dir(o.folder.Failed), "secret")
					must(t, os.WriteFile(secret, []byte("content of a.pdf"), 0o600))
					o.passed = func(now string) {
						if now == point {
							o.passed = nil
							must(t, swap(paths[0], aside, secret))
						}
					}
					got, err := o.Retry(t.Context(), Request{Path: paths[0], By: by})
					if !errors.Is(err, filing.ErrGone) && !errors.Is(err, filing.ErrReplaced) {
						t.Errorf("%+v, %v", got, err)
					}
					for path, want := range map[string]string{aside: "content of a.pdf", secret: "content of a.pdf"} {
						if text, err := os.ReadFile(path); string(text) != want {
							t.Errorf("%s holds %q, %v", path, text, err)
						}
					}
					if entries, err := os.ReadDir(o.folder.Path); err != nil || len(entries) > 3 {
						t.Errorf("in the folder: %v, %v", entries, err)
					}
					if _, err := os.Lstat(o.folder.Path + "/a.pdf"); err == nil {
						t.Error("something was put into the folder")
					}
					if asked := o.asked(d.ID); len(asked) != 1 || asked[0].State != ledger.Void {
						t.Errorf("%+v", asked)
					}
				})
			}
		}
	}
}

// alike makes a file of the same size and time.
func alike(of, path string) error {
	info, err := os.Stat(of)
	if err == nil {
		err = os.WriteFile(path, make([]byte, info.Size()), 0o640)
	}
	if err != nil {
		return err
	}
	return os.Chtimes(path, info.ModTime(), info.ModTime())
}
