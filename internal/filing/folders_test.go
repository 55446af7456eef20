package filing

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
)

func needsRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		needs(t, "root", nil)
	}
}

// umask sets the umask of the process, so that its test must not run beside others.
func umask(t testing.TB, mask int) {
	old := syscall.Umask(mask)
	t.Cleanup(func() { syscall.Umask(old) })
}

func owned(t testing.TB, path string, uid, gid uint32, mode fs.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	noError(t, err)
	const bits = fs.ModePerm | fs.ModeSetgid | fs.ModeSticky | fs.ModeSetuid
	if st := sys(info); st.Uid != uid || st.Gid != gid || info.Mode()&bits != mode {
		t.Errorf("%s is %d:%d %v, want %d:%d %v", path, st.Uid, st.Gid, info.Mode()&bits, uid, gid, mode)
	}
}

// TestMadeFoldersAreLikeTheWatchedOne shows that new folders have the owner and mode of the watched folder, and that a copy
// keeps owner, mode and mtime.
func TestMadeFoldersAreLikeTheWatchedOne(t *testing.T) {
	needsRoot(t)
	everyWay(t, func(t *testing.T, d desk, c calls) {
		umask(t, 0o077)
		m := d.drop("a/b/scan.pdf", "x")
		noError(t, os.Chown(d.folder, 1234, 2345))
		noError(t, os.Chmod(d.folder, 0o770|fs.ModeSetgid))
		noError(t, os.Chown(m.source(), 3456, 4567))
		noError(t, os.Chmod(m.source(), 0o640))
		dest, err := newFiler(c).Fail(m, Note{})
		noError(t, err)
		for _, dir := range []string{"", "a", "a/b"} {
			owned(t, filepath.Join(d.done, dir), 1234, 2345, 0o770|fs.ModeSetgid)
		}
		owned(t, dest, 3456, 4567, 0o640)
		owned(t, dest+noteSuffix, 1234, 2345, 0o660)
		info, err := os.Stat(dest)
		noError(t, err)
		if info.ModTime().UnixNano() != m.Want.Mtime {
			t.Errorf("mtime became %v", info.ModTime())
		}
	})
}

// TestMakeDirNeedsNoChmod shows that a folder made in a set-gid one has group, set-gid bit and the whole mode at once, whatever the umask.
func TestMakeDirNeedsNoChmod(t *testing.T) {
	needsRoot(t)
	umask(t, 0o077)
	dir := t.TempDir()
	noError(t, os.Chown(dir, -1, 2345))
	noError(t, os.Chmod(dir, 0o770|fs.ModeSetgid))
	for _, mode := range []fs.FileMode{0o700, 0o770, 0o775, 0o777, 0o777 | fs.ModeSticky} {
		path := filepath.Join(dir, fmt.Sprint(uint32(mode)))
		noError(t, makeDir(path, mode|fs.ModeSetgid))
		owned(t, path, 0, 2345, mode|fs.ModeSetgid)
	}
	if now := syscall.Umask(0o077); now != 0o077 {
		t.Errorf("the umask of the process became %#o", now)
	}
	if err := makeDir(dir, 0o700|fs.ModeSetgid); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made once more: %v", err)
	}
}

// TestExistingFoldersStayAsTheyAre shows that folders which exist keep their owner and mode.
func TestExistingFoldersStayAsTheyAre(t *testing.T) {
	d := newDesk(t)
	m := d.drop("a/scan.pdf", "x")
	mkdir(t, d.done+"/a", 0o711)
	_, err := New().Move(m)
	noError(t, err)
	owned(t, d.done+"/a", uint32(os.Geteuid()), uint32(os.Getegid()), 0o711)
}

// TestDoneMayBeALink shows that done/ may be a symbolic link to a folder.
func TestDoneMayBeALink(t *testing.T) {
	everyWay(t, func(t *testing.T, d desk, c calls) {
		elsewhere := t.TempDir()
		noError(t, os.Symlink(elsewhere, d.done))
		m := d.drop("a/scan.pdf", "x")
		_, err := newFiler(c).Move(m)
		noError(t, err)
		holds(t, elsewhere, "a/scan.pdf=x")
	})
}

// TestDoneCannotBe shows what the error says if done/ or a folder below it cannot be made, and that the file stays where it
// is.
func TestDoneCannotBe(t *testing.T) {
	for _, c := range []struct {
		name, says string
		spoil      func(d desk, m *Move)
	}{
		{"a file", "is not a folder", func(d desk, _ *Move) { write(d.t, d.done, "file") }},
		{"a link to a file", "is not a folder", func(d desk, _ *Move) { noError(d.t, os.Symlink("a/scan.pdf", d.done)) }},
		{"a link to nowhere", "no such file", func(d desk, _ *Move) { noError(d.t, os.Symlink("nowhere", d.done)) }},
		{"with a file for subfolder", "is not a folder", func(d desk, _ *Move) { write(d.t, d.done+"/a", "file") }},
		{"with a link for subfolder", "symbolic link", func(d desk, _ *Move) {
			mkdir(d.t, d.done, 0o755)
			noError(d.t, os.Symlink(d.t.TempDir(), d.done+"/a"))
		}},
		{"below a folder that is not ours to make", "no such file", func(d desk, m *Move) {
			m.Dir = filepath.Join(d.t.TempDir(), "archive", "done")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			m := d.drop("a/scan.pdf", "x")
			c.spoil(d, &m)
			dest, err := New().Move(m)
			if err == nil || dest != "" {
				t.Fatalf("moved to %q, %v", dest, err)
			}
			for _, part := range []string{c.says, "the file is still where it was", m.source()} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%v: does not say %q", err, part)
				}
			}
			if content, err := os.ReadFile(m.source()); string(content) != "x" {
				t.Errorf("the source holds %q, %v", content, err)
			}
		})
	}
}

// TestDoneMayLieDeeper shows that folders between the watched folder and done/ are made.
func TestDoneMayLieDeeper(t *testing.T) {
	d := newDesk(t)
	d.done = filepath.Join(d.folder, "archive/2026/done")
	_, err := New().Move(d.drop("a.pdf", "x"))
	noError(t, err)
	holds(t, d.folder, "archive/2026/done/a.pdf=x")
}

// TestFolderIsMadeOnce shows that moves which come while done/ is made wait until it has its owner and mode.
func TestFolderIsMadeOnce(t *testing.T) {
	d := newDesk(t)
	umask(t, 0o077)
	noError(t, os.Chmod(d.folder, 0o775))
	f := New()
	var wg sync.WaitGroup
	for i := range 30 {
		m := d.drop(fmt.Sprintf("%d.pdf", i), "x")
		wg.Go(func() {
			dest, err := f.Move(m)
			if err != nil {
				t.Error(err)
				return
			}
			owned(t, filepath.Dir(dest), uint32(os.Geteuid()), uint32(os.Getegid()), 0o775)
		})
	}
	wg.Wait()
}

// TestNobodyMovesIntoAnUnsafeFolder shows that no file is moved into done/ before done/ itself is on disk.
func TestNobodyMovesIntoAnUnsafeFolder(t *testing.T) {
	d := newDesk(t)
	moves := []Move{d.drop("a.pdf", "a"), d.drop("b.pdf", "b")}
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := realCalls()
		c.fsync = func(f *os.File) error { <-release; return f.Sync() }
		f := newFiler(c)
		var wg sync.WaitGroup
		for _, m := range moves {
			wg.Go(func() {
				if _, err := f.Move(m); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		holds(t, d.folder, "a.pdf=a", "b.pdf=b")
		close(release)
		wg.Wait()
		holds(t, d.folder, "done/a.pdf=a", "done/b.pdf=b")
	})
}

// TestMessagesAreOneLineAndPrintable shows that errors show the name of a file in one line and without control characters.
func TestMessagesAreOneLineAndPrintable(t *testing.T) {
	d := newDesk(t)
	name := "bad\nname\u202e.pdf"
	m := d.drop(name, "x")
	write(t, d.done, "file")
	_, blocked := New().Move(m)
	noError(t, os.Remove(m.source()))
	_, gone := New().Move(m)
	for _, err := range []error{blocked, gone} {
		if s := err.Error(); strings.ContainsAny(s, "\n\u202e") || !strings.Contains(s, `bad\nname\u202e.pdf`) {
			t.Errorf("%q", s)
		}
	}
	if !errors.Is(gone, ErrGone) {
		t.Error(gone)
	}
}
