package watcher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/mounts"
	"kaizala-drop/watcher"
)

// eventsOnly watches path with so long a timer that only events can help.
func eventsOnly(path string) watcher.Folder {
	f := recursive(path)
	f.Rescan = time.Hour
	return f
}

// often watches path with so short a timer that a test need not wait long for what no event reports.
func often(path string) watcher.Folder {
	f := recursive(path)
	f.Rescan = 200 * time.Millisecond
	return f
}

// lacking skips the test because something is missing, but fails it in CI.
func lacking(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("KAIZALA_DROP_CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// mount mounts a small new file system in memory at path. The function that it returns unmounts it.
func mount(t *testing.T, path string) (unmount func()) {
	t.Helper()
	if err := unix.Mount("none", path, "tmpfs", 0, "size=64k"); err != nil {
		lacking(t, "cannot mount, which needs root: %v", err)
	}
	mounted := true
	unmount = func() {
		if mounted {
			mounted = false
			must(t, unix.Unmount(path, unix.MNT_DETACH))
		}
	}
	t.Cleanup(unmount)
	return unmount
}

// TestMountedOverUnmountedAndMountedAgain shows that files are found below and on a file system that is mounted over
// the folder, unmounted and mounted again.
func TestMountedOverUnmountedAndMountedAgain(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/below.pdf", "x")
	r := start(t, often(dir))
	r.expect("below.pdf")
	unmount := mount(t, dir)
	write(t, dir+"/mounted.pdf", "x")
	write(t, dir+"/sub/mounted.pdf", "x")
	r.expect("mounted.pdf", "sub/mounted.pdf")
	write(t, dir+"/later.pdf", "x")
	r.expect("later.pdf")
	unmount()
	r.expect("below.pdf") // it was forgotten while another folder lay over it, and handing it over again is the safe way
	write(t, dir+"/between.pdf", "x")
	r.expect("between.pdf")
	mount(t, dir)
	write(t, dir+"/again.pdf", "x")
	r.expect("again.pdf")
}

// TestMountedAgainAtOnce shows that files are found on a file system that takes the place of another one at once.
func TestMountedAgainAtOnce(t *testing.T) {
	dir := t.TempDir()
	unmount := mount(t, dir)
	r := start(t, often(dir))
	var before file.Info
	for i := range 3 {
		now, err := file.Lstat(dir)
		must(t, err)
		if i > 0 {
			t.Logf("mounted again with the same device and inode: %v", now.SameFile(before.Identity))
		}
		before = now
		name := fmt.Sprintf("%d.pdf", i)
		write(t, dir+"/"+name, "x")
		r.expect(name)
		unmount()
		unmount = mount(t, dir)
	}
}

// TestMountedSubfolder shows that files are found below and on a file system that is mounted over a subfolder.
func TestMountedSubfolder(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/sub", 0o755))
	r := start(t, often(dir))
	write(t, dir+"/sub/below.pdf", "x")
	r.expect("sub/below.pdf")
	unmount := mount(t, dir+"/sub")
	write(t, dir+"/sub/mounted.pdf", "x")
	r.expect("sub/mounted.pdf")
	unmount()
	r.expect("sub/below.pdf")
	write(t, dir+"/sub/after.pdf", "x")
	r.expect("sub/after.pdf")
}

// TestSubfolders shows that subfolders stay watched when they are renamed, replaced, exchanged, removed or moved.
func TestSubfolders(t *testing.T) {
	t.Parallel()
	for name, disturb := range map[string]func(t *testing.T, dir, elsewhere string) (want []string){
		"renamed": func(t *testing.T, dir, _ string) []string {
			must(t, os.Rename(dir+"/a", dir+"/z"))
			write(t, dir+"/z/new.pdf", "x")
			write(t, dir+"/z/b/c/new.pdf", "x")
			return []string{"z/1.pdf", "z/b/c/2.pdf", "z/new.pdf", "z/b/c/new.pdf"}
		},
		"renamed, and another made in its place": func(t *testing.T, dir, _ string) []string {
			must(t, os.Rename(dir+"/a", dir+"/z"))
			write(t, dir+"/a/b/new.pdf", "x")
			write(t, dir+"/z/b/new.pdf", "x")
			return []string{"z/1.pdf", "z/b/c/2.pdf", "a/b/new.pdf", "z/b/new.pdf"}
		},
		"exchanged with another": func(t *testing.T, dir, _ string) []string {
			must(t, unix.Renameat2(unix.AT_FDCWD, dir+"/a/b", unix.AT_FDCWD, dir+"/other", unix.RENAME_EXCHANGE))
			write(t, dir+"/a/b/new.pdf", "x")
			write(t, dir+"/other/c/new.pdf", "x")
			return []string{"a/b/3.pdf", "other/c/2.pdf", "a/b/new.pdf", "other/c/new.pdf"}
		},
		"deleted and made again": func(t *testing.T, dir, _ string) []string {
			must(t, os.RemoveAll(dir+"/a"))
			write(t, dir+"/a/b/c/new.pdf", "x")
			return []string{"a/b/c/new.pdf"}
		},
		"moved out and back": func(t *testing.T, dir, elsewhere string) []string {
			must(t, os.Rename(dir+"/a", elsewhere+"/a"))
			write(t, elsewhere+"/a/meanwhile.pdf", "x")
			must(t, os.Rename(elsewhere+"/a", dir+"/a"))
			write(t, dir+"/a/b/c/new.pdf", "x")
			return []string{"a/meanwhile.pdf", "a/b/c/new.pdf"}
		},
		"moved into its sister": func(t *testing.T, dir, _ string) []string {
			must(t, os.Rename(dir+"/a/b", dir+"/other/b"))
			write(t, dir+"/other/b/c/new.pdf", "x")
			return []string{"other/b/c/2.pdf", "other/b/c/new.pdf"}
		},
		"a tree moved in": func(t *testing.T, dir, elsewhere string) []string {
			var want []string
			for i := range 30 {
				name := fmt.Sprintf("tree/%d/%d/x.pdf", i%3, i)
				write(t, filepath.Join(elsewhere, name), "x")
				want = append(want, name)
			}
			must(t, os.Rename(elsewhere+"/tree", dir+"/tree"))
			write(t, dir+"/tree/2/29/new.pdf", "x")
			return append(want, "tree/2/29/new.pdf")
		},
		"a file in place of a folder, and back": func(t *testing.T, dir, _ string) []string {
			must(t, os.RemoveAll(dir+"/a"))
			must(t, os.WriteFile(dir+"/a", nil, 0o600))
			must(t, os.Remove(dir+"/a"))
			write(t, dir+"/a/b/new.pdf", "x")
			return []string{"a/b/new.pdf"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			dir, elsewhere := top+"/drop", top+"/elsewhere"
			must(t, os.Mkdir(elsewhere, 0o755))
			write(t, dir+"/a/1.pdf", "x")
			write(t, dir+"/a/b/c/2.pdf", "x")
			write(t, dir+"/other/3.pdf", "x")
			r := start(t, eventsOnly(dir))
			r.expect("a/1.pdf", "a/b/c/2.pdf", "other/3.pdf")
			want := disturb(t, dir, elsewhere)
			// What was handed over before may come again where its folder was moved away and back. So it is ignored
			// rather than waited for.
			r.expectAmong(want, "a/1.pdf", "a/b/c/2.pdf")
			want = want[:0]
			must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					write(t, path+"/last.pdf", "x")
					name, _ := filepath.Rel(dir, path+"/last.pdf")
					want = append(want, name)
				}
				return err
			}))
			r.expectAmong(want, "a/1.pdf", "a/b/c/2.pdf") // all of it is watched
		})
	}
}

// expectAmong waits for names, and lets others pass.
func (r *running) expectAmong(names []string, others ...string) {
	r.t.Helper()
	missing := map[string]bool{}
	for _, name := range names {
		missing[name] = true
	}
	for len(missing) > 0 {
		s := r.nextOf(missing)
		if !missing[s.Name] && !strings.Contains(strings.Join(others, "\n"), s.Name) {
			r.t.Fatalf("%q settled, want one of %v", s.Name, missing)
		}
		delete(missing, s.Name)
	}
}

func (r *running) nextOf(missing map[string]bool) file.Settled {
	r.t.Helper()
	select {
	case b := <-r.settled:
		return b[0]
	case <-time.After(time.Minute):
		r.t.Fatalf("none of %v settled in a minute", missing)
		return file.Settled{}
	}
}

// TestNames shows that files and folders of any legal name are handed over, whether an event or a listing finds them.
func TestNames(t *testing.T) {
	dir := t.TempDir()
	names := []string{
		"new\nline.pdf", "invalid\xff\xfe.pdf", strings.Repeat("n", 251) + ".pdf", "\u202egnp.pdf", "-rf", "--", " ", "*?[a].pdf", `back\slash`,
		"a…b.pdf", "quote\"'.pdf", "tab\t", "\x01\x1b[31m", "deep/" + strings.Repeat("d/", 100) + "x.pdf", "sub \n/-/x", "\xff/\xfe",
	}
	r := start(t, eventsOnly(dir))
	for _, name := range names {
		write(t, dir+"/"+name, "x")
	}
	for _, name := range []string{".../x.pdf", ".hidden/x.pdf", "@eaDir/x.pdf"} {
		write(t, dir+"/"+name, "x")
	}
	r.expect(names...)
	again := start(t, eventsOnly(dir)) // found by listing
	again.expect(names...)
	for line := range strings.Lines(r.log.String() + again.log.String()) {
		if strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\x1b\x01\u202e") {
			t.Errorf("a log line is not printable: %q", line)
		}
	}
}

// TestThroughASymbolicLink shows that a folder may be given as a symbolic link, that its done/ is not entered, and that
// another target of the link is noticed.
func TestThroughASymbolicLink(t *testing.T) {
	top := t.TempDir()
	must(t, os.Mkdir(top+"/one", 0o755))
	must(t, os.Mkdir(top+"/two", 0o755))
	link := top + "/drop"
	must(t, os.Symlink("one", link))
	f := often(link)
	f.Exclude = []string{top + "/one/done"}
	write(t, top+"/one/done/posted.pdf", "x")
	r := start(t, f)
	write(t, top+"/one/a.pdf", "x")
	write(t, top+"/one/done/later.pdf", "x")
	r.expect("a.pdf")
	must(t, os.Symlink("two", top+"/other"))
	must(t, os.Rename(top+"/other", link)) // no event reports that the link leads elsewhere now
	write(t, top+"/two/b.pdf", "x")
	r.expect("b.pdf")
	write(t, top+"/two/sub/c.pdf", "x")
	r.expect("sub/c.pdf")
}

// TestOrderOfWriting shows that files are handed over in the order in which they were written.
func TestOrderOfWriting(t *testing.T) {
	top := roomy(t)
	dir := top + "/drop"
	must(t, os.Mkdir(dir, 0o755))
	r := start(t, eventsOnly(dir))
	write(t, dir+"/first", "x")
	r.expect("first")
	const files = 3000
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() {
		for i := range files {
			// No sorting by name gives this order. The files are moved in, so that none is ever found open for writing,
			// which would let others overtake it. The change of mode is a second event, and another state.
			path := fmt.Sprintf("%s/%d-%d", dir, i*7919%files, i)
			err := errors.Join(os.WriteFile(top+"/new", []byte("x"), 0o644), os.Rename(top+"/new", path), os.Chmod(path, 0o600))
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range files {
		if s, want := r.next(), fmt.Sprintf("%d-%d", i*7919%files, i); s.Name != want {
			t.Fatalf("%q settled, want %q, the %dth", s.Name, want, i)
		}
	}
}

// TestStopsInAStormOfRenames shows that Run returns in the middle of a storm of folders that are renamed and deleted at
// once. Each of them makes fsnotify report an error while it holds its lock.
func TestStopsInAStormOfRenames(t *testing.T) {
	dir := roomy(t)
	var storm sync.WaitGroup
	calm := make(chan struct{})
	storm.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-calm:
				return
			default:
			}
			path := fmt.Sprintf("%s/%d", dir, i%200)
			if i >= 200 {
				must(t, errors.Join(os.Rename(path, path+"r"), os.Remove(path+"r")))
			}
			must(t, os.Mkdir(path, 0o755))
		}
	})
	defer storm.Wait()
	defer close(calm)
	for range 10 {
		t.Run("", func(t *testing.T) { // the end of this subtest stops the watcher
			r := start(t, eventsOnly(dir))
			write(t, dir+"/x.pdf", "x")
			r.expect("x.pdf")
		})
	}
}

// TestClosedInputsEndNothing shows that a Watcher goes on when Folders and Released are closed.
func TestClosedInputsEndNothing(t *testing.T) {
	dir := t.TempDir()
	r := start(t, folder(dir))
	close(r.folders)
	close(r.released)
	write(t, dir+"/a.pdf", "x")
	r.expect("a.pdf")
	write(t, dir+"/b.pdf", "x")
	r.expect("b.pdf")
}

// TestOnce shows that Run with Once returns when everything was handed over, and that its error names what was not.
func TestOnce(t *testing.T) {
	top := t.TempDir()
	write(t, top+"/full/a.pdf", "x")
	write(t, top+"/full/sub/b.pdf", "x")
	write(t, top+"/full/empty.pdf", "")
	must(t, os.Mkdir(top+"/empty", 0o755))
	for name, c := range map[string]struct {
		folders []watcher.Folder
		files   int
		err     string
	}{
		"no folders":       {nil, 0, ""},
		"an empty folder":  {[]watcher.Folder{folder(top + "/empty")}, 0, ""},
		"files":            {[]watcher.Folder{recursive(top + "/full"), folder(top + "/empty")}, 2, "1 left in"},
		"not recursive":    {[]watcher.Folder{folder(top + "/full")}, 1, "full: empty.pdf (it is empty)"},
		"a missing folder": {[]watcher.Folder{folder(top + "/none"), recursive(top + "/full")}, 2, "none: no such file or directory"},
		"a file":           {[]watcher.Folder{folder(top + "/full/a.pdf")}, 0, "it is not a folder"},
	} {
		t.Run(name, func(t *testing.T) {
			folders, settled := make(chan []watcher.Folder, 1), make(chan file.Batch)
			folders <- c.folders
			w := watcher.Watcher{Folders: folders, Settled: settled, Once: true, Log: zerolog.Nop()}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- w.Run(ctx) }()
			files := 0
			for range settled {
				files++
			}
			err := <-ended
			if files != c.files || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("%d files and %v, want %d and %q", files, err, c.files, c.err)
			}
		})
	}
}

// inChild runs the present test in a process of its own, made with attr. It reports whether this is that process.
func inChild(t *testing.T, attr *syscall.SysProcAttr) bool {
	t.Helper()
	const mark = "WATCHER_TEST_CHILD"
	if os.Getenv(mark) == t.Name() {
		return true
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.SysProcAttr, cmd.Dir = attr, "/"
	cmd.Env = append(os.Environ(), mark+"="+t.Name(), "TMPDIR=/tmp")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		lacking(t, "cannot start a process with other rights: %v", err)
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "--- PASS: "+t.Name()) {
		t.Fatalf("in a process of its own: %v\n%s", err, &out)
	}
	return false
}

// says waits until the log has part the given number of times.
func (r *running) says(part string, times int) {
	r.t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for strings.Count(r.log.String(), part) < times {
		if time.Now().After(deadline) {
			r.t.Fatalf("%q was not said %d times; log:\n%s", part, times, r.log)
		}
		<-tick.C
	}
	if n := strings.Count(r.log.String(), part); n > times {
		r.t.Fatalf("%q was said %d times, want %d; log:\n%s", part, n, times, r.log)
	}
}

// TestUnreadableSubfolder shows that a subfolder which cannot be read keeps nothing else waiting, is said, and is taken
// when it can be read.
func TestUnreadableSubfolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 && !inChild(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}) {
		return
	}
	dir := t.TempDir()
	write(t, dir+"/closed/a.pdf", "x")
	write(t, dir+"/names-only/b.pdf", "x")
	must(t, os.Chmod(dir+"/closed", 0))
	must(t, os.Chmod(dir+"/names-only", 0o444))
	t.Cleanup(func() {
		must(t, os.Chmod(dir+"/closed", 0o755))
		must(t, os.Chmod(dir+"/names-only", 0o755))
	})
	r := start(t, often(dir))
	for i := range 5 {
		name := fmt.Sprintf("%d.pdf", i)
		write(t, dir+"/"+name, "x")
		r.expect(name)
	}
	r.says("a subfolder cannot be listed", 1)
	r.says("cannot look at it", 1)
	r.says("is not watched", 0)
	must(t, os.Chmod(dir+"/closed", 0o755))
	r.expect("closed/a.pdf")
	must(t, os.Chmod(dir+"/names-only", 0o755))
	r.expect("names-only/b.pdf")
	write(t, dir+"/closed/c.pdf", "x")
	r.expect("closed/c.pdf")
}

// ownLimits gives the child process a user namespace, whose limits it can set without a change of the host's.
func ownLimits() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
}

func setLimit(t *testing.T, name string, n int) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/user/"+name, fmt.Append(nil, n), 0); err != nil {
		t.Fatalf("cannot set %s of this user namespace: %v", name, err)
	}
}

// TestOutOfWatches shows that subfolders for which the kernel has no watches left are listed instead, and that the
// remedy is said.
func TestOutOfWatches(t *testing.T) {
	if !inChild(t, ownLimits()) {
		return
	}
	setLimit(t, "max_inotify_watches", 2)
	dir := t.TempDir()
	for _, sub := range []string{"a", "b", "c"} {
		must(t, os.Mkdir(dir+"/"+sub, 0o755))
	}
	f := recursive(dir)
	f.Rescan = time.Hour // the lack of watches cuts it short
	r := start(t, f)
	r.says("fs.inotify.max_user_watches=524288", 1)
	for _, sub := range []string{"a", "b", "c"} {
		write(t, dir+"/"+sub+"/x.pdf", "x")
	}
	r.expect("a/x.pdf", "b/x.pdf", "c/x.pdf")
	r.says("is not watched", 1)
	setLimit(t, "max_inotify_watches", 100)
	r.says("watched again", 1)
	write(t, dir+"/c/y.pdf", "x")
	r.expect("c/y.pdf")
	r.says("is not watched", 1)
}

// TestOutOfInstances shows that a folder for which the kernel has no inotify instance left is listed instead, and that
// the remedy is said.
func TestOutOfInstances(t *testing.T) {
	if !inChild(t, ownLimits()) {
		return
	}
	setLimit(t, "max_inotify_instances", 0)
	dir := t.TempDir()
	write(t, dir+"/a.pdf", "x")
	r := start(t, often(dir))
	r.expect("a.pdf")
	write(t, dir+"/b.pdf", "x")
	r.expect("b.pdf")
	r.says("fs.inotify.max_user_instances=1024", 1)
}

// TestMarkedFolderIsNotEntered shows that what was filed away stays filed away when done/ is renamed or moved, even
// while the daemon looks, and that what is dragged out of it is taken.
func TestMarkedFolderIsNotEntered(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"done", "sub/deeper/failed"} {
		write(t, filepath.Join(dir, sub, ".mark"), "")
		write(t, filepath.Join(dir, sub, "old.mp3"), "filed")
		write(t, filepath.Join(dir, sub, "inner/older.mp3"), "filed")
	}
	f := often(dir)
	f.Exclude, f.Mark = []string{filepath.Join(dir, "done")}, ".mark"
	r := start(t, f)
	write(t, filepath.Join(dir, "a.mp3"), "new")
	r.expect("a.mp3")
	must(t, os.Rename(filepath.Join(dir, "done"), filepath.Join(dir, "done 2026")))
	must(t, os.Rename(filepath.Join(dir, "sub/deeper"), filepath.Join(dir, "elsewhere")))
	write(t, filepath.Join(dir, "b.mp3"), "new")
	r.expect("b.mp3")
	must(t, os.Rename(filepath.Join(dir, "done 2026/old.mp3"), filepath.Join(dir, "old.mp3")))
	r.expect("old.mp3")
	if said := strings.Count(r.log.String(), `"kind":"filed"`); said < 2 {
		t.Errorf("it was said of %d folders:\n%s", said, r.log)
	}
}

// TestLinkCountsThatMeanNothing shows that a file is taken whatever its link count on file systems that count as they
// please.
func TestLinkCountsThatMeanNothing(t *testing.T) {
	for name, make := range map[string]func(testing.TB) *mounts.Mount{
		"ntfs-3g": func(t testing.TB) *mounts.Mount { return mounts.NTFS(t, "windows_names") },
		"bindfs":  func(t testing.TB) *mounts.Mount { return mounts.Bindfs(t, t.TempDir()) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := make(t).Path
			write(t, filepath.Join(dir, "a long name.mp3"), "content")
			if err := os.Link(filepath.Join(dir, "a long name.mp3"), filepath.Join(dir, ".second")); err != nil {
				t.Logf("no second name: %v", err)
			}
			f := often(dir)
			f.SettleRemote = f.Settle
			start(t, f).expect("a long name.mp3")
		})
	}
}
