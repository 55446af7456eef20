package packaging_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// apt runs apt as the README says, without a network.
func apt(t *testing.T, args ...string) string {
	t.Helper()
	out := runIn(t, "", []string{"DEBIAN_FRONTEND=noninteractive"}, "apt", append(args, "-y")...)
	t.Log(out)
	return out
}

func wantSaid(t *testing.T, said string, parts ...string) {
	t.Helper()
	said = strings.ReplaceAll(said, "\r", "") // apt shows it as a terminal does
	for _, part := range parts {
		if !strings.Contains(said, part) {
			t.Errorf("it does not say %q", part)
		}
	}
}

// testBare: it is installed, says what is next, and starts nothing.
func (h *house) testBare(t *testing.T) {
	said := apt(t, "install", "./1.deb")
	wantSaid(t, said, nextStep)
	wantActive(t, "inactive")
	if out, err := runsIn(t, "", "systemctl", "is-enabled", unit); err == nil || tidy(out) != "disabled" {
		t.Errorf("it is %s", out)
	}
	if out := run(t, "/usr/bin/kaizala-drop", "version"); !strings.HasPrefix(out, "kaizala-drop 0.0.0~before (go") {
		t.Errorf("its version is %s", out)
	}
	for _, group := range []string{"kaizala-drop", "kaizala-drop-admin"} {
		run(t, "getent", "group", group)
	}
	if got := tidy(run(t, "stat", "-c", "%U:%G %a", drop, "/etc/kaizala-drop")); got != "root:root 755 root:root 755" {
		t.Errorf("%s and the place of the settings are %s", drop, got)
	}
	if entries, err := os.ReadDir("/etc/kaizala-drop"); err != nil || len(entries) != 0 {
		t.Errorf("the settings are not the administrator's: %v %v", entries, err)
	}
	if out := run(t, "dpkg", "--verify", "kaizala-drop"); out != "" {
		t.Errorf("dpkg --verify: %s", out)
	}
	if out := run(t, "systemd-analyze", "verify", "--recursive-errors=no", unit); out != "" {
		t.Errorf("systemd-analyze verify: %s", out)
	}
	wantSaid(t, run(t, "man", "-w", "kaizala-drop", "kaizala-drop-retry", "kaizala-drop.toml"), "/usr/share/man/man1/kaizala-drop.1.gz",
		"/usr/share/man/man1/kaizala-drop-retry.1.gz", "/usr/share/man/man5/kaizala-drop.toml.5.gz")
	completes(t)
	if exists("/usr/share/bash-completion/completions/kaizala-drop") != true || !exists("/usr/share/doc/kaizala-drop/copyright") {
		t.Error("files of the package are missing")
	}
}

// testSetUp: after the installation, one command leads to a service that delivers.
func (h *house) testSetUp(t *testing.T) {
	write(t, "/root/secret", "secret", 0o600)
	t.Log(run(t, "kaizala-drop", "setup", "--endpoint", h.address, "--application-id", "any", "--application-secret-file", "/root/secret",
		"--refresh-token-file", "/root/secret", "--group", "plain@2", "--folder", filepath.Join(drop, "plain")))
	runsPackage(t)
	h.delivers(t, "set up.pdf")
	wantSaid(t, run(t, "kaizala-drop", "explain", filepath.Join(drop, "plain", "done", "set up.pdf")), "It is safe to delete")
	run(t, "systemctl", "disable", "--now", "kaizala-drop")
	must(t, os.Remove(configFile))
}

func (h *house) testConfigured(t *testing.T) { h.start(t, "first.pdf") }

// start does what a person does who has installed it.
func (h *house) start(t *testing.T, name string) {
	t.Helper()
	h.configure(t)
	run(t, "systemctl", "enable", "--now", "kaizala-drop")
	// A unit that nothing at work wants is forgotten when it stops, and how it ended with it.
	run(t, "systemctl", "add-wants", "--quiet", "--runtime", "kaizala-drop-test.target", unit)
	runsPackage(t)
	h.delivers(t, name)
	run(t, "kaizala-drop", "status")
}

// testUpgraded: the service is another one afterwards, and all goes on where it was.
func (h *house) testUpgraded(t *testing.T) {
	s, pid := h.begin(t, "upgrade"), show(t, "MainPID")
	said := apt(t, "install", "./2.deb")
	runsPackage(t)
	if now := show(t, "MainPID"); now == pid || show(t, "NRestarts") != "0" {
		t.Errorf("process %s became %s", pid, now)
	}
	wantSaid(t, run(t, "kaizala-drop", "version"), "kaizala-drop 0.0.1~after (go")
	if strings.Contains(said, nextStep) || strings.Contains(said, "kaizala-drop: ") {
		t.Errorf("an upgrade has something to say")
	}
	s.end(t)
}

// testStaysStopped: an upgrade starts nothing that the administrator has stopped.
func (h *house) testStaysStopped(t *testing.T) {
	run(t, "systemctl", "stop", unit)
	apt(t, "install", "--reinstall", "./2.deb")
	wantActive(t, "inactive")
	run(t, "systemctl", "start", unit)
	h.delivers(t, "started.pdf")
}

// testRemoved: what was removed runs no more, and all that is a person's stays.
func (h *house) testRemoved(t *testing.T) {
	ledger, err := os.Stat(stateDir + "/ledger.db")
	must(t, err)
	said := apt(t, "remove", "kaizala-drop")
	wantSaid(t, said, "kept, unless it is purged:", configFile[:len("/etc/kaizala-drop")], stateDir)
	if out, _ := runsIn(t, "", "pgrep", "-x", "kaizala-drop"); out != "" || exists("/usr/bin/kaizala-drop") {
		t.Errorf("it runs, or is there: %s", out)
	}
	if after, err := os.Stat(stateDir + "/ledger.db"); err != nil || !os.SameFile(ledger, after) || !exists(configFile) {
		t.Errorf("the ledger or the settings are gone (%v)", err)
	}
	if !exists(filepath.Join(drop, "plain", "done", "first.pdf")) {
		t.Error("a person's file is gone")
	}
}

// testBack: what was enabled when it was removed goes on.
func (h *house) testBack(t *testing.T) {
	put(t, "plain", "meanwhile.pdf")
	said := apt(t, "install", "./2.deb")
	if strings.Contains(said, nextStep) {
		t.Error("it is configured, and is told to be")
	}
	runsPackage(t)
	awaitIn(t, "plain", "done", "meanwhile.pdf")
	if n := h.posts("upgrade uploaded.pdf") + h.posts("first.pdf"); n != 2 {
		t.Errorf("two earlier files were posted %d times", n)
	}
}

// files counts those of persons.
func files(t *testing.T) string {
	t.Helper()
	return run(t, "sh", "-c", "find "+drop+" -type f ! -name '.kaizala*' -exec sha256sum {} + | sort")
}

// testPurged: it says what it removes, and removes nothing that it did not make.
func (h *house) testPurged(t *testing.T) {
	write(t, filepath.Join(stateDir, "notes of the administrator"), "mine", 0o600)
	write(t, configFile+".before", "a copy", 0o600)
	write(t, "/etc/credstore/kaizala-drop.refresh-token", "secret", 0o600)
	write(t, "/etc/credstore/other.secret", "secret", 0o600)
	const ofSetup, own = "/etc/systemd/system/" + unit + ".d/setup.conf", "/etc/systemd/system/" + unit + ".d/mine.conf"
	write(t, ofSetup, "[Service]\n", 0o644)
	write(t, own, "[Service]\n", 0o644)
	before := files(t)
	said := apt(t, "purge", "kaizala-drop")
	for _, path := range []string{configFile, configFile + ".before", stateDir + "/ledger.db", "/etc/credstore/kaizala-drop.refresh-token", ofSetup} {
		wantSaid(t, said, "removed "+path+"\n")
		if exists(path) {
			t.Errorf("%s is there", path)
		}
	}
	wantSaid(t, said, "kept "+stateDir+", with what is in it and not the program's: notes\\ of", "kept: the folders")
	if !exists(filepath.Join(stateDir, "notes of the administrator")) || !exists("/etc/credstore/other.secret") || exists("/etc/kaizala-drop") {
		t.Error("what is not the program's was removed, or what is its own was left")
	}
	if after := files(t); after != before || strings.Count(after, "\n") < 8 {
		t.Errorf("files of persons: before\n%s after\n%s", before, after)
	}
	if out, err := runsIn(t, "", "systemctl", "is-enabled", unit); err == nil {
		t.Errorf("it is %s", out)
	}
	if !exists(own) {
		t.Error("a drop-in of the administrator is gone")
	}
	must(t, os.RemoveAll(filepath.Dir(own)))
	must(t, os.RemoveAll(stateDir))
}

// installByHand does what the README said before there were packages.
func (h *house) installByHand(t *testing.T, edit string) {
	t.Helper()
	run(t, "install", "-m", "755", "old", handBinary)
	run(t, "install", "-D", "-m", "644", "old.kaizala-drop.sysusers.conf", "/usr/lib/sysusers.d/kaizala-drop.conf")
	run(t, "systemd-sysusers")
	h.configure(t)
	text, err := os.ReadFile("old." + unit)
	must(t, err)
	write(t, handUnit, string(text)+edit, 0o644)
	run(t, "systemctl", "daemon-reload")
	run(t, "systemctl", "enable", "--now", "kaizala-drop")
	run(t, "systemctl", "add-wants", "--quiet", "--runtime", "kaizala-drop-test.target", unit)
	if exe, err := os.Readlink("/proc/" + show(t, "MainPID") + "/exe"); err != nil || exe != handBinary {
		t.Fatalf("the service runs %s (%v)", exe, err)
	}
}

// testByHand: an installation by hand is taken over, with all that it was about.
func (h *house) testByHand(t *testing.T) {
	h.installByHand(t, "")
	run(t, "chmod", "2775", drop)
	s := h.begin(t, "by hand")
	said := apt(t, "install", "./2.deb")
	runsPackage(t)
	wantSaid(t, said, handUnit+".by-hand", "warning: a shell finds "+handBinary)
	if got := tidy(run(t, "stat", "-c", "%a", drop)); got != "2775" {
		t.Errorf("%s was there, and has the mode %s now", drop, got)
	}
	if out := tidy(run(t, "systemctl", "is-enabled", unit)); out != "enabled" {
		t.Errorf("it is %s", out)
	}
	s.end(t)
	h.delivers(t, "taken over.pdf")
	must(t, os.Remove(handBinary))
	apt(t, "purge", "kaizala-drop")
	if exists("/etc/systemd/system/multi-user.target.wants/" + unit) {
		t.Error("it is still started at boot")
	}
}

// testEditedUnit: a unit with something of the administrator's own stays in use, and is named; neither the upgrade nor the removal harms it.
func (h *house) testEditedUnit(t *testing.T) {
	h.installByHand(t, "# my own\n")
	said := apt(t, "install", "./1.deb")
	wantSaid(t, said, "warning: "+handUnit+" is used", "warning: a shell finds "+handBinary)
	byHandGoesOn := func(name string) {
		t.Helper()
		wantActive(t, "active")
		if from := show(t, "FragmentPath"); from != handUnit {
			t.Errorf("the unit is %s", from)
		}
		h.delivers(t, name)
	}
	byHandGoesOn("edited, installed.pdf")
	apt(t, "install", "./2.deb")
	byHandGoesOn("edited, upgraded.pdf")
	apt(t, "remove", "kaizala-drop")
	byHandGoesOn("edited, removed.pdf")
	wantSaid(t, apt(t, "purge", "kaizala-drop"), "nothing is purged")
	byHandGoesOn("edited, purged.pdf")
	run(t, "systemctl", "disable", "--now", unit)
	must(t, os.Remove(handUnit))
}

// testOldDropIn: a drop-in that names the old program keeps the unit that belongs to it, because that of the package would not start with it.
func (h *house) testOldDropIn(t *testing.T) {
	const dropIn = handUnit + ".d/mine.conf"
	write(t, dropIn, "[Service]\nExecStart=\nExecStart="+handBinary+" run --config "+configFile+"\n", 0o644)
	h.installByHand(t, "")
	said := apt(t, "install", "./2.deb")
	wantSaid(t, said, "warning: "+dropIn+" names "+handBinary, "warning: "+handUnit+" is used")
	wantActive(t, "active")
	h.delivers(t, "old drop-in.pdf")
	// What the warnings say helps.
	must(t, os.RemoveAll(filepath.Dir(dropIn)))
	must(t, os.Remove(handUnit))
	must(t, os.Remove(handBinary))
	run(t, "systemctl", "daemon-reload")
	run(t, "systemctl", "restart", "kaizala-drop")
	runsPackage(t)
	if out := tidy(run(t, "systemctl", "is-enabled", unit)); out != "enabled" {
		t.Errorf("it is %s", out)
	}
	h.delivers(t, "as the package has it.pdf")
	apt(t, "purge", "kaizala-drop")
}

// rpm runs rpm on Debian, where nobody has the dependencies by rpm's names.
func rpm(t *testing.T, args ...string) string {
	t.Helper()
	out := run(t, "rpm", append(args, "--nodeps", "--force-debian")...)
	t.Log(out)
	return out
}

// testRPMRoot: the files come where they belong, with their owners and modes.
func (h *house) testRPMRoot(t *testing.T) {
	root := t.TempDir()
	run(t, "rpm", "--root", root, "--initdb")
	rpm(t, "--root", root, "--noscripts", "-i", "2.rpm")
	for path, want := range map[string]string{
		"/usr/bin/kaizala-drop": "0:0 755", "/usr/lib/systemd/system/" + unit: "0:0 644", "/usr/lib/sysusers.d/kaizala-drop.conf": "0:0 644",
		"/usr/lib/tmpfiles.d/kaizala-drop.conf": "0:0 644", "/etc/kaizala-drop": "0:0 755", "/usr/share/man/man5/kaizala-drop.toml.5.gz": "0:0 644",
		"/usr/share/zsh/site-functions/_kaizala-drop": "0:0 644", "/usr/share/fish/vendor_completions.d/kaizala-drop.fish": "0:0 644",
		"/usr/share/bash-completion/completions/kaizala-drop": "0:0 644", "/usr/share/licenses/kaizala-drop/NOTICE": "0:0 644",
		"/usr/share/doc/kaizala-drop/examples/config.example.toml": "0:0 644",
	} {
		if got := tidy(run(t, "stat", "-c", "%u:%g %a", filepath.Join(root, path))); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	run(t, "rpm", "--root", root, "--verify", "--nodeps", "--noscripts", "kaizala-drop")
}

// testRPM: the scripts do with rpm's arguments what they do with Debian's.
func (h *house) testRPM(t *testing.T) {
	wantSaid(t, rpm(t, "-i", "1.rpm"), nextStep)
	wantActive(t, "inactive")
	h.start(t, "rpm first.pdf")
	s, pid := h.begin(t, "rpm"), show(t, "MainPID")
	rpm(t, "-U", "2.rpm")
	runsPackage(t)
	if now := show(t, "MainPID"); now == pid {
		t.Error("it was not restarted")
	}
	s.end(t)
	wantSaid(t, rpm(t, "-e", "kaizala-drop"), "kept:")
	if out, _ := runsIn(t, "", "pgrep", "-x", "kaizala-drop"); out != "" || exists("/usr/bin/kaizala-drop") {
		t.Errorf("it runs, or is there: %s", out)
	}
	if !exists(stateDir+"/ledger.db") || !exists(configFile) || exists("/etc/systemd/system/multi-user.target.wants/"+unit) {
		t.Error("what is a person's is gone, or the link by which it is started is left")
	}
}
