package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/ledger"
)

// ask runs retry, and gives what it printed and its exit code.
func (c *retryWorld) ask(args ...string) (out string, code int) {
	c.t.Helper()
	cmd := exec.Command(c.program, append([]string{"retry", "--config", c.config}, args...)...)
	text, err := cmd.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		c.t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// refuses wants a file to stay where it is, as it is, with its note, and one of the words to be said. Nothing is left in its folder.
func (c *retryWorld) refuses(folder, path string, say ...string) {
	c.t.Helper()
	before := c.listed(folder)
	out, code := c.ask(path)
	text, err := os.ReadFile(path)
	said := slices.ContainsFunc(say, func(word string) bool { return strings.Contains(out, word) })
	if code != 1 || !said || string(text) != c.content[folder+"/"+filepath.Base(path)] {
		c.t.Errorf("%s: exit code %d, %s\nthere lies %.40q, %v; want one of %q", path, code, out, text, err, say)
	}
	if _, err := os.Lstat(path + ".reason.txt"); err != nil {
		c.t.Error(err)
	}
	if after := c.listed(folder); after != before {
		c.t.Errorf("%s: there lie in the folder now: %s", path, after)
	}
}

// takes wants the command to succeed.
func (c *retryWorld) takes(path string) {
	c.t.Helper()
	if out, code := c.ask(path); code != 0 || !strings.Contains(out, path+" -> ") {
		c.t.Errorf("%s: exit code %d, %s", path, code, out)
	}
}

func (c *retryWorld) listed(folder string) string {
	entries, _ := os.ReadDir(c.folder(folder))
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

// mounts mounts something until the test ends, or undo is called.
func (c *retryWorld) mounts(what, at, kind string, flags uintptr, options string) (undo func()) {
	c.t.Helper()
	if err := unix.Mount(what, at, kind, flags, options); err != nil {
		needs(c.t, "root that may mount: "+err.Error())
	}
	undo = sync.OnceFunc(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
	c.t.Cleanup(undo)
	return undo
}

// TestRetryInTrouble: where the disk is full or read-only, the folder away, or the name taken, nothing is lost, nothing overwritten and
// nothing left behind, and the command says why; once it can be, the same command does it. So it is with the daemon at work, and without.
func TestRetryInTrouble(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprint("running ", running), func(t *testing.T) {
			c := newRetryWorldOf(t, "plain", "plain-full-far", "plain-gone-far", "plain-ro", "plain-ro-far")
			c.mounts("tmpfs", c.folder("plain-full-far"), "tmpfs", 0, "size=32k")
			failed := c.fail(2)
			open := c.shut()
			var p *process
			if running {
				p = c.run()
			}
			c.whenFull(failed["plain-full-far"])
			c.whenGone(failed["plain-gone-far"])
			c.whenReadOnly("plain-ro", failed["plain-ro"])
			c.whenReadOnly("plain-ro-far", failed["plain-ro-far"])
			c.whenTaken(failed["plain"])
			open()
			if running {
				p.stop()
			}
			c.ends(failed)
		})
	}
}

func (c *retryWorld) whenFull(paths []string) {
	c.t.Helper()
	filler := filepath.Join(c.folder("plain-full-far"), ".filler")
	err := os.WriteFile(filler, make([]byte, 1<<20), 0o600)
	if !errors.Is(err, unix.ENOSPC) {
		c.t.Fatal(err)
	}
	for _, path := range paths {
		c.refuses("plain-full-far", path, "no space left")
	}
	must(c.t, os.Remove(filler))
	for _, path := range paths {
		c.takes(path)
	}
}

func (c *retryWorld) whenGone(paths []string) {
	c.t.Helper()
	folder := c.folder("plain-gone-far")
	must(c.t, os.Rename(folder, folder+".away"))
	c.refuses("plain-gone-far", paths[0], "the watched folder is not there")
	if _, err := os.Lstat(folder); err == nil {
		c.t.Error("the folder was made")
	}
	must(c.t, os.Rename(folder+".away", folder))
	for _, path := range paths {
		c.takes(path)
	}
}

func (c *retryWorld) whenReadOnly(folder string, paths []string) {
	c.t.Helper()
	dir := c.filedIn(folder, "failed")
	undo := c.mounts(dir, dir, "", unix.MS_BIND, "")
	must(c.t, unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	for _, path := range paths {
		c.refuses(folder, path, "read-only")
	}
	undo()
	for _, path := range paths {
		c.takes(path)
	}
}

func (c *retryWorld) whenTaken(paths []string) {
	c.t.Helper()
	newer := filepath.Join(c.folder("plain"), filepath.Base(paths[0]))
	must(c.t, os.WriteFile(newer, []byte("newer"), 0o600)) // no PDF, so it is held back
	c.takes(paths[0])
	if text, err := os.ReadFile(newer); string(text) != "newer" {
		c.t.Errorf("it holds %q, %v", text, err)
	}
	c.as["plain/"+filepath.Base(paths[0])] = strings.Replace(filepath.Base(newer), ".pdf", " (2).pdf", 1)
	must(c.t, os.Remove(newer))
	c.takes(paths[1])
}

// TestRetryAtOnce: many ask for the same file at once. It goes back once, and is posted once, and each is told that it is so.
func TestRetryAtOnce(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprint("running ", running), func(t *testing.T) {
			c := newRetryWorldOf(t, "plain", "again-far")
			failed := c.fail(3)
			var p *process
			open := c.shut()
			if running {
				p = c.run()
			}
			for folder, paths := range failed {
				for _, path := range paths {
					var asking sync.WaitGroup
					var mu sync.Mutex
					fine := 0
					for range 5 {
						asking.Go(func() {
							out, err := c.command(folder, path).CombinedOutput()
							mu.Lock()
							defer mu.Unlock()
							if err == nil {
								fine++
							} else if !running || !strings.Contains(string(out), "it is being put back just now") {
								t.Errorf("%v: %s", err, out)
							}
						})
					}
					asking.Wait()
					if fine == 0 {
						t.Errorf("%s: nobody succeeded", path)
					}
				}
			}
			open()
			if running {
				p.stop()
			}
			c.ends(failed)
		})
	}
}

// TestRetryFolder: the failed files of a folder, however many, go back in the order in which they had settled, whatever their names,
// and the group sees them in it, each once. Those that somebody took away are told as gone.
func TestRetryFolder(t *testing.T) {
	t.Parallel()
	n := 150
	if thorough() {
		n = 2000
	}
	for _, running := range []bool{true, false} {
		t.Run(fmt.Sprint("running ", running), func(t *testing.T) {
			c := newRetryWorldOf(t, "plain")
			book, err := ledger.Open(c.dir + "/state")
			must(t, err)
			writing := start(func() error { return book.Run(t.Context()) })
			filer, order := filing.New(), []string{}
			for i := range n {
				name := fmt.Sprintf("%04d.pdf", n-i)
				order = append(order, c.failOne(book, filer, "plain", name, fmt.Sprintf("%%PDF-1.4\n%d\n%%%%EOF\n", i)))
			}
			must(t, book.Close())
			<-writing
			gone := order[n/2]
			must(t, os.Remove(gone))
			order = slices.Delete(order, n/2, n/2+1)
			var p *process
			if running {
				p = c.run()
			}
			cmd := exec.Command(c.program, "retry", "--config", c.config, "--json", "--folder", c.folder("plain"))
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, os.Stderr
			must(t, cmd.Run())
			var results []control.Retried
			must(t, json.Unmarshal(out.Bytes(), &results))
			var went []string
			for _, one := range results {
				if one.Gone {
					if one.Path != gone || one.To != "" {
						t.Errorf("told as gone: %+v", one)
					}
					continue
				}
				if went = append(went, one.Path); one.Error != "" || one.To != filepath.Join(c.folder("plain"), filepath.Base(one.Path)) {
					t.Errorf("%+v", one)
				}
			}
			if len(went) != len(results)-1 || !slices.Equal(went, order) {
				t.Errorf("they went back in another order: %q", went)
			}
			if !running {
				p = c.run()
			}
			c.filedAll(len(order))
			p.stop()
			var posted []string
			for _, post := range c.sandbox.Posts() {
				posted = append(posted, filepath.Join(c.folder("plain"), "failed", post.Media[0].Name))
			}
			if !slices.Equal(posted, order) {
				t.Errorf("%d were posted, of %d, or in another order: %q", len(posted), len(order), posted)
			}
		})
	}
}

// TestRetryFolderAsItIsNow: of the failed files of a folder one that was renamed goes back under its new name; one with a copy beside it
// is told with both names and stays; one that was moved away is named; and what was put back already is not told again. The one who
// asks is written down by the user id of the command, also where the command becomes the owner of state_dir.
func TestRetryFolderAsItIsNow(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{true, false} {
		t.Run(fmt.Sprint("running ", running), func(t *testing.T) {
			c := newRetryWorldOf(t, "plain", "plain-far")
			paths := c.fail(5)
			for _, failed := range paths {
				dir := filepath.Dir(failed[0])
				in := func(name string) string { return filepath.Join(dir, name) }
				must(t, os.Rename(failed[1], in("new.pdf")))
				must(t, exec.Command("cp", "-p", failed[2], in("one.pdf")).Run())
				must(t, os.Rename(failed[2], in("two.pdf")))
				must(t, os.Rename(failed[3], filepath.Join(filepath.Dir(dir), ".away.pdf")))
			}
			if os.Geteuid() == 0 && !running {
				must(t, exec.Command("chown", "-R", "games:games", c.dir, c.far).Run())
				for dir := c.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
					must(t, os.Chmod(dir, 0o755))
				}
				must(t, os.Chmod(c.far, 0o755))
			}
			open := c.shut()
			var p *process
			if running {
				p = c.run()
			}
			c.takes(paths["plain"][4])
			for folder, failed := range paths {
				out, code := c.ask("--folder", c.folder(folder))
				dir := filepath.Dir(failed[0])
				for _, want := range []string{
					failed[0] + " -> " + c.folder(folder) + "/0000.pdf", dir + "/new.pdf -> " + c.folder(folder) + "/new.pdf",
					failed[2] + `": it was renamed, and 2 files may be it`, dir + "/one.pdf", dir + "/two.pdf",
					failed[3] + `" is not there: somebody has moved or deleted it`, "1 of ", "files were not put back",
				} {
					if code != 1 || !strings.Contains(out, want) {
						t.Errorf("%s: exit code %d, and not %q in:\n%s", folder, code, want, out)
					}
				}
				if strings.Contains(out, failed[4]) == (folder == "plain") {
					t.Errorf("what was put back before is told again: %s", out)
				}
			}
			open()
			if running {
				p.stop()
			}
			who := control.Peer{UID: os.Getuid()}.String()
			query(t, c.dir+"/state/ledger.db", func(rows *sql.Rows) {
				var by string
				if must(t, rows.Scan(&by)); by != who {
					t.Errorf("%s asked, and %s is written down", who, by)
				}
			}, "SELECT asked_by FROM asked")
		})
	}
}

// filedAll waits until n files of the folder "plain" are done.
func (c *retryWorld) filedAll(n int) {
	c.t.Helper()
	eventually(c.t, func() error {
		done, _ := filepath.Glob(c.folder("plain") + "/done/*.pdf")
		if len(done) != n {
			return fmt.Errorf("%d of %d are done", len(done), n)
		}
		return nil
	})
}

// TestRetryOfHostileNames: names that are no UTF-8, of several lines, or as long as can be are taken back exactly, by the daemon and
// without it, and --json names where they are.
func TestRetryOfHostileNames(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprint("running ", running), func(t *testing.T) {
			c := newRetryWorldOf(t, "plain")
			book, err := ledger.Open(c.dir + "/state")
			must(t, err)
			writing := start(func() error { return book.Run(t.Context()) })
			filer := filing.New()
			failed, own := map[string][]string{}, map[string]string{}
			for i, name := range []string{
				"\xff.pdf", "\xfe.pdf", "two\nlines.pdf", "\ufffd.pdf", "\ufffdff.pdf", `back\slash.pdf`, "-rf.pdf", "100%41.pdf", "\x1b[31m.pdf", "$(id) `id` '\".pdf",
				strings.Repeat("\xe9", 251) + ".pdf", "x" + strings.Repeat("ü", 125) + ".pdf",
			} {
				path := c.failOne(book, filer, "plain", name, fmt.Sprintf("%%PDF-1.4\n%d\n%%%%EOF\n", i))
				failed["plain"] = append(failed["plain"], path)
				own[path] = name // in failed/ it is shorter, if its note would have no room
				c.content["plain/"+filepath.Base(path)], c.as["plain/"+filepath.Base(path)] = c.content["plain/"+name], name
			}
			must(t, book.Close())
			<-writing
			var p *process
			if running {
				p = c.run()
			}
			for _, path := range failed["plain"] {
				note, err := os.ReadFile(path + ".reason.txt")
				must(t, err)
				line := ""
				for l := range strings.Lines(string(note)) {
					if strings.Contains(l, "kaizala-drop retry") {
						line = strings.TrimSpace(l)
					}
				}
				shell := exec.Command("bash", "-c", strings.Replace(line, "kaizala-drop retry", c.program+" retry --json --config "+c.config, 1))
				out, err := shell.Output()
				var got []struct{ To string }
				if err != nil || json.Unmarshal(out, &got) != nil || len(got) != 1 {
					t.Errorf("%q: %v: %s", path, err, out)
					continue
				}
				want := filepath.Join(c.folder("plain"), own[path])
				var b bytes.Buffer
				must(t, control.Write(&b, want, ""))
				var written string
				must(t, json.Unmarshal(b.Bytes(), &written))
				if got[0].To != written {
					t.Errorf("%q is written as %q", want, got[0].To)
				}
				if _, err := os.Lstat(path); err == nil {
					t.Errorf("%q is still there", path)
				}
			}
			if running {
				p.stop()
			}
			c.ends(failed)
		})
	}
}

// TestFiledAsPosted: what somebody says was posted is delivered from then on, and the history says who said so, and when.
func TestFiledAsPosted(t *testing.T) {
	t.Parallel()
	c := newRetryWorldOf(t, "was", "plain")
	failed := c.fail(2)
	asked := time.Now().Add(-time.Second)
	out, code := c.ask("--was-posted", failed["was"][0])
	if code != 0 || strings.Contains(out, "sent once the daemon runs") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, code := c.ask("--was-posted", failed["was"][0]); code != 0 || !strings.Contains(out, "was filed as posted already: ") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, code := c.ask(failed["plain"][0]); code != 0 || !strings.Contains(out, "sent once the daemon runs") {
		t.Errorf("exit code %d: %s", code, out)
	}
	text, err := exec.Command(c.program, "history", "--config", c.config, "--state", "delivered", "--json").Output()
	must(t, err)
	var rows []control.Entry
	must(t, json.Unmarshal(text, &rows))
	if len(rows) != 1 || rows[0].Dest != c.folder("was")+"/done/0000.pdf" || !strings.HasPrefix(rows[0].Reason, "was posted, says ") || rows[0].At.Before(asked) {
		t.Errorf("%+v", rows)
	}
	text, err = exec.Command(c.program, "history", "--config", c.config).Output()
	must(t, err)
	if first, _, _ := strings.Cut(string(text), "\n"); !strings.Contains(first, "delivered") || !strings.Contains(first, "done/0000.pdf: was posted, says ") {
		t.Errorf("%s", text)
	}
	done := 0
	query(t, c.dir+"/state/ledger.db", func(rows *sql.Rows) { must(t, rows.Scan(&done)) }, "SELECT count(*) FROM asked WHERE what = 'was-posted' AND state = 'done'")
	if done != 1 {
		t.Errorf("it was filed %d times", done)
	}
}
