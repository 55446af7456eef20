package watcher

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// scoutFor returns a scout for dir. Nobody takes its inotify events yet.
func scoutFor(t *testing.T, f Folder) *scout {
	t.Helper()
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := notify.Close(); err != nil {
			t.Error(err)
		}
	})
	return newScout(f, notify)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// list has s list the whole folder until it sees no anomaly, as the loop does.
func list(t *testing.T, s *scout) answer {
	t.Helper()
	for range 3 {
		if a := s.answer(t.Context(), request{whole: true}); !a.anomaly {
			return a
		}
	}
	t.Fatal("anomalies without end")
	return answer{}
}

// hears fails the test unless writing a file at path brings an event with its name.
func hears(t *testing.T, s *scout, path string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte("x"), 0o600))
	deadline := time.After(time.Minute)
	for {
		select {
		case ev := <-s.notify.Events:
			if ev.Name == path {
				return
			}
		case <-s.notify.Errors: // of a watch that died with its folder
		case <-deadline:
			t.Fatalf("%s is not watched", path)
		}
	}
}

// TestScoutRenamedBeforeItWasHeard shows that a folder stays watched under its new name if it was renamed while nobody
// took the events. fsnotify then gives the new name the watch of the old one, and the scout must not end that watch.
func TestScoutRenamedBeforeItWasHeard(t *testing.T) {
	for name, c := range map[string]func(t *testing.T, s *scout){
		"listed": func(t *testing.T, s *scout) { list(t, s) },
		"looked at, the new name first": func(t *testing.T, s *scout) {
			if a := s.answer(t.Context(), request{names: []string{"new", "old"}}); !a.anomaly {
				t.Fatal("nothing said that a watched folder has gone")
			}
			list(t, s)
		},
		"looked at, the old name first": func(t *testing.T, s *scout) {
			if a := s.answer(t.Context(), request{names: []string{"old", "new"}}); !a.anomaly {
				t.Fatal("nothing said that a watched folder has gone")
			}
			list(t, s)
		},
		"another in its place, listed": func(t *testing.T, s *scout) {
			must(t, os.Mkdir(filepath.Join(s.folder.Path, "old"), 0o700))
			list(t, s)
			hears(t, s, filepath.Join(s.folder.Path, "old", "z"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.MkdirAll(dir+"/old/inner", 0o700))
			s := scoutFor(t, Folder{Path: dir, Recursive: true})
			list(t, s)
			must(t, os.Rename(dir+"/old", dir+"/new"))
			c(t, s)
			hears(t, s, dir+"/new/x")
			hears(t, s, dir+"/new/inner/y")
			hears(t, s, dir+"/w")
			if len(s.watched) < 3 {
				t.Fatalf("%d watched", len(s.watched))
			}
		})
	}
}

// TestScoutForgetsWhatHasGone shows that the scout keeps no watch of a subfolder that is gone.
func TestScoutForgetsWhatHasGone(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/a/b/c", 0o700))
	s := scoutFor(t, Folder{Path: dir, Recursive: true})
	list(t, s)
	if n := len(s.watched); n != 4 {
		t.Fatalf("%d watched, want 4", n)
	}
	must(t, os.RemoveAll(dir+"/a"))
	must(t, os.WriteFile(dir+"/a", nil, 0o600))
	list(t, s)
	if n, m := len(s.watched), len(s.notify.WatchList()); n != 1 || m != 1 {
		t.Fatalf("%d watched, %d by fsnotify, want 1", n, m)
	}
	must(t, os.RemoveAll(dir))
	if a := s.answer(t.Context(), request{whole: true}); a.missing == nil || len(s.watched) != 0 {
		t.Fatalf("missing: %v, %d watched", a.missing, len(s.watched))
	}
	must(t, os.WriteFile(dir, nil, 0o600))
	if a := s.answer(t.Context(), request{whole: true}); a.missing == nil {
		t.Fatal("a file was taken for the folder")
	}
}

// TestScoutNeverEntersExcluded shows that done/ is not entered by whichever path it is reached. Otherwise what lies
// there would be posted again and again.
func TestScoutNeverEntersExcluded(t *testing.T) {
	real := t.TempDir()
	link := filepath.Join(t.TempDir(), "drop")
	must(t, os.Symlink(real, link))
	for _, dir := range []string{"done/sub", "failed", "other"} {
		must(t, os.MkdirAll(filepath.Join(real, dir), 0o700))
		must(t, os.WriteFile(filepath.Join(real, dir, "a.pdf"), []byte("x"), 0o600))
	}
	must(t, os.Symlink(filepath.Join(real, "failed"), filepath.Join(real, "alias")))
	for name, f := range map[string]Folder{
		"as it is":                      {Path: real, Exclude: []string{real + "/done", real + "/failed"}},
		"watched through a link":        {Path: link, Exclude: []string{real + "/done", real + "/failed"}},
		"excluded through a link":       {Path: real, Exclude: []string{link + "/done", real + "/alias"}},
		"with a slash, and one not yet": {Path: real, Exclude: []string{real + "/done/", real + "/none", real + "/failed//"}},
	} {
		t.Run(name, func(t *testing.T) {
			f.Recursive = true
			s := scoutFor(t, f)
			for _, r := range []request{{whole: true}, {names: []string{"done", "failed", "other"}}} {
				var files []string
				for _, seen := range s.answer(t.Context(), r).seen {
					if seen.look.Mode.IsRegular() && !seen.dir {
						files = append(files, seen.name)
					}
				}
				if !slices.Equal(files, []string{"other/a.pdf"}) {
					t.Errorf("saw %q", files)
				}
			}
		})
	}
}

// TestScoutListsInOrderOfWriting shows that a listing goes by mtime, and for equal times by names as people count.
func TestScoutListsInOrderOfWriting(t *testing.T) {
	dir := t.TempDir()
	base := time.Now()
	for i, name := range []string{"c", "a", "b"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
		must(t, os.Chtimes(filepath.Join(dir, name), base, base.Add(time.Duration(i)*time.Second)))
	}
	must(t, os.Chtimes(filepath.Join(dir, "a"), base, base.Add(2*time.Second))) // the same time as b: then by name
	for i := range 12 {
		name := filepath.Join(dir, fmt.Sprintf("IMG %d", i))
		must(t, os.WriteFile(name, []byte("x"), 0o600))
		must(t, os.Chtimes(name, base, base.Add(time.Minute))) // all at once, as from a camera: as people count
	}
	var names []string
	for _, seen := range list(t, scoutFor(t, Folder{Path: dir})).seen {
		names = append(names, seen.name)
	}
	if !slices.Equal(names, []string{"c", "a", "b", "IMG 0", "IMG 1", "IMG 2", "IMG 3", "IMG 4", "IMG 5", "IMG 6", "IMG 7", "IMG 8", "IMG 9", "IMG 10", "IMG 11"}) {
		t.Fatalf("order %q", names)
	}
}

// TestFilter shows which names are left alone, whatever their case.
func TestFilter(t *testing.T) {
	f := newFilter(Folder{Path: "/drop", Exclude: []string{"/drop/done", "/drop/x/failed"}, Ignore: []string{"*.bak", "x/y.pdf", "[", "Draft*"}})
	for name, skips := range map[string]bool{
		"a.pdf": false, ".a.pdf": true, "...": true, "sub/.a": true, "~$a.docx": true, "~WRD0001.TMP": true, "a.pdf~": true, "A.TMP": true,
		"THUMBS.DB": true, "@eaDir": true, "LOST+FOUND": true, "a.Part": true, "-rf": false, "a\n.pdf": false, "\xff.pdf": false,
		"done": true, "done2": false, "x/done": false, "x/failed": true, "failed": false,
		"a.bak": true, "sub/a.bak": true, "a.BAK": true, "x/y.pdf": true, "y.pdf": false, "Draft 1.pdf": true, "[": false,
		"$RECYCLE.BIN": true, "System Volume Information": true, "FOUND.000": true, "found.pdf": false, "@Recycle": true, "@Recently-Snapshot": true,
		"#snapshot": true, "~snapshot": true, "@tmp": true, "@SynoResource": true, ".Trash-1000": true, "RECYCLER": true, "Recycler.pdf": false,
		"a.pdf.ffs_tmp": true, "a.pdf.!sync": true, "a.pdf.!qB": true, "a.pdf.temp": true, "a.pdf.uploading": true, "a.pdf.writing": true,
		"a.pdf.incomplete": true, "a.pdf.inprogress": true, ".pdf": true,
		"\u202ea.pdf": false, "tmp": false, "part": false,
		"a.pdf.aria2": true, "a.pdf.opdownload": true, "a.pdf.lftp-pget-status": true, "a.pdf.st": false,
	} {
		if f.skips(name) != skips {
			t.Errorf("%q: skips is %v", name, !skips)
		}
	}
}

// TestRemoteFS shows that a local folder, and a path that does not exist, count as local.
func TestRemoteFS(t *testing.T) {
	if fs := RemoteFS(t.TempDir()); fs != "" {
		t.Errorf("a local folder is taken for %q", fs)
	}
	if fs := RemoteFS("/no/such/folder"); fs != "" {
		t.Errorf("nothing is taken for %q", fs)
	}
}
