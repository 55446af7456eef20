package filing

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRemoveNeverHitsAnother shows that a file which replaces the original just before the original is removed stays in the
// folder, and that the wanted file is filed.
func TestRemoveNeverHitsAnother(t *testing.T) {
	for _, retaken := range []bool{false, true} {
		everyWay(t, func(t *testing.T, d desk, c calls) {
			m := d.drop("a.pdf", "old")
			real, looked := c.replace, false
			c.replace = func(from, to string) error {
				if from != m.source() || !strings.HasPrefix(to, d.folder+"/.") {
					return real(from, to)
				}
				looked = true
				slip(t, from)
				err := real(from, to)
				if retaken {
					write(t, from, "third")
				}
				return err
			}
			dest, err := newFiler(c).Move(m)
			noError(t, err)
			if content, err := os.ReadFile(dest); string(content) != "old" {
				t.Errorf("%q holds %q, %v", dest, content, err)
			}
			noError(t, os.RemoveAll(d.done))
			removes := strings.Contains(t.Name(), "/link") || strings.Contains(t.Name(), "/copy")
			if looked != removes {
				t.Errorf("set aside before removal: %t", looked)
			}
			switch {
			case !removes:
				holds(t, d.folder)
			case retaken:
				holds(t, d.folder, "a.pdf=third", "a (2).pdf=new")
			default:
				holds(t, d.folder, "a.pdf=new")
			}
		})
	}
}

// TestRemoveOnFullDisk shows that the original is removed although its folder has no room for a longer name.
func TestRemoveOnFullDisk(t *testing.T) {
	d := newFarDesk(t)
	c := realCalls()
	c.replace = refuse(unix.ENOSPC)
	_, err := newFiler(c).Move(d.drop("a.pdf", "a"))
	noError(t, err)
	holds(t, d.folder)
	holds(t, d.done, "a.pdf=a")
}

// TestRemoveFails shows that the copy, or the second name, is removed if the original cannot be.
func TestRemoveFails(t *testing.T) {
	everyWay(t, func(t *testing.T, d desk, c calls) {
		m := d.drop("a.pdf", "a")
		real := c.replace
		c.replace = func(from, to string) error {
			if from == m.source() {
				return unix.EBUSY
			}
			return real(from, to)
		}
		dest, err := newFiler(c).Fail(m, Note{})
		if err == nil { // a rename needs no removal
			noError(t, os.RemoveAll(d.done))
			holds(t, d.folder)
			return
		}
		if !oneOf(err, unix.EBUSY) || dest != "" {
			t.Errorf("got %q, %v", dest, err)
		}
		holds(t, d.done)
		noError(t, os.RemoveAll(d.done))
		holds(t, d.folder, "a.pdf=a")
	})
}

// TestRemoveSaysItFailed shows that only the copy, or the second name, is left if a removal succeeds and reports an error, as
// on NFS and FUSE.
func TestRemoveSaysItFailed(t *testing.T) {
	for _, answer := range []unix.Errno{unix.EIO, unix.ENOENT} {
		everyWay(t, func(t *testing.T, d desk, c calls) {
			m := d.drop("a.pdf", "a")
			real := c.replace
			c.replace = func(from, to string) error {
				err := real(from, to)
				if from == m.source() {
					noError(t, err)
					return answer
				}
				return err
			}
			dest, err := newFiler(c).Fail(m, Note{})
			if err != nil && !oneOf(err, answer) {
				t.Error(err)
			}
			if content, err := os.ReadFile(dest); string(content) != "a" {
				t.Errorf("%q holds %q, %v", dest, content, err)
			}
			if _, err := os.Stat(dest + noteSuffix); err != nil {
				t.Error(err)
			}
		})
	}
}
