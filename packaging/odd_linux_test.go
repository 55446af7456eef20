package packaging_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"kaizala-drop/internal/boottest"
)

// aptFails gives what apt says where it is to fail.
func aptFails(t *testing.T, args ...string) string {
	t.Helper()
	out, err := runsIn(t, "", "env", append([]string{"DEBIAN_FRONTEND=noninteractive", "apt", "-y"}, args...)...)
	t.Log(out)
	if err == nil {
		t.Errorf("apt %q does not fail", args)
	}
	return out
}

// dpkg does what apt does, in half the time.
func dpkg(t *testing.T, args ...string) string {
	t.Helper()
	out := run(t, "dpkg", args...)
	t.Log(out)
	return out
}

// wipe takes away all that a life of the package has left, but for the drop folders.
func wipe(t *testing.T) {
	t.Helper()
	dpkg(t, "--purge", "kaizala-drop")
	for _, path := range []string{"/etc/kaizala-drop", stateDir, "/data"} {
		must(t, os.RemoveAll(path))
	}
	if out, err := runsIn(t, "", "systemctl", "is-enabled", unit); err == nil {
		t.Errorf("it is %s", out)
	}
}

// testMasked: a unit that the administrator has masked or disabled stays so, through upgrade, removal and a new installation, and what runs
// meanwhile goes on.
func (h *house) testMasked(t *testing.T) {
	apt(t, "install", "./1.deb")
	h.start(t, "before it is masked.pdf")
	pid := show(t, "MainPID")
	run(t, "systemctl", "mask", unit)
	said := apt(t, "install", "./2.deb")
	wantSaid(t, said, "is masked, and goes on as the version before")
	if strings.Contains(said, "is used, and not the unit of the package") || show(t, "MainPID") != pid {
		t.Errorf("a mask is taken for an installation by hand, or what runs is not let alone")
	}
	h.delivers(t, "masked.pdf")
	apt(t, "remove", "kaizala-drop")
	wantActive(t, "inactive")
	wantSaid(t, apt(t, "install", "./2.deb"), "masked as before", "systemctl unmask kaizala-drop")
	if out, _ := runsIn(t, "", "systemctl", "is-enabled", unit); tidy(out) != "masked" {
		t.Errorf("it is %s", out)
	}
	wantSaid(t, apt(t, "purge", "kaizala-drop"), "removed "+configFile, "removed "+stateDir+"\n")
	if to, err := os.Readlink(handUnit); err != nil || to != "/dev/null" {
		t.Errorf("the mask leads to %q (%v)", to, err)
	}
	run(t, "systemctl", "unmask", unit)

	apt(t, "install", "./1.deb")
	h.start(t, "before it is disabled.pdf")
	run(t, "systemctl", "disable", "--now", unit)
	must(t, os.Remove("/run/systemd/system/kaizala-drop-test.target.wants/"+unit)) // the test's own
	run(t, "systemctl", "daemon-reload")
	apt(t, "install", "./2.deb")
	apt(t, "remove", "kaizala-drop")
	wantSaid(t, apt(t, "install", "./2.deb"), "not running. To start it: systemctl enable --now kaizala-drop")
	wantActive(t, "inactive")
	if out, _ := runsIn(t, "", "systemctl", "is-enabled", unit); tidy(out) != "disabled" {
		t.Errorf("it is %s", out)
	}
	wipe(t)
}

// asUser is what docs/running.md has in front of a program that the daemon's user runs by hand.
var asUser = []string{"--reuid=kaizala-drop", "--regid=kaizala-drop", "--init-groups", "--inh-caps=+lease", "--ambient-caps=+lease"}

// byUser runs the daemon as its user does by hand, until the returned function ends it.
func byUser(t *testing.T, config string) (pid int, stop func()) {
	t.Helper()
	cmd := exec.Command("setpriv", append(asUser, "/usr/bin/kaizala-drop", "run", "--config", config)...)
	must(t, cmd.Start())
	stop = func() {
		if cmd.Process.Signal(syscall.SIGTERM) == nil {
			_ = cmd.Wait()
		}
	}
	t.Cleanup(stop)
	return cmd.Process.Pid, stop
}

// testPurgedInUse: what a daemon uses that was started by hand is not purged, it is said which one it is, and the same command works once
// it is stopped. One with settings and a state_dir of its own is no reason, and goes on.
func (h *house) testPurgedInUse(t *testing.T) {
	const elsewhere = "/data/state of its own"
	for _, at := range []string{stateDir, elsewhere} {
		dpkg(t, "--install", "2.deb")
		h.configure(t)
		run(t, "install", "-d", "-m", "700", "-o", "kaizala-drop", "-g", "kaizala-drop", at)
		write(t, configFile, fmt.Sprintf("state_dir = %q\n", at)+readFile(t, configFile), 0o640)
		pid, stop := byUser(t, configFile)
		h.delivers(t, "by hand in "+filepath.Base(at)+".pdf")
		wantSaid(t, run(t, "kaizala-drop", "status"), fmt.Sprintf("pid %d", pid))
		said := aptFails(t, "purge", "kaizala-drop")
		wantSaid(t, said, "nothing is purged", fmt.Sprintf("(kill %d)", pid), "apt purge kaizala-drop")
		if !exists(configFile) || !exists(at+"/ledger.db") || exists("/usr/bin/kaizala-drop") {
			t.Errorf("what it uses is gone, or the program is not")
		}
		h.delivers(t, "not purged in "+filepath.Base(at)+".pdf")
		stop()
		said = dpkg(t, "--purge", "kaizala-drop")
		wantSaid(t, said, "removed "+configFile)
		if exists(configFile) || exists(stateDir+"/ledger.db") {
			t.Error("it is not purged")
		}
		if at == elsewhere {
			wantSaid(t, said, "kept "+elsewhere)
			if !exists(elsewhere + "/ledger.db") {
				t.Error("a ledger elsewhere is gone")
			}
		}
		must(t, os.RemoveAll("/data"))
	}
	dpkg(t, "--install", "2.deb")
	h.configure(t)
	run(t, "install", "-d", "-m", "700", "-o", "kaizala-drop", "-g", "kaizala-drop", "/data/state")
	write(t, "/data/own.toml", "state_dir = \"/data/state\"\n"+readFile(t, configFile), 0o644)
	_, stop := byUser(t, "/data/own.toml")
	h.delivers(t, "own settings.pdf")
	dpkg(t, "--purge", "kaizala-drop")
	if exists(configFile) {
		t.Error("it is not purged")
	}
	h.delivers(t, "own settings, purged.pdf")
	stop()
	must(t, os.RemoveAll("/data"))
}

// testPurgedOddly: wherever state_dir and the folders lie, a purge removes what the program made, by its whole name, and says of the rest
// why it stays.
func (h *house) testPurgedOddly(t *testing.T) {
	const persons = "/data/persons"
	ours := []string{"ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.v3", "ledger.made", "lock", "refresh-token.json", "matrix-token-chat.json"}
	theirs := []string{"ledger.pdf", "ledger.xlsx", "lock.jpg", "refresh-token.pdf", "in/scan.pdf"}
	fill := func(dir string, names ...string) {
		for _, name := range names {
			write(t, filepath.Join(dir, name), name, 0o600)
		}
	}
	for _, at := range []struct {
		name  string
		make  func()
		kept  []string
		gone  []string
		wants string
	}{
		{"a directory with files and a folder of somebody", func() { fill(stateDir, append(ours, theirs...)...) },
			inDir(stateDir, theirs), inDir(stateDir, ours), "kept " + stateDir + ", with what is in it and not the program's: in ledger.pdf"},
		{"a link to another place", func() {
			fill(persons, append(ours, theirs...)...)
			must(t, os.Symlink(persons, stateDir))
		}, append(inDir(persons, theirs), stateDir), inDir(persons, ours), "kept " + stateDir + ": it is a link to " + persons},
		{"a link that leads to a drop folder now", func() {
			fill(persons, "ledger.db", "lock", "refresh-token.json")
			must(t, os.Symlink(persons, stateDir))
		}, inDir(persons, []string{"ledger.db", "lock", "refresh-token.json"}), nil, "kept " + stateDir + ": it is a link to " + persons},
		{"a mount", func() {
			must(t, os.MkdirAll(stateDir, 0o700))
			run(t, "mount", "-t", "tmpfs", "tmpfs", stateDir)
			fill(stateDir, ours...)
		}, []string{stateDir}, inDir(stateDir, ours), "kept " + stateDir + ": it is empty, and something is mounted there"},
		{"a mount, and files of somebody", func() {
			must(t, os.MkdirAll(stateDir, 0o700))
			run(t, "mount", "-t", "tmpfs", "tmpfs", stateDir)
			fill(stateDir, append(ours, theirs...)...)
		}, inDir(stateDir, theirs), inDir(stateDir, ours), "kept " + stateDir + ", with"},
		{"folders that nothing is in", func() {
			run(t, "mount", "-t", "tmpfs", "tmpfs", filepath.Dir(drop))
			must(t, os.Mkdir(drop, 0o755)) // it is a drop folder itself
			fill("/etc/kaizala-drop", "config.toml", "proxy.env")
		}, []string{drop, "/etc/kaizala-drop/proxy.env"}, []string{configFile}, "kept /etc/kaizala-drop, with what is in it and not the program's: proxy.env"},
	} {
		t.Log(at.name)
		dpkg(t, "--install", "2.deb")
		must(t, os.RemoveAll(stateDir))
		at.make()
		said := dpkg(t, "--purge", "kaizala-drop")
		wantSaid(t, said, at.wants)
		for _, path := range at.kept {
			if !exists(path) {
				t.Errorf("%s: %s is gone", at.name, path)
			}
		}
		for _, path := range at.gone {
			if exists(path) {
				t.Errorf("%s: %s is there", at.name, path)
			}
			wantSaid(t, said, "removed ")
		}
		_ = exec.Command("umount", stateDir).Run()
		for _, path := range []string{stateDir, "/data", "/etc/kaizala-drop"} {
			must(t, os.RemoveAll(path))
		}
	}
	run(t, "umount", filepath.Dir(drop))
}

func inDir(dir string, names []string) (paths []string) {
	for _, name := range names {
		paths = append(paths, filepath.Join(dir, name))
	}
	return paths
}

// testOddPlaces: it is installed whoever has the name of its user, and whatever lies where its folder belongs; what a person should know is said.
func (h *house) testOddPlaces(t *testing.T) {
	run(t, "mount", "-t", "tmpfs", "tmpfs", filepath.Dir(drop))
	for _, at := range []struct {
		name, before, after, wants string
	}{
		{"a group of that name", "groupadd -g 4711 kaizala-drop", "id -g kaizala-drop | grep -x 4711", ""},
		{"a person of that name", "useradd -m -u 4712 -s /bin/bash kaizala-drop", "id -u kaizala-drop | grep -x 4712", "warning: there was an account kaizala-drop that can log in (/bin/bash)"},
		{"a user with another group", "groupadd scans; useradd -r -s /usr/sbin/nologin -g scans kaizala-drop", "getent group kaizala-drop", ""},
		{"a file in the folder's place", "touch /srv/drop", "test -f /srv/drop && rm /srv/drop", "warning: there is no folder /srv/drop"},
		{"a link in the folder's place", "mkdir -p /data/drop; ln -s /data/drop /srv/drop", "test -L /srv/drop && rm /srv/drop", ""},
		{"a link that leads nowhere", "ln -s /data/nowhere /srv/drop", "test -L /srv/drop && rm /srv/drop", "warning: there is no folder /srv/drop"},
		{"a disk that is read-only", "mount -t tmpfs -o ro tmpfs /srv", "umount /srv", "warning: there is no folder /srv/drop"},
		{"somebody else's place", "mkdir /srv/drop; chown nobody /srv /srv/drop", "stat -c %U /srv/drop | grep -x nobody; chown root /srv", ""},
	} {
		t.Log(at.name)
		_ = exec.Command("sh", "-c", "userdel kaizala-drop; groupdel kaizala-drop; groupdel kaizala-drop-admin; groupdel scans; rmdir /srv/drop").Run()
		run(t, "sh", "-ec", at.before)
		said := dpkg(t, "--install", "2.deb")
		wantSaid(t, said, nextStep, at.wants)
		if strings.Contains(said, "warning: the") != (at.wants != "") || strings.Contains(said, "not a directory") {
			t.Errorf("%s: it warns, or does not, or systemd-tmpfiles complains", at.name)
		}
		run(t, "sh", "-ec", at.after)
		run(t, "id", "-nG", "kaizala-drop")
		wipe(t)
	}
	_ = exec.Command("sh", "-c", "userdel kaizala-drop; groupdel kaizala-drop; groupdel kaizala-drop-admin").Run()
	run(t, "umount", filepath.Dir(drop))
}

// testInterrupted: an installation that broke off in its script is brought to its end by dpkg, with what is next, and one of a system that
// systemd does not run, as in a container, is whole.
func (h *house) testInterrupted(t *testing.T) {
	sysusers := strings.TrimSpace(run(t, "which", "systemd-sysusers"))
	run(t, "mount", "--bind", "/bin/false", sysusers)
	aptFails(t, "install", "./2.deb")
	run(t, "umount", sysusers)
	wantSaid(t, run(t, "dpkg", "--configure", "--pending"), nextStep)
	run(t, "id", "kaizala-drop")
	wipe(t)

	inContainer := func(args ...string) string {
		t.Helper()
		return run(t, "unshare", append([]string{"--mount", "sh", "-ec", "mount -t tmpfs tmpfs /run; DEBIAN_FRONTEND=noninteractive exec apt -y \"$@\"", "sh"}, args...)...)
	}
	wantSaid(t, inContainer("install", "./1.deb"), nextStep)
	h.configure(t)
	inContainer("install", "./2.deb")
	wantSaid(t, inContainer("purge", "kaizala-drop"), "removed "+configFile)
	wantActive(t, "inactive")
}

// testDowngraded: an older package takes the place of a newer one, and the service goes on with it.
func (h *house) testDowngraded(t *testing.T) {
	apt(t, "install", "./2.deb")
	h.start(t, "newer.pdf")
	s := h.begin(t, "downgrade")
	apt(t, "install", "--allow-downgrades", "./1.deb")
	runsPackage(t)
	wantSaid(t, run(t, "kaizala-drop", "version"), "kaizala-drop 0.0.0~before (go")
	s.end(t)
	wipe(t)
}

// testByHandWithout: where no service runs, the directory of the socket is there, and a daemon that its user starts can be asked.
func (h *house) testByHandWithout(t *testing.T) {
	dpkg(t, "--install", "2.deb")
	wantRun := func(when string) {
		t.Helper()
		if got := tidy(run(t, "stat", "-c", "%U:%G %a", "/run/kaizala-drop")); got != "kaizala-drop:kaizala-drop 755" {
			t.Errorf("%s: the directory of the socket is %s", when, got)
		}
	}
	wantRun("installed")
	h.start(t, "served.pdf")
	run(t, "systemctl", "stop", unit)
	wantRun("stopped")
	wantSaid(t, run(t, "kaizala-drop", "status"), "no daemon runs", "systemctl start kaizala-drop")
	pid, stop := byUser(t, configFile)
	boottest.Await(t, "an answer of the daemon", func() bool {
		out, err := runsIn(t, "", "kaizala-drop", "status")
		return err == nil && strings.Contains(out, fmt.Sprintf("pid %d", pid))
	})
	stop()
	wantSaid(t, run(t, "kaizala-drop", "status"), "no daemon runs")
	put(t, "plain", "once.pdf")
	command := blocks(t, runningPage, "## By hand, or from time to time")
	if len(command) != 1 {
		t.Fatalf("there are %d blocks", len(command))
	}
	paste(t, "", command[0])
	awaitIn(t, "plain", "done", "once.pdf")
	wipe(t)
}
