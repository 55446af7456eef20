package filing

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/mounts"
)

// mount mounts a file system until the test ends.
func mount(t testing.TB, source, target, kind string, flags uintptr, options string) {
	t.Helper()
	needsRoot(t)
	mkdir(t, target, 0o755)
	if err := unix.Mount(source, target, kind, flags, options); err != nil {
		needs(t, "the right to mount", err)
	}
	t.Cleanup(func() { unix.Unmount(target, unix.MNT_DETACH) })
}

// TestUnmountedShare shows that an empty mount point counts as a missing folder, and that nothing is made in it.
func TestUnmountedShare(t *testing.T) {
	d := newDesk(t)
	mount(t, "tmpfs", d.folder, "tmpfs", 0, "size=1m")
	m := d.drop("a/scan.pdf", "x")
	mkdir(t, d.folder+"/b", 0o755)
	noError(t, unix.Unmount(d.folder, 0))
	for _, lookalike := range []bool{false, true} {
		if lookalike {
			write(t, m.source(), "other")
		}
		if dest, err := New().Fail(m, Note{}); !errors.Is(err, ErrFolderGone) || dest != "" {
			t.Errorf("lookalike %t: got %q, %v", lookalike, dest, err)
		}
		missing(t, d.done)
	}
}

// TestBusyWhileMoved shows that a share cannot be unmounted between the verification of a file and its move.
func TestBusyWhileMoved(t *testing.T) {
	d := newDesk(t)
	mount(t, "tmpfs", d.folder, "tmpfs", 0, "size=1m")
	m := d.drop("scan.pdf", "x")
	c := realCalls()
	c.rename = func(from, to string) error {
		if err := unix.Unmount(d.folder, 0); err != unix.EBUSY {
			t.Errorf("unmounting gave %v", err)
		}
		return renameNoReplace(from, to)
	}
	_, err := newFiler(c).Move(m)
	noError(t, err)
	holds(t, d.folder, "done/scan.pdf=x")
}

// TestBindMounts shows that files are filed between two mounts of one device, as a unit makes them with ReadWritePaths=,
// although renaming between them fails with EXDEV.
func TestBindMounts(t *testing.T) {
	d := newDesk(t)
	done := t.TempDir()
	d.done = filepath.Join(t.TempDir(), "bound")
	mount(t, done, d.done, "", unix.MS_BIND, "")
	if device(t, d.done) != device(t, d.folder) {
		t.Fatal("not one device")
	}
	_, err := New().Fail(d.drop("scan.pdf", "x"), Note{})
	noError(t, err)
	holds(t, d.folder)
	holds(t, done, "scan.pdf=x", "scan.pdf.reason.txt=note")
}

// TestDiskFull shows what becomes of a file when a real file system is full to the last byte, that of the source or that of
// the target.
func TestDiskFull(t *testing.T) {
	big := strings.Repeat("x", 2<<20)
	for _, c := range []struct {
		name, options string
		far           bool
	}{
		{"no bytes, far", "size=1m", true},
		{"no inodes, far", "size=4m,nr_inodes=2", true},
		{"no bytes", "size=4m", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			full := d.folder
			if c.far {
				full = filepath.Join(t.TempDir(), "far")
				d.done = full + "/done"
			}
			mount(t, "tmpfs", full, "tmpfs", 0, c.options)
			m := d.drop("scan.pdf", big)
			mkdir(t, d.done, 0o755)
			if !c.far {
				fill(t, full)
			}
			before := list(t, full)
			acts := map[string]func() (string, error){"fail": func() (string, error) { return New().Fail(m, Note{}) }}
			if c.far { // a move on one device needs no room
				acts["move"] = func() (string, error) { return New().Move(m) }
			}
			for name, act := range acts {
				dest, err := act()
				if !errors.Is(err, unix.ENOSPC) || dest != "" || !strings.Contains(err.Error(), "make room there") {
					t.Errorf("%s: got %q, %v", name, dest, err)
				}
				if content, err := os.ReadFile(m.source()); string(content) != big {
					t.Errorf("%s: %d bytes left, %v", name, len(content), err)
				}
				if after := list(t, full); after != before {
					t.Errorf("%s: left behind:\n%s\nbefore:\n%s", name, after, before)
				}
			}
			if !c.far {
				_, err := New().Move(m)
				noError(t, err)
			}
		})
	}
}

func fill(t testing.TB, dir string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "filler"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	noError(t, err)
	defer f.Close()
	for block := bytes.Repeat([]byte("f"), 1<<20); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			block = block[:len(block)/2]
		}
	}
}

func list(t testing.TB, dir string) string {
	t.Helper()
	out, err := exec.Command("find", dir, "!", "-name", Mark).CombinedOutput()
	noError(t, err)
	return string(out)
}

// TestReadOnly shows that a file stays where it is, without a copy, if its folder or done/ is mounted read-only.
func TestReadOnly(t *testing.T) {
	t.Run("done", func(t *testing.T) {
		d := newDesk(t)
		m := d.drop("scan.pdf", "x")
		done := t.TempDir()
		mount(t, done, d.done, "", unix.MS_BIND, "")
		noError(t, unix.Mount("", d.done, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		refused(t, New(), m, unix.EROFS)
		holds(t, d.folder, "scan.pdf=x")
	})
	t.Run("folder", func(t *testing.T) { // the original cannot be removed, so its copy must be
		d := newFarDesk(t)
		m := d.drop("scan.pdf", "x")
		mount(t, d.folder, d.folder, "", unix.MS_BIND, "")
		noError(t, unix.Mount("", d.folder, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		refused(t, New(), m, unix.EROFS)
		holds(t, d.folder, "scan.pdf=x")
		holds(t, d.done)
	})
}

// TestImmutable shows that a folder with chattr +i, which refuses even root with EPERM, keeps the file where it is.
func TestImmutable(t *testing.T) {
	needsRoot(t)
	for _, c := range []struct{ name, which string }{{"done", "in/done"}, {"folder", "in"}, {"file", "in/scan.pdf"}} {
		for _, w := range ways() {
			t.Run(c.name+", "+w.name, func(t *testing.T) {
				d := w.desk(t)
				m := d.drop("scan.pdf", "x")
				mkdir(t, d.done, 0o755)
				target := filepath.Join(filepath.Dir(d.folder), c.which)
				if c.name == "done" {
					target = d.done
				}
				if out, err := exec.Command("chattr", "+i", target).CombinedOutput(); err != nil {
					needs(t, fmt.Sprintf("chattr on %s (%s)", target, bytes.TrimSpace(out)), err)
				}
				t.Cleanup(func() { exec.Command("chattr", "-i", target).Run() })
				refused(t, newFiler(w.calls()), m, unix.EPERM)
				if content, err := os.ReadFile(m.source()); string(content) != "x" {
					t.Errorf("the source holds %q, %v", content, err)
				}
				holds(t, d.done)
			})
		}
	}
}

func refused(t *testing.T, f *Filer, m Move, want error) {
	t.Helper()
	for name, act := range map[string]func() (string, error){
		"move": func() (string, error) { return f.Move(m) },
		"fail": func() (string, error) { return f.Fail(m, Note{}) },
	} {
		dest, err := act()
		if !errors.Is(err, want) || dest != "" || !strings.Contains(err.Error(), "must be writable") {
			t.Errorf("%s: got %q, %v, want %v", name, dest, err, want)
		}
	}
}

// TestWithoutRights shows that a user who may not change owners files all the same.
func TestWithoutRights(t *testing.T) {
	needsRoot(t)
	const nobody = 65534
	d := newDesk(t)
	m := d.drop("a/scan.pdf", "x")
	for dir := d.folder; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		noError(t, os.Chmod(dir, 0o777))
	}
	noError(t, os.Chmod(d.folder+"/a", 0o777))

	// setfsuid(2) takes root's rights over files away, for this thread only.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	noError(t, unix.Setfsgid(nobody))
	noError(t, unix.Setfsuid(nobody))
	dest, err := New().Fail(m, Note{})
	noError(t, unix.Setfsuid(0))
	noError(t, unix.Setfsgid(0))

	noError(t, err)
	owned(t, filepath.Dir(dest), nobody, nobody, 0o777)
	owned(t, dest+noteSuffix, nobody, nobody, 0o666)
}

// TestUnreadable shows that a posted file is filed although a chmod has taken away the daemon's right to read it.
func TestUnreadable(t *testing.T) {
	needsRoot(t)
	const nobody = 65534
	d := newDesk(t)
	m := d.posted("a.pdf", "old")
	for dir := d.folder; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		noError(t, os.Chmod(dir, 0o777))
	}
	time.Sleep(10 * time.Millisecond)
	noError(t, os.Chmod(m.source(), 0))

	runtime.LockOSThread() // as in TestWithoutRights
	defer runtime.UnlockOSThread()
	noError(t, unix.Setfsuid(nobody))
	_, err := New().Move(m)
	noError(t, unix.Setfsuid(0))

	noError(t, err)
	holds(t, d.folder, "done/a.pdf=old")
}

// TestOverlayOverTwoFileSystems shows that a missing file is known as gone, although on an overlay of two file systems files
// have another device than their folder.
func TestOverlayOverTwoFileSystems(t *testing.T) {
	needsRoot(t)
	lower, upper := t.TempDir(), mounts.Tmpfs(t, "")
	write(t, filepath.Join(lower, "a.pdf"), "content")
	mkdir(t, upper+"/up", 0o755)
	mkdir(t, upper+"/work", 0o755)
	d := desk{t, filepath.Join(upper, "merged"), filepath.Join(upper, "merged", "done")}
	mkdir(t, d.folder, 0o755)
	noError(t, unix.Mount("overlay", d.folder, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s/up,workdir=%[2]s/work", lower, upper)))
	t.Cleanup(func() { noError(t, unix.Unmount(d.folder, 0)) })
	m := d.move("a.pdf")
	if folder, err := file.Stat(d.folder); err != nil || folder.Dev == m.Want.Dev {
		t.Fatalf("the file has the device of its folder here: %v", err)
	}
	noError(t, os.Remove(m.source()))
	if dest, err := New().Move(m); !errors.Is(err, ErrGone) {
		t.Errorf("%q, %v", dest, err)
	}
}

// TestBrokenName shows that each file is filed, or stays whole where it is with an error that says what to do, on an ntfs-3g
// that breaks the name of a file which nearly fills its record and is renamed on a full disk.
func TestBrokenName(t *testing.T) {
	needsRoot(t)
	top := mounts.NTFS(t, "windows_names").Path
	d := desk{t, filepath.Join(top, "in"), filepath.Join(top, "in", "done")}
	mkdir(t, d.done, 0o755)
	var names []string
	for size := 606; size < 660; size += 3 {
		name, hidden := fmt.Sprintf("scan %d.pdf", size), filepath.Join(d.folder, ".dropped")
		fill(t, top)
		if os.WriteFile(hidden, bytes.Repeat([]byte("s"), size), 0o644) == nil && os.Rename(hidden, filepath.Join(d.folder, name)) == nil {
			names = append(names, name)
		}
		most, err := os.Stat(filepath.Join(top, "filler"))
		noError(t, err)
		noError(t, os.Truncate(filepath.Join(top, "filler"), most.Size()-1<<16))
	}
	noError(t, os.Remove(filepath.Join(top, "filler")))
	if len(names) == 0 {
		t.Fatal("nothing could be dropped")
	}
	broken := 0
	for _, name := range names {
		m := d.move(name)
		dest, err := New().Move(m)
		if err != nil {
			broken, dest = broken+1, m.source()
			if !strings.Contains(err.Error(), "have its file system checked") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got, err := os.ReadFile(dest); !bytes.Equal(got, bytes.Repeat([]byte("s"), int(m.Want.Size))) {
			t.Errorf("%s: %d bytes, %v", dest, len(got), err)
		}
	}
	t.Logf("%d of %d names were broken", broken, len(names)) // ntfs-3g 2022.10.3 breaks some; other versions may not
}

// TestTargetGoneAtRename shows that a target which goes away at the rename is not taken for a damaged file system, and that
// the next try files the file.
func TestTargetGoneAtRename(t *testing.T) {
	d := newDesk(t)
	m := d.drop("scan.pdf", "x")
	c, gone := realCalls(), false
	c.rename = func(from, to string) error {
		if !gone {
			gone = true
			noError(t, os.RemoveAll(d.done))
		}
		return renameNoReplace(from, to)
	}
	f := newFiler(c)
	if _, err := f.Move(m); err == nil || strings.Contains(err.Error(), "file system checked") {
		t.Errorf("got %v", err)
	}
	m.Again = true
	_, err := f.Move(m)
	noError(t, err)
	holds(t, d.done, "scan.pdf=x")
}
