package filing

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const crashEnv = "FILING_TEST_CRASH"

// crash is what the process that is to die is told.
type crash struct {
	Way   int
	Point int // dies at this one: before or after a call
	Move  Move
}

const died = 86

// TestCrash lets a process die before and after each of its calls, then does what the daemon does when it starts
// again: moves once more. At every moment the file is there, and in the end it is filed, and nothing else was touched.
func TestCrash(t *testing.T) {
	if spec := os.Getenv(crashEnv); spec != "" {
		dieAt(t, spec)
		return
	}
	for i, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			points := 0
			for finished := false; !finished; points++ {
				d := w.desk(t)
				write(t, filepath.Join(d.done, "a.pdf"), "another")
				m := d.drop("a.pdf", "content")
				finished = !crashes(t, crash{i, points, m})
				if n := copies(t, d, true); n == 0 {
					t.Errorf("point %d: the file is lost", points)
				}
				m.Again = true
				dest, err := newFiler(w.calls()).Fail(m, Note{Reason: "again"})
				if w.name != "reserve" { // where nothing tells whose an empty file is
					if err != nil || dest != filepath.Join(d.done, "a (2).pdf") {
						t.Errorf("point %d: %q, %v", points, dest, err)
					}
					lieJust(t, d, points)
				} else if err != nil && !errors.Is(err, ErrGone) {
					t.Errorf("point %d: %v", points, err)
				}
				if n := copies(t, d, false); n == 0 {
					t.Errorf("point %d: nothing was filed", points)
				}
				missing(t, m.source())
				if content, err := os.ReadFile(filepath.Join(d.done, "a.pdf")); string(content) != "another" {
					t.Errorf("point %d: overwritten with %q, %v", points, content, err)
				}
			}
			t.Logf("%d points", points)
			if points < 5 {
				t.Errorf("died at %d points only", points)
			}
		})
	}
}

// lieJust wants the file to be filed once, with one note, and nothing else to lie anywhere.
func lieJust(t *testing.T, d desk, point int) {
	t.Helper()
	var names []string
	for _, dir := range []string{d.folder, d.done} {
		entries, err := os.ReadDir(dir)
		noError(t, err)
		for _, e := range entries {
			if !e.IsDir() {
				names = append(names, e.Name())
			}
		}
	}
	if want := []string{"a (2).pdf", "a (2).pdf.reason.txt", "a.pdf"}; !slices.Equal(names, want) {
		t.Errorf("point %d: there are %q", point, names)
	}
}

// copies counts where the file is to be seen by a person, in done/ and perhaps in the folder.
func copies(t *testing.T, d desk, folder bool) int {
	t.Helper()
	places := []string{d.done + "/*.pdf"}
	if folder {
		places = append(places, d.folder+"/*.pdf")
	}
	n := 0
	for _, pattern := range places {
		paths, err := filepath.Glob(pattern)
		noError(t, err)
		for _, path := range paths {
			content, err := os.ReadFile(path)
			noError(t, err)
			if string(content) == "content" && !strings.HasPrefix(filepath.Base(path), ".") {
				n++
			}
		}
	}
	return n
}

func crashes(t *testing.T, c crash) bool {
	t.Helper()
	spec, err := json.Marshal(c)
	noError(t, err)
	self, err := os.Executable()
	noError(t, err)
	cmd := exec.Command(self, "-test.run=^TestCrash$")
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(s string) bool {
		return strings.HasPrefix(s, "GOCOVERDIR=")
	}), fmt.Sprintf("%s=%s", crashEnv, spec))
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == died {
		return true
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

func dieAt(t *testing.T, spec string) {
	var c crash
	noError(t, json.Unmarshal([]byte(spec), &c))
	point := 0
	mark := func() {
		if point == c.Point {
			os.Exit(died)
		}
		point++
	}
	around := func(real func(string, string) error) func(string, string) error {
		return func(from, to string) error {
			mark()
			defer mark()
			return real(from, to)
		}
	}
	calls := ways()[c.Way].calls()
	calls.rename, calls.link, calls.replace = around(calls.rename), around(calls.link), around(calls.replace)
	copyFile, fsync := calls.copy, calls.fsync
	calls.copy = func(to, from *os.File) (int64, error) { mark(); defer mark(); return copyFile(to, from) }
	calls.fsync = func(f *os.File) error { mark(); defer mark(); return fsync(f) }
	_, err := newFiler(calls).Fail(c.Move, Note{Reason: "first"})
	noError(t, err)
}

// TestAgainWithoutTheFolderItLayIn: the emptied folder was removed before the caller's memory knew of the move. Of a copy
// that is only believed while the watched folder is the one with the share mounted: the original may be on it still.
func TestAgainWithoutTheFolderItLayIn(t *testing.T) {
	for _, c := range []struct {
		name         string
		desk         func(testing.TB) desk
		away, finish bool
	}{
		{"renamed", newDesk, false, true},
		{"renamed, and the device has a new number", newDesk, true, true},
		{"copied", newFarDesk, false, true},
		{"copied, and the share is away", newFarDesk, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := c.desk(t)
			mkdir(t, filepath.Join(d.folder, "trip"), 0o755)
			m := d.drop("trip/a.pdf", "content")
			dest, err := New().Move(m)
			noError(t, err)
			noError(t, os.Remove(filepath.Join(d.folder, "trip")))
			if m.Again = true; c.away {
				m.Want.Dev++
			}
			again, err := New().Move(m)
			if c.finish && (err != nil || again != dest) || !c.finish && (!errors.Is(err, ErrFolderGone) || again != "") {
				t.Errorf("%q, %v", again, err)
			}
			if content, err := os.ReadFile(dest); string(content) != "content" {
				t.Errorf("%q, %v", content, err)
			}
		})
	}
}
