package filing

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

// desk is a watched folder with its done/, on one device or on two.
type desk struct {
	t            testing.TB
	folder, done string
}

func newDesk(t testing.TB) desk {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "in")
	mkdir(t, folder, 0o755)
	return desk{t, folder, filepath.Join(folder, "done")}
}

// newFarDesk makes a desk whose done/ is on another device than its folder.
func newFarDesk(t testing.TB) desk {
	t.Helper()
	d := newDesk(t)
	far, err := os.MkdirTemp("/dev/shm", "filing-test-")
	if err != nil {
		needs(t, "a second device at /dev/shm", err)
	}
	t.Cleanup(func() { os.RemoveAll(far) })
	if device(t, far) == device(t, d.folder) {
		needs(t, "/dev/shm on another device than the temporary folder", nil)
	}
	d.done = filepath.Join(far, "done")
	return d
}

// needs skips a test that lacks something, and fails it where KAIZALA_DROP_CI says that nothing may be missing.
func needs(t testing.TB, what string, err error) {
	t.Helper()
	if os.Getenv("KAIZALA_DROP_CI") != "" {
		t.Fatalf("this test needs %s: %v", what, err)
	}
	t.Skipf("this test needs %s: %v", what, err)
}

func device(t testing.TB, path string) uint64 {
	t.Helper()
	info, err := file.Lstat(path)
	noError(t, err)
	return info.Dev
}

func mkdir(t testing.TB, path string, mode fs.FileMode) {
	t.Helper()
	noError(t, os.MkdirAll(path, 0o755))
	noError(t, os.Chmod(path, mode))
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path, content string) {
	t.Helper()
	noError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	noError(t, os.WriteFile(path, []byte(content), 0o644))
}

// drop writes a file into the folder and returns its move.
func (d desk) drop(name, content string) Move {
	d.t.Helper()
	write(d.t, filepath.Join(d.folder, name), content)
	return d.move(name)
}

func (d desk) move(name string) Move {
	d.t.Helper()
	info, err := file.Lstat(filepath.Join(d.folder, name))
	noError(d.t, err)
	return Move{Folder: d.folder, Name: name, Want: info.Identity, Dir: d.done}
}

// holds fails the test unless dir has just these files below it, given as "name=content".
func holds(t testing.TB, dir string, want ...string) {
	t.Helper()
	got := []string{}
	noError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == Mark {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		if strings.HasSuffix(name, noteSuffix) {
			content = []byte("note")
		}
		got = append(got, name+"="+string(content))
		return err
	}))
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

func missing(t testing.TB, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%q should not be there: %v", path, err)
	}
}

// wayOf is one way to bring a file from one name to another. The results must be the same in each way.
type wayOf struct {
	name  string
	desk  func(testing.TB) desk
	calls func() calls
}

func refuse(err error) func(string, string) error { return func(string, string) error { return err } }

func ways() []wayOf {
	linking := func() calls { c := realCalls(); c.rename = refuse(unix.EINVAL); return c }
	reserving := func() calls { c := linking(); c.link = refuse(unix.EPERM); return c }
	return []wayOf{
		{"rename", newDesk, realCalls},
		{"link", newDesk, linking},
		{"reserve", newDesk, reserving},
		{"copy", newFarDesk, realCalls},
		{"copy and link", newFarDesk, func() calls { c := linking(); c.rename = apart; return c }},
		{"copy and reserve", newFarDesk, func() calls { c := reserving(); c.rename = apart; return c }},
	}
}

// apart answers as the kernel does for two devices without renameat2: EXDEV comes before EINVAL.
func apart(from, to string) error {
	if filepath.Dir(from) != filepath.Dir(to) {
		return unix.EXDEV
	}
	return unix.EINVAL
}

func everyWay(t *testing.T, test func(t *testing.T, d desk, c calls)) {
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) { test(t, w.desk(t), w.calls()) })
	}
}

// TestMoveNumbersWhatIsTaken shows that a file whose name is taken in done/ gets the next number.
func TestMoveNumbersWhatIsTaken(t *testing.T) {
	everyWay(t, func(t *testing.T, d desk, c calls) {
		f := newFiler(c)
		for i, want := range []string{"scan.pdf", "scan (2).pdf", "scan (3).pdf"} {
			dest, err := f.Move(d.drop("scan.pdf", fmt.Sprint(i)))
			if err != nil || dest != filepath.Join(d.done, want) {
				t.Fatalf("got %q, %v, want %q", dest, err, want)
			}
		}
		holds(t, d.done, "scan.pdf=0", "scan (2).pdf=1", "scan (3).pdf=2")
		noError(t, os.RemoveAll(d.done))
		holds(t, d.folder)
	})
}

// TestFailLeavesNote shows that a rejected file has its note beside it, and that it takes neither the name of another file nor
// that of another note.
func TestFailLeavesNote(t *testing.T) {
	everyWay(t, func(t *testing.T, d desk, c calls) {
		write(t, filepath.Join(d.done, "a.pdf"), "old") // a file without its note
		write(t, filepath.Join(d.done, "a (2).pdf.reason.txt"), "orphan")
		dest, err := newFiler(c).Fail(d.drop("sub/a.pdf", "other place"), Note{Reason: "no such type"})
		noError(t, err)
		if want := filepath.Join(d.done, "sub/a.pdf"); dest != want {
			t.Errorf("got %q, want %q", dest, want)
		}
		dest, err = newFiler(c).Fail(d.drop("a.pdf", "new"), Note{Reason: "no such type"})
		noError(t, err)
		if want := filepath.Join(d.done, "a (3).pdf"); dest != want {
			t.Errorf("got %q, want %q", dest, want)
		}
		text, err := os.ReadFile(dest + noteSuffix)
		if err != nil || !bytes.Contains(text, []byte("no such type")) {
			t.Errorf("the note says %q, %v", text, err)
		}
		holds(t, d.done, "a.pdf=old", "a (2).pdf.reason.txt=note", "a (3).pdf=new", "a (3).pdf.reason.txt=note",
			"sub/a.pdf=other place", "sub/a.pdf.reason.txt=note")
	})
}

// TestOrphanNotes shows that a file finds a name in failed/ although a thousand notes without files take names there.
func TestOrphanNotes(t *testing.T) {
	d := newDesk(t)
	const orphans = maxLost + 10
	for n := range orphans {
		write(t, filepath.Join(d.done, numbered("a.pdf", n+1, maxName)+noteSuffix), "orphan")
	}
	dest, err := New().Fail(d.drop("a.pdf", "x"), Note{})
	if want := filepath.Join(d.done, fmt.Sprintf("a (%d).pdf", orphans+1)); err != nil || dest != want {
		t.Errorf("got %q, %v, want %q", dest, err, want)
	}
}

// TestConcurrent shows that 50 files of one name can be moved at the same time, half of them with a note.
func TestConcurrent(t *testing.T) {
	everyWay(t, func(t *testing.T, d desk, c calls) {
		const n = 50
		f := newFiler(c)
		var moves []Move
		for i := range n {
			name := fmt.Sprintf("%d/scan.pdf", i)
			m := d.drop(name, fmt.Sprint(i))
			m.Folder, m.Name = filepath.Join(d.folder, fmt.Sprint(i)), "scan.pdf"
			moves = append(moves, m)
		}
		var wg sync.WaitGroup
		for i, m := range moves {
			wg.Go(func() {
				var dest string
				var err error
				if i%2 == 0 {
					dest, err = f.Move(m)
				} else {
					dest, err = f.Fail(m, Note{Reason: "refused"})
				}
				if err != nil {
					t.Errorf("file %d: %v", i, err)
				}
				if content, _ := os.ReadFile(dest); string(content) != fmt.Sprint(i) {
					t.Errorf("file %d: %q holds %q", i, dest, content)
				}
			})
		}
		wg.Wait()
		for _, m := range moves {
			holds(t, m.Folder)
		}
		entries, err := os.ReadDir(d.done)
		noError(t, err)
		if len(entries) != n+n/2+1 {
			t.Errorf("%d entries, want %d files, %d notes and the mark", len(entries), n, n/2)
		}
	})
}

// TestHardNames shows that files whose names are long or odd keep these names and their content.
func TestHardNames(t *testing.T) {
	everyWay(t, func(t *testing.T, d desk, c calls) {
		f := newFiler(c)
		for _, name := range []string{
			strings.Repeat("a", 251) + ".pdf", strings.Repeat("é", 125) + ".jpeg", strings.Repeat("\xff", 255),
			"new\nline.pdf", "-rf", "\u202efdp.exe", ".hidden", "...", "dot.", " ", "a.\x80\x81.pdf", `back\slash`,
		} {
			for i := range 3 {
				dest, err := f.Move(d.drop(name, name))
				noError(t, err)
				if i == 0 && filepath.Base(dest) != name {
					t.Errorf("%q became %q", name, dest)
				}
				failed, err := f.Fail(d.drop(name, name), Note{})
				noError(t, err)
				for _, path := range []string{dest, failed} {
					if content, err := os.ReadFile(path); string(content) != name {
						t.Errorf("%q: %q, %v", name, content, err)
					}
				}
			}
		}
	})
}

// TestTenThousandOfOneName shows that a free name is found in few looks among ten thousand, and that the error of each look is
// returned.
func TestTenThousandOfOneName(t *testing.T) {
	looks := 0
	taken := func(n int) (bool, error) { looks++; return n <= 10_000, nil }
	if n, err := firstFree(1, taken); n != 10_001 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if looks > 30 {
		t.Errorf("%d looks", looks)
	}
	if _, err := firstFree(1, func(int) (bool, error) { return true, nil }); err == nil {
		t.Error("no error where every number is taken")
	}
	broken := errors.New("broken")
	for at := range looks {
		n := 0
		_, err := firstFree(1, func(i int) (bool, error) {
			if n++; n == at+1 {
				return false, broken
			}
			return i <= 10_000, nil
		})
		if !errors.Is(err, broken) {
			t.Errorf("look %d: got %v", at, err)
		}
	}
}

// TestSourceIsNotTheWantedFile shows which error says that the wanted file vanished, was replaced or was written to, and that
// nothing is moved then.
func TestSourceIsNotTheWantedFile(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(d desk)
		want   error
		left   []string
	}{
		{"vanished", func(d desk) { noError(d.t, os.Remove(d.folder+"/sub/a.pdf")) }, ErrGone, nil},
		{"subfolder vanished", func(d desk) { noError(d.t, os.RemoveAll(d.folder+"/sub")) }, ErrGone, nil},
		{"subfolder became a file", func(d desk) {
			noError(d.t, os.RemoveAll(d.folder+"/sub"))
			write(d.t, d.folder+"/sub", "file")
		}, ErrGone, []string{"sub=file"}},
		{"folder vanished", func(d desk) { noError(d.t, os.RemoveAll(d.folder)) }, ErrFolderGone, nil},
		{"replaced", func(d desk) {
			write(d.t, d.folder+"/b", "new")
			noError(d.t, os.Rename(d.folder+"/b", d.folder+"/sub/a.pdf"))
		}, ErrReplaced, []string{"sub/a.pdf=new"}},
		{"replaced by one of its size and time", func(d desk) {
			info, err := os.Stat(d.folder + "/sub/a.pdf")
			noError(d.t, err)
			write(d.t, d.folder+"/b", "new")
			noError(d.t, os.Chtimes(d.folder+"/b", info.ModTime(), info.ModTime()))
			noError(d.t, os.Rename(d.folder+"/b", d.folder+"/sub/a.pdf"))
		}, ErrReplaced, []string{"sub/a.pdf=new"}},
		{"written to", func(d desk) { write(d.t, d.folder+"/sub/a.pdf", "longer") }, ErrReplaced, []string{"sub/a.pdf=longer"}},
		{"became a link", func(d desk) {
			noError(d.t, os.Rename(d.folder+"/sub/a.pdf", d.folder+"/b"))
			noError(d.t, os.Symlink(d.folder+"/b", d.folder+"/sub/a.pdf"))
		}, ErrReplaced, []string{"b=old", "sub/a.pdf=old"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			m := d.drop("sub/a.pdf", "old")
			c.change(d)
			for _, act := range []func() (string, error){
				func() (string, error) { return New().Move(m) },
				func() (string, error) { return New().Fail(m, Note{}) },
			} {
				if dest, err := act(); !errors.Is(err, c.want) || dest != "" {
					t.Errorf("got %q, %v, want %v", dest, err, c.want)
				}
			}
			missing(t, d.done)
			if c.want != ErrFolderGone {
				holds(t, d.folder, c.left...)
			}
		})
	}
}

// TestChmodDoesNotMatter shows that a posted file is filed although its permissions were changed.
func TestChmodDoesNotMatter(t *testing.T) {
	d := newDesk(t)
	m := d.drop("a.pdf", "a")
	noError(t, os.Chmod(d.folder+"/a.pdf", 0o600))
	_, err := New().Move(m)
	noError(t, err)
	holds(t, d.folder, "done/a.pdf=a")
}

// TestDeviceMayHaveANewNumber shows that a file is known again after its share was mounted anew, and that a missing file on
// another device counts as a share that is away.
func TestDeviceMayHaveANewNumber(t *testing.T) {
	everyWay(t, func(t *testing.T, d desk, c calls) {
		m := d.drop("a.pdf", "a")
		m.Want.Dev++
		_, err := newFiler(c).Move(m)
		noError(t, err)
		if _, err := newFiler(c).Move(m); !errors.Is(err, ErrFolderGone) {
			t.Error(err)
		}
	})
}

// slip puts another file in the place of path, as a writer does who replaces by renaming.
func slip(t testing.TB, path string) {
	t.Helper()
	other := filepath.Join(t.TempDir(), "other")
	write(t, other, "new")
	noError(t, os.Rename(other, path))
}

// TestReplacedBeforeRename shows that a file which comes under the name after the verification is put back and not filed.
func TestReplacedBeforeRename(t *testing.T) {
	everyWay(t, func(t *testing.T, d desk, c calls) {
		m := d.drop("a.pdf", "old")
		var once sync.Once
		before := func(real func(string, string) error) func(string, string) error {
			return func(from, to string) error {
				if from == m.source() {
					once.Do(func() { slip(t, from) })
				}
				return real(from, to)
			}
		}
		c.rename = before(c.rename)
		c.link = before(c.link)
		for _, act := range []func() (string, error){
			func() (string, error) { return newFiler(c).Move(m) },
			func() (string, error) { return newFiler(c).Fail(m, Note{}) },
		} {
			if dest, err := act(); !errors.Is(err, ErrReplaced) || dest != "" {
				t.Errorf("got %q, %v", dest, err)
			}
			holds(t, d.done)
			m = d.move("a.pdf")
			once = sync.Once{}
		}
		noError(t, os.Remove(d.folder+"/a.pdf"))
		holds(t, d.folder)
	})
}

// TestReplacedTwice shows that a file which slipped in, and whose name a third file has taken, stays in the folder under a new
// name.
func TestReplacedTwice(t *testing.T) {
	d := newDesk(t)
	m := d.drop("a.pdf", "old")
	c := realCalls()
	step := 0
	c.rename = func(from, to string) error {
		switch step++; step {
		case 1:
			slip(t, from)
		case 2:
			write(t, to, "third")
		}
		return renameNoReplace(from, to)
	}
	if _, err := newFiler(c).Move(m); !errors.Is(err, ErrReplaced) {
		t.Error(err)
	}
	holds(t, d.folder, "a.pdf=third", "a (2).pdf=new")
}

// TestReplacedAfterLink shows that a file which comes under the old name after link(2) is not removed with it.
func TestReplacedAfterLink(t *testing.T) {
	d := newDesk(t)
	m := d.drop("a.pdf", "old")
	c := realCalls()
	c.rename = refuse(unix.EINVAL)
	c.link = func(from, to string) error {
		err := os.Link(from, to)
		slip(t, from)
		return err
	}
	_, err := newFiler(c).Move(m)
	noError(t, err)
	holds(t, d.folder, "a.pdf=new", "done/a.pdf=old")
}

// TestChangedWhileCopied shows that a file which is changed, replaced or removed while it is copied is not filed, and that no
// copy is left.
func TestChangedWhileCopied(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(path string)
		want   error
		left   []string
	}{
		{"replaced", func(path string) { slip(t, path) }, ErrReplaced, []string{"a.pdf=new"}},
		{"written to", func(path string) { write(t, path, "longer") }, ErrReplaced, []string{"a.pdf=longer"}},
		{"removed", func(path string) { noError(t, os.Remove(path)) }, ErrGone, nil},
		{"folder removed", func(path string) { noError(t, os.RemoveAll(filepath.Dir(path))) }, ErrFolderGone, nil},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, late %t", c.name, late), func(t *testing.T) {
				d := newFarDesk(t)
				m := d.drop("a.pdf", "old")
				calls := realCalls()
				calls.copy = func(to, from *os.File) (int64, error) {
					if !late {
						c.change(m.source())
					}
					n, err := realCalls().copy(to, from)
					if late {
						c.change(m.source())
					}
					return n, err
				}
				if dest, err := newFiler(calls).Fail(m, Note{}); !errors.Is(err, c.want) || dest != "" {
					t.Errorf("got %q, %v, want %v", dest, err, c.want)
				}
				holds(t, d.done)
				if c.want != ErrFolderGone {
					holds(t, d.folder, c.left...)
				}
			})
		}
	}
}

// TestShortCopy shows that missing bytes of a copy are noticed although no call reports an error.
func TestShortCopy(t *testing.T) {
	d := newFarDesk(t)
	c := realCalls()
	c.copy = func(to, from *os.File) (int64, error) { return io.CopyN(to, from, 3) }
	dest, err := newFiler(c).Move(d.drop("a.pdf", "four"))
	if err == nil || dest != "" || !strings.Contains(err.Error(), "3 bytes were copied instead of 4") {
		t.Errorf("got %q, %v", dest, err)
	}
	holds(t, d.folder, "a.pdf=four")
	holds(t, d.done)
}

// TestReplacedAfterCopy shows that the wanted file is filed, and the file that came in its place stays, if the original is
// replaced once its copy is safe.
func TestReplacedAfterCopy(t *testing.T) {
	for name, change := range map[string]func(path string){
		"replaced": func(path string) { slip(t, path) }, "written to": func(path string) { write(t, path, "new") },
	} {
		t.Run(name, func(t *testing.T) {
			d := newFarDesk(t)
			mkdir(t, d.done, 0o755)
			m := d.drop("a.pdf", "older")
			c := realCalls()
			var once sync.Once
			c.fsync = func(f *os.File) error { once.Do(func() { change(m.source()) }); return f.Sync() }
			_, err := newFiler(c).Move(m)
			noError(t, err)
			holds(t, d.done, "a.pdf=older")
			holds(t, d.folder, "a.pdf=new")
		})
	}
}

// TestLostAnswer shows that a move succeeds when NFS answers EEXIST or ENOENT to a call that it has carried out already.
func TestLostAnswer(t *testing.T) {
	lost := func(real func(string, string) error, answer error) func(string, string) error {
		return func(from, to string) error {
			noError(t, real(from, to))
			return answer
		}
	}
	t.Run("link", func(t *testing.T) {
		d := newDesk(t)
		c := realCalls()
		c.rename, c.link = refuse(unix.EINVAL), lost(os.Link, unix.EEXIST)
		_, err := newFiler(c).Move(d.drop("a.pdf", "a"))
		noError(t, err)
		holds(t, d.folder, "done/a.pdf=a")
	})
	t.Run("rename", func(t *testing.T) {
		d := newDesk(t)
		c := realCalls()
		c.rename = lost(renameNoReplace, unix.ENOENT)
		_, err := newFiler(c).Move(d.drop("a.pdf", "a"))
		noError(t, err)
		holds(t, d.folder, "done/a.pdf=a")
	})
}

// TestLostRace shows that a file gets another name when somebody takes the name that was found free, again and again.
func TestLostRace(t *testing.T) {
	everyWay(t, func(t *testing.T, d desk, c calls) {
		races := 3
		outrun := func(call func(from, to string) error) func(from, to string) error {
			return func(from, to string) error {
				if _, err := os.Lstat(to); err != nil && races > 0 {
					races--
					write(t, to, "theirs")
				}
				return call(from, to)
			}
		}
		c.rename, c.link = outrun(c.rename), outrun(c.link)
		if _, err := newFiler(c).Fail(d.drop("a.pdf", "ours"), Note{}); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(filepath.Join(d.done, "a (4).pdf"))
		if string(content) != "ours" || err != nil || races != 0 {
			t.Errorf("got %q, %v, %d races left", content, err, races)
		}
		notes, _ := filepath.Glob(d.done + "/*" + noteSuffix)
		if len(notes) != 1 {
			t.Errorf("notes: %q", notes)
		}
	})
}

// TestRacesEnd shows that a move gives up, and leaves the file where it is, after losing a fixed number of names to others.
func TestRacesEnd(t *testing.T) {
	d := newDesk(t)
	c := realCalls()
	var n atomic.Int32
	c.rename = func(string, string) error { n.Add(1); return unix.EEXIST }
	if _, err := newFiler(c).Move(d.drop("a.pdf", "a")); err == nil || n.Load() != maxLost {
		t.Errorf("%d tries, then %v", n.Load(), err)
	}
	holds(t, d.folder, "a.pdf=a")
}

// TestBadMove shows that a move with a relative folder or target, or with a name outside of the folder, is refused.
func TestBadMove(t *testing.T) {
	d := newDesk(t)
	good := d.drop("a.pdf", "a")
	for _, change := range []func(*Move){
		func(m *Move) { m.Folder = "in" }, func(m *Move) { m.Dir = "done" }, func(m *Move) { m.Name = "../a.pdf" },
		func(m *Move) { m.Name = "" }, func(m *Move) { m.Name = "." }, func(m *Move) { m.Name = good.source() },
		func(m *Move) { m.Dir = m.Folder },
	} {
		m := good
		change(&m)
		if dest, err := New().Move(m); err == nil || dest != "" {
			t.Errorf("%+v went to %q", m, dest)
		}
	}
	holds(t, d.folder, "a.pdf=a")
}
