package filing

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/mounts"
)

// awayDesk is a desk whose folder and done/ are file systems that can be taken away.
func awayDesk(t *testing.T) (d desk, folder, done *mounts.Mount) {
	t.Helper()
	folder, done = mounts.Bind(t, mounts.Tmpfs(t, "")), mounts.Bind(t, mounts.Tmpfs(t, ""))
	mkdir(t, done.Path+"/far", 0o755)
	return desk{t, folder.Path, done.Path + "/far/done"}, folder, done
}

// TestTakenAwayInTheMidst shows that a move does not succeed while a file system of it is away: a file that cannot be seen is
// not taken for removed, because it would be posted again when its share comes back. The folder or done/ is taken away at each
// step of a move to another device, and both at each step of a move within a file system that cannot rename without replacing.
func TestTakenAwayInTheMidst(t *testing.T) {
	for i, which := range []string{"the folder", "done", "both"} {
		for _, links := range []bool{true, false} {
			for at, left := i%sparse(5), true; left && at < 20; at += sparse(5) { // until no step is left
				t.Run(fmt.Sprintf("%s, links %v, at step %d", which, links, at), func(t *testing.T) {
					left = takenAwayAt(t, which, links, at)
				})
			}
		}
	}
}

// takenAwayAt takes file systems away at one step of a move. It reports whether the move has that many steps.
func takenAwayAt(t *testing.T, which string, links bool, at int) bool {
	d, folder, done := awayDesk(t)
	gone := folder
	if which == "done" {
		gone = done
	}
	if which == "both" {
		d.done = d.folder + "/done"
	}
	m, step, was := d.drop("scan.pdf", "the only one"), 0, false
	before := func() {
		if step == at {
			gone.Detach()
			was = true
		}
		step++
	}
	c := realCalls()
	real := c
	c.replace = func(from, to string) error { before(); err := real.replace(from, to); before(); return err }
	c.rename = func(from, to string) error {
		before()
		if which == "both" {
			return unix.EINVAL
		}
		err := real.rename(from, to)
		before()
		return err
	}
	c.link = func(from, to string) error {
		before()
		if !links {
			return unix.EPERM
		}
		err := real.link(from, to)
		before()
		return err
	}
	c.fsync = func(f *os.File) error { before(); err := real.fsync(f); before(); return err }
	_, err := newFiler(c).Move(m)
	if !was {
		noError(t, err)
		return false
	}
	m.Again = true
	if err != nil {
		if dest, err := New().Move(m); err == nil {
			t.Errorf("done while it is away: %s", dest)
		}
	}
	gone.Again()
	if err != nil {
		_, err = New().Move(m)
		noError(t, err)
	}
	if which == "both" {
		everything(t, d.folder, "done")
	} else {
		everything(t, d.folder)
	}
	everything(t, d.done, "scan.pdf")
	holds(t, d.done, "scan.pdf=the only one")
	return true
}

// TestRenamedWhileCopied shows that one file is left, in the folder or in done/, when somebody renames or touches the original
// at any step of a move to another device, and that an original which somebody removes is in done/ or nowhere.
func TestRenamedWhileCopied(t *testing.T) {
	for _, what := range []string{"renamed", "touched", "removed"} {
		for at, left := 0, true; left && at < 20; at++ {
			t.Run(fmt.Sprintf("%s at step %d", what, at), func(t *testing.T) {
				d := newFarDesk(t)
				m, step := d.drop("scan.pdf", "the only one"), 0
				sum := sha256.Sum256([]byte("the only one"))
				m.SHA256 = sum[:]
				before := func() {
					switch {
					case step != at:
					case what == "renamed":
						_ = os.Rename(d.folder+"/scan.pdf", d.folder+"/renamed.pdf")
					case what == "touched":
						_ = os.Chtimes(d.folder+"/scan.pdf", time.Unix(1, 0), time.Unix(1, 0))
					default:
						_ = os.Remove(d.folder + "/scan.pdf")
					}
					step++
				}
				c := realCalls()
				real := c
				c.replace = func(from, to string) error { before(); return real.replace(from, to) }
				c.link = func(from, to string) error { before(); return real.link(from, to) }
				c.fsync = func(f *os.File) error { before(); err := real.fsync(f); before(); return err }
				_, err := newFiler(c).Move(m)
				left = step > at
				inFolder, inDone := names(t, d.folder), names(t, d.done)
				switch total := len(inFolder) + len(inDone); {
				case total > 1, total == 0 && what != "removed":
					t.Errorf("in the folder lie %q, in done/ %q; %v", inFolder, inDone, err)
				case (err == nil) != (len(inDone) == 1):
					t.Errorf("%v, and in done/ lie %q", err, inDone)
				case err != nil && !errors.Is(err, ErrGone) && !errors.Is(err, ErrReplaced):
					t.Error(err)
				}
			})
		}
	}
}
