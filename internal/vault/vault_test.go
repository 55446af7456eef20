package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// TestFile shows that what is put is read, for the owner alone, that an error changes nothing, and that nothing is left of it once it is
// removed.
func TestFile(t *testing.T) {
	f := File{t.TempDir(), "token.json"}
	read := func(want string) {
		t.Helper()
		if got, err := f.Read(); err != nil || string(got) != want || (got == nil) != (want == "") {
			t.Errorf("got %q, %v", got, err)
		}
	}
	read("")
	if err := f.Put([]byte("one")); err != nil {
		t.Fatal(err)
	}
	read("one")
	if st, err := os.Stat(f.Path()); err != nil || st.Mode() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	no := errors.New("no")
	if err := f.Change(func(now []byte, err error) ([]byte, error) { return []byte("two"), no }); !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
	if err := f.Put(make([]byte, MaxSize)); err == nil {
		t.Error("too large, and kept")
	}
	if err := f.Try(); err != nil {
		t.Error(err)
	}
	read("one")
	if was, err := f.Remove(); !was || err != nil {
		t.Errorf("%t, %v", was, err)
	}
	if was, err := f.Remove(); was || err != nil {
		t.Errorf("%t, %v", was, err)
	}
	read("")
	if left, err := os.ReadDir(f.Dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if _, err := (File{filepath.Join(f.Dir, "none"), "x"}).Read(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if got, err := (File{}).Read(); got != nil || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestOddFiles shows that nothing but a regular file is read: no link is followed, and no FIFO waited for.
func TestOddFiles(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Symlink("/etc/passwd", filepath.Join(dir, "link")), syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600), os.Mkdir(filepath.Join(dir, "dir"), 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "fifo", "dir"} {
		if got, err := (File{dir, name}).Read(); err == nil {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestChangesTakeTurns shows that no change is lost, however many are made at a time.
func TestChangesTakeTurns(t *testing.T) {
	f := File{t.TempDir(), "n"}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				err := f.Change(func(now []byte, err error) ([]byte, error) {
					n, _ := strconv.Atoi(string(now))
					return fmt.Append(nil, n+1), err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got, err := f.Read(); string(got) != "160" {
		t.Errorf("got %s, %v", got, err)
	}
}
