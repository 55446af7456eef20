package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/mounts"
	"kaizala-drop/internal/sandbox"
)

// wantRefused runs setup for a folder, and sees that it is refused for that reason and nothing is changed.
func (w *world) wantRefused(folder, reason string, args ...string) {
	w.t.Helper()
	before, err := os.ReadFile(w.config)
	must(w.t, err)
	code, said := w.sets(append([]string{"--group", "b@2", "--folder", folder}, args...)...)
	if code != 1 || !strings.Contains(said, reason) || !strings.Contains(said, "nothing was changed") {
		w.t.Errorf("%s: exit code %d: %s", folder, code, said)
	}
	w.wantUntouched(before)
}

// TestSetupCountsWhatWouldBePosted: files of subfolders, too, where those are taken; and neither those of done/ nor hidden ones.
func TestSetupCountsWhatWouldBePosted(t *testing.T) {
	t.Parallel()
	file := func(path string) {
		must(t, os.MkdirAll(filepath.Dir(path), 0o770))
		must(t, os.WriteFile(path, []byte("x"), 0o660))
	}
	for name, c := range map[string]struct {
		settings string
		files    []string
		says     string
	}{
		"in a subfolder":   {"recursive = true\n", []string{"a/b/scan.pdf"}, "1 file is in subfolders of "},
		"album":            {"album = 'subfolder'\n", []string{"a/1.jpg", "a/2.jpg"}, "2 files are in subfolders of "},
		"in both":          {"recursive = true\n", []string{"a/1.pdf", "2.pdf", "3.pdf"}, "3 files (1 of them in subfolders) are in "},
		"of another done":  {"recursive = true\ndone = 'sent'\n", []string{"done/old.pdf", "sent/new.pdf"}, "1 file is in subfolders of "},
		"not recursive":    {"", []string{"a/1.pdf"}, ""},
		"filed or hidden":  {"recursive = true\n", []string{"done/1.pdf", "failed/2.pdf", ".trash/3.pdf", ".4.pdf"}, ""},
		"directly in it":   {"", []string{"1.pdf", "a/2.pdf"}, "1 file is in "},
		"more than can be": {"recursive = true\n", []string{"MANY"}, "more than 10000 files"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSetupWorld(t, head+conn+"[defaults]\n"+c.settings+first)
			full := w.folder("full")
			must(t, os.Mkdir(full, 0o770))
			must(t, os.Chmod(full, 0o770|fs.ModeSetgid))
			for _, f := range c.files {
				if f != "MANY" {
					file(full + "/" + f)
					continue
				}
				file(full + "/a/0.pdf")
				for n := range mostCounted {
					must(t, os.Link(full+"/a/0.pdf", fmt.Sprintf("%s/a/%d.pdf", full, n+1)))
				}
			}
			if c.says != "" {
				w.wantRefused(full, c.says)
				return
			}
			if code, said := w.sets("--group", "b@2", "--folder", full); code != 0 {
				t.Errorf("exit code %d: %s", code, said)
			}
		})
	}
}

// TestSetupKeepsOtherSecrets: a secret of somebody else is never overwritten, whatever has its name; the same one is taken as it is.
func TestSetupKeepsOtherSecrets(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(path string) error
		to     string
	}{
		"none":       {func(string) error { return nil }, "application-secret"},
		"the same":   {func(path string) error { return os.WriteFile(path, []byte("s3cret\n"), 0o600) }, "application-secret"},
		"another":    {func(path string) error { return os.WriteFile(path, []byte("other\n"), 0o600) }, "application-secret-2"},
		"too open":   {func(path string) error { return os.WriteFile(path, []byte("s3cret\n"), 0o644) }, "application-secret-2"},
		"empty":      {func(path string) error { return os.WriteFile(path, nil, 0o600) }, "application-secret-2"},
		"a folder":   {func(path string) error { return os.Mkdir(path, 0o700) }, "application-secret-2"},
		"a dead end": {func(path string) error { return os.Symlink("nowhere", path) }, "application-secret-2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSetupWorld(t, "")
			must(t, os.Remove(w.config))
			must(t, os.WriteFile(w.dir+"/given", []byte("s3cret\n"), 0o600))
			must(t, c.before(w.dir+"/application-secret"))
			before := fmt.Sprint(files(t, w.dir)["application-secret"])
			code, said := w.sets("--state-dir", w.dir+"/state", "--endpoint", w.url, "--application-id", "x", "--application-secret-file", w.dir+"/given",
				"--refresh-token-file", w.dir+"/given", "--group", "a@2", "--folder", w.folder("new"))
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, said)
			}
			text, err := os.ReadFile(w.config)
			must(t, err)
			if !strings.Contains(string(text), "application_secret = \"file:"+w.dir+"/"+c.to+"\"\n") {
				t.Errorf("the configuration is %s", text)
			}
			if now := fmt.Sprint(files(t, w.dir)["application-secret"]); name != "none" && now != before {
				t.Errorf("it was %q, and is %q", before, now)
			}
			if content, err := os.ReadFile(w.dir + "/" + c.to); err != nil || string(content) != "s3cret\n" {
				t.Errorf("kept is %q, %v", content, err)
			}
		})
	}
}

// TestSetupTakesNoPlaceOfTheSystem: what can be no folder to drop files into is refused under each of its names, and what hardly is one is
// taken only if that is said. --mend and --post-present do not help.
func TestSetupTakesNoPlaceOfTheSystem(t *testing.T) {
	t.Parallel()
	w := newSetupWorld(t, head+conn+first)
	must(t, os.Symlink("/etc", w.dir+"/link"))
	must(t, os.MkdirAll(w.dir+"/state/in", 0o770))
	for folder, reason := range map[string]string{
		"/": "all of / cannot be a folder", "/etc": "belongs to the system", "/etc/drop": "belongs to the system", "/usr/local/drop": "belongs to the system",
		"/proc/sys": "belongs to the system", "/dev/shm": "belongs to the system", "//etc/./": "belongs to the system", "/var/../boot": "belongs to the system",
		"/root": "home directory of root", "/home": "is everybody's", "/tmp": "is everybody's", "/var": "is everybody's", "/var/lib/": "is everybody's",
		"/run": "is everybody's", w.dir + "/link": "link leads to /etc: ", w.dir + "/link/new": "leads to /etc/new: ",
		w.dir + "/state": "lies in the watched folder", w.dir + "/state/in": "is the daemon's alone", w.dir + "/state/new": "is the daemon's alone",
		w.dir: "reads its settings", w.dir + "/a/done": "is the watched folder", w.dir + "/a/done/in": "lies inside done",
	} {
		w.wantRefused(folder, reason, "--mend", "--post-present", "--even-there")
	}
	if os.Geteuid() == 0 {
		bound := mounts.Bind(t, "/usr")
		w.wantRefused(bound.Path, "leads to /usr: ", "--mend", "--post-present", "--even-there")
	}
	for _, folder := range []string{"/srv", "/opt", "/mnt"} {
		if _, err := os.Stat(folder); err == nil {
			w.wantRefused(folder, "directories of many programs", "--mend", "--post-present")
		}
	}
}

// TestSetupAsksAboutAHome: the home directory of who asks, or of its owner, is taken only if that is said.
func TestSetupAsksAboutAHome(t *testing.T) {
	t.Parallel()
	w := newSetupWorld(t, head+conn+first)
	home := w.folder("home")
	must(t, os.Mkdir(home, 0o770))
	must(t, os.Chmod(home, 0o770|fs.ModeSetgid))
	sets := func(args ...string) (int, string) {
		cmd := w.command(append([]string{"setup", "--group", "b@2", "--folder", home}, args...)...)
		cmd.Env = append(cmd.Env, "HOME="+home)
		p := startProcess(t, cmd)
		return p.wait(), p.log()
	}
	if code, said := sets(); code != 1 || !strings.Contains(said, "is a home directory, and whatever is saved there would be posted") || !strings.Contains(said, "--even-there") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if code, said := sets("--even-there"); code != 0 {
		t.Errorf("exit code %d: %s", code, said)
	}
}

// TestSetupNamesTheLoginOfBefore: it is not taken without a word, and not in the place of one that is asked for.
func TestSetupNamesTheLoginOfBefore(t *testing.T) {
	t.Parallel()
	w := newSetupWorld(t, "")
	must(t, os.Remove(w.config))
	must(t, os.WriteFile(w.dir+"/given", []byte("s3cret\n"), 0o600))
	must(t, os.Mkdir(w.dir+"/state", 0o700))
	kept := w.dir + "/state/refresh-token.json"
	login := `{"replaces_sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","refresh_token":"old","logged_in":"2026-02-03T12:00:00Z"}`
	must(t, os.WriteFile(kept, []byte(login), 0o600))
	args := []string{"--state-dir", w.dir + "/state", "--endpoint", w.url, "--application-id", "x", "--application-secret-file", w.dir + "/given",
		"--group", "a@2", "--folder", w.folder("new")}
	code, said := w.sets(append(args, "--phone", "+4912345678")...)
	if code != 1 || !strings.Contains(said, "there is the login of 2026-02-03 that is kept in ") || !strings.Contains(said, "nothing was changed") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if code, said = w.sets(args...); code != 0 || !strings.Contains(said, "posts with the login of 2026-02-03 that is kept in ") {
		t.Errorf("exit code %d: %s", code, said)
	}
	code, said = w.sets("--group", "b@2", "--folder", w.folder("more"), "--phone", "+4912345678")
	if code != 1 || !strings.Contains(said, "kaizala has the login of 2026-02-03") || !strings.Contains(said, "kaizala-drop login --config "+w.config+" kaizala") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if now, err := os.ReadFile(kept); err != nil || string(now) != login {
		t.Errorf("kept is %q, %v", now, err)
	}
}

// TestSetupLeavesALoginAlone: who does not want the login of before gets another destination for the new one, with all that was answered,
// and the old one stays as it is.
func TestSetupLeavesALoginAlone(t *testing.T) {
	t.Parallel()
	w, pins := newPhoneWorld(t, "a")
	must(t, os.Remove(w.config))
	kept := w.dir + "/state/refresh-token.json"
	must(t, os.MkdirAll(w.dir+"/state", 0o700))
	login := `{"replaces_sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","refresh_token":"old","logged_in":"2026-02-03T12:00:00Z"}`
	must(t, os.WriteFile(kept, []byte(login), 0o600))
	c := w.onTerminal("setup", "--config", w.config, "--endpoint", w.url, "--application-id", "x")
	c.enter("Application secret (", 1, "s3cret\n")
	c.enter("Go on with the login of 2026-02-03 that is kept in "+w.dir+"/state [yes]: ", 1, "no\n")
	c.enter("Phone number, with + and the country code: ", 1, "+4915112345678\n")
	c.enter("PIN (it is not shown): ", 1, <-pins+"\n")
	c.enter("Which group to post to, its number or id [", 1, "\n")
	c.enter("Folder to drop files into [", 1, w.folder("new")+"\n")
	if os.Geteuid() == 0 {
		c.enter("Who may drop files there: a group of this machine [", 1, "\n")
	}
	c.enter("Go on [yes]: ", 1, "\n")
	if code := c.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, c.log())
	}
	if now, err := os.ReadFile(kept); err != nil || string(now) != login {
		t.Errorf("kept is %q, %v", now, err)
	}
	left := files(t, w.dir)
	if !strings.Contains(left["state/refresh-token-kaizala2.json"], "logged_in") || left["kaizala2-application-secret"] != "s3cret\n" {
		t.Errorf("left are %q", left)
	}
	if d := load(t, w.config).Destinations; len(d) != 1 || d[0].Name != "kaizala2" {
		t.Errorf("got %+v", d)
	}
}

// TestSetupNamesTheMatrixLoginOfBefore: whose it is is said, another account is never taken for it, and one that does not count any more is
// said, and asked for anew.
func TestSetupNamesTheMatrixLoginOfBefore(t *testing.T) {
	t.Parallel()
	w := roomWorld(t)
	args := []string{"setup", "--state-dir", w.dir + "/state", "--homeserver", w.url, "--room", "#lab:localhost"}
	w.says(0, w.bot.Password+"\n", append(args, "--user", "bot", "--password-stdin", "--folder", w.folder("a"))...)
	must(t, os.Remove(w.config))
	for _, user := range []string{"reader", "@bot:elsewhere", "@reader:localhost"} {
		said := w.says(1, "x\n", append(args, "--user", user, "--password-stdin", "--folder", w.folder("b"))...)
		if !strings.Contains(said, "chat is logged in as @bot:localhost, and not as "+user) || !strings.Contains(said, "nothing was changed") {
			t.Errorf("said %s", said)
		}
	}
	said := w.says(0, "", append(args, "--user", "@bot:localhost", "--password-stdin", "--folder", w.folder("b"))...)
	if !strings.Contains(said, "posts as @bot:localhost, with the login of before") {
		t.Errorf("said %s", said)
	}
	kept := w.dir + "/state/matrix-token-chat.json"
	content, err := os.ReadFile(kept)
	must(t, err)
	start := strings.Index(string(content), `"access_token":"`) + len(`"access_token":"`)
	must(t, os.WriteFile(kept, []byte(string(content[:start])+"no"+string(content[start:])), 0o600))
	more := []string{"setup", "--room", "#reception:localhost", "--folder", w.folder("c")}
	if said := w.says(2, "", more...); !strings.Contains(said, "does not count any more") || !strings.Contains(said, "--user with --password-stdin") {
		t.Errorf("said %s", said)
	}
	w.says(0, w.bot.Password+"\n", append(more, "--user", "bot", "--password-stdin")...)
}

// setsForNobody is sets, by root for the user nobody. That user may see what it needs of the world.
func (w *world) setsForNobody(args ...string) (code int, said string) {
	w.t.Helper()
	for dir := w.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		must(w.t, os.Chmod(dir, 0o755))
	}
	must(w.t, os.Chmod(w.folder("a"), 0o777))
	must(w.t, os.Chmod(w.config, 0o644))
	must(w.t, os.MkdirAll(w.dir+"/state", 0o700))
	must(w.t, os.Chown(w.dir+"/state", 65534, 65534))
	p := startProcess(w.t, exec.Command(buildProgram(w.t), append([]string{"setup", "--config", w.config, "--run-as", "nobody"}, args...)...))
	return p.wait(), p.log()
}

// TestSetupSaysWhatItChanges: of a folder that is there, what it was and becomes, and nothing of what it holds is changed.
func TestSetupSaysWhatItChanges(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		needs(t, "root, to make folders of others")
	}
	w := newSetupWorld(t, head+conn+first)
	for mode, c := range map[fs.FileMode]struct {
		says   string
		become fs.FileMode
	}{
		0o750:                 {"now of root:root with the mode 0750: the daemon's user nobody may not list it", fs.ModeDir | fs.ModeSetgid | 0o770},
		0o777 | fs.ModeSticky: {"now of root:root with the mode 1777: it has the sticky bit", fs.ModeDir | 0o777},
	} {
		folder := w.folder(fmt.Sprintf("ours-%o", mode.Perm()))
		must(t, os.MkdirAll(folder+"/sub", 0o700))
		must(t, os.WriteFile(folder+"/sub/x", nil, 0o600))
		must(t, os.Chmod(folder, mode))
		code, said := w.setsForNobody("--group", "b@2", "--folder", folder, "--mend")
		if code != 0 || !strings.Contains(said, "is changed; it was of root:root with the mode ") {
			t.Errorf("exit code %d: %s", code, said)
		}
		if info, err := os.Stat(folder); err != nil || info.Mode() != c.become {
			t.Errorf("%s became %v (%v)", folder, info.Mode(), err)
		}
		if info, err := os.Stat(folder + "/sub"); err != nil || info.Mode() != fs.ModeDir|0o700 || info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("what is in it became %v (%v)", info.Mode(), err)
		}
		must(t, os.Chmod(folder, mode))
		must(t, os.Chown(folder, 0, 0))
		must(t, os.WriteFile(w.config, []byte(strings.NewReplacer("URL", w.url, "DIR", w.dir).Replace(head+conn+first)), 0o644))
		code, said = w.setsForNobody("--group", "b@2", "--folder", folder)
		if !strings.Contains(said, c.says) || !strings.Contains(said, "--mend") && code != 0 {
			t.Errorf("exit code %d: %s", code, said)
		}
	}
}

// TestSetupStaysWithTheDaemonsUser: a further folder is for the user whose state_dir is, whether that is said or not.
func TestSetupStaysWithTheDaemonsUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		needs(t, "root, to set up a daemon of another user")
	}
	w := newSetupWorld(t, head+conn+first)
	if code, said := w.setsForNobody("--group", "b@2", "--folder", w.folder("new")); code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	again := func(args ...string) (int, string) {
		p := startProcess(t, exec.Command(buildProgram(t), append([]string{"setup", "--config", w.config, "--group", "b@2"}, args...)...))
		return p.wait(), p.log()
	}
	if code, said := again("--folder", w.folder("more"), "--run-as", "daemon"); code != 1 || !strings.Contains(said, "belongs to nobody, so that the daemon runs as that user, and not as daemon") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if code, said := again("--folder", w.folder("more")); code != 0 {
		t.Errorf("exit code %d: %s", code, said)
	}
	if info, err := os.Stat(w.folder("more")); err != nil || info.Sys().(*syscall.Stat_t).Uid != 65534 {
		t.Errorf("it is %v, %v", info, err)
	}
}

// TestSetupBesideTheService: a configuration of its own gets a state_dir of its own, also as root; one that is in use already is named.
func TestSetupBesideTheService(t *testing.T) {
	t.Parallel()
	w := newSetupWorld(t, "")
	must(t, os.Remove(w.config))
	must(t, os.WriteFile(w.dir+"/given", []byte("s3cret\n"), 0o600))
	args := []string{"--endpoint", w.url, "--application-id", "x", "--application-secret-file", w.dir + "/given", "--refresh-token-file", w.dir + "/given",
		"--group", "a@2", "--folder", w.folder("new")}
	if code, said := w.sets(args...); code != 0 || strings.Contains(said, "note:") {
		t.Fatalf("exit code %d: %s", code, said)
	}
	c := load(t, w.config)
	if c.StateDir != w.dir+"/state" {
		t.Errorf("state_dir is %s", c.StateDir)
	}
	if p := startProcess(t, w.command("run", "--once")); p.wait() != 0 {
		t.Fatal(p.log())
	}
	must(t, os.Remove(w.config))
	if code, said := w.sets(args...); code != 0 || !strings.Contains(said, "note: "+w.dir+"/state holds the ledger of a daemon already") {
		t.Errorf("exit code %d: %s", code, said)
	}
}

// TestSetupAsksForAnotherFolder: who does not want what a folder would take names another one, and loses no other answer.
func TestSetupAsksForAnotherFolder(t *testing.T) {
	t.Parallel()
	w := newSetupWorld(t, head+conn+first)
	full := w.folder("full")
	must(t, os.MkdirAll(full, 0o770))
	must(t, os.Chmod(full, 0o770|fs.ModeSetgid))
	must(t, os.WriteFile(full+"/scan.pdf", []byte("x"), 0o660))
	c := w.onTerminal("setup", "--config", w.config)
	c.enter("Which group to post to, its number or id [", 1, "\n")
	c.enter("Folder to drop files into [", 1, full+"\n")
	c.enter("Post them, too [no]: ", 1, "\n")
	if _, err := os.Stat("/mnt"); err == nil {
		c.enter("Folder to drop files into [", 2, "/mnt\n")
		c.enter("Take it all the same [no]: ", 1, "no\n")
		c.enter("Folder to drop files into [", 3, " '"+w.folder("new one")+"/' \n")
	} else {
		c.enter("Folder to drop files into [", 2, " '"+w.folder("new one")+"/' \n")
	}
	if os.Geteuid() == 0 {
		c.enter("Who may drop files there: a group of this machine [", 1, "\n")
	}
	c.enter("Go on [yes]: ", 1, "\n")
	if code := c.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, c.log())
	}
	if f := load(t, w.config).Folders; len(f) != 2 || f[1].Path != w.folder("new one") {
		t.Errorf("got %+v", f)
	}
}

// TestSetupWhereNobodyOwnsFiles: a folder of a file system without owners that the daemon cannot use is refused in words that help.
func TestSetupWhereNobodyOwnsFiles(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		needs(t, "root, to set up a daemon of another user")
	}
	stick := mounts.NTFS(t, "umask=077,uid=0,gid=0")
	w := newSetupWorld(t, head+conn+first)
	must(t, os.Chmod(w.config, 0o644))
	before, err := os.ReadFile(w.config)
	must(t, err)
	code, said := w.setsForNobody("--group", "b@2", "--folder", stick.Path, "--mend")
	if code != 1 || !strings.Contains(said, "mount it with uid=65534,gid=65534,umask=007") || !strings.Contains(said, "nothing was changed") {
		t.Errorf("exit code %d: %s", code, said)
	}
	w.wantUntouched(before)
}

// TestSetupHangup: the terminal goes away while it works, and all is taken back; with nohup it goes on.
func TestSetupHangup(t *testing.T) {
	t.Parallel()
	// The tests may run with the signal ignored, as under nohup; what is caught here is as usual for a program that is started (signal(7)).
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	defer signal.Stop(caught)
	wantStoppedBy(t, syscall.SIGHUP)
}

// TestSetupKeepsAttributes: the configuration keeps its access control list and other attributes.
func TestSetupKeepsAttributes(t *testing.T) {
	t.Parallel()
	w := newSetupWorld(t, head+conn+first)
	acl := "\x02\x00\x00\x00" + "\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x04\x00\x39\x30\x00\x00" + "\x04\x00\x04\x00\xff\xff\xff\xff" +
		"\x10\x00\x04\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff" // rw-, user 12345 r--, group r--, mask r--, other none
	for name, value := range map[string]string{"user.note": "ours", "system.posix_acl_access": acl} {
		if err := unix.Setxattr(w.config, name, []byte(value), 0); err != nil {
			t.Skipf("this file system has no %s: %v", name, err)
		}
	}
	if code, said := w.sets("--group", "b@2", "--folder", w.folder("new")); code != 0 {
		t.Fatalf("exit code %d: %s", code, said)
	}
	value := make([]byte, 100)
	for name, want := range map[string]string{"user.note": "ours", "system.posix_acl_access": acl} {
		if n, err := unix.Getxattr(w.config, name, value); err != nil || string(value[:n]) != want {
			t.Errorf("%s is %q, %v", name, value[:max(n, 0)], err)
		}
	}
}

// TestSetupKeepsFewOfBefore: the first file of before stays, and the last five.
func TestSetupKeepsFewOfBefore(t *testing.T) {
	t.Parallel()
	w := newSetupWorld(t, head+conn+first)
	must(t, os.WriteFile(w.config+".before-setup-mine", []byte("mine"), 0o600))
	for n := range 9 {
		if code, said := w.sets("--group", "b@2", "--folder", fmt.Sprintf("%s/new%d", w.dir, n)); code != 0 {
			t.Fatalf("exit code %d: %s", code, said)
		}
	}
	left, err := filepath.Glob(w.config + ".*")
	must(t, err)
	var want []string
	for _, n := range []string{"", "-5", "-6", "-7", "-8", "-9", "-mine"} {
		want = append(want, w.config+".before-setup"+n)
	}
	if fmt.Sprint(left) != fmt.Sprint(want) {
		t.Errorf("left are %q", left)
	}
}

// standIns are systemctl and its kin, for a mount namespace in which systemd seems to run.
const standIns = `set -e
mount -t tmpfs none /run && mkdir -p /run/systemd/system
mkdir -p /etc/systemd/system /srv && mount -t tmpfs none /etc/systemd/system && mount --bind DIR/srv /srv
mkdir DIR/bin && cd DIR/bin
cat >systemctl <<'END'
#!/bin/sh
echo "$*" >>DIR/calls
case "$1" in
show) printf 'LoadState=loaded\nActiveState=%s\nUnitFileState=%s\nExecStart={ path=/x ; argv[]=/x run --config DIR/config.toml ; ignore_errors=no }\n' ACTIVE ENABLED ;;
cat) printf '[Service]\nUser=nobody\n' ;;
FAILS) [ -e DIR/failed ] || { touch DIR/failed; exit 1; } ;;
esac
END
cat >systemd-run <<'END'
#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
exec "$@"
END
cat >journalctl <<'END'
#!/bin/sh
echo "the ledger is damaged"
END
chmod +x *
cd / && PATH=DIR/bin:$PATH "$@" || echo "exit code $?"
find /etc/systemd/system -type f
`

// TestSetupTakesBackWhatDoesNotStart: whether the service is to be started, restarted or reloaded, where that fails the journal is shown, all
// is taken back, and the service runs, or does not, as before.
func TestSetupTakesBackWhatDoesNotStart(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		needs(t, "root, to make a mount namespace")
	}
	binary := buildProgram(t)
	for name, c := range map[string]struct{ active, enabled, fails, last string }{
		"a start":        {"inactive", "disabled", "enable", "reset-failed --quiet kaizala-drop"},
		"a failed unit":  {"failed", "enabled", "enable", "reset-failed --quiet kaizala-drop"},
		"a restart":      {"active", "enabled", "restart", "reload-or-restart kaizala-drop"},
		"a crash loop":   {"activating", "enabled", "restart", "reload-or-restart kaizala-drop"},
		"a changed unit": {"active", "enabled", "daemon-reload", "daemon-reload"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldOf(t, sandbox.Options{Groups: []sandbox.Group{{ID: "a@2", Name: "A"}, {ID: "b@2", Name: "B"}}}, "")
			for dir := w.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
				must(t, os.Chmod(dir, 0o755))
			}
			must(t, os.Mkdir(w.folder("a"), 0o777))
			must(t, os.Mkdir(w.folder("srv"), 0o755))
			replace := strings.NewReplacer("URL", w.url, "DIR", w.dir, "ACTIVE", c.active, "ENABLED", c.enabled, "FAILS", c.fails)
			must(t, os.WriteFile(w.config, []byte(replace.Replace(head+conn+first)), 0o644))
			before, err := os.ReadFile(w.config)
			must(t, err)
			p := startProcess(t, exec.Command("unshare", "-m", "--propagation", "private", "sh", "-c", replace.Replace(standIns), "sh",
				binary, "setup", "--config", w.config, "--group", "b@2", "--folder", "/srv/new"))
			p.wait()
			for _, want := range []string{"exit code 1\n", "the journal says:\n  the ledger is damaged\n", "all of it was taken back\n"} {
				if !strings.Contains(p.log(), want) {
					t.Errorf("%q is not in %s", want, p.log())
				}
			}
			if strings.Contains(p.log(), "setup.conf\n/") || strings.HasSuffix(p.log(), "setup.conf\n") {
				t.Errorf("the drop-in is left: %s", p.log())
			}
			w.wantUntouched(before)
			calls, err := os.ReadFile(w.dir + "/calls")
			must(t, err)
			if lines := strings.Split(strings.TrimSpace(string(calls)), "\n"); lines[len(lines)-1] != c.last {
				t.Errorf("called were %q", lines)
			}
			if left, _ := os.ReadDir(w.folder("srv")); len(left) > 0 {
				t.Errorf("left are %v", left)
			}
		})
	}
}
