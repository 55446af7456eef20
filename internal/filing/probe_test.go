package filing

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

// TestProbe shows that Probe succeeds in each way of moving where files can be filed, and leaves neither a file nor a folder
// that was not there before.
func TestProbe(t *testing.T) {
	everyWay(t, func(t *testing.T, d desk, c calls) {
		write(t, d.folder+"/scan.pdf", "x")
		for range 2 {
			noError(t, newFiler(c).Probe(d.folder, d.done))
		}
		missing(t, d.done)
		everything(t, d.folder, "scan.pdf")
		mkdir(t, d.done, 0o755)
		noError(t, newFiler(c).Probe(d.folder, d.done))
		everything(t, d.done)
	})
}

// everything fails the test unless dir holds just these names, including hidden ones and folders and without the mark.
func everything(t testing.TB, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	noError(t, err)
	var got []string
	for _, e := range entries {
		if e.Name() != Mark {
			got = append(got, e.Name())
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

// TestProbeSaysWhatIsWrong shows that the error of Probe names the reason, the path and what helps.
func TestProbeSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(d *desk)
		want  error
		says  string
	}{
		{"a file named done", func(d *desk) { write(d.t, d.done, "x") }, unix.ENOTDIR, "move it away, or choose another name"},
		{"a file above done", func(d *desk) { write(d.t, d.folder+"/a", "x"); d.done = d.folder + "/a/done" }, unix.ENOTDIR,
			"move it away, or choose another name"},
		{"a FIFO named done", func(d *desk) { noError(d.t, unix.Mkfifo(d.done, 0o600)) }, unix.ENOTDIR, "move it away"},
		{"a link to nowhere", func(d *desk) { noError(d.t, os.Symlink("nowhere", d.done)) }, fs.ErrNotExist, "leads nowhere"},
		{"no folder", func(d *desk) { noError(d.t, os.Remove(d.folder)) }, ErrFolderGone, "is the share mounted?"},
		{"the folder is a file", func(d *desk) { noError(d.t, os.Remove(d.folder)); write(d.t, d.folder, "x") }, unix.ENOTDIR, "in its way"},
		{"no parent outside", func(d *desk) { d.done = filepath.Join(d.t.TempDir(), "archive", "done") }, fs.ErrNotExist, "archive"},
		{"done is the folder", func(d *desk) { d.done = d.folder }, nil, "already"},
		{"relative", func(d *desk) { d.done = "done" }, nil, "not an absolute path"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			c.spoil(&d)
			for range 2 {
				err := New().Probe(d.folder, d.done)
				if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v, want %v and %q", err, c.want, c.says)
				}
			}
			if entries, err := filepath.Glob(d.folder + "/.*"); err != nil || len(entries) > 0 {
				t.Errorf("left behind: %q, %v", entries, err)
			}
		})
	}
}

// TestProbeLeavesNothing shows that Probe leaves nothing and returns the error, whichever call fails with whatever error.
func TestProbeLeavesNothing(t *testing.T) {
	for _, answer := range []unix.Errno{unix.EIO, unix.EROFS, unix.EACCES, unix.EPERM, unix.ENOSPC, unix.EXDEV, unix.ENAMETOOLONG, unix.ESTALE} {
		everyWay(t, func(t *testing.T, d desk, c calls) {
			mkdir(t, d.done, 0o755)
			failed := 0
			for at := 0; failed == at; at++ {
				n := 0
				fails := func() bool {
					if n++; n == at+1 {
						failed++
						return true
					}
					return false
				}
				err := newFiler(failing(c, fails, answer)).Probe(d.folder, d.done)
				if err != nil && !errors.Is(err, answer) {
					t.Errorf("call %d: %v, want %v", at, err, answer)
				}
				everything(t, d.done)
				if d.done == d.folder+"/done" {
					everything(t, d.folder, "done")
				} else {
					everything(t, d.folder)
				}
			}
			if failed < 3 {
				t.Errorf("only %d calls failed", failed)
			}
		})
	}
}

// failing answers with answer those calls that fails picks, instead of making them.
func failing(c calls, fails func() bool, answer error) calls {
	two := func(real func(string, string) error) func(string, string) error {
		return func(from, to string) error {
			if fails() {
				return answer
			}
			return real(from, to)
		}
	}
	real := c
	c.rename, c.link, c.replace = two(c.rename), two(c.link), two(c.replace)
	c.copy = func(to, from *os.File) (int64, error) {
		if fails() {
			return 0, answer
		}
		return real.copy(to, from)
	}
	c.fsync = func(f *os.File) error {
		if fails() {
			return answer
		}
		return real.fsync(f)
	}
	return c
}

// TestProbeOfACrash shows that the next probe removes what a killed probe left.
func TestProbeOfACrash(t *testing.T) {
	d := newDesk(t)
	mkdir(t, d.done, 0o755)
	name := probeName(d.folder, d.done)
	for _, path := range []string{d.folder + "/" + name, d.done + "/" + name, hidden(d.folder+"/"+name, file.Identity{Ino: 7})} {
		noError(t, os.WriteFile(path, nil, 0o600))
	}
	write(t, Move{Name: name}.pointerPath(d.done), name) // of the copy's name
	write(t, d.done+"/"+name, reservationText("0123456789ab"))
	noError(t, New().Probe(d.folder, d.done))
	everything(t, d.folder, "done")
	everything(t, d.done)
}

// TestProbesOfOneTarget shows that two probes with the same done/, of two folders or of one folder under two names, both
// succeed and leave nothing, even if one removes the done/ that it made just before the other moves its file there.
func TestProbesOfOneTarget(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"a", "b"} {
		noError(t, os.Mkdir(filepath.Join(dir, sub), 0o700))
	}
	noError(t, os.Symlink("a", filepath.Join(dir, "link")))
	for name, probes := range map[string][2][2]string{
		"shared":    {{dir + "/a", dir + "/done"}, {dir + "/b", dir + "/done"}},
		"two names": {{dir + "/a", dir + "/a/done"}, {dir + "/link", dir + "/link/done"}},
		"failed/":   {{dir + "/a", dir + "/failed"}, {dir + "/b", dir + "/failed"}},
		"nested":    {{dir + "/a", dir + "/a/old/done"}, {dir + "/link", dir + "/link/old/done"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, met := realCalls(), false
			other := New()
			c.rename = func(from, to string) error {
				if !met {
					met = true
					noError(t, os.Remove(filepath.Dir(to))) // as the other probe does at its end
					noError(t, other.Probe(probes[1][0], probes[1][1]))
				}
				return renameNoReplace(from, to)
			}
			noError(t, newFiler(c).Probe(probes[0][0], probes[0][1]))
			if left := names(t, probes[0][0]); !met || len(left) > 0 {
				t.Errorf("it met the other one: %t; left %q", met, left)
			}
		})
	}
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	noError(t, err)
	for _, e := range entries {
		if e.Name() != Mark {
			all = append(all, e.Name())
		}
	}
	return all
}
