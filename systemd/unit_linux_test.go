package systemd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/boottest"
	"kaizala-drop/internal/filing"
	"kaizala-drop/internal/samples"
)

const (
	configFile = "/etc/kaizala-drop/config.toml"
	dropIns    = "/etc/systemd/system/kaizala-drop.service.d"
	api        = "http://127.0.0.1:8410"

	reception = "/srv/drop/reception" // what the unit allows as it is
	lab       = "/data/scans/lab"     // what the example of a drop-in allows
	home      = "/home/anna/Scans"    // the same, where home directories are hidden
	group     = "scans"               // of the people who drop files, and of the folders
	maxScore  = "12"                  // ten times what systemd-analyze security may say
	capLease  = "0000000010000000"    // capabilities(7), as in /proc/PID/status
)

const kaizala = `
log_level = "debug"
[kaizala]
endpoint = "` + api + `"
calls_per_minute = 0
`

const withToken = kaizala + `access_token = "fixed"` + "\n"

const withCredentials = kaizala + `
application_id = "any"
application_secret = "credential:application-secret"
refresh_token = "credential:refresh-token"
`

func folder(path, id string) string {
	return fmt.Sprintf("[[folder]]\npath = %q\ngroup_id = %q\nsettle = \"200ms\"\nrescan = \"1s\"\ntruncated_after = \"1s\"\n", path, id)
}

// testInside is the life of one installation, from the first day to a broken configuration: each step stands on those
// before it.
func testInside(t *testing.T) {
	sick := &sick{}
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("journalctl", "--no-pager", "-o", "cat", "-u", "kaizala-drop", "-u", "sandbox", "-u", sickUnit).CombinedOutput()
			t.Logf("the journal:\n%s", out)
		}
	})
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"install", testInstall},
		{"the unit is right", testAnalyze},
		{"is sick in every way", sick.begin},
		{"starts without credentials", testStartsWithoutCredentials},
		{"starts with credentials", testStartsWithCredentials},
		{"has one privilege", testPrivileges},
		{"delivers", testDelivers},
		{"tells the journal", testJournal},
		{"has room on its disk again", sick.room},
		{"is asked", testAsks},
		{"waits for another user's writer", testWaitsForWriter},
		{"reloads", testReloads},
		{"keeps its settings when the new ones are wrong", testReloadRefused},
		{"refuses a second daemon", testSecondRefused},
		{"comes back when killed", testComesBack},
		{"is not killed at a slow start", testSlowStart},
		{"is ended by the watchdog", testWatchdog},
		{"stops", testStops},
		{"keeps what it makes as the folder is", testMakes},
		{"was not ended for what is sick", sick.end},
		{"stays down with a wrong configuration", testWrongConfiguration},
		{"is set up", testSetsUp},
	} {
		if !t.Run(step.name, step.do) {
			return
		}
	}
}

// testInstall does what an administrator does.
func testInstall(t *testing.T) {
	copyFile(t, "kaizala-drop", "/usr/local/bin/kaizala-drop", 0o755)
	copyFile(t, "kaizala-drop.service", "/etc/systemd/system/kaizala-drop.service", 0o644)
	write(t, "/run/sysusers.d/people.conf", "g "+group+" -\nu anna - - /home/anna\nm anna "+group+"\n", 0o644)
	copyFile(t, "kaizala-drop.sysusers.conf", "/usr/lib/sysusers.d/kaizala-drop.conf", 0o644)
	run(t, "systemd-sysusers", "people.conf", "kaizala-drop.conf")
	write(t, filepath.Join(dropIns, "folders.conf"), exampleInUse(t), 0o644)
	write(t, filepath.Join(dropIns, "test.conf"), "[Service]\nRestartSec=100ms\n", 0o644)
	for _, f := range []struct {
		path, owner string
		mode        string
	}{
		{reception, "root:" + group, "2775"}, {lab, "root:" + group, "0770"},
		{"/home/anna", "anna:anna", "0700"}, {home, "anna:" + group, "2770"},
	} {
		if err := os.MkdirAll(f.path, 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, "chown", f.owner, f.path)
		run(t, "chmod", f.mode, f.path)
	}
	run(t, "systemctl", "daemon-reload")
	run(t, "systemctl", "enable", "--quiet", "kaizala-drop")
	// A unit that nothing at work wants is forgotten when it stops, and how it ended with it.
	run(t, "systemctl", "add-wants", "--quiet", "--runtime", "kaizala-drop-test.target", "kaizala-drop.service")
	run(t, "systemd-run", "--quiet", "--unit=sandbox", "/usr/local/bin/kaizala-drop", "sandbox", "--listen", "127.0.0.1:8410",
		"--group", "reception@2=Reception", "--group", "lab@2=Lab", "--group", "home@2=Home", "--group", "sick@2=Sick")
	boottest.Await(t, "the sandbox", func() bool {
		_, err := posts("lab@2")
		return err == nil
	})
}

// exampleInUse is the example with every setting in use but the encrypted credentials.
func exampleInUse(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("folders.conf.example")
	if err != nil {
		t.Fatal(err)
	}
	used := regexp.MustCompile(`(?m)^#([A-Z]\w+=)`).ReplaceAllString(string(b), "$1")
	used = regexp.MustCompile(`(?m)^LoadCredential.*\n`).ReplaceAllString(used, "")
	for _, want := range []string{"ReadWritePaths=/data/scans\n", "BindPaths=" + home + "\n", "SupplementaryGroups=" + group + "\n"} {
		if !strings.Contains(used, want) {
			t.Fatalf("the example does not say %q any more: change the test with it", want)
		}
	}
	return used
}

func testAnalyze(t *testing.T) {
	const unit = "/etc/systemd/system/kaizala-drop.service"
	if out := run(t, "systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit); out != "" {
		t.Errorf("systemd-analyze verify says %s", out)
	}
	alone := filepath.Join(t.TempDir(), "alone.service") // without drop-ins
	copyFile(t, unit, alone, 0o644)
	out := run(t, "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold="+maxScore, alone)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	t.Log(lines[len(lines)-1])
}

func testStartsWithoutCredentials(t *testing.T) {
	configure(t, withToken+folder(reception, "reception@2"))
	run(t, "systemctl", "start", "kaizala-drop")
	wantState(t, "active", "running")
	run(t, "systemctl", "stop", "kaizala-drop")
}

func testStartsWithCredentials(t *testing.T) {
	write(t, "/etc/credstore/kaizala-drop.application-secret", "s3cret\n", 0o600)
	write(t, "/etc/credstore/kaizala-drop.refresh-token", "r3fresh\n", 0o600)
	configure(t, withCredentials+folder(reception, "reception@2")+folder(lab, "lab@2"))
	run(t, "systemctl", "start", "kaizala-drop") // comes back after READY=1
	wantState(t, "active", "running")
	if log := run(t, "journalctl", "--no-pager", "-u", "kaizala-drop"); strings.Contains(log, "s3cret") || strings.Contains(log, "r3fresh") {
		t.Error("a secret is in the journal")
	}
}

// testPrivileges sees that CAP_LEASE is there, and worth something: in a user namespace of its own it would not be.
func testPrivileges(t *testing.T) {
	proc := "/proc/" + show(t, "MainPID")
	own, err1 := os.Readlink(proc + "/ns/user")
	ours, err2 := os.Readlink("/proc/self/ns/user")
	if err := errors.Join(err1, err2); err != nil || own != ours {
		t.Errorf("it runs in the user namespace %s, the system in %s (%v)", own, ours, err)
	}
	b, err := os.ReadFile(proc + "/status")
	if err != nil {
		t.Fatal(err)
	}
	status := map[string]string{}
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		status[key] = strings.TrimSpace(value)
	}
	for key, want := range map[string]string{"CapEff": capLease, "CapBnd": capLease, "NoNewPrivs": "1", "Seccomp": "2"} {
		if status[key] != want {
			t.Errorf("%s is %s, want %s", key, status[key], want)
		}
	}
	if uid := strings.Fields(status["Uid"])[0]; uid != uidOf(t, "kaizala-drop") {
		t.Errorf("it runs as uid %s", uid)
	}
}

// testDelivers drops a file of each kind as another user into the one folder, and one into the other.
func testDelivers(t *testing.T) {
	for _, s := range samples.All() {
		drop(t, reception, s)
	}
	for _, s := range samples.All() {
		awaitDone(t, reception, s)
	}
	last := samples.All()[0]
	drop(t, lab, last)
	awaitDone(t, lab, last)
	wantPosted(t, "reception@2", samples.All()...)
	wantPosted(t, "lab@2", last)

	anna, scans := uidOf(t, "anna"), gidOf(t, group)
	daemon := uidOf(t, "kaizala-drop")
	for path, want := range map[string]string{
		filepath.Join(reception, "done"):            daemon + ":" + scans + " drwxrwsr-x",
		filepath.Join(lab, "done"):                  daemon + ":" + gidOf(t, "kaizala-drop") + " drwxrwx---",
		filepath.Join(reception, "done", last.Name): anna + ":" + scans + " -rw-r-----",
		filepath.Join(lab, "done", last.Name):       anna + ":" + scans + " -rw-r-----",
	} {
		if got := strings.TrimSpace(run(t, "stat", "-c", "%u:%g %A", path)); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}

func testReloads(t *testing.T) {
	s := samples.All()[6] // not an ASCII name
	drop(t, home, s)
	pid := show(t, "MainPID")
	configure(t, withCredentials+folder(reception, "reception@2")+folder(lab, "lab@2")+folder(home, "home@2"))
	run(t, "systemctl", "reload", "kaizala-drop")
	awaitDone(t, home, s)
	wantPosted(t, "home@2", s)
	wantState(t, "active", "running")
	if now := show(t, "MainPID"); now != pid {
		t.Errorf("process %s became %s: a reload is no restart", pid, now)
	}
}

func testReloadRefused(t *testing.T) {
	right, err := os.ReadFile(configFile)
	if err != nil {
		t.Fatal(err)
	}
	configure(t, "no such key = 1\n")
	run(t, "systemctl", "reload", "kaizala-drop")
	s := samples.All()[3]
	s.Name = "after a wrong reload.mp4"
	drop(t, home, s)
	awaitDone(t, home, s)
	wantState(t, "active", "running")
	configure(t, string(right))
}

func testSecondRefused(t *testing.T) {
	pid := show(t, "MainPID")
	cmd := exec.CommandContext(t.Context(), "/usr/local/bin/kaizala-drop", "run", "--config", configFile)
	cmd.Env = append(os.Environ(), "CREDENTIALS_DIRECTORY=/run/credentials/kaizala-drop.service")
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Errorf("a second daemon ended with %v, want exit code 1", err)
	}
	if !bytes.Contains(out, []byte("/var/lib/kaizala-drop")) {
		t.Errorf("it does not say what is in its way: %s", out)
	}
	wantState(t, "active", "running")
	if now := show(t, "MainPID"); now != pid {
		t.Errorf("the first one was restarted")
	}
}

func testComesBack(t *testing.T) {
	run(t, "systemctl", "kill", "--signal=KILL", "kaizala-drop")
	s := samples.All()[5]
	s.Name = "dropped meanwhile.pdf"
	drop(t, lab, s)
	awaitDone(t, lab, s)
	boottest.Await(t, "READY=1", func() bool { return show(t, "ActiveState") == "active" })
	if n := show(t, "NRestarts"); n != "1" {
		t.Errorf("%s restarts, want 1", n)
	}
}

func testStops(t *testing.T) {
	this := show(t, "InvocationID")
	run(t, "systemctl", "stop", "kaizala-drop")
	boottest.Await(t, "its last words", func() bool {
		return len(entries(t, "_SYSTEMD_INVOCATION_ID="+this, "-u", "kaizala-drop", "-g", "^stopped")) == 1
	})
	wantState(t, "inactive", "dead")
	wantExit(t, 0)
	if result := show(t, "Result"); result != "success" {
		t.Errorf("result %q", result)
	}
	for dir, id := range map[string]string{reception: "reception@2", lab: "lab@2", home: "home@2"} {
		done, err := filepath.Glob(filepath.Join(dir, "done", "[^.]*")) // not the mark
		if err != nil {
			t.Fatal(err)
		}
		if got, err := posts(id); err != nil || len(got) != len(done) {
			t.Errorf("%d posts in %s (%v), and %d files done", len(got), id, err, len(done))
		}
	}
}

// testMakes: all that the unit alone makes in set-gid folders, subfolders and another file system among them, has owner, group and mode as
// the folder has; in one without that bit, its group has the same rights. A writer is seen (CAP_LEASE).
func testMakes(t *testing.T) {
	const set, unset, archive = "/srv/drop/set-gid", "/srv/drop/unset", "/srv/drop/archive"
	for dir, mode := range map[string]string{set: "3775", unset: "0770", archive: "2770"} {
		run(t, "install", "-d", "-m", mode, "-g", group, "-o", "kaizala-drop", dir)
	}
	run(t, "install", "-d", "-m", "2775", "-g", group, "-o", "anna", set+"/trip")
	run(t, "mount", "-t", "tmpfs", "-o", "mode=2770,gid="+gidOf(t, group), "tmpfs", archive)
	if err := os.Remove(filepath.Join(dropIns, "folders.conf")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { write(t, filepath.Join(dropIns, "folders.conf"), exampleInUse(t), 0o644) })
	dropIn(t, "groups.conf", "[Service]\nSupplementaryGroups="+group+"\n")

	configure(t, withCredentials+folder(set, "reception@2")+fmt.Sprintf("recursive = true\ndone = %q\n", archive+"/done")+folder(unset, "lab@2"))
	run(t, "systemctl", "start", "kaizala-drop")
	held, s := samples.All()[1], samples.All()[0]
	s.Name, held.Name = "made.jpg", "made and open.jpeg"
	f, err := os.OpenFile(filepath.Join(set, held.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o660)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(held.Bytes); err != nil {
		t.Fatal(err)
	}
	drop(t, set, s)
	drop(t, set+"/trip", s)
	drop(t, unset, s)
	for _, dir := range []string{set, unset} {
		write(t, dir+"/torn.pdf", "%PDF-1.4\n", 0o664)
	}
	for _, path := range []string{archive + "/done/made.jpg", archive + "/done/trip/made.jpg", unset + "/done/made.jpg", set + "/failed/torn.pdf", unset + "/failed/torn.pdf"} {
		boottest.Await(t, path, func() bool { _, err := os.Stat(path); return err == nil })
	}
	if _, err := os.Stat(f.Name()); err != nil {
		t.Errorf("a file that is open for writing was taken: %v", err)
	}
	for path, want := range map[string]string{
		archive + "/done": "drwxrwsr-t", archive + "/done/trip": "drwxrwsr-t", set + "/failed": "drwxrwsr-t", set + "/failed/torn.pdf.reason.txt": "-rw-rw-r--",
		archive + "/done/" + filing.Mark: "-rw-rw-r--", set + "/failed/" + filing.Mark: "-rw-rw-r--",
		archive + "/done/made.jpg": "-rw-r-----", archive + "/done/trip/made.jpg": "-rw-r-----",
	} {
		if got := strings.TrimSpace(run(t, "stat", "-c", "%U:%G %A", path)); got != "kaizala-drop:"+group+" "+want {
			t.Errorf("%s is %s", path, got)
		}
	}
	wantShared(t, unset)
	t.Run("speaks to no multicast", testMulticast)
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	boottest.Await(t, held.Name, func() bool { _, err := os.Stat(filepath.Join(archive, "done", held.Name)); return err == nil })
	run(t, "systemctl", "stop", "kaizala-drop")
}

// testMulticast speaks to multicast as a process of the unit, which is not let, and as one of another, which is; and to one address.
func testMulticast(t *testing.T) {
	const mine = "/proc/self/cgroup"
	b, err := os.ReadFile(mine)
	if err != nil {
		t.Fatal(err)
	}
	_, own, _ := strings.Cut(strings.TrimSpace(string(b)), "::")
	speak := func(cgroup string, to [4]byte) error {
		const all = "/sys/fs/cgroup"
		if err := os.WriteFile(filepath.Join(all, cgroup, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := os.WriteFile(filepath.Join(all, own, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
				t.Fatal(err)
			}
		}()
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptInet4Addr(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, [4]byte{127, 0, 0, 1}); err != nil {
			t.Fatal(err)
		}
		return unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Addr: to, Port: 5353})
	}
	mdns, unit := [4]byte{224, 0, 0, 251}, show(t, "ControlGroup")
	if err := errors.Join(speak(own, mdns), speak(unit, [4]byte{127, 0, 0, 1})); err != nil {
		t.Fatalf("what is to be let is not: %v", err)
	}
	err = speak(unit, mdns)
	boottest.Need(t, err != nil, "this kernel or container lets systemd filter no addresses")
	if !errors.Is(err, unix.EPERM) {
		t.Errorf("multicast from the unit: %v", err)
	}
}

// wantShared sees that what was made in a folder without set-gid bit is open to the folder's group, and closed to others.
func wantShared(t *testing.T, dir string) {
	t.Helper()
	as := func(groups []uint32, script string) error {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
		const nobody = 65534
		cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody, Groups: groups}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	}
	script := "test -w " + dir + "/done && ls " + dir + "/done && cat " + dir + "/failed/torn.pdf.reason.txt && echo >>" + dir + "/failed/torn.pdf.reason.txt && " +
		"cat " + dir + "/failed/" + filing.Mark + " && mv " + dir + "/failed/torn.pdf.reason.txt " + dir + "/done/"
	if err := as(nil, script); err == nil {
		t.Errorf("%s is open to others", dir)
	}
	if err := as([]uint32{uint32(number(t, gidOf(t, group)))}, script); err != nil {
		t.Errorf("%s is closed to its group: %v", dir, err)
	}
}

func testWrongConfiguration(t *testing.T) {
	configure(t, "no such key = 1\n")
	if out, err := exec.CommandContext(t.Context(), "systemctl", "start", "kaizala-drop").CombinedOutput(); err == nil {
		t.Fatalf("it started: %s", out)
	}
	wantState(t, "failed", "failed") // not "activating", "auto-restart"
	wantExit(t, 78)
	if n := show(t, "NRestarts"); n != "0" {
		t.Errorf("%s restarts, want none", n)
	}
}

// drop puts a file there as anna does who has it elsewhere on the same disk: it appears whole, with a rename.
func drop(t *testing.T, dir string, s samples.Sample) {
	t.Helper()
	hidden := filepath.Join(dir, ".coming")
	err := os.WriteFile(hidden, s.Bytes, 0o640)
	err = errors.Join(err, os.Chown(hidden, number(t, uidOf(t, "anna")), number(t, gidOf(t, group))))
	if err = errors.Join(err, os.Rename(hidden, filepath.Join(dir, s.Name))); err != nil {
		t.Fatal(err)
	}
}

// awaitDone waits until a file is in done/ and nowhere else, byte by byte what it was.
func awaitDone(t *testing.T, dir string, s samples.Sample) {
	t.Helper()
	done := filepath.Join(dir, "done", s.Name)
	boottest.Await(t, done, func() bool {
		_, err := os.Stat(done)
		return err == nil
	})
	if b, err := os.ReadFile(done); err != nil || !bytes.Equal(b, s.Bytes) {
		t.Errorf("%s is not what was dropped (%v)", done, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, s.Name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is in its folder still, or again (%v)", s.Name, err)
	}
}

// wantPosted sees that a group got these files and no other, each once and whole.
func wantPosted(t *testing.T, groupID string, want ...samples.Sample) {
	t.Helper()
	got, err := posts(groupID)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Errorf("%d posts in %s, want %d", len(got), groupID, len(want))
	}
	for _, s := range want {
		i := slices.IndexFunc(got, func(p post) bool { return p.Media[0].Name == s.Name })
		if i < 0 {
			t.Errorf("%s is not in %s", s.Name, groupID)
			continue
		}
		if b, err := get(got[i].Media[0].URL); err != nil || !bytes.Equal(b, s.Bytes) {
			t.Errorf("%s arrived with other bytes (%v)", s.Name, err)
		}
	}
}

// post is what the sandbox's page gets to know.
type post struct {
	Media []struct{ Name, URL string }
}

func posts(groupID string) ([]post, error) {
	b, err := get("/timeline?group=" + url.QueryEscape(groupID))
	if err != nil {
		return nil, err
	}
	var timeline struct{ Posts []post }
	err = json.Unmarshal(b, &timeline)
	return timeline.Posts, err
}

func get(path string) ([]byte, error) {
	r, err := http.Get(api + path)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, r.Status)
	}
	return io.ReadAll(r.Body)
}

// configure replaces the configuration as an editor does, readable for the daemon and for nobody else.
func configure(t *testing.T, text string) {
	t.Helper()
	write(t, configFile+".new", text, 0o640)
	run(t, "chgrp", "kaizala-drop", configFile+".new")
	if err := os.Rename(configFile+".new", configFile); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err = errors.Join(err, os.WriteFile(path, []byte(text), mode)); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func show(t *testing.T, property string) string {
	t.Helper()
	return showOf(t, "kaizala-drop", property)
}

func showOf(t *testing.T, unit, property string) string {
	t.Helper()
	return strings.TrimSpace(run(t, "systemctl", "show", unit, "--value", "--property="+property))
}

func wantState(t *testing.T, active, sub string) {
	t.Helper()
	if a, s := show(t, "ActiveState"), show(t, "SubState"); a != active || s != sub {
		t.Errorf("the service is %s (%s), want %s (%s)", a, s, active, sub)
	}
}

func wantExit(t *testing.T, code int) {
	t.Helper()
	const exited = 1 // CLD_EXITED
	how, status := show(t, "ExecMainCode"), show(t, "ExecMainStatus")
	if how != strconv.Itoa(exited) || status != strconv.Itoa(code) {
		t.Errorf("it ended with code %s, status %s, want %d, %d", how, status, exited, code)
	}
}

func uidOf(t *testing.T, name string) string {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return u.Uid
}

func gidOf(t *testing.T, name string) string {
	t.Helper()
	g, err := user.LookupGroup(name)
	if err != nil {
		t.Fatal(err)
	}
	return g.Gid
}

func number(t *testing.T, id string) int {
	t.Helper()
	n, err := strconv.Atoi(id)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// testWaitsForWriter sees CAP_LEASE at work: a file that is whole and quiet, but still open, is left alone while a later
// one passes.
func testWaitsForWriter(t *testing.T) {
	held, later := samples.All()[1], samples.All()[2]
	held.Name, later.Name = "still open.jpeg", "later.jpg"
	path := filepath.Join(reception, held.Name)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, err = f.Write(held.Bytes)
	if err = errors.Join(err, f.Chown(number(t, uidOf(t, "anna")), number(t, gidOf(t, group)))); err != nil {
		t.Fatal(err)
	}
	drop(t, reception, later)
	awaitDone(t, reception, later)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("a file that is open for writing was taken: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	awaitDone(t, reception, held)
}
