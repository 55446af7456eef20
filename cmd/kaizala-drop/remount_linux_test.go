package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
	"kaizala-drop/internal/mounts"
)

// remounted gives a world whose folder lies on a share that was mounted anew, with another device number, while a.pdf in it was
// taken up: uploaded and not yet posted, or posted and not yet filed.
func remounted(t *testing.T, state string) (*world, *mounts.Mount, *process, chan bool) {
	w := newWorld(t, soon, "drop")
	m := mounts.Bindfs(t, t.TempDir())
	must(t, os.Remove(w.folder("drop")))
	must(t, os.Symlink(m.Path, w.folder("drop")))
	goOn := make(chan bool)
	w.between(func(rw http.ResponseWriter, r *http.Request) bool {
		isPost := strings.HasSuffix(r.URL.Path, "/actions")
		select {
		case <-goOn:
			return false
		default:
		}
		if isPost && state == "uploaded" {
			http.Error(rw, "down", http.StatusServiceUnavailable)
			return true
		}
		if isPost {
			must(t, unix.Mount("", m.Path, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
		}
		return false
	})
	p := w.start("run", "--config", w.config)
	p.waitFor(`"message":"watching`)
	w.drop("drop", "a.pdf", "x")
	(&diskWorld{world: w}).waits(state)
	for before := deviceOf(t, m.Path); ; {
		m.Detach()
		mounts.Tmpfs(t, "") // gets a number that is free now
		m.Again()
		if deviceOf(t, m.Path) != before {
			break
		}
	}
	return w, m, p, goOn
}

func deviceOf(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := file.Stat(path)
	must(t, err)
	return info.Dev
}

// TestRenamedAfterARemount: a file that was taken up before its share was mounted anew, and that somebody renames after that, is
// posted once and filed, and nothing is left in the ledger.
func TestRenamedAfterARemount(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for _, state := range []string{"uploaded", "posted"} {
		t.Run(state, func(t *testing.T) {
			w, m, p, goOn := remounted(t, state)
			must(t, os.Rename(m.Path+"/a.pdf", m.Path+"/b.pdf"))
			close(goOn)
			eventually(t, func() error {
				states := ledgerStates(t, "file:"+w.dir+"/state/ledger.db?mode=ro")
				if done := files(t, m.Path+"/done"); len(states) > 0 || done["b.pdf"] != "x" || len(done) != 1 {
					return fmt.Errorf("not at their end: %v, in done/: %d", states, len(done))
				}
				return nil
			})
			if n := w.sandbox.Stats().Posts; n != 1 {
				t.Errorf("posted %d times", n)
			}
			p.stop()
		})
	}
}

// TestMountPointStaysEmpty: where a share is not mounted yet, or is away for a while, its mount point stays empty, so that what
// mounts in empty folders only can mount it; then what is dropped is delivered.
func TestMountPointStaysEmpty(t *testing.T) {
	t.Parallel()
	w := newWorld(t, soon, "drop")
	m := mounts.Bindfs(t, t.TempDir())
	must(t, os.Remove(w.folder("drop")))
	must(t, os.Symlink(m.Path, w.folder("drop")))
	m.Detach()
	p := w.start("run", "--config", w.config)
	for round := range 2 {
		p.waitForTimes(`"message":"watching"`, round+1) // the local folder below the mount
		eventually(t, func() error {                    // it is tried for a moment whether files can be filed there
			entries, err := os.ReadDir(m.Path)
			if err != nil || len(entries) > 0 {
				return fmt.Errorf("in the mount point lie %v, %w", entries, err)
			}
			return nil
		})
		m.Again()
		p.waitForTimes(`"message":"watching by listing`, round+1)
		w.drop("drop", fmt.Sprintf("%d.pdf", round), fmt.Sprint(round))
		w.allFiled("drop", round+1)
		m.Detach()
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
