package watcher_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"kaizala-drop/internal/file"
	"kaizala-drop/watcher"
)

// running is a Watcher at work on real folders.
type running struct {
	t        *testing.T
	folders  chan []watcher.Folder
	settled  chan file.Batch
	released chan file.Release
	log      *lines
}

// lines keeps what was logged.
type lines struct {
	mu   sync.Mutex
	text string
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text += string(p)
	return len(p), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}

func start(t *testing.T, folders ...watcher.Folder) *running {
	t.Helper()
	r := &running{
		t: t, folders: make(chan []watcher.Folder, 1), settled: make(chan file.Batch),
		released: make(chan file.Release), log: &lines{},
	}
	w := watcher.Watcher{Folders: r.folders, Settled: r.settled, Released: r.released, Log: zerolog.New(r.log)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	r.folders <- folders
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Run returned %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("Run has not returned in a minute")
		}
		if t.Failed() {
			t.Logf("log:\n%s", r.log)
		}
	})
	return r
}

// reload has these folders watched from now on. When the channel takes them for the third time, Run is done with the
// first.
func (r *running) reload(folders ...watcher.Folder) {
	for range 3 {
		r.folders <- folders
	}
}

// next waits for the next settled file.
func (r *running) next() file.Settled {
	r.t.Helper()
	select {
	case b := <-r.settled:
		return b[0]
	case <-time.After(time.Minute):
		r.t.Fatalf("no file settled in a minute; log:\n%s", r.log)
		return file.Settled{}
	}
}

// expect waits for exactly these names, in any order.
func (r *running) expect(names ...string) {
	r.t.Helper()
	missing := map[string]bool{}
	for _, name := range names {
		missing[name] = true
	}
	for len(missing) > 0 {
		s := r.next()
		if !missing[s.Name] {
			r.t.Fatalf("%q settled, want one of %v", s.Name, missing)
		}
		delete(missing, s.Name)
	}
}

func folder(path string) watcher.Folder {
	const settle = 50 * time.Millisecond
	return watcher.Folder{Path: path, Settle: settle, SettleRemote: settle, Rescan: time.Second}
}

func recursive(path string) watcher.Folder {
	f := folder(path)
	f.Recursive = true
	return f
}

// roomy gives a folder for thousands of files, in memory if possible, so that the test does not wait for a disk.
func roomy(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "watcher")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestFilesPresentAtStartAndLater shows that files are handed over that lay there before, that come later, and that are
// renamed.
func TestFilesPresentAtStartAndLater(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/before.pdf", "x")
	r := start(t, folder(dir))
	r.expect("before.pdf")
	write(t, dir+"/after.pdf", "x")
	r.expect("after.pdf")
	if err := os.Rename(dir+"/after.pdf", dir+"/renamed.pdf"); err != nil {
		t.Fatal(err)
	}
	r.expect("renamed.pdf")
}

// TestChangedFileIsHandedOverAgain shows that a file is handed over again when it has changed, and when it was
// released.
func TestChangedFileIsHandedOverAgain(t *testing.T) {
	dir := t.TempDir()
	r := start(t, folder(dir))
	write(t, dir+"/a.pdf", "x")
	first := r.next()
	write(t, dir+"/a.pdf", "longer")
	second := r.next()
	if second.Name != "a.pdf" || second.ID == first.ID || second.ID.Size != 6 {
		t.Fatalf("got %+v after %+v", second, first)
	}
	r.released <- file.Release{Folder: dir, Name: "a.pdf"}
	if third := r.next(); third.ID != second.ID {
		t.Fatalf("released file came back as %+v, want %+v", third, second)
	}
}

// TestLeftAlone shows that ignored names, done/, subfolders, empty files, links and FIFOs are not handed over.
func TestLeftAlone(t *testing.T) {
	dir := t.TempDir()
	f := folder(dir)
	f.Ignore = []string{"*.bak"}
	f.Exclude = []string{dir + "/done"}
	for _, name := range []string{".hidden.pdf", "x.pdf.part", "Thumbs.db", "~$letter.docx", "old.bak", "done/a.pdf", "sub/a.pdf"} {
		write(t, filepath.Join(dir, name), "x")
	}
	write(t, dir+"/empty.pdf", "")
	write(t, t.TempDir()+"/target.pdf", "x")
	if err := os.Symlink("/etc/passwd", dir+"/link.pdf"); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfifo", dir+"/fifo.pdf").CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	r := start(t, f)
	write(t, dir+"/good.pdf", "x")
	r.expect("good.pdf")
	write(t, dir+"/empty.pdf", "no longer")
	r.expect("empty.pdf")
}

// TestRecursiveTreeDroppedIn shows that each file of a large tree that is copied in is handed over once.
func TestRecursiveTreeDroppedIn(t *testing.T) {
	source, dir := roomy(t), roomy(t)
	const folders, files = 500, 5
	for i := range folders {
		for j := range files {
			write(t, fmt.Sprintf("%s/tree/d%03d/e/f%d.pdf", source, i, j), "x")
		}
	}
	r := start(t, recursive(dir))
	if out, err := exec.Command("cp", "-r", source+"/tree", dir).CombinedOutput(); err != nil {
		t.Fatal(err, string(out))
	}
	got := map[string]int{}
	for range folders * files {
		got[r.next().Name]++
	}
	if len(got) != folders*files {
		t.Fatalf("%d different names of %d", len(got), folders*files)
	}
}

// TestRenamedSubfolderStaysWatched shows that events alone find the files of a renamed subfolder.
func TestRenamedSubfolderStaysWatched(t *testing.T) {
	dir := t.TempDir()
	f := recursive(dir)
	f.Rescan = time.Hour // only events can help
	write(t, dir+"/a/1.pdf", "x")
	r := start(t, f)
	r.expect("a/1.pdf")
	if err := os.Rename(dir+"/a", dir+"/b"); err != nil {
		t.Fatal(err)
	}
	r.expect("b/1.pdf")
	write(t, dir+"/b/2.pdf", "x")
	r.expect("b/2.pdf")
}

// TestManyFilesAtOnce shows that each of 20,000 files which are written at once is handed over once.
func TestManyFilesAtOnce(t *testing.T) {
	dir := roomy(t)
	r := start(t, folder(dir))
	write(t, dir+"/first.pdf", "x")
	r.expect("first.pdf")
	const files = 20_000
	for i := range files {
		if err := os.WriteFile(fmt.Sprintf("%s/f%05d.pdf", dir, i), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]int{}
	for range files {
		got[r.next().Name]++
	}
	if len(got) != files {
		t.Fatalf("%d different names of %d", len(got), files)
	}
}

// TestFolderGoneAndBack shows that a folder which is renamed, deleted or replaced is watched again when it is back.
func TestFolderGoneAndBack(t *testing.T) {
	for name, disturb := range map[string]func(t *testing.T, dir string){
		"renamed away and back": func(t *testing.T, dir string) {
			must(t, os.Rename(dir, dir+".away"))
			write(t, dir+".away/meanwhile.pdf", "x")
			must(t, os.Rename(dir+".away", dir))
		},
		"deleted and made again": func(t *testing.T, dir string) {
			must(t, os.RemoveAll(dir))
			must(t, os.Mkdir(dir, 0o755))
			write(t, dir+"/meanwhile.pdf", "x")
		},
		"replaced by another": func(t *testing.T, dir string) {
			must(t, os.Mkdir(dir+".new", 0o755))
			must(t, os.Rename(dir, dir+".old"))
			must(t, os.Rename(dir+".new", dir))
			write(t, dir+"/meanwhile.pdf", "x")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir() + "/drop"
			must(t, os.Mkdir(dir, 0o755))
			f := folder(dir)
			f.Rescan = 200 * time.Millisecond
			r := start(t, f)
			write(t, dir+"/before.pdf", "x")
			r.expect("before.pdf")
			must(t, os.Remove(dir+"/before.pdf"))
			disturb(t, dir)
			r.expect("meanwhile.pdf")
			write(t, dir+"/after.pdf", "x")
			r.expect("after.pdf")
		})
	}
}

// TestReloadKeepsUnchangedFolders shows that a reload leaves an unchanged folder undisturbed, starts a new one and
// stops one that is gone.
func TestReloadKeepsUnchangedFolders(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	r := start(t, folder(one))
	write(t, one+"/a.pdf", "x")
	r.expect("a.pdf")
	r.reload(folder(one), folder(two))
	write(t, two+"/b.pdf", "x")
	r.expect("b.pdf") // a.pdf is not handed over again
	r.reload(folder(two))
	write(t, two+"/c.pdf", "x")
	r.expect("c.pdf")
	write(t, one+"/not watched any more.pdf", "x")
	write(t, two+"/d.pdf", "x")
	r.expect("d.pdf")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestOnceTakesUpWhatIsReleased shows that with Once a released file settles again, even if nothing else was left in
// its folder, as long as another folder is at work.
func TestOnceTakesUpWhatIsReleased(t *testing.T) {
	quick, slow := folder(t.TempDir()), folder(t.TempDir())
	slow.VerifyEnding, slow.TruncatedAfter = true, time.Hour
	write(t, filepath.Join(quick.Path, "a.pdf"), "a")
	const torn = "%PDF-1.7\n1 0 obj\n"
	write(t, filepath.Join(slow.Path, "b.pdf"), torn) // torn until the other folder is done with
	folders, settled, released := make(chan []watcher.Folder, 1), make(chan file.Batch), make(chan file.Release)
	w := watcher.Watcher{Folders: folders, Settled: settled, Released: released, Once: true, Log: zerolog.Nop()}
	done := make(chan error, 1)
	go func() { done <- w.Run(t.Context()) }()
	folders <- []watcher.Folder{quick, slow}
	got := map[string]int{}
	for b := range settled {
		name := b[0].Name
		switch got[name]++; {
		case name == "a.pdf" && got[name] < 5:
			released <- file.Release{Folder: quick.Path, Name: name}
		case name == "a.pdf":
			write(t, filepath.Join(slow.Path, "b.pdf"), torn+"startxref\n9\n%%EOF\n")
		}
	}
	if err := <-done; err != nil || got["a.pdf"] != 5 || got["b.pdf"] != 1 {
		t.Errorf("%v, %v", got, err)
	}
}
