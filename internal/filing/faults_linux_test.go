package filing

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/mounts"
)

// TestEveryStepFails shows that whichever file system call of a move fails, once or from then on, with each error, the file
// exists once, or as two files that share nothing; and that a later move without failures files it once, with nothing beside
// it but its note.
func TestEveryStepFails(t *testing.T) {
	needsRoot(t)
	t.Setenv("TMPDIR", "/dev/shm") // syncs cost nothing there
	ways := []struct {
		name    string
		options []string
		far     bool // the folder on tmpfs, done/ on the failing one
		back    bool // the folder on the failing one, done/ on tmpfs
	}{
		{name: "reserve", options: []string{"-noreplace=false"}},
		{name: "copy from there, inodes made up", options: []string{"-path-inodes", "-noreplace=false"}, back: true},
		{name: "copy there without links", options: []string{"-noreplace=false", "-links=false"}, far: true},
		{name: "copy there", options: nil, far: true},
		{name: "rename", options: nil},
		{name: "reserve, inodes made up", options: []string{"-path-inodes", "-noreplace=false", "-nlink=2", "-symlinks=false"}},
		{name: "reserve without links", options: []string{"-noreplace=false", "-links=false", "-symlinks=false"}},
		{name: "copy there, inodes made up", options: []string{"-path-inodes", "-noreplace=false"}, far: true},
	}
	errnos := []unix.Errno{unix.EIO, unix.ENOSPC, unix.EACCES, unix.EROFS, unix.ENAMETOOLONG, unix.EINVAL, unix.ENOENT, unix.EEXIST, unix.EXDEV, unix.ESTALE, unix.EDQUOT}
	stride, further := 1, 23 // how many calls further the next failure is: with the first error, and with the others
	switch {
	case os.Getenv("KAIZALA_DROP_FULL") != "":
	case thorough():
		stride, further = 7, 61
	default:
		ways, errnos, stride = ways[:2], errnos[:1], 19
	}
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			backing := t.TempDir()
			m := mounts.OddAt(t, backing, w.options...)
			steps := 0
			for i, errno := range errnos {
				step := stride
				if i > 0 {
					step = further
				}
				for _, count := range []int{1, 1 << 20} {
					for skip := i; ; skip += step {
						f := &faulty{T: t, odd: m, backing: backing, far: w.far, back: w.back}
						if !f.fails(skip, count, errno) {
							break
						}
						steps++
					}
				}
			}
			t.Logf("%d failures", steps)
			if steps < len(errnos) {
				t.Errorf("only %d failures", steps)
			}
		})
	}
}

// TestMountDiesAtReservedName shows that a Filer gives a file the name that it reserved, although the mount died before the
// tag was written there.
func TestMountDiesAtReservedName(t *testing.T) {
	needsRoot(t)
	t.Setenv("TMPDIR", "/dev/shm")
	m := mounts.OddAt(t, t.TempDir(), "-noreplace=false", "-links=false", "-symlinks=false")
	d := desk{t, m.Path + "/in", m.Path + "/in/done"}
	empty := 0
	for skip := 0; ; skip++ {
		noError(t, os.RemoveAll(d.folder))
		mkdir(t, d.done, 0o755)
		move, f := d.drop("a.pdf", "content"), New()
		m.Fail("any", skip, 1<<20, unix.EIO)
		_, err := f.Move(move)
		if m.Clear() == 0 {
			noError(t, err)
			break
		}
		if isEmpty(d.done + "/a.pdf") {
			empty++
		}
		move.Again = true
		_, err = f.Move(move)
		noError(t, err)
		holds(t, d.done, "a.pdf=content")
	}
	if empty == 0 {
		t.Error("no reserved name was left empty")
	}
}

type faulty struct {
	*testing.T
	odd       *mounts.Mount
	backing   string
	far, back bool
	in, done  string // as the filer sees them
	seen      []string
}

// fails reports whether there was a call to fail after so many.
func (f *faulty) fails(skip, count int, errno unix.Errno) bool {
	f.Helper()
	what := fmt.Sprintf("%v %d times after %d", errno, count, skip)
	entries, err := os.ReadDir(f.backing)
	noError(f, err)
	for _, e := range entries {
		noError(f, os.RemoveAll(filepath.Join(f.backing, e.Name())))
	}
	other := f.TempDir()
	f.in, f.done = f.odd.Path+"/in", f.odd.Path+"/in/done"
	f.seen = []string{f.backing}
	switch {
	case f.far:
		f.in, f.done = other+"/in", f.odd.Path+"/done"
		f.seen = append(f.seen, other)
	case f.back:
		f.done = other + "/done"
		f.seen = append(f.seen, other)
	}
	const content = "the whole content"
	mkdir(f, f.done, 0o755)
	write(f, filepath.Join(f.in, "a:b.pdf"), content)
	write(f, filepath.Join(f.done, "a:b.pdf"), "another")
	m := desk{f, f.in, f.done}.move("a:b.pdf")
	sum := sha256.Sum256([]byte(content))
	m.SHA256 = sum[:]

	restarts := (skip+int(errno))%2 == 0 // between the tries
	filer := New()
	f.odd.Fail("any", skip, count, errno)
	dest, err := filer.Fail(m, Note{Reason: "refused"})
	hit := f.odd.Clear()
	visible := f.visible(content, what)
	if err == nil && (dest == "" || len(visible) != 1) {
		f.Errorf("%s: %q, nil, and there is %q", what, dest, visible)
	}
	m.Again = true
	for range 2 {
		if restarts {
			filer = New()
		}
		again, err := filer.Fail(m, Note{Reason: "refused"})
		if err != nil || again == "" {
			f.Errorf("%s: again: %q, %v (before: %q)", what, again, err, visible)
		}
		dest = again
	}
	if visible = f.visible(content, what); len(visible) != 1 {
		f.Errorf("%s: in the end there is %q", what, visible)
	}
	if text, err := os.ReadFile(dest + noteSuffix); err != nil || !strings.Contains(string(text), "refused") {
		f.Errorf("%s: the note beside %q is %q, %v", what, dest, text, err)
	}
	f.nothingElse(what, count > 1 && restarts)
	return hit > 0 && !f.Failed()
}

// visible returns where the content can be seen under a name that is not hidden. It fails the test unless there is one place,
// or two that share nothing.
func (f *faulty) visible(content, what string) (visible []string) {
	f.Helper()
	inodes := map[uint64]string{}
	for _, top := range f.seen {
		noError(f, filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			if to, err := os.Readlink(path); err == nil && strings.HasPrefix(to, hiddenTag) {
				return nil // a reserved name
			}
			text, err := os.ReadFile(path)
			noError(f, err)
			hidden := strings.HasPrefix(e.Name(), ".")
			switch {
			case strings.HasSuffix(path, noteSuffix) || hidden:
			case string(text) == content:
				visible = append(visible, path)
				info, err := os.Lstat(path)
				noError(f, err)
				if other, is := inodes[sys(info).Ino]; is {
					f.Errorf("%s: %q and %q are one file", what, path, other)
				}
				inodes[sys(info).Ino] = path
			case string(text) != "another" && string(text) != "" && !strings.HasPrefix(string(text), "kaizala-drop is moving"):
				f.Errorf("%s: %q holds %q", what, path, text)
			}
			return nil
		}))
	}
	if len(visible) == 0 && !f.setAside(content) {
		f.Errorf("%s: the file is lost", what)
	}
	if len(visible) > 2 {
		f.Errorf("%s: there is %q", what, visible)
	}
	return visible
}

// setAside reports whether the file lies under a hidden name, from which the next try brings it back.
func (f *faulty) setAside(content string) bool {
	found := false
	for _, top := range f.seen {
		noError(f, filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
			if err == nil && strings.HasPrefix(e.Name(), hiddenTag) {
				text, err := os.ReadFile(path)
				found = found || err == nil && string(text) == content
			}
			return err
		}))
	}
	return found
}

// nothingElse fails the test unless done/ holds two files and a note, and nothing lies anywhere else.
func (f *faulty) nothingElse(what string, persistent bool) {
	f.Helper()
	var files []string
	for _, top := range f.seen {
		noError(f, filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() && e.Name() != Mark {
				files = append(files, path)
			}
			return err
		}))
	}
	if persistent { // if no removal worked and then the Filer was restarted, an empty file may be left, which nobody can assign, with its note
		files = slices.DeleteFunc(files, func(path string) bool {
			return isEmpty(path) || strings.HasSuffix(path, noteSuffix) && isEmpty(strings.TrimSuffix(path, noteSuffix))
		})
	}
	if len(files) != 3 {
		f.Errorf("%s: there are %q", what, files)
	}
}

func isEmpty(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Size() == 0
}

// TestReservedName shows that after a kill just after a name was reserved the next try takes that name, and that it leaves a
// name alone which was reserved for another file.
func TestReservedName(t *testing.T) {
	needsRoot(t)
	for _, c := range []struct{ name, tag, want string }{{"its own", "", "scan.pdf"}, {"another's", "0123456789ab", "scan (2).pdf"}} {
		t.Run(c.name, func(t *testing.T) {
			top := mounts.Bindfs(t, t.TempDir()).Path
			d := desk{t, top, filepath.Join(top, "done")}
			mkdir(t, d.done, 0o755)
			m := d.drop("scan.pdf", "content")
			noError(t, makeReservation(filepath.Join(d.done, "scan.pdf"), cmp.Or(c.tag, tagOf("scan.pdf", m.Want))))
			m.Again = true
			dest, err := New().Move(m)
			if noError(t, err); dest != filepath.Join(d.done, c.want) {
				t.Errorf("it is filed as %s", dest)
			}
			if _, err := os.Readlink(filepath.Join(d.done, "scan.pdf")); (err == nil) != (c.tag != "") {
				t.Errorf("of the reserved name: %v", err)
			}
			if got, err := os.ReadFile(dest); string(got) != "content" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
