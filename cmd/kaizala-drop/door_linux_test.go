package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kaizala-drop/internal/mounts"
)

// mounted mounts a file system at path until the end of the test.
func mounted(t *testing.T, path string, args ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		needs(t, "root, to mount")
	}
	must(t, os.MkdirAll(path, 0o755))
	if out, err := exec.Command("mount", append(args, path)...).CombinedOutput(); err != nil {
		needs(t, fmt.Sprintf("to be allowed to mount: %v %s", err, out))
	}
	t.Cleanup(func() { _ = exec.Command("umount", "--lazy", path).Run() })
}

func remount(t *testing.T, path, how string) {
	t.Helper()
	if out, err := exec.Command("mount", "-o", "remount,"+how, path).CombinedOutput(); err != nil {
		t.Fatalf("remount,%s: %v %s", how, err, out)
	}
}

// warnings counts the lines that say that a folder cannot be served, and gives the last one.
func (p *process) warnings(folder string) (n int, last string) {
	for line := range strings.Lines(p.log()) {
		if strings.Contains(line, `"level":"warn"`) && strings.Contains(line, fmt.Sprintf(`"folder":%q`, folder)) &&
			strings.Contains(line, "cannot be served now") {
			n, last = n+1, line
		}
	}
	return n, last
}

// ownWarnings leaves out that another test's daemon serves a folder: the file system of that is unmounted, and the number of its device was
// given to the one here.
func (p *process) ownWarnings(folder string) (n int, last string) {
	for line := range strings.Lines(p.log()) {
		if strings.Contains(line, fmt.Sprintf(`"folder":%q`, folder)) && strings.Contains(line, "cannot be served now") &&
			!strings.Contains(line, "another kaizala-drop serves it") {
			n, last = n+1, line
		}
	}
	return n, last
}

// illness is something that a person or a mount can do to a folder.
type illness struct {
	name   string
	make   func(t *testing.T, w *world, dir string)
	reason string
	cure   func(t *testing.T, w *world, dir string)
}

// illnesses each make a folder of which the configuration names the path.
func illnesses() []illness {
	remove := func(t *testing.T, _ *world, dir string) { must(t, os.Remove(dir)) }
	refill := func(t *testing.T, w *world, dir string) {
		must(t, os.MkdirAll(dir, 0o755))
		w.fill(dir)
	}
	after := func(first func(*testing.T, *world, string)) func(*testing.T, *world, string) {
		return func(t *testing.T, w *world, dir string) { first(t, w, dir); refill(t, w, dir) }
	}
	return []illness{
		{"missing", remove, "no such file or directory", refill},
		{"is a file", func(t *testing.T, _ *world, dir string) {
			must(t, os.Remove(dir))
			must(t, os.WriteFile(dir, nil, 0o644))
		}, "it is not a folder", after(remove)},
		{"loop", func(t *testing.T, _ *world, dir string) {
			must(t, os.Remove(dir))
			must(t, os.Symlink(dir, dir))
		}, "too many levels of symbolic links", after(remove)},
		{"below a file/inbox", func(t *testing.T, _ *world, dir string) {
			must(t, os.RemoveAll(filepath.Dir(dir)))
			must(t, os.WriteFile(filepath.Dir(dir), nil, 0o644))
		}, "not a directory", func(t *testing.T, w *world, dir string) {
			must(t, os.Remove(filepath.Dir(dir)))
			refill(t, w, dir)
		}},
		{"done is a file", func(t *testing.T, w *world, dir string) {
			w.fill(dir)
			must(t, os.WriteFile(dir+"/done", []byte("dropped by anyone"), 0o644))
		}, "done", func(t *testing.T, _ *world, dir string) { must(t, os.Remove(dir+"/done")) }},
		{"failed is a fifo", func(t *testing.T, w *world, dir string) {
			w.fill(dir)
			must(t, syscall.Mkfifo(dir+"/failed", 0o644))
		}, "failed", func(t *testing.T, _ *world, dir string) { must(t, os.Remove(dir+"/failed")) }},
		{"read-only", func(t *testing.T, w *world, dir string) {
			mounted(t, dir, "-t", "tmpfs", "tmpfs")
			w.fill(dir)
			remount(t, dir, "ro")
		}, "read-only", func(t *testing.T, _ *world, dir string) { remount(t, dir, "rw") }},
		{"done is read-only", func(t *testing.T, w *world, dir string) {
			w.fill(dir)
			mounted(t, dir+"/done", "-t", "tmpfs", "-o", "ro", "tmpfs")
		}, "read-only", func(t *testing.T, _ *world, dir string) { remount(t, dir+"/done", "rw") }},
	}
}

const filled = 5 // files that fill drops

// fill drops files into a folder.
func (w *world) fill(dir string) {
	w.t.Helper()
	for i := range filled {
		must(w.t, os.WriteFile(fmt.Sprintf("%s/%d.pdf", dir, i), fmt.Appendf(nil, "%s %d", dir, i), 0o644))
	}
}

// TestSickFolders: whatever is wrong with some folders at the start, or becomes so with a reload, the others are served;
// each sick one is said once, with its reason and what helps; nothing is posted from it; and as soon as it is well all of it is
// delivered, without a restart and without a word of anybody.
func TestSickFolders(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"start", "reload"} {
		t.Run(when, func(t *testing.T) {
			all := illnesses()
			var names []string
			for _, ill := range all {
				names = append(names, ill.name)
			}
			w := newWorld(t, "", append([]string{"well"}, names...)...)
			for _, ill := range all {
				ill.make(t, w, w.folder(ill.name))
			}
			var p *process
			if when == "reload" {
				w.configure("", "well")
				p = w.daemon()
				w.configure("", append(names, "well")...)
				must(t, p.Process.Signal(syscall.SIGHUP))
				p.waitFor("configuration reloaded")
			} else {
				p = w.start("run", "--config", w.config)
			}
			w.fill(w.folder("well"))
			w.filed("well", filled)
			for _, ill := range all {
				eventually(t, func() error {
					if n, _ := p.ownWarnings(w.folder(ill.name)); n == 0 {
						return fmt.Errorf("%s: nothing is said", ill.name)
					}
					return nil
				})
				n, line := p.ownWarnings(w.folder(ill.name))
				if _, help, _ := strings.Cut(line, `"reason":"`); n != 1 || !strings.Contains(line, ill.reason) || len(help) < 50 {
					t.Errorf("%s: said %d times: %s", ill.name, n, line)
				}
			}
			if n := len(w.sandbox.Posts()); n != filled {
				t.Errorf("%d messages, want %d: nothing is posted that cannot be filed", n, filled)
			}
			for i, ill := range all {
				ill.cure(t, w, w.folder(ill.name))
				w.allFiled(ill.name, filled)
				w.posted(filled * (i + 2))
			}
			for _, ill := range all {
				if n, _ := p.ownWarnings(w.folder(ill.name)); n != 1 {
					t.Errorf("%s: said %d times, want once", ill.name, n)
				}
			}
			if n := len(w.sandbox.Posts()); n != filled*(len(all)+1) {
				t.Errorf("%d messages, want %d", n, filled*(len(all)+1))
			}
			if code := p.stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// allFiled waits until n files lie in done/ of a drop folder.
func (w *world) allFiled(folder string, n int) {
	w.t.Helper()
	eventually(w.t, func() error {
		done, err := filepath.Glob(w.folder(folder) + "/done/*.pdf")
		if len(done) != n {
			return fmt.Errorf("%s: %d of %d are filed, %v", folder, len(done), n, err)
		}
		return nil
	})
}

// TestSickForOneRun: run --once delivers what it can, says what is wrong with the rest, and fails; check says the same of
// them, changes nothing, and finds the others fine.
func TestSickForOneRun(t *testing.T) {
	t.Parallel()
	all := illnesses()
	names := []string{"well"}
	for _, ill := range all {
		names = append(names, ill.name)
	}
	w := newWorld(t, "", names...)
	for _, ill := range all {
		ill.make(t, w, w.folder(ill.name))
	}
	w.fill(w.folder("well"))
	check := w.start("check", "--config", w.config)
	if code := check.wait(); code != 1 {
		t.Errorf("check: exit code %d", code)
	}
	p := w.start("run", "--once", "--config", w.config)
	if code := p.wait(); code != 1 {
		t.Errorf("run: exit code %d", code)
	}
	w.filed("well", filled)
	_, end, _ := strings.Cut(p.log(), "kaizala-drop: ")
	for _, ill := range all {
		folder := fmt.Sprintf("folder %q", w.folder(ill.name))
		if !strings.Contains(end, folder) || !strings.Contains(end, ill.reason) {
			t.Errorf("%s: the end does not say why: %s", ill.name, end)
		}
		if !strings.Contains(check.log(), "PROBLEM  "+folder) && !strings.Contains(check.log(), "PROBLEM  "+strings.TrimSuffix(folder, `"`)) {
			t.Errorf("%s: check does not find it: %s", ill.name, check.log())
		}
	}
	if !strings.Contains(check.log(), fmt.Sprintf("ok       folder %q", w.folder("well"))) {
		t.Errorf("check did not look at the folder that is well: %s", check.log())
	}
	if n := len(w.sandbox.Posts()); n != filled {
		t.Errorf("%d messages, want %d", n, filled)
	}

	w.configure("", names[1:]...) // all sick
	if code := w.start("run", "--once", "--config", w.config).wait(); code != 1 {
		t.Errorf("run with nothing but sick folders: exit code %d", code)
	}
}

// TestHiddenFolder: a daemon that is not root and may not enter a folder says so, and takes it when it may.
func TestHiddenFolder(t *testing.T) {
	takesLong(t)
	t.Parallel()
	if os.Geteuid() != 0 {
		needs(t, "root, to become somebody else")
	}
	w := newWorld(t, "", "well", "hidden")
	const nobody = 65534
	for _, path := range []string{w.dir, w.config, w.folder("well"), w.folder("hidden")} {
		must(t, os.Chown(path, nobody, nobody))
	}
	for dir := w.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
	binary := filepath.Join(t.TempDir(), "kaizala-drop.test")
	must(t, os.Chmod(filepath.Dir(binary), 0o755))
	must(t, os.Chmod(filepath.Dir(filepath.Dir(binary)), 0o755))
	content, err := os.ReadFile(os.Args[0])
	must(t, err)
	must(t, os.WriteFile(binary, content, 0o755))
	w.fill(w.folder("well"))
	w.fill(w.folder("hidden"))
	must(t, os.Chmod(w.folder("hidden"), 0))
	as := func(args ...string) *process {
		cmd := exec.Command(binary, args...)
		cmd.Env = append(os.Environ(), runMain+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return startProcess(t, cmd)
	}
	check := as("check", "--config", w.config)
	if code := check.wait(); code != 1 || !strings.Contains(check.log(), "permission denied: grant") {
		t.Errorf("check: exit code %d: %s", code, check.log())
	}
	p := as("run", "--config", w.config)
	w.allFiled("well", filled)
	p.waitFor("permission denied")
	if n, line := p.warnings(w.folder("hidden")); n != 1 || !strings.Contains(line, "grant") {
		t.Errorf("said %d times: %s", n, line)
	}
	must(t, os.Chmod(w.folder("hidden"), 0o755))
	w.allFiled("hidden", filled)
	if n := len(w.sandbox.Posts()); n != 2*filled {
		t.Errorf("%d messages, want %d", n, 2*filled)
	}
	p.stop()
}

// TestOneDirectoryTwice: of two configured paths to one directory the first is served, at every start, and the second says
// why it is not; nothing is posted twice.
func TestOneDirectoryTwice(t *testing.T) {
	t.Parallel()
	for name, join := range map[string]func(t *testing.T, from, to string){
		"link": func(t *testing.T, from, to string) { must(t, os.Remove(to)); must(t, os.Symlink(from, to)) },
		"bind": func(t *testing.T, from, to string) { mounted(t, to, "--bind", from) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "", "first", "second")
			join(t, w.folder("first"), w.folder("second"))
			for i := range 3 {
				p := w.start("run", "--config", w.config)
				p.waitFor("is the same directory as")
				w.drop("first", fmt.Sprintf("%d.pdf", i), "x")
				w.allFiled("first", i+1)
				if n, _ := p.warnings(w.folder("first")); n != 0 {
					t.Error("the first one is not served")
				}
				p.stop()
			}
			for _, post := range w.sandbox.Posts() {
				if post.GroupID != "first@2" {
					t.Errorf("posted to %s", post.GroupID)
				}
			}
			if n := len(w.sandbox.Posts()); n != 3 {
				t.Errorf("%d messages, want 3", n)
			}
		})
	}
}

// second is another daemon's configuration: its own state_dir, the same sandbox, and folders by path, all for one group.
func (w *world) second(group string, paths ...string) (config string) {
	w.t.Helper()
	text, err := os.ReadFile(w.config)
	must(w.t, err)
	head, _, _ := strings.Cut(strings.Replace(string(text), w.dir+"/state", w.dir+"/state2", 1), "[[folder]]")
	for _, path := range paths {
		head += fmt.Sprintf("[[folder]]\npath = %q\ngroup_id = %q\n", path, group)
	}
	config = w.dir + "/second.toml"
	must(w.t, os.WriteFile(config, []byte(head), 0o600))
	return config
}

// TestTwoDaemons: a second one with a state_dir of its own gets no folder that the first one has, however it is spelled; it
// says who has it; run --once beside it posts nothing; and when the first one is killed it takes over by itself.
func TestTwoDaemons(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]func(t *testing.T, w *world) string{
		"direct": func(_ *testing.T, w *world) string { return w.folder("drop") },
		"link": func(t *testing.T, w *world) string {
			must(t, os.Symlink(w.folder("drop"), w.folder("link")))
			return w.folder("link")
		},
		"bind": func(t *testing.T, w *world) string {
			mounted(t, w.folder("bound"), "--bind", w.folder("drop"))
			return w.folder("bound")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "", "drop", "other")
			path := other(t, w)
			config := w.second("drop@2", path, w.folder("own"))
			must(t, os.Mkdir(w.folder("own"), 0o755))
			first := w.daemon()
			again := w.start("run", "--config", config)
			again.waitFor(fmt.Sprintf("(pid %d of user %d)", first.Process.Pid, os.Getuid()))
			if n, line := again.warnings(path); n != 1 || !strings.Contains(line, "with state_dir "+w.dir+"/state") || !strings.Contains(line, "stop that one") {
				t.Errorf("said %d times: %s", n, line)
			}
			w.fill(w.folder("drop"))
			w.drop("own", "own.pdf", "x")
			w.allFiled("drop", filled)
			w.allFiled("own", 1)
			again.stop()

			w.drop("drop", "late.pdf", "x")
			once := w.start("run", "--once", "--config", config)
			if code := once.wait(); code != 1 || !strings.Contains(once.log(), "another kaizala-drop serves it") {
				t.Errorf("run --once: exit code %d", code)
			}
			w.allFiled("drop", filled+1)
			if n := len(w.sandbox.Posts()); n != filled+2 {
				t.Errorf("%d messages, want %d", n, filled+2)
			}

			check := w.start("check", "--config", config)
			if code := check.wait(); code != 1 || !strings.Contains(check.log(), "another kaizala-drop serves it") {
				t.Errorf("check: exit code %d: %s", code, check.log())
			}
			check = w.start("check", "--config", w.config)
			if code := check.wait(); code != 0 || !strings.Contains(check.log(), "served now by the daemon of this state_dir") {
				t.Errorf("check of the first: exit code %d: %s", code, check.log())
			}

			again = w.start("run", "--config", config)
			again.waitFor(fmt.Sprintf("(pid %d", first.Process.Pid))
			must(t, first.Process.Kill())
			again.waitFor("the folder can be served now")
			w.drop("drop", "after.pdf", "x")
			w.allFiled("drop", filled+2)
			if n := len(w.sandbox.Posts()); n != filled+3 {
				t.Errorf("%d messages, want %d", n, filled+3)
			}
			again.stop()
		})
	}
}

// TestHandedOver: a folder that a reload takes out of one daemon goes to the other one by itself.
func TestHandedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "drop", "other")
	first := w.daemon()
	second := w.start("run", "--config", w.second("drop@2", w.folder("drop")))
	second.waitFor("another kaizala-drop serves it")
	w.configure("", "other")
	must(t, first.Process.Signal(syscall.SIGHUP))
	second.waitFor("the folder can be served now")
	w.fill(w.folder("drop"))
	w.allFiled("drop", filled)
	if strings.Contains(first.log(), `"delivered"`) || len(w.sandbox.Posts()) != filled {
		t.Errorf("%d messages, want %d of the second daemon", len(w.sandbox.Posts()), filled)
	}
}

// TestBecomesReadOnly: a folder that turns read-only while it is served is said once, loses nothing, and is delivered once
// when it can be written again.
func TestBecomesReadOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "drop", "well")
	drop := w.folder("drop")
	mounted(t, drop, "-t", "tmpfs", "tmpfs")
	p := w.daemon()
	for round := range 2 {
		w.fill(drop)
		eventually(t, func() error { // who has a file open for writing keeps it from being so
			return exec.Command("mount", "-o", "remount,ro", drop).Run()
		})
		eventually(t, func() error {
			if n, _ := p.warnings(drop); n != round+1 {
				return fmt.Errorf("said %d times", n)
			}
			return nil
		})
		w.fill(w.folder("well"))
		w.allFiled("well", filled*(round+1))
		remount(t, drop, "rw")
		w.allFiled("drop", filled*(round+1))
		p.waitForTimes("the folder can be served now", round+1)
	}
	if n := len(w.sandbox.Posts()); n != 4*filled {
		t.Errorf("%d messages, want %d", n, 4*filled)
	}
	if n, line := p.warnings(drop); n != 2 {
		t.Errorf("said %d times, want once each time: %s", n, line)
	}
}

// TestUnmountWhileServed: a stick can be taken out while the daemon runs, as nothing of it keeps the mount busy; and the
// next one that is put in is served too, and kept from others.
func TestUnmountWhileServed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "drop", "other")
	drop := w.folder("drop")
	for i := range 3 {
		mounted(t, drop, "-t", "tmpfs", "tmpfs")
		if i == 0 {
			w.daemon()
		}
		w.fill(drop)
		w.allFiled("drop", filled)
		eventually(t, func() error { // busy only for the moment of a look
			out, err := exec.Command("umount", drop).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%s", out)
			}
			return nil
		})
	}
	if n := len(w.sandbox.Posts()); n != 3*filled {
		t.Errorf("%d messages, want %d", n, 3*filled)
	}
	mounted(t, drop, "-t", "tmpfs", "tmpfs")
	again := w.second("drop@2", drop)
	eventually(t, func() error { // the first one has looked at what lies there now
		p := w.start("run", "--once", "--config", again)
		if code := p.wait(); code != 1 || !strings.Contains(p.log(), "another kaizala-drop serves it") {
			return fmt.Errorf("exit code %d", code)
		}
		return nil
	})
}

// dead is a folder behind a server that can be made to stand still.
type dead struct {
	hang   func()
	answer func()
	path   string // of the mount
	kills  bool   // whoever waits for it can be killed, if it hung before it was asked
}

// deads are the two kinds of waiting: one that a signal ends, and one that nothing ends.
func deads() map[string]func(testing.TB) dead {
	return map[string]func(testing.TB) dead{
		"bindfs stopped": func(t testing.TB) dead {
			m := mounts.Bindfs(t, t.TempDir())
			return dead{hang: m.Stop, answer: sync.OnceFunc(m.Cont), path: m.Path, kills: true}
		},
		"ext4 frozen": func(t testing.TB) dead {
			path := mounts.Ext4(t)
			return dead{hang: func() { mounts.Freeze(t, path) }, answer: sync.OnceFunc(func() { mounts.Thaw(t, path) }), path: path}
		},
	}
}

// dead puts the folder "dead" on a file system that can be made to hang.
func (w *world) dead(make func(testing.TB) dead) dead {
	w.t.Helper()
	d := make(w.t)
	must(w.t, os.Remove(w.folder("dead")))
	must(w.t, os.Symlink(d.path, w.folder("dead")))
	return d
}

// TestHangingAtStart: READY is said, the others are served, a reload that adds one works, what hangs is said, run --once and
// check come to their end with the reason; a stop ends as far as the kernel lets it, and the next start says what it waits
// for; and after all that, what lay in the folder is delivered once.
func TestHangingAtStart(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for name, make := range deads() {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it mostly waits
			w := newWorld(t, "", "well", "dead", "added")
			d := w.dead(make)
			w.fill(d.path)
			w.configure("", "well", "dead")
			w.reconfigure("log_format", "shutdown_grace = \"1s\"\nlog_format")
			d.hang()

			w.fill(w.folder("well"))
			env, told := listen(t, w)
			cmd := exec.Command(os.Args[0], "run", "--config", w.config)
			cmd.Env = append(os.Environ(), runMain+"=1", env)
			p := startProcess(t, cmd)
			t.Cleanup(d.answer) // before it is waited for: nothing ends what is frozen
			w.allFiled("well", filled)
			w.ready(told, 1)
			p.waitFor(`"hangs":`)
			w.configure("", "well", "dead", "added")
			w.reconfigure("log_format", "shutdown_grace = \"1s\"\nlog_format")
			must(t, p.Process.Signal(syscall.SIGHUP))
			w.fill(w.folder("added"))
			w.allFiled("added", filled)
			w.ready(told, 2)

			must(t, p.Process.Signal(syscall.SIGTERM))
			p.waitFor(`"message":"stopped"`)
			if hangs := fmt.Sprintf("folder %s: ", w.folder("dead")); strings.Count(p.log(), "stopping without waiting any longer") != 1 || !strings.Contains(p.log(), hangs) {
				t.Errorf("the stop does not say once what hangs: %s", p.log())
			}
			if d.kills {
				if code := p.wait(); code != 0 {
					t.Errorf("exit code %d", code)
				}
				check := w.start("check", "--config", w.config)
				if code := check.wait(); code != 1 || !strings.Contains(check.log(), fmt.Sprintf("PROBLEM  folder %q does not answer", w.folder("dead"))) ||
					!strings.Contains(check.log(), fmt.Sprintf("ok       folder %q", w.folder("added"))) {
					t.Errorf("check: exit code %d: %s", code, check.log())
				}
			} else {
				next := w.startAfter("run", "--once", "--config", w.config)
				if code := next.wait(); code != 1 || !strings.Contains(next.log(), fmt.Sprintf("(pid %d), which has ended, but the kernel does not let go of it: it hangs on folder ", p.Process.Pid)) {
					t.Errorf("the next start: exit code %d: %s", code, next.log())
				}
			}

			w.drop("well", "once.pdf", "x")
			second := w.second("well@2", w.folder("dead"), w.folder("well"))
			once := w.start("run", "--once", "--config", second)
			t.Cleanup(d.answer)
			once.waitFor(`"message":"stopped"`)
			for !d.kills && strings.Contains(once.log(), "serves it, with state_dir") { // on its way out the first one still answers
				once.wait()
				once = w.start("run", "--once", "--config", second)
				once.waitFor(`"message":"stopped"`)
			}
			want := fmt.Sprintf("folder %q does not answer", w.folder("dead"))
			if !d.kills { // the process that hangs has all that it had
				want = fmt.Sprintf("it has ended and hangs in the kernel (pid %d", p.Process.Pid)
			}
			if code := once.wait(); code != 1 || !strings.Contains(once.log(), want) {
				t.Errorf("run --once: exit code %d, want %q", code, want)
			}
			d.answer()
			p.wait()

			p = w.start("run", "--config", w.config)
			w.allFiled("dead", filled)
			w.allFiled("well", filled+1)
			if n := len(w.sandbox.Posts()); n != 3*filled+1 {
				t.Errorf("%d messages, want %d", n, 3*filled+1)
			}
			p.stop()
		})
	}
}

// TestHangingAtReload: a folder that hangs when a reload brings it hinders neither the reload nor the next one; it is served
// when it answers.
func TestHangingAtReload(t *testing.T) {
	takesLong(t)
	t.Parallel()
	for name, make := range deads() {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it mostly waits
			w := newWorld(t, "", "well", "dead", "added")
			d := w.dead(make)
			w.fill(d.path)
			w.configure("", "well")
			p := w.daemon()
			d.hang()
			t.Cleanup(d.answer)
			for _, names := range [][]string{{"well", "dead"}, {"dead", "added"}} {
				w.configure("", names...)
				must(t, p.Process.Signal(syscall.SIGHUP))
				for _, name := range names {
					if name != "dead" {
						w.fill(w.folder(name))
						w.allFiled(name, filled)
					}
				}
			}
			d.answer()
			w.allFiled("dead", filled)
			if n := len(w.sandbox.Posts()); n != 3*filled {
				t.Errorf("%d messages, want %d", n, 3*filled)
			}
			if code := p.stop(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// ready waits until READY=1 was said so often.
func (w *world) ready(told func() string, n int) {
	w.t.Helper()
	eventually(w.t, func() error {
		if all := told(); strings.Count(all, "READY=1") < n {
			return fmt.Errorf("systemd was told %q, want READY=1 %d times", all, n)
		}
		return nil
	})
}

// listen hears what systemd would be told.
func listen(t *testing.T, w *world) (env string, told func() string) {
	t.Helper()
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: w.dir + "/notify", Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { socket.Close() })
	var all bytes.Buffer
	return "NOTIFY_SOCKET=" + w.dir + "/notify", func() string {
		buffer := make([]byte, 4096)
		for {
			must(t, socket.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
			n, err := socket.Read(buffer)
			if err != nil {
				return all.String()
			}
			all.Write(append(buffer[:n], '\n'))
		}
	}
}
