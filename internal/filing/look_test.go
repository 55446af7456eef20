package filing

import (
	"crypto/sha256"
	"errors"
	"os"
	"testing"
	"time"
)

// posted is d.drop of a file whose checksum is known.
func (d desk) posted(name, content string) Move {
	d.t.Helper()
	m := d.drop(name, content)
	sum := sha256.Sum256([]byte(content))
	m.SHA256 = sum[:]
	return m
}

// rewrite is what cp -p does with another file of the same size and mtime: the inode stays, and only the ctime tells.
func rewrite(t testing.TB, m Move, content string) {
	t.Helper()
	time.Sleep(10 * time.Millisecond) // the kernel's clock of files ticks no faster
	write(t, m.source(), content)
	at := time.Unix(0, m.Want.Mtime)
	noError(t, os.Chtimes(m.source(), at, at))
	if info, err := os.Lstat(m.source()); err != nil || sys(info).Ino != m.Want.Ino || info.ModTime() != at || info.Size() != m.Want.Size {
		t.Fatalf("it can be told from outside: %+v, %v", info, err)
	}
}

// TestRewritten: other bytes in the posted file, of the same length and with its time, were not posted. They stay.
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

// TestTouchedButNotRewritten: whatever changed the ctime, a file with the bytes that were posted is filed.
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

// TestRewrittenAfterCopy: the copy is the wanted file. Other bytes that came into the original meanwhile exist nowhere
// else: it stays, to settle anew.
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

// TestReusedInode: the file was copied and removed, but a crash came before the caller heard of it, and another file got
// its name and its inode. The other one stays.
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

// TestTouchedOnAnotherDevice: a share that was mounted again has another device number. A file that was touched there, too, is
// known by its bytes; any other file under its name may be one below the mount point.
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
