package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"kaizala-drop/internal/matrix"
	"kaizala-drop/internal/matrix/dendritetest"
	"kaizala-drop/internal/mounts"
	"kaizala-drop/internal/sandbox"
)

// roomWorld is a homeserver with an account that posts, one that reads, and two rooms of theirs; nothing is configured yet.
func roomWorld(t *testing.T) *matrixWorld {
	t.Helper()
	w := newMatrixWorld(t, dendritetest.Options{}, "", "reception", "lab")
	must(t, os.RemoveAll(w.dir))
	must(t, os.Mkdir(w.dir, 0o755))
	return w
}

// wizard begins setup on a terminal.
func (w *matrixWorld) wizard(args ...string) *terminal {
	w.t.Helper()
	return (&world{t: w.t, dir: w.dir, config: w.config}).onTerminal(append([]string{"setup", "--config", w.config}, args...)...)
}

// TestSetupOnATerminal: a newcomer types the server, the account and the password, and takes every other answer as it stands there; what is
// dropped then is posted. The second time the server and the login are known, and the first room that no folder posts to is proposed.
func TestSetupOnATerminal(t *testing.T) {
	t.Parallel()
	w := roomWorld(t)
	c := w.wizard("--state-dir", w.dir+"/state")
	c.enter("Post to matrix or kaizala [matrix]: ", 1, "\n")
	c.enter("Matrix server of the account, its name or address", 1, "http://127.0.0.1:1\n")
	c.enter("Matrix server of the account, its name or address", 2, "not a server\n")
	c.enter("Matrix server of the account, its name or address", 3, w.url+"\n")
	c.enter("Account, @name:server or the name alone: ", 1, "bot\n")
	c.enter("Password (it is not shown): ", 1, "wrong\n")
	c.enter("Password (it is not shown): ", 2, w.bot.Password+"\n")
	c.enter("Which room to post to, its number, #alias:server or !id [1]: ", 1, "#nowhere:localhost\n")
	c.enter("Which room to post to, its number, #alias:server or !id [1]: ", 2, "\n")
	c.enter("Folder to drop files into [", 1, "lab\n")
	c.enter("Folder to drop files into [", 2, w.folder("lab")+"\n")
	if os.Geteuid() == 0 {
		c.enter("Who may drop files there: a group of this machine [", 1, "no such group\n")
		c.enter("Who may drop files there: a group of this machine [", 2, "\n")
	}
	c.enter("Go on [yes]: ", 1, "\n")
	if code := c.wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for _, want := range []string{
		"refused", "is not the name of a server", "the account or its password is wrong", "logged in to chat as @bot:localhost", "#nowhere:localhost leads to no room",
		"write the path from / on", "there is no group", "ok ", "config.toml is written", "is posted to lab (#lab:localhost)", "start it: kaizala-drop run",
	} {
		if want == "there is no group" && os.Geteuid() != 0 {
			continue
		}
		c.waitFor(want)
	}
	if strings.Contains(c.log(), w.bot.Password) || strings.Contains(c.log(), "PROBLEM") {
		t.Errorf("on the screen:\n%s", c.log())
	}

	must(t, os.WriteFile(w.folder("lab")+"/a.txt", []byte("one"), 0o644))
	w.reconfigure("[[folder]]", "[defaults]\nsettle = \"200ms\"\ntruncated_after = \"1s\"\n\n[[folder]]")
	p := w.start("run")
	w.isDone("lab", "a.txt")

	c = w.wizard()
	c.enter("Which room to post to, its number, #alias:server or !id [2]: ", 1, "\n")
	c.enter("Folder to drop files into [", 1, w.folder("reception")+"\n")
	if os.Geteuid() == 0 {
		c.enter("Who may drop files there: a group of this machine [", 1, "\n")
	}
	c.enter("Go on [yes]: ", 1, "\n")
	if code := c.wait(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if strings.Contains(c.log(), "Password") || strings.Contains(c.log(), "Matrix server of the account") {
		t.Error("what is known was asked for")
	}
	c.waitFor(fmt.Sprintf("a daemon is at work: have it take this up with: kill -HUP %d", p.Process.Pid))
	must(t, p.Process.Signal(syscall.SIGHUP))
	must(t, os.WriteFile(w.folder("reception")+"/b.txt", []byte("two"), 0o644))
	w.isDone("reception", "b.txt")
	if code := p.stop(); code != 0 {
		t.Errorf("the daemon: exit code %d", code)
	}
	for room, want := range map[string]string{"lab": "a.txt", "reception": "b.txt"} {
		found := 0
		for _, m := range w.reader.Messages(w.rooms[room]) {
			if m.Content["body"] == want {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%s is in %s %d times", want, room, found)
		}
	}
}

// isDone waits until a file is in done/.
func (w *matrixWorld) isDone(folder, name string) {
	w.t.Helper()
	eventually(w.t, func() error {
		_, err := os.Stat(w.folder(folder) + "/done/" + name)
		return err
	})
}

// TestSetupStopped: at each question, by Ctrl-C, by the end of the input and by a kind kill: nothing is changed but that a login is kept,
// the terminal echoes, and the next run goes on with that login and comes to its end.
func TestSetupStopped(t *testing.T) {
	t.Parallel()
	takesLong(t)
	if matrix.CanEncrypt {
		t.Skip("with encryption the first login makes the account's keys, and each later one asks for them: the dialogue of one built without is stopped here")
	}
	w := roomWorld(t)
	questions := []struct{ question, answer string }{
		{"Post to matrix or kaizala", "\n"}, {"Matrix server of the account", w.url + "\n"}, {"Account, @name", "bot\n"}, {"Password (", w.bot.Password + "\n"},
		{"Which room", "\n"}, {"Folder to drop", w.folder("drop") + "\n"}, {"Who may drop", "\n"}, {"Go on", "\n"},
	}
	if os.Geteuid() != 0 {
		questions = append(questions[:6], questions[7])
	}
	for i, at := range questions {
		for name, stop := range map[string]string{"ctrl-c": "\x03", "ctrl-d": "\x04", "SIGTERM": ""} {
			must(t, os.RemoveAll(w.dir))
			must(t, os.Mkdir(w.dir, 0o755))
			c := w.wizard("--state-dir", w.dir+"/state")
			for _, before := range questions[:i] {
				c.enter(before.question, 1, before.answer)
			}
			if strings.HasPrefix(at.question, "Password") {
				eventually(t, func() error { return c.echoes(false) })
			}
			c.enter(at.question, 1, stop)
			if stop == "" {
				must(t, c.Process.Signal(syscall.SIGTERM))
			}
			if code := c.wait(); code != 1 {
				t.Errorf("%s at %q: exit code %d", name, at.question, code)
			}
			c.waitFor("stopped: nothing was changed")
			must(t, c.echoes(true))
			left := files(t, w.dir)
			delete(left, "state/matrix-token-chat.json")
			_, err := os.Stat(w.folder("drop"))
			if len(left) > 0 || !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s at %q: left %v", name, at.question, left)
			}
		}
	}
	c := w.wizard("--state-dir", w.dir+"/state")
	for _, q := range questions {
		switch {
		case strings.HasPrefix(q.question, "Account"), strings.HasPrefix(q.question, "Password"):
		case strings.HasPrefix(q.question, "Matrix server"):
			c.enter(q.question+", its name or address ["+w.url+"]", 1, "\n")
			c.enter("Go on with the login of @bot:localhost, of before [yes]: ", 1, "\n")
		default:
			c.enter(q.question, 1, q.answer)
		}
	}
	if code := c.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestSetupByFlagsForMatrix: a password on standard input, and all else by flags.
func TestSetupByFlagsForMatrix(t *testing.T) {
	t.Parallel()
	w := roomWorld(t)
	args := []string{"setup", "--state-dir", w.dir + "/state", "--homeserver", w.url, "--user", "bot", "--password-stdin", "--room", "#lab:localhost", "--folder", w.folder("new")}
	said := w.says(1, "wrong\n", args...)
	if !strings.Contains(said, "the account or its password is wrong") || !strings.Contains(said, "nothing was changed") {
		t.Errorf("said %s", said)
	}
	if left := files(t, w.dir); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	said = w.says(0, w.bot.Password+"\n", args...)
	if matrix.CanEncrypt && (!strings.Contains(said, "This is their recovery key") || !strings.Contains(said, "is verified")) {
		t.Errorf("the recovery key is not shown: %s", said)
	}
	must(t, os.WriteFile(w.folder("new")+"/a.txt", []byte("one"), 0o644))
	w.reconfigure("[[folder]]", "[defaults]\nsettle = \"200ms\"\ntruncated_after = \"1s\"\n\n[[folder]]")
	w.says(0, "", "run", "--once")
	w.isDone("new", "a.txt")
	w.says(0, "", "setup", "--room", "#reception:localhost", "--folder", w.folder("more"))
	if said := w.says(0, "", "check", "--online"); strings.Count(said, "posts to") != 2 {
		t.Errorf("said %s", said)
	}

	example, err := os.ReadFile("../../config.example.toml")
	must(t, err)
	must(t, os.WriteFile(w.config, []byte("state_dir = '"+w.dir+"/state'\n"+string(example)), 0o640))
	if said := w.says(78, "", "check"); strings.Count(said, "is still that of the example") != 2 {
		t.Errorf("said %s", said)
	}
	w.says(0, "", "setup", "--homeserver", w.url, "--room", "#lab:localhost", "--folder", w.folder("new")) // the login is there still
	after, err := os.ReadFile(w.config)
	must(t, err)
	for _, want := range []string{"\n#[kaizala]\n", "\n#application_id = \"your-application-id\"\n", "\n#group_id = \"00000000-", "\nroom = \"#lab:localhost\"\n"} {
		if !strings.Contains(string(after), want) {
			t.Errorf("%q is not in %s", want, after)
		}
	}
	if c := load(t, w.config); len(c.Folders) != 1 || len(c.Destinations) != 1 || len(c.Examples) > 0 {
		t.Errorf("got %+v", c)
	}
}

// TestSetupForAnotherUser: root sets up a daemon of another user. The state, the tokens, the secrets, the configuration and the folder are
// what that user needs, the check is made as that user, and a folder that this user cannot use is named with the command that mends it,
// and changed only where that is agreed to.
func TestSetupForAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		needs(t, "root, to set up a daemon of another user")
	}
	w := newWorldOf(t, sandbox.Options{Groups: []sandbox.Group{{ID: "a@2", Name: "A"}}}, "")
	for dir := w.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
	must(t, os.Remove(w.config))
	must(t, os.WriteFile(w.dir+"/secret", []byte("s3cret\n"), 0o600))
	binary := buildProgram(t)
	setup := func(args ...string) (int, string) {
		cmd := exec.Command(binary, append([]string{"setup", "--config", w.dir + "/etc/config.toml", "--run-as", "nobody", "--group", "a@2"}, args...)...)
		p := startProcess(t, cmd)
		return p.wait(), p.log()
	}
	isNobodys := func(path string, mode fs.FileMode) {
		t.Helper()
		info, err := os.Stat(path)
		must(t, err)
		st := info.Sys().(*syscall.Stat_t)
		if st.Uid != 65534 || info.Mode()&(fs.ModePerm|fs.ModeSetgid) != mode {
			t.Errorf("%s is %v of %d:%d", path, info.Mode(), st.Uid, st.Gid)
		}
	}
	code, said := setup("--state-dir", w.dir+"/var/state", "--endpoint", w.url, "--application-id", "x", "--application-secret-file", w.dir+"/secret",
		"--refresh-token-file", w.dir+"/secret", "--folder", w.dir+"/drop/a")
	if code != 0 || strings.Contains(said, "warning") {
		t.Fatalf("exit code %d: %s", code, said)
	}
	isNobodys(w.dir+"/var/state", 0o700)
	isNobodys(w.dir+"/etc/application-secret", 0o600)
	isNobodys(w.dir+"/drop/a", 0o770|fs.ModeSetgid)
	info, err := os.Stat(w.dir + "/etc/config.toml")
	must(t, err)
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 0 || st.Gid != 65534 || info.Mode().Perm() != 0o640 {
		t.Errorf("the configuration is %v of %d:%d", info.Mode(), st.Uid, st.Gid)
	}

	ours := w.dir + "/ours"
	must(t, os.Mkdir(ours, 0o755))
	must(t, os.WriteFile(ours+"/paper.pdf", []byte("x"), 0o600))
	code, said = setup("--folder", ours, "--post-present")
	if code != 1 || !strings.Contains(said, ours+", now of root:root with the mode 0755: the daemon's user nobody may not list it and move files out of it. This mends it: chgrp nogroup "+ours+" && chmod g+rwxs "+ours) {
		t.Errorf("exit code %d: %s", code, said)
	}
	if info, err := os.Stat(ours); err != nil || info.Mode() != fs.ModeDir|0o755 {
		t.Errorf("it was changed to %v (%v)", info.Mode(), err)
	}
	if code, said = setup("--folder", ours, "--post-present", "--mend"); code != 0 {
		t.Errorf("exit code %d: %s", code, said)
	}
	info, err = os.Stat(ours)
	must(t, err)
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 0 || st.Gid != 65534 || info.Mode() != fs.ModeDir|fs.ModeSetgid|0o775 {
		t.Errorf("it became %v of %d:%d", info.Mode(), st.Uid, st.Gid)
	}
	if info, err := os.Stat(ours + "/paper.pdf"); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file in it was changed to %v (%v)", info.Mode(), err)
	}
	must(t, os.MkdirAll(w.dir+"/closed/in", 0o700))
	code, said = setup("--folder", w.dir+"/closed/new")
	if code != 1 || !strings.Contains(said, "may not enter "+w.dir+"/closed") || !strings.Contains(said, "chmod o+x "+w.dir+"/closed") {
		t.Errorf("exit code %d: %s", code, said)
	}
}

// TestSetupForOneself: who is not root sets up a daemon of their own, which runs and delivers.
func TestSetupForOneself(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		needs(t, "root, to become somebody else")
	}
	w := newWorldOf(t, sandbox.Options{Groups: []sandbox.Group{{ID: "a@2", Name: "A"}}}, "")
	for dir := w.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755))
	}
	home := w.folder("home")
	must(t, os.Mkdir(home, 0o700))
	must(t, os.WriteFile(home+"/secret", []byte("s3cret\n"), 0o600))
	binary := buildProgram(t)
	as := func(args ...string) *process {
		cmd := exec.Command(binary, args...)
		cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		return startProcess(t, cmd)
	}
	must(t, os.Chown(home, 65534, 65534))
	must(t, os.Chown(home+"/secret", 65534, 65534))
	p := as("setup", "--group", "a@2")
	if code := p.wait(); code != 1 || !strings.Contains(p.log(), "/etc/kaizala-drop/config.toml cannot be written") || !strings.Contains(p.log(), "run setup as root, or name one of your own with --config") {
		t.Errorf("exit code %d: %s", code, p.log())
	}
	p = as("setup", "--config", home+"/drop.toml", "--endpoint", w.url, "--application-id", "x", "--application-secret-file", home+"/secret",
		"--refresh-token-file", home+"/secret", "--group", "a@2", "--folder", home+"/drop")
	if code := p.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, p.log())
	}
	if c := load(t, home+"/drop.toml"); c.StateDir != home+"/state" || c.Control.Socket != home+"/state/control.sock" {
		t.Errorf("got %+v", c)
	}
	text, err := os.ReadFile(home + "/drop.toml")
	must(t, err)
	must(t, os.WriteFile(home+"/drop.toml", append(text, "\n[defaults]\nsettle = \"200ms\"\nsettle_remote = \"200ms\"\n"...), 0o600))
	must(t, os.WriteFile(home+"/drop/a.pdf", []byte("%PDF-1.4\n%%EOF\n"), 0o644))
	p = as("run", "--once", "--config", home+"/drop.toml")
	if code := p.wait(); code != 0 || w.sandbox.Stats().Posts != 1 {
		t.Errorf("exit code %d, %d posts: %s", code, w.sandbox.Stats().Posts, p.log())
	}
}

// whileChecked runs setup, and calls do while the check asks the service.
func whileChecked(t *testing.T, w *world, do func(p *process)) (code int, said string, before []byte) {
	t.Helper()
	before, err := os.ReadFile(w.config)
	must(t, err)
	asked, goOn := make(chan bool, 10), make(chan bool)
	var calls atomic.Int32
	w.between(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/groups") {
			if calls.Add(1) == 2 { // the first is that of setup itself
				asked <- true
				<-goOn
			}
		}
		return false
	})
	p := startProcess(t, w.command("setup", "--group", "b@2", "--folder", w.folder("new")))
	<-asked
	do(p)
	close(goOn)
	return p.wait(), p.log(), before
}

// TestSetupStoppedAtWork: a signal while it checks takes back what was done.
func TestSetupStoppedAtWork(t *testing.T) {
	t.Parallel()
	wantStoppedBy(t, syscall.SIGINT)
}

// wantStoppedBy fails the test unless a signal that comes while setup checks has it leave all as it was, and say so.
func wantStoppedBy(t *testing.T, signal syscall.Signal) {
	t.Helper()
	w := newSetupWorld(t, head+conn+first)
	code, said, before := whileChecked(t, w, func(p *process) { must(t, p.Process.Signal(signal)); p.exited <- <-p.exited })
	if code != 1 || !strings.Contains(said, "stopped: nothing was changed") {
		t.Errorf("exit code %d: %s", code, said)
	}
	w.wantUntouched(before)
}

// TestSetupKilled: at its worst moments, the configuration is the old one or the new one, and the next run comes to its end.
func TestSetupKilled(t *testing.T) {
	t.Parallel()
	w := newSetupWorld(t, head+conn+first)
	code, said, before := whileChecked(t, w, func(p *process) { must(t, p.Process.Kill()); p.exited <- <-p.exited })
	if now, err := os.ReadFile(w.config); err != nil || string(now) != string(before) || code == 0 {
		t.Errorf("exit code %d, %s: the configuration is %q (%v)", code, said, now, err)
	}
	if code, said := w.sets("--group", "b@2", "--folder", w.folder("new")); code != 0 {
		t.Errorf("exit code %d: %s", code, said)
	}
	if len(load(t, w.config).Folders) != 2 {
		t.Error("the folder is not there")
	}
	left, _ := filepath.Glob(w.config + "*")
	if len(left) != 2 {
		t.Errorf("left are %v", left)
	}
}

// TestSetupTwiceAtOnce: of two at a time one does its work, and the other says so and changes nothing.
func TestSetupTwiceAtOnce(t *testing.T) {
	t.Parallel()
	w := newSetupWorld(t, head+conn+first)
	code, said, _ := whileChecked(t, w, func(*process) {
		if code, said := w.sets("--group", "b@2", "--folder", w.folder("other")); code != 1 || !strings.Contains(said, "another kaizala-drop setup is at work") {
			t.Errorf("the second one: exit code %d: %s", code, said)
		}
	})
	if code != 0 {
		t.Errorf("the first one: exit code %d: %s", code, said)
	}
	if c := load(t, w.config); len(c.Folders) != 2 || c.Folders[1].Path != w.folder("new") {
		t.Errorf("got %+v", c.Folders)
	}
	if _, err := os.Stat(w.folder("other")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of the second one is left (%v)", err)
	}
}

// TestSetupOnAStick: a file system without owners is taken as it is, if the daemon can use it.
func TestSetupOnAStick(t *testing.T) {
	t.Parallel()
	stick := mounts.ExFAT(t)
	w := newSetupWorld(t, head+conn+first)
	code, said := w.sets("--group", "b@2", "--folder", stick.Path+"/drop")
	if code != 0 || !strings.Contains(said, "ok       folder \""+stick.Path+"/drop\": ") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if c := load(t, w.config); len(c.Folders) != 2 {
		t.Errorf("got %+v", c.Folders)
	}
}

// TestSetupMeetsAnEditor: who changes the configuration while setup is at work does not lose that.
func TestSetupMeetsAnEditor(t *testing.T) {
	t.Parallel()
	w := newSetupWorld(t, head+conn+first)
	var edited []byte
	code, said, _ := whileChecked(t, w, func(*process) {
		text, err := os.ReadFile(w.config)
		must(t, err)
		edited = append(text, "# by hand\n"...)
		must(t, os.WriteFile(w.config, edited, 0o640))
	})
	if code != 1 || !strings.Contains(said, "was changed by somebody else meanwhile") || !strings.Contains(said, "nothing was changed") {
		t.Errorf("exit code %d: %s", code, said)
	}
	w.wantUntouched(edited)
}

// TestSetupWhereAFileCannotBeReplaced: one that is a mount of its own, or that nobody may change, stays what it is, and so does all else.
func TestSetupWhereAFileCannotBeReplaced(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		needs(t, "root, to mount a file")
	}
	for name, c := range map[string]struct {
		before, after []string
		says          string
	}{
		"a mount":   {[]string{"mount", "--bind", "FILE", "FILE"}, []string{"umount", "FILE"}, "device or resource busy"},
		"immutable": {[]string{"chattr", "+i", "FILE"}, []string{"chattr", "-i", "FILE"}, "operation not permitted"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newSetupWorld(t, head+conn+first)
			run := func(words []string) error {
				line := strings.Split(strings.ReplaceAll(strings.Join(words, " "), "FILE", w.config), " ")
				return exec.Command(line[0], line[1:]...).Run()
			}
			if err := run(c.before); err != nil && name == "immutable" {
				t.Skipf("this file system has no such files: %v", err)
			} else {
				must(t, err)
			}
			t.Cleanup(func() { must(t, run(c.after)) })
			before, err := os.ReadFile(w.config)
			must(t, err)
			code, said := w.sets("--group", "b@2", "--folder", w.folder("new"))
			if code != 1 || !strings.Contains(said, c.says) || !strings.Contains(said, "nothing was changed") {
				t.Errorf("exit code %d: %s", code, said)
			}
			w.wantUntouched(before)
		})
	}
}
