//go:build linux

package mounts_test

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/mounts"
)

// each lists the kinds of file systems, and mounts one of them.
var each = map[string]func(t testing.TB) string{
	"ext4":     mounts.Ext4,
	"xfs":      mounts.XFS,
	"tmpfs":    func(t testing.TB) string { return mounts.Tmpfs(t, "size=1m") },
	"overlay":  mounts.Overlay,
	"exfat":    func(t testing.TB) string { return mounts.ExFAT(t).Path },
	"ntfs":     func(t testing.TB) string { return mounts.NTFS(t, "").Path },
	"bindfs":   func(t testing.TB) string { return mounts.Bindfs(t, t.TempDir()).Path },
	"mergerfs": func(t testing.TB) string { return mounts.Mergerfs(t).Path },
	"short143": func(t testing.TB) string { return mounts.Short143(t).Path },
}

// TestEachCanBeUsed shows that a file can be written, read, renamed and removed on each kind, that each is a device of
// its own, and that nothing is mounted afterwards.
func TestEachCanBeUsed(t *testing.T) {
	var paths []string
	for name, mount := range each {
		t.Run(name, func(t *testing.T) {
			dir := mount(t)
			paths = append(paths, dir)
			use(t, dir)
			var in, above unix.Stat_t
			must(t, unix.Stat(dir, &in))
			must(t, unix.Stat(filepath.Dir(dir), &above))
			if in.Dev == above.Dev {
				t.Error("it is no mount")
			}
		})
	}
	nothingMounted(t, paths)
}

func use(t *testing.T, dir string) {
	t.Helper()
	must(t, os.WriteFile(dir+"/a", []byte("content"), 0o644))
	must(t, os.Rename(dir+"/a", dir+"/b"))
	content, err := os.ReadFile(dir + "/b")
	must(t, err)
	if string(content) != "content" {
		t.Errorf("it holds %q", content)
	}
	must(t, os.Remove(dir+"/b"))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func nothingMounted(t *testing.T, paths []string) {
	t.Helper()
	table, err := os.ReadFile("/proc/thread-self/mountinfo")
	must(t, err)
	for _, path := range paths {
		if strings.Contains(string(table), path) {
			t.Errorf("%s is still mounted", path)
		}
	}
}

// TestOddRules shows that oddfs has the rules that it was given, and tells its limits as it was told.
func TestOddRules(t *testing.T) {
	short := mounts.Short143(t).Path
	var st unix.Statfs_t
	must(t, unix.Statfs(short, &st))
	if st.Namelen != 143 {
		t.Errorf("it says %d", st.Namelen)
	}
	must(t, os.WriteFile(short+"/"+strings.Repeat("n", 143), nil, 0o644))
	want(t, os.WriteFile(short+"/"+strings.Repeat("n", 144), nil, 0o644), unix.ENAMETOOLONG)
	must(t, os.WriteFile(short+"/a", nil, 0o644))
	want(t, unix.Renameat2(unix.AT_FDCWD, short+"/a", unix.AT_FDCWD, short+"/b", unix.RENAME_NOREPLACE), unix.EINVAL)
	must(t, os.Link(short+"/a", short+"/b"))

	odd := mounts.Odd(t, "-links=false", "-windows", "-utf8", "-path-inodes", "-nlink=2", "-max=60", "-says=255").Path
	must(t, unix.Statfs(odd, &st))
	if st.Namelen != 255 {
		t.Errorf("it says %d", st.Namelen)
	}
	for _, name := range []string{"a:b", "what?", "a.", "b ", "con.pdf", "COM1", "tab\t", `a\b`} {
		want(t, os.WriteFile(odd+"/"+name, nil, 0o644), unix.EINVAL)
	}
	want(t, os.WriteFile(odd+"/\xff", nil, 0o644), unix.EILSEQ)
	must(t, os.WriteFile(odd+"/console.pdf", nil, 0o644))
	want(t, os.Link(odd+"/console.pdf", odd+"/b"), unix.EPERM)
	var before, after unix.Stat_t
	must(t, unix.Stat(odd+"/console.pdf", &before))
	must(t, os.Rename(odd+"/console.pdf", odd+"/c"))
	must(t, unix.Stat(odd+"/c", &after))
	if before.Ino == after.Ino || after.Nlink != 2 {
		t.Errorf("before: %+v\nafter: %+v", before, after)
	}
}

func want(t *testing.T, err, wanted error) {
	t.Helper()
	if !errors.Is(err, wanted) {
		t.Errorf("got %v, want %v", err, wanted)
	}
}

// TestFailuresOnDemand shows that exactly the chosen calls fail, with the chosen error.
func TestFailuresOnDemand(t *testing.T) {
	m := mounts.Odd(t)
	m.Fail("unlink", 1, 2, unix.EDQUOT)
	for i, wanted := range []error{nil, unix.EDQUOT, unix.EDQUOT, nil} {
		must(t, os.WriteFile(m.Path+"/a", nil, 0o644))
		if err := os.Remove(m.Path + "/a"); !errors.Is(err, wanted) {
			t.Errorf("call %d: %v, want %v", i, err, wanted)
		}
	}
	if n := m.Clear(); n != 2 {
		t.Errorf("%d failed", n)
	}
	must(t, os.Mkdir(m.Path+"/dir", 0o755))
	m.Fail("any", 0, 1, unix.EIO)
	if _, err := os.Stat(m.Path + "/dir"); !errors.Is(err, unix.EIO) {
		t.Error(err)
	}
}

// TestStoppedAndFrozen shows that every use of a stopped or frozen file system hangs until it goes on, or until the
// test ends.
func TestStoppedAndFrozen(t *testing.T) {
	var paths []string
	for name, hang := range map[string]func(t *testing.T) (dir string, thaw func()){
		"stopped": func(t *testing.T) (string, func()) {
			m := mounts.Bindfs(t, t.TempDir())
			m.Stop()
			return m.Path, m.Cont
		},
		"frozen": func(t *testing.T) (string, func()) {
			dir := mounts.Ext4(t)
			mounts.Freeze(t, dir)
			return dir, func() { mounts.Thaw(t, dir) }
		},
	} {
		for _, thawed := range []bool{true, false} {
			done := make(chan error, 1)
			t.Run(name, func(t *testing.T) {
				dir, thaw := hang(t)
				paths = append(paths, dir)
				begun := make(chan struct{})
				go func() {
					close(begun)
					done <- os.WriteFile(dir+"/a", []byte("x"), 0o644)
				}()
				<-begun
				select {
				case err := <-done:
					t.Errorf("it did not hang: %v", err)
				default:
				}
				if thawed {
					thaw()
					must(t, <-done)
				}
			})
			if !thawed {
				<-done // the end of the test let it go
			}
		}
	}
	nothingMounted(t, paths)
}

// TestKilled shows that the mount of a killed program answers ENOTCONN, and is undone nevertheless.
func TestKilled(t *testing.T) {
	var path string
	t.Run("killed", func(t *testing.T) {
		m := mounts.Bindfs(t, t.TempDir())
		path = m.Path
		m.Kill()
		_, err := os.Stat(m.Path)
		want(t, err, unix.ENOTCONN)
	})
	nothingMounted(t, []string{path})
}

const dieEnv = "MOUNTS_TEST_DIE"

// TestNothingStaysOfAKilledTest shows that a test process which is killed while its mounts hang leaves neither a mount
// nor a process.
func TestNothingStaysOfAKilledTest(t *testing.T) {
	if os.Getenv(dieEnv) != "" {
		m := mounts.Bindfs(t, t.TempDir())
		ext4 := mounts.Ext4(t)
		mounts.Freeze(t, ext4)
		m.Stop()
		os.Stdout.WriteString(m.Path + "\n" + ext4 + "\n")
		unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	mounts.Tmpfs(t, "") // skips if nothing can be mounted here
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self, "-test.run=^TestNothingStaysOfAKilledTest$")
	cmd.Env = append(os.Environ(), dieEnv+"=1", "TMPDIR="+t.TempDir())
	read, write, err := os.Pipe() // a pipe that the guards do not have, because their end is waited for below
	must(t, err)
	cmd.Stdout = write
	must(t, cmd.Start())
	write.Close()
	var paths []string
	for lines := bufio.NewScanner(read); lines.Scan(); {
		paths = append(paths, lines.Text())
	}
	if err := cmd.Wait(); err == nil || len(paths) != 2 {
		t.Fatalf("%v, %q", err, paths)
	}
	for n := 0; ; n++ { // the guards' end is what is waited for
		table, err := os.ReadFile("/proc/thread-self/mountinfo")
		must(t, err)
		if !strings.Contains(string(table), paths[0]) && !strings.Contains(string(table), paths[1]) {
			break
		}
		if n > 6000 {
			t.Fatalf("still mounted:\n%s", table)
		}
		unix.Poll(nil, 10)
	}
}

// TestTakenAwayAndPutBack shows that a mount which is taken away shows what lies below it, and has lost nothing when it
// is back, even if the program that served it was killed.
func TestTakenAwayAndPutBack(t *testing.T) {
	var paths []string
	t.Run("each", func(t *testing.T) {
		tmpfs := mounts.Tmpfs(t, "")
		for name, m := range map[string]*mounts.Mount{
			"ext4": mounts.Disk(t), "exfat": mounts.ExFAT(t), "ntfs": mounts.NTFS(t, ""), "bind": mounts.Bind(t, tmpfs),
			"bindfs": mounts.Bindfs(t, t.TempDir()), "mergerfs": mounts.Mergerfs(t), "short143": mounts.Short143(t),
		} {
			paths = append(paths, m.Path)
			must(t, os.WriteFile(m.Path+"/a", []byte("x"), 0o644))
			for round := range 2 {
				if round == 1 && (name == "bindfs" || name == "mergerfs" || name == "short143") {
					m.Kill()
				}
				m.Detach()
				if entries, err := os.ReadDir(m.Path); err != nil || len(entries) > 0 {
					t.Errorf("%s: below it lie %v, %v", name, entries, err)
				}
				m.Again()
				if content, err := os.ReadFile(m.Path + "/a"); string(content) != "x" {
					t.Errorf("%s: it holds %q, %v", name, content, err)
				}
			}
		}
	})
	nothingMounted(t, paths)
}
