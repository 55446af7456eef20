package filing

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

// acts are the things that people do to a file in its folder without changing its bytes. Each returns the file's name
// afterwards.
func acts(t *testing.T, d desk) map[string]func(name string) string {
	return map[string]func(name string) string{
		"renamed": func(name string) string {
			now := filepath.Join(filepath.Dir(name), "b.pdf")
			noError(t, os.Rename(filepath.Join(d.folder, name), filepath.Join(d.folder, now)))
			return now
		},
		"its folder renamed": func(name string) string {
			noError(t, os.Rename(filepath.Join(d.folder, filepath.Dir(name)), d.folder+"/journey"))
			return filepath.Join("journey", filepath.Base(name))
		},
		"touched": func(name string) string {
			noError(t, os.Chtimes(filepath.Join(d.folder, name), time.Now(), time.Now().Add(time.Hour)))
			return name
		},
		"another inode": func(name string) string {
			made := filepath.Join(t.TempDir(), "made")
			write(t, made, "content")
			noError(t, os.Rename(made, filepath.Join(d.folder, name)))
			return name
		},
	}
}

// TestActsAfterACrash shows that one file is left, filed with one note, when a process dies before or after any of its calls,
// somebody then acts on the file, and the daemon starts again. The daemon moves once more; if it finds the file elsewhere, it
// forgets the old name and moves the file from the new one.
//
// The way of link(2) and unlink(2) alone is left out: a file that has two names at the crash keeps the one that somebody
// renamed.
func TestActsAfterACrash(t *testing.T) {
	for i, w := range ways() {
		for _, what := range []string{"renamed", "its folder renamed", "touched", "another inode", "touched, without a sum"} {
			if w.name == "link" {
				continue
			}
			t.Run(w.name+", "+what, func(t *testing.T) {
				t.Parallel()
				met := 0
				what, without := strings.CutSuffix(what, ", without a sum")
				for point := 0; ; point++ {
					died, done := actAfter(t, i, point, what, !without)
					if done {
						met++
					}
					if !died {
						break
					}
				}
				if met < 3 {
					t.Errorf("the file lay in its place after %d crashes only", met)
				}
			})
		}
	}
}

// actAfter lets a move die at a point. It reports whether the move died, and whether the file still lay in its place to be
// acted on.
func actAfter(t *testing.T, way, point int, what string, summed bool) (died, met bool) {
	t.Helper()
	d := ways()[way].desk(t)
	m := d.drop("trip/a.pdf", "content")
	sum := sha256.Sum256([]byte("content"))
	if summed {
		m.SHA256 = sum[:]
	}
	died = crashes(t, crash{way, point, m})
	when := fmt.Sprintf("died at %d", point)
	now := m.Name
	if met = !isAbsent(m.source()); met || what == "its folder renamed" {
		now = acts(t, d)[what](m.Name)
	}
	f := newFiler(ways()[way].calls())
	m.Again, m.Sought = true, true
	dest, err := f.Fail(m, Note{Reason: "again"})
	if err != nil && !errors.Is(err, ErrGone) && !errors.Is(err, ErrReplaced) || isCopied(err) && ways()[way].name == "rename" {
		t.Errorf("%s: %v", when, err)
	}
	if copied, is := errors.AsType[Copied](err); is && !bytes.Equal(copied.SHA256, sum[:]) {
		t.Errorf("%s: the copy's sum is given as %x", when, copied.SHA256)
	}
	if err != nil {
		moved := m
		info, lookErr := file.Lstat(filepath.Join(d.folder, now))
		if moved.Name, moved.Want = now, info.Identity; lookErr != nil { // the file is not in the folder any more
			moved.Name, moved.Want, moved.Sought = m.Name, m.Want, false
		} else if now != m.Name {
			noError(t, f.Forget(m, filepath.Join(d.folder, now), true))
		}
		if dest, err = f.Fail(moved, Note{Reason: "again"}); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	rel, _ := filepath.Rel(d.done, dest)
	holds(t, d.done, rel+"=content", rel+".reason.txt=note")
	if filepath.Dir(d.done) != d.folder {
		holds(t, d.folder)
	} else {
		holds(t, d.folder, "done/"+rel+"=content", "done/"+rel+".reason.txt=note")
	}
	if t.Failed() {
		t.Fatalf("%s, then %s", when, what)
	}
	return died, met
}

// TestActsDuringACopy shows that one file with one name is left, whatever people do to a file while it is copied to another
// device.
func TestActsDuringACopy(t *testing.T) {
	for _, what := range []string{"renamed", "touched", "another inode"} {
		for _, at := range []string{"copy", "link", "fsync"} {
			t.Run(what+" at "+at, func(t *testing.T) {
				d := newFarDesk(t)
				m := d.drop("a.pdf", "content")
				sum := sha256.Sum256([]byte("content"))
				m.SHA256, m.Sought = sum[:], true
				now := m.Name
				once := func(call string) {
					if call == at && now == m.Name {
						at = ""
						now = acts(t, d)[what](m.Name)
					}
				}
				c := realCalls()
				copyFile, link, fsync := c.copy, c.link, c.fsync
				c.copy = func(to, from *os.File) (int64, error) { defer once("copy"); return copyFile(to, from) }
				c.link = func(from, to string) error { defer once("link"); return link(from, to) }
				c.fsync = func(f *os.File) error { defer once("fsync"); return fsync(f) }
				f := newFiler(c)
				_, err := f.Move(m)
				if err != nil {
					if !errors.Is(err, ErrGone) && !errors.Is(err, ErrReplaced) {
						t.Error(err)
					}
					info, lookErr := file.Lstat(filepath.Join(d.folder, now))
					noError(t, lookErr)
					if now != m.Name {
						noError(t, f.Forget(m, filepath.Join(d.folder, now), false))
					}
					m.Name, m.Want, m.Again = now, info.Identity, true
					_, err = f.Move(m)
				}
				noError(t, err)
				holds(t, d.done, now+"=content")
				holds(t, d.folder)
			})
		}
	}
}

// TestLookalikeInTheTarget shows that another file with the name, size and time of a renamed file is not taken for its copy.
func TestLookalikeInTheTarget(t *testing.T) {
	everyWay(t, func(t *testing.T, d desk, c calls) {
		m := d.drop("a.pdf", "content")
		write(t, d.done+"/a.pdf", "CONTENT")
		noError(t, os.Chtimes(d.done+"/a.pdf", time.Time{}, time.Unix(0, m.Want.Mtime)))
		noError(t, os.Rename(m.source(), d.folder+"/b.pdf"))
		sum := sha256.Sum256([]byte("content"))
		m.SHA256, m.Again = sum[:], true
		if dest, err := newFiler(c).Move(m); !errors.Is(err, ErrGone) {
			t.Errorf("%q, %v", dest, err)
		}
	})
}

// TestForgetLeavesOthers shows that Forget leaves a copy of another file, the note beside its file, and a file that somebody
// wrote.
func TestForgetLeavesOthers(t *testing.T) {
	d := newFarDesk(t)
	other := d.drop("a.pdf", "other")
	dest, err := New().Fail(other, Note{Reason: "why"})
	noError(t, err)
	m := d.drop("a.pdf", "content")
	write(t, d.done+"/a (2).pdf"+noteSuffix, "mine")
	noError(t, os.Rename(m.source(), d.folder+"/b.pdf"))
	for range 2 {
		noError(t, New().Forget(m, d.folder+"/b.pdf", true))
		holds(t, d.done, "a.pdf=other", "a.pdf.reason.txt=note", "a (2).pdf.reason.txt=note")
	}
	noError(t, os.Remove(dest)) // a person took the file away, and left the note
	noError(t, New().Forget(m, d.folder+"/b.pdf", true))
	holds(t, d.done, "a (2).pdf.reason.txt=note")
	noError(t, os.RemoveAll(d.done))
	noError(t, New().Forget(m, d.folder+"/b.pdf", true))
	missing(t, d.done)
	if err := unix.Access(d.folder+"/b.pdf", unix.F_OK); err != nil {
		t.Error(err)
	}
}

// TestForgetLeavesTheOnlyOne shows that Forget leaves a file in the target while no other place of the file is known, even if
// it is the file that was to be moved, which another delivery may have moved.
func TestForgetLeavesTheOnlyOne(t *testing.T) {
	everyWay(t, func(t *testing.T, d desk, c calls) {
		m := d.drop("a.pdf", "content")
		other := d.drop("b.pdf", "CONTENT")
		f := newFiler(c)
		_, err := f.Fail(m, Note{Reason: "why"})
		noError(t, err)
		for _, found := range []string{"", d.folder + "/gone.pdf", other.source()} {
			noError(t, f.Forget(m, found, true))
			holds(t, d.done, "a.pdf=content", "a.pdf.reason.txt=note")
		}
	})
}

func isCopied(err error) bool {
	_, is := errors.AsType[Copied](err)
	return is
}
