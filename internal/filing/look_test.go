package filing

import (
	"crypto/sha256"
	"errors"
	"os"
	"testing"
	"time"
)

// posted is drop for a file whose checksum is known.
func (d desk) posted(name, content string) Move {
	d.t.Helper()
	m := d.drop(name, content)
	sum := sha256.Sum256([]byte(content))
	m.SHA256 = sum[:]
	return m
}

// rewrite writes other bytes of the same length and restores the mtime, as cp -p does, so that only the ctime shows the
// change.
func rewrite(t testing.TB, m Move, content string) {
	t.Helper()
	time.Sleep(10 * time.Millisecond) // the kernel's clock for files advances in steps of up to 10 ms
	write(t, m.source(), content)
	at := time.Unix(0, m.Want.Mtime)
	noError(t, os.Chtimes(m.source(), at, at))
	if info, err := os.Lstat(m.source()); err != nil || sys(info).Ino != m.Want.Ino || info.ModTime() != at || info.Size() != m.Want.Size {
		t.Fatalf("it can be told from outside: %+v, %v", info, err)
	}
}

// TestRewritten shows that a file stays in its folder if other bytes of the same length and time were written to it after it
// was posted.
func TestRewritten(t *testing.T) {
	everyWay(t, func(t *testing.T, d desk, c calls) {
		m := d.posted("a.pdf", "old")
		rewrite(t, m, "new")
		for range 2 {
			for _, act := range []func() (string, error){
				func() (string, error) { return newFiler(c).Move(m) },
				func() (string, error) { return newFiler(c).Fail(m, Note{}) },
			} {
				if dest, err := act(); !errors.Is(err, ErrReplaced) || dest != "" {
					t.Errorf("again %t: got %q, %v", m.Again, dest, err)
				}
			}
			m.Again = true
		}
		missing(t, d.done)
		holds(t, d.folder, "a.pdf=new")
	})
}

// TestTouchedButNotRewritten shows that a file with the posted bytes is filed, whatever changed its ctime.
func TestTouchedButNotRewritten(t *testing.T) {
	for name, touch := range map[string]func(m Move){
		"chmod":                 func(m Move) { noError(t, os.Chmod(m.source(), 0o600)) },
		"the same bytes, cp -p": func(m Move) { rewrite(t, m, "old") },
		"renamed there and back": func(m Move) {
			noError(t, os.Rename(m.source(), m.source()+"b"))
			noError(t, os.Rename(m.source()+"b", m.source()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			everyWay(t, func(t *testing.T, d desk, c calls) {
				m := d.posted("a.pdf", "old")
				touch(m)
				_, err := newFiler(c).Move(m)
				noError(t, err)
				holds(t, d.done, "a.pdf=old")
				missing(t, m.source())
			})
		})
	}
}

// TestRewrittenAfterCopy shows that an original which got other bytes after its copy was made stays to settle anew, because
// these bytes exist nowhere else.
func TestRewrittenAfterCopy(t *testing.T) {
	d := newFarDesk(t)
	mkdir(t, d.done, 0o755)
	m := d.posted("a.pdf", "old")
	c := realCalls()
	first := true
	c.fsync = func(f *os.File) error {
		if first {
			first = false
			rewrite(t, m, "new")
		}
		return f.Sync()
	}
	_, err := newFiler(c).Move(m)
	noError(t, err)
	holds(t, d.done, "a.pdf=old")
	holds(t, d.folder, "a.pdf=new")
}

// TestReusedInode shows that another file with the name and the inode of a file that was copied and removed before a crash
// stays.
func TestReusedInode(t *testing.T) {
	d := newFarDesk(t)
	m := d.posted("a.pdf", "old")
	dest, err := New().Move(m)
	noError(t, err)
	other := d.drop("a.pdf", "new")
	m.Want.Ino, m.Again = other.Want.Ino, true
	at := time.Unix(0, m.Want.Mtime)
	noError(t, os.Chtimes(m.source(), at, at))
	if again, err := New().Move(m); err != nil || again != dest {
		t.Errorf("got %q, %v", again, err)
	}
	holds(t, d.done, "a.pdf=old")
	holds(t, d.folder, "a.pdf=new")
}

// TestTouchedOnAnotherDevice shows that a touched file on a share that was mounted anew is known by its bytes, and that any
// other file under its name counts as one below the mount point.
func TestTouchedOnAnotherDevice(t *testing.T) {
	d := newDesk(t)
	m := d.posted("a.pdf", "content")
	m.Want.Dev++
	noError(t, os.Chtimes(m.source(), time.Time{}, time.Unix(1_700_000_000, 0)))
	if dest, err := New().Move(m); !errors.Is(err, ErrReplaced) {
		t.Errorf("touched: %q, %v", dest, err)
	}
	write(t, m.source(), "CONTENT")
	if dest, err := New().Move(m); !errors.Is(err, ErrFolderGone) {
		t.Errorf("another: %q, %v", dest, err)
	}
	holds(t, d.folder, "a.pdf=CONTENT")
}
