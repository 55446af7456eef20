package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/sandbox"
)

// sets runs setup for the world's configuration without a terminal, and gives its exit code and what it said.
func (w *world) sets(args ...string) (code int, said string) {
	w.t.Helper()
	p := startProcess(w.t, w.command(append([]string{"setup"}, args...)...))
	return p.wait(), p.log()
}

// newSetupWorld is a world with the groups a@2 and b@2, whose configuration is this text: URL and DIR in it are those of the world.
func newSetupWorld(t *testing.T, text string) *world {
	t.Helper()
	w := newWorldOf(t, sandbox.Options{Groups: []sandbox.Group{{ID: "a@2", Name: "A"}, {ID: "b@2", Name: "B \"and\" more"}}}, "")
	must(t, os.Mkdir(w.folder("a"), 0o770))
	must(t, os.WriteFile(w.config, []byte(strings.NewReplacer("URL", w.url, "DIR", w.dir).Replace(text)), 0o640))
	return w
}

func load(t *testing.T, path string) config.Config {
	t.Helper()
	c, err := config.Load(path, config.Environment{Getenv: os.Getenv})
	must(t, err)
	return c
}

const (
	head  = "state_dir = 'DIR/state'\n"
	conn  = "[kaizala] # ours\nendpoint = 'URL'\n\taccess_token = 'fixed'\n"
	first = "[[folder]]\npath = 'DIR/a'   # the first\ngroup_id = 'a@2'\n"
)

// TestSetupKeepsAFile: whatever a configuration looks like, a folder is added to it, what stood in it means what it did, and every line
// of it, comments included, is still there. What it was is beside it.
func TestSetupKeepsAFile(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"usual":             head + conn + first,
		"CRLF":              strings.ReplaceAll(head+"# one\n"+conn+first+"# end\n", "\n", "\r\n"),
		"no newline":        head + conn + strings.TrimRight(first, "\n"),
		"ends in a comment": head + conn + first + "# settle = \"1s\"\n#end",
		"in the middle":     head + first + "# now [kaizala]\n" + conn + "[control]\nsocket = ''\n# [[folder]]\n",
		"inline":            head + "folder = [\n\t{ path = 'DIR/a', group_id = 'a@2' }, # the first\n]\nkaizala = { endpoint = 'URL', access_token = 'fixed' }\n",
		"dots":              head + "kaizala.endpoint = 'URL'\nkaizala.access_token = 'fixed'\n" + first,
		"a mark":            "\ufeff" + head + conn + first,
		"no folder":         head + conn + "# none yet\n",
		"two destinations":  head + "[destination.x]\ntype = 'kaizala'\nendpoint = 'URL'\naccess_token = 'fixed'\n" + conn + first + "destination = 'x'\n",
		"defaults":          head + conn + "[defaults]\ndestination = 'kaizala'\nsettle = '1s'\n" + first,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSetupWorld(t, text)
			before, err := os.ReadFile(w.config)
			must(t, err)
			folder := w.folder(`new "ü" 'x`)
			if code, said := w.sets("--destination", "kaizala", "--group", "b@2", "--folder", folder); code != 0 {
				t.Fatalf("exit code %d: %s", code, said)
			}
			after, err := os.ReadFile(w.config)
			must(t, err)
			c := load(t, w.config)
			last := c.Folders[len(c.Folders)-1]
			if last.Path != folder || last.GroupID != "b@2" || last.Destination != "kaizala" {
				t.Errorf("added is %+v", last)
			}
			must(t, os.WriteFile(w.config, before, 0o640))
			if name != "no folder" {
				old := load(t, w.config)
				c.Folders = c.Folders[:len(c.Folders)-1]
				if !reflect.DeepEqual(old, c) {
					t.Errorf("it was   %+v\nand is now %+v", old, c)
				}
			}
			at := 0
			for line := range strings.Lines(string(before)) {
				i := strings.Index(string(after[at:]), strings.TrimRight(line, "\r\n"))
				if i < 0 {
					t.Fatalf("%q is gone from\n%s", line, after)
				}
				at += i
			}
			if strings.Contains(name, "CRLF") && strings.Count(string(after), "\n") != strings.Count(string(after), "\r\n") {
				t.Errorf("line ends are mixed: %q", after)
			}
			if kept, err := os.ReadFile(w.config + ".before-setup"); err != nil || string(kept) != string(before) {
				t.Errorf("kept is %q, %v", kept, err)
			}
		})
	}
}

// TestSetupRefusesAFile: one that is wrong already is not touched, and what is wrong is said with its line.
func TestSetupRefusesAFile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, says string }{
		"no TOML":               {head + conn + first + "x = \n", ":8: what follows the = is no value"},
		"a destination twice":   {head + "[destination.x]\ntype='kaizala'\n[destination.x]\n", ":4: destination.x is here a second time"},
		"an unknown key":        {head + conn + first + "grup = 1\n", `:8: key "grup" is unknown here`},
		"a folder without path": {head + conn + "[[folder]]\ngroup_id = 'a@2'\n", ":5: this [[folder]] has no path"},
		"not UTF-8":             {head + conn + first + "# \xff\n", "UTF-8"},
		"folder is no table":    {head + "folder = 1\n" + conn, "folder"},
		"a secret that is away": {head + "[kaizala]\nendpoint='URL'\napplication_id='x'\napplication_secret='file:DIR/nothere'\n" + first, "nothere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSetupWorld(t, c.text)
			before, err := os.ReadFile(w.config)
			must(t, err)
			code, said := w.sets("--group", "b@2", "--folder", w.folder("new"))
			if code != 78 || !strings.Contains(said, c.says) || !strings.Contains(said, "nothing was changed") {
				t.Errorf("exit code %d: %s", code, said)
			}
			w.wantUntouched(before)
		})
	}
}

// wantUntouched sees that the configuration is what it was, and that nothing was made.
func (w *world) wantUntouched(before []byte) {
	w.t.Helper()
	if now, err := os.ReadFile(w.config); err != nil || string(now) != string(before) {
		w.t.Errorf("the configuration is %q (%v)", now, err)
	}
	entries, err := os.ReadDir(w.dir)
	must(w.t, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "config.toml.") || strings.HasPrefix(e.Name(), ".kaizala") || e.Name() == "new" {
			w.t.Errorf("%s was left", e.Name())
		}
	}
}

// TestSetupKeepsWhatAFileIs: its mode, its owner and that its name is a symbolic link.
func TestSetupKeepsWhatAFileIs(t *testing.T) {
	t.Parallel()
	w := newSetupWorld(t, head+conn+first)
	real := w.dir + "/real.toml"
	must(t, os.Rename(w.config, real))
	must(t, os.Symlink("real.toml", w.config))
	must(t, os.Chmod(real, 0o604))
	if os.Geteuid() == 0 {
		must(t, os.Chown(real, 4321, 4322))
	}
	before, err := os.Stat(real)
	must(t, err)
	if code, said := w.sets("--group", "b@2", "--folder", w.folder("new")); code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	after, err := os.Stat(real)
	must(t, err)
	old, now := before.Sys().(*syscall.Stat_t), after.Sys().(*syscall.Stat_t)
	if to, err := os.Readlink(w.config); err != nil || to != "real.toml" || before.Mode() != after.Mode() || old.Uid != now.Uid || old.Gid != now.Gid {
		t.Errorf("the link leads to %q (%v); it was %v %d:%d, and is %v %d:%d", to, err, before.Mode(), old.Uid, old.Gid, after.Mode(), now.Uid, now.Gid)
	}
	if got := load(t, w.config).Folders; len(got) != 2 {
		t.Errorf("got %+v", got)
	}
}

// TestSetupFillsTheExampleIn: who copied the example gets their own values in the places where its own stood, and the rest of it as it
// was.
func TestSetupFillsTheExampleIn(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../../config.example.toml")
	must(t, err)
	w := newSetupWorld(t, "")
	must(t, os.WriteFile(w.config, []byte("state_dir = '"+w.dir+"/state'\n"+string(example)), 0o640))
	must(t, os.WriteFile(w.dir+"/secret", []byte("s3cret\n"), 0o600))
	code, said := w.sets("--endpoint", w.url, "--application-id", "4711", "--application-secret-file", w.dir+"/secret",
		"--refresh-token-file", w.dir+"/secret", "--group", "b@2", "--folder", w.folder("new"))
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	after, err := os.ReadFile(w.config)
	must(t, err)
	changed := 0
	for line := range strings.Lines(string(example)) {
		if !strings.Contains(string(after), "\n"+line) {
			changed++
		}
	}
	c := load(t, w.config)
	if changed != 5 || len(c.Examples) > 0 || len(c.Folders) != 1 || c.Folders[0].GroupID != "b@2" || c.Destinations[0].Kaizala.ApplicationID != "4711" {
		t.Errorf("%d lines are gone, and the result is %+v", changed, c)
	}
}

// TestSetupWithoutRoom: a configuration that cannot be written, because its disk is full or read-only, stays what it was, and so does all
// else.
func TestSetupWithoutRoom(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		needs(t, "root, to mount a small disk")
	}
	w := newSetupWorld(t, head+conn+first)
	disk := w.folder("disk")
	must(t, os.Mkdir(disk, 0o755))
	must(t, exec.Command("mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=20", "none", disk).Run())
	t.Cleanup(func() { _ = exec.Command("umount", disk).Run() })
	before, err := os.ReadFile(w.config)
	must(t, err)
	w.config = disk + "/config.toml"
	must(t, os.WriteFile(w.config, before, 0o640))
	must(t, os.WriteFile(disk+"/filler", []byte(strings.Repeat("x", 60<<10)), 0o600))
	code, said := w.sets("--group", "b@2", "--folder", w.folder("new"))
	if code != 1 || !strings.Contains(said, "no space left") || !strings.Contains(said, "nothing was changed") {
		t.Errorf("a full disk: exit code %d: %s", code, said)
	}
	must(t, exec.Command("mount", "-o", "remount,ro", disk).Run())
	code, said = w.sets("--group", "b@2", "--folder", w.folder("new"))
	if code != 1 || !strings.Contains(said, "read-only file system") {
		t.Errorf("a read-only disk: exit code %d: %s", code, said)
	}
	if now, err := os.ReadFile(w.config); err != nil || string(now) != string(before) {
		t.Errorf("the configuration is %q (%v)", now, err)
	}
	if left, _ := filepath.Glob(disk + "/*"); len(left) != 2 {
		t.Errorf("left are %v", left)
	}
	if _, err := os.Stat(w.folder("new")); err == nil {
		t.Error("the folder is left")
	}
}

// TestSetupASecondDestination: folders that named none, as there was only one, go on posting where they did.
func TestSetupASecondDestination(t *testing.T) {
	t.Parallel()
	w := newSetupWorld(t, head+"[destination.x]\ntype = 'kaizala'\nendpoint = 'URL'\naccess_token = 'fixed'\n"+first)
	must(t, os.WriteFile(w.dir+"/secret", []byte("s3cret\n"), 0o600))
	code, said := w.sets("--endpoint", w.url, "--application-id", "4711", "--application-secret-file", w.dir+"/secret",
		"--refresh-token-file", w.dir+"/secret", "--group", "b@2", "--folder", w.folder("new"))
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	c := load(t, w.config)
	if len(c.Folders) != 2 || c.Folders[0].Destination != "x" || c.Folders[1].Destination == "x" || len(c.Destinations) != 2 {
		t.Errorf("got %s", fmt.Sprintf("%+v", c))
	}
}
