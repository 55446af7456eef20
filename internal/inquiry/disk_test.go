package inquiry

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestLooksThatHang: a look that hangs is answered as silent after a bound, and for a while each other one below that folder at once; however many
// ask, few looks hang at once; other folders are looked at as ever, and this one again after that while.
func TestLooksThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d disk
		hangs, hanging := make(chan struct{}), atomic.Int32{}
		look := func(folder string, block bool) (time.Duration, error) {
			began := time.Now()
			_, err := ask(&d, folder, func(*stopped) (int, error) {
				if block {
					hanging.Add(1)
					<-hangs
				}
				return 0, nil
			})
			return time.Since(began), err
		}
		if took, err := look("/a", true); took != lookTime || !errors.Is(err, errSilent) {
			t.Errorf("a look that hangs took %s: %v", took, err)
		}
		if took, err := look("/a", false); took != 0 || !errors.Is(err, errSilent) {
			t.Errorf("the next one took %s: %v", took, err)
		}
		if took, err := look("/b", false); took != 0 || err != nil {
			t.Errorf("one in another folder took %s: %v", took, err)
		}
		for range 5 * looksMost {
			time.Sleep(silentFor)
			if took, err := look("/a", true); took != lookTime || !errors.Is(err, errSilent) {
				t.Errorf("a look that hangs took %s: %v", took, err)
			}
		}
		if n := hanging.Load(); n != looksMost {
			t.Errorf("%d looks hang", n)
		}
		close(hangs)
		time.Sleep(silentFor)
		if took, err := look("/a", true); took != 0 || err != nil {
			t.Errorf("when it answers again, a look took %s: %v", took, err)
		}
	})
}

// TestFind: a name is found in each subfolder but those that are left out, and what could not be looked through is said.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"x.pdf", "one/x.pdf", "one/two/x.pdf", "done/x.pdf", "one/y.pdf", "x.pdf.d/z"} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, path), nil, 0o600))
	}
	must(t, os.Symlink(dir, filepath.Join(dir, "loop")))
	var d disk
	got, all := d.find(dir, dir, "x.pdf", filepath.Join(dir, "done"))
	slices.Sort(got)
	if want := []string{filepath.Join(dir, "one/two/x.pdf"), filepath.Join(dir, "one/x.pdf")}; !all || !slices.Equal(got, want) {
		t.Errorf("found %q, %t", got, all)
	}
	if got, all := d.find(dir, filepath.Join(dir, "none"), "x.pdf"); !all || got != nil {
		t.Errorf("where there is no folder, found %q, %t", got, all)
	}
	d.most = 5
	if _, all := d.find(dir, dir, "x.pdf"); all {
		t.Error("a folder with too many names is looked through to its end")
	}
}
