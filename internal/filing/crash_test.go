package filing

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const crashEnv = "FILING_TEST_CRASH"

// crash tells a child process what to move and when to die.
type crash struct {
	Way   int
	Point int // the process dies at this point, which is before or after a call
	Move  Move
}

const died = 86

// TestCrash shows that the file exists at every moment, and is filed in the end with nothing else touched, when a process dies
// before or after any of its calls and a second one, which moves once more as the daemon does, dies as well: where not all
// tests must run, at every third of its calls.
func TestCrash(t *testing.T) {
	if spec := os.Getenv(crashEnv); spec != "" {
		dieAt(t, spec)
		return
	}
	for i, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			first, chains := 0, 0
			for ; diesAt(t, i, first); first++ {
				for second := first % sparse(5); diesAt(t, i, first, second); second += sparse(5) {
					chains++
				}
			}
			t.Logf("%d points, %d chains of two", first, chains)
			if first < 5 || chains < 20/sparse(5) {
				t.Errorf("died at %d points, and %d chains of two, only", first, chains)
			}
		})
	}
}

// thorough reports whether all must be tried: by hand it takes too long, and the race detector sees nothing new in it.
func thorough() bool { return os.Getenv("KAIZALA_DROP_CI") != "" && !raceEnabled }

// sparse is 1 where all must be tried, and otherwise n.
func sparse(n int) int {
	if thorough() {
		return 1
	}
	return n
}

// diesAt lets one move of a file after the other die at these points, then one run to its end. It reports whether the last
// point was reached.
func diesAt(t *testing.T, way int, points ...int) (died bool) {
	t.Helper()
	w := ways()[way]
	d := w.desk(t)
	write(t, filepath.Join(d.done, "a.pdf"), "another")
	m := d.drop("a.pdf", "content")
	when := fmt.Sprint("died at ", points)
	for _, point := range points {
		died = crashes(t, crash{way, point, m})
		if n := copies(t, d, true); n == 0 {
			t.Errorf("%s: the file is lost", when)
		}
		m.Again = true
	}
	afterCrashes(t, w, d, m, when)
	return died
}

// TestCrashThenOtherLooks shows that a file is filed once, with nothing else left, if after a crash somebody touches it, or a
// remount or a copy gives it another inode. The next try asks for the old identity, or for the one that was found anew.
func TestCrashThenOtherLooks(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, path string){
		"touched": func(t *testing.T, path string) {
			noError(t, os.Chtimes(path, time.Time{}, time.Unix(1_700_000_000, 0)))
		},
		"another inode": func(t *testing.T, path string) {
			info, err := os.Stat(path)
			noError(t, err)
			write(t, path+"~", "content")
			noError(t, os.Chtimes(path+"~", time.Time{}, info.ModTime()))
			noError(t, os.Rename(path+"~", path))
		},
	} {
		for i, w := range slices.Concat(ways(), ways()) {
			i, foundAnew := i%len(ways()), i >= len(ways())
			t.Run(fmt.Sprint(w.name, " ", name, ", found anew: ", foundAnew), func(t *testing.T) {
				t.Parallel()
				point, changed := 0, 0
				for died := true; died; point++ {
					d := w.desk(t)
					write(t, filepath.Join(d.done, "a.pdf"), "another")
					m := d.drop("a.pdf", "content")
					sum := sha256.Sum256([]byte("content"))
					m.SHA256 = sum[:]
					died = crashes(t, crash{i, point, m})
					if !isAbsent(m.source()) {
						change(t, m.source())
						changed++
					}
					m.Again = true
					again := func() error { _, err := newFiler(w.calls()).Fail(m, Note{Reason: "again"}); return err }
					if foundAnew {
						again = func() error { noError(t, New().Forget(m, m.source(), true)); return ErrReplaced }
					}
					if !isAbsent(m.source()) && errors.Is(again(), ErrReplaced) {
						m.Want = d.move("a.pdf").Want // as of a caller who has seen that the bytes are the same
					}
					afterCrashes(t, w, d, m, fmt.Sprint("died at ", point))
				}
				if point < 5 || changed == 0 {
					t.Errorf("died at %d points, and changed the file %d times only", point, changed)
				}
			})
		}
	}
}

// afterCrashes moves once more, and checks the result.
func afterCrashes(t *testing.T, w wayOf, d desk, m Move, when string) {
	t.Helper()
	dest, err := newFiler(w.calls()).Fail(m, Note{Reason: "again"})
	if err != nil || dest != filepath.Join(d.done, "a (2).pdf") {
		t.Errorf("%s: %q, %v", when, dest, err)
	}
	lieJust(t, d, when)
	if n := copies(t, d, false); n == 0 {
		t.Errorf("%s: nothing was filed", when)
	}
	missing(t, m.source())
	if content, err := os.ReadFile(filepath.Join(d.done, "a.pdf")); string(content) != "another" {
		t.Errorf("%s: overwritten with %q, %v", when, content, err)
	}
}

// lieJust fails the test unless the file is filed once, with one note, and nothing else lies anywhere.
func lieJust(t *testing.T, d desk, when string) {
	t.Helper()
	var names []string
	for _, dir := range []string{d.folder, d.done} {
		entries, err := os.ReadDir(dir)
		noError(t, err)
		for _, e := range entries {
			if !e.IsDir() && e.Name() != Mark {
				names = append(names, e.Name())
			}
		}
	}
	if want := []string{"a (2).pdf", "a (2).pdf.reason.txt", "a.pdf"}; !slices.Equal(names, want) {
		t.Errorf("%s: there are %q", when, names)
	}
}

// copies counts the places at which a person can see the file, in done/ and in the folder.
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
			if to, _ := os.Readlink(path); !strings.HasPrefix(to, hiddenTag) { // otherwise it is a reserved name
				noError(t, err)
			}
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

// TestAgainWithoutTheFolderItLayIn shows that a move is known again although the emptied folder of its file was removed. A
// copy is accepted only while the watched folder is on the device of the file, because its original may still be on a share
// that is away.
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
