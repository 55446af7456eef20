package main

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"kaizala-drop/internal/mounts"
)

// hangAt are the moments of the 60 files of a folder at which its file system stops answering, told by the calls of that
// folder: between them lie the read of an upload, the look before a post, the move, and the note.
var hangAt = []struct {
	name string
	call int64
}{{"the first upload", 1}, {"an upload among posts", 10}, {"the midst", 61}, {"the last ones", 100}}

const (
	sickFiles = 60
	wellFiles = 200
	soon      = `settle_remote = "300ms"` // a FUSE file system is not waited for as if it were a network's
)

// hangs has the file system of the folder "dead" stop answering as soon as so many of its calls have come in. None is
// answered before all is dropped: what is written there while it hangs would hang too.
func (w *world) hangs(d dead, call int64) (dropped, hung chan bool) {
	if d.answer != nil {
		w.t.Cleanup(d.answer) // or what hangs could not be killed
	}
	var calls atomic.Int64
	dropped, hung = make(chan bool), make(chan bool)
	w.between(func(_ http.ResponseWriter, r *http.Request) bool {
		<-dropped
		if calls.Add(1) == call {
			d.hang()
			close(hung)
		}
		return false
	})
	return dropped, hung
}

// dropMany drops n files of different sizes; every tenth is none that Kaizala takes.
func (w *world) dropMany(dir string, n int) {
	w.t.Helper()
	for i := range n {
		ext := ".pdf"
		if i%10 == 9 {
			ext = ".txt"
		}
		content := fmt.Sprintf("%s %d %s", dir, i, strings.Repeat("x", i%7*300_000/n))
		must(w.t, os.WriteFile(fmt.Sprintf("%s/%03d%s", dir, i, ext), []byte(content), 0o644))
	}
}

// endedWell waits until all of n files that dropMany made have come to their end in a folder, each once.
func (w *world) endedWell(folder string, n int) {
	w.t.Helper()
	eventually(w.t, func() error {
		lie := files(w.t, w.folder(folder)+"/done")
		done, failed := len(lie), len(files(w.t, w.folder(folder)+"/failed"))
		if done != n-n/10 || failed != 2*(n/10) {
			return fmt.Errorf("%d in done/ and %d in failed/ of %s: %q", done, failed, folder, slices.Sorted(maps.Keys(lie)))
		}
		// A file that is linked into done/ has its old name for another moment.
		if left, err := filepath.Glob(w.folder(folder) + "/*.*"); err != nil || len(left) > 0 {
			return fmt.Errorf("left in %s: %q, %v", folder, left, err)
		}
		return nil
	})
}

// TestHangingUnderWay: at whatever moment the file system of a folder stops answering, all files of another one are posted
// and filed meanwhile, a reload that adds a folder works, and when it answers again each of its own comes to its end once.
func TestHangingUnderWay(t *testing.T) {
	t.Parallel()
	for kind, make := range deads() {
		for i, at := range hangAt {
			if i != 2 && !thorough() {
				continue // one moment is enough for somebody who waits for the result
			}
			t.Run(kind+" at "+at.name, func(t *testing.T) {
				t.Parallel() // it mostly waits
				w := newWorld(t, soon, "well", "dead", "added")
				d := w.dead(make)
				w.configure(soon, "well", "dead")
				p := w.daemon()
				p.waitForTimes(`"message":"watching`, 2)
				dropped, hung := w.hangs(d, at.call)
				w.dropMany(d.path, sickFiles)
				close(dropped)
				<-hung
				w.dropMany(w.folder("well"), wellFiles)
				w.endedWell("well", wellFiles)
				p.waitFor("the file system does not answer")

				w.configure(soon, "well", "dead", "added")
				must(t, p.Process.Signal(syscall.SIGHUP))
				w.fill(w.folder("added"))
				w.allFiled("added", filled)

				d.answer()
				w.endedWell("dead", sickFiles)
				want := sickFiles*9/10 + wellFiles*9/10 + filled
				if n := w.sandbox.Stats().Posts; n != want {
					t.Errorf("%d messages, want %d", n, want)
				}
				if code := p.stop(); code != 0 {
					t.Errorf("exit code %d", code)
				}
			})
		}
	}
}

// TestStopWhileHanging: a stop waits the grace and a little for what hangs, says what it is, and the next start finds out what
// became of it.
func TestStopWhileHanging(t *testing.T) {
	t.Parallel()
	for kind, make := range deads() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, soon, "well", "dead")
			d := w.dead(make)
			w.configure(soon, "well", "dead")
			w.reconfigure("log_format", "shutdown_grace = \"2s\"\nlog_format")
			p := w.daemon()
			p.waitForTimes(`"message":"watching`, 2)
			dropped, hung := w.hangs(d, 61)
			w.dropMany(d.path, sickFiles)
			close(dropped)
			<-hung
			w.dropMany(w.folder("well"), wellFiles)
			w.endedWell("well", wellFiles)

			must(t, p.Process.Signal(syscall.SIGTERM))
			p.waitFor(`"message":"stopped"`)
			if !strings.Contains(p.log(), "stopping without waiting any longer") || !strings.Contains(p.log(), w.folder("dead")+"/") {
				t.Errorf("it does not say what hangs")
			}
			out, err := exec.Command("sqlite3", "-readonly", w.dir+"/state/ledger.db",
				"SELECT count(*) FROM delivery WHERE folder = CAST('"+w.folder("well")+"' AS BLOB) AND finished_at IS NULL").CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != "0" {
				t.Errorf("the ledger has %s deliveries of the other folder that are not finished (%v)", out, err)
			}
			next := w.startAfter("run", "--config", w.config)
			const held = "the kernel does not let go of it"
			eventually(t, func() error {
				if log := next.log(); !strings.Contains(log, held) && !strings.Contains(log, `"message":"watching`) {
					return fmt.Errorf("the next start says neither that it has the folders nor who has them: %s", log)
				}
				return nil
			})
			switch {
			case strings.Contains(next.log(), held):
				if code := next.wait(); code != 1 || !strings.Contains(next.log(), w.folder("dead")) {
					t.Errorf("the next start: exit code %d", code)
				}
			case !d.kills:
				t.Fatal("the next start does not say who has the folders")
			default: // a request that its program has not read yet lets whoever waits for it be killed
				if code := p.wait(); code != 0 {
					t.Errorf("exit code %d", code)
				}
				next.stop()
			}
			d.answer()
			p.wait()
			p = w.daemon()
			w.endedWell("dead", sickFiles)
			if n, want := w.sandbox.Stats().Posts, (sickFiles+wellFiles)*9/10; n != want {
				t.Errorf("%d messages, want %d", n, want)
			}
			p.stop()
		})
	}
}

// startAfter starts the program once a daemon that has said that it stopped is past its end, as far as the kernel lets it.
func (w *world) startAfter(args ...string) *process {
	w.t.Helper()
	for {
		p := w.start(args...)
		eventually(w.t, func() error {
			if log := p.log(); !strings.Contains(log, `"message":"started"`) && !strings.Contains(log, "is in use by another") {
				return fmt.Errorf("it says neither that it started nor why not: %s", log)
			}
			return nil
		})
		if !strings.Contains(p.log(), "which is ending") {
			return p
		}
		p.wait()
	}
}

// waitForTimes waits until text was logged so often.
func (p *process) waitForTimes(text string, times int) {
	p.t.Helper()
	eventually(p.t, func() error {
		if n := strings.Count(p.log(), text); n < times {
			return fmt.Errorf("%q was logged %d times", text, n)
		}
		return nil
	})
}

// TestFileSystemDies: the program behind a folder is killed under way, so every call fails from then on; the other folder goes
// on, and when the folder is mounted again all of it is delivered once.
func TestFileSystemDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, soon, "well", "dead")
	src := t.TempDir()
	m := mounts.Bindfs(t, src)
	must(t, os.Remove(w.folder("dead")))
	must(t, os.Symlink(m.Path, w.folder("dead")))
	p := w.daemon()
	p.waitForTimes(`"message":"watching`, 2)
	dropped, hung := w.hangs(dead{hang: m.Kill}, 61)
	w.dropMany(src, sickFiles)
	close(dropped)
	<-hung
	w.dropMany(w.folder("well"), wellFiles)
	w.endedWell("well", wellFiles)
	must(t, os.Remove(w.folder("dead")))
	must(t, os.Symlink(src, w.folder("dead")))
	w.endedWell("dead", sickFiles)
	if n, want := w.sandbox.Stats().Posts, (sickFiles+wellFiles)*9/10; n != want {
		t.Errorf("%d messages, want %d", n, want)
	}
	p.stop()
}
