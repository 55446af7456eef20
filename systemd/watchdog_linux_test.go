package systemd_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"kaizala-drop/internal/boottest"
	"kaizala-drop/internal/samples"
)

const (
	// hangingProgram is the daemon built with the tag hanghook: a part of it hangs when hangFile names it.
	hangingProgram = "kaizala-drop-hanghook"
	hangFile       = "/run/kaizala-drop/hang"
)

// dropIn adds lines to the unit until the end of the test.
func dropIn(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(dropIns, name)
	write(t, path, text, 0o644)
	run(t, "systemctl", "daemon-reload")
	t.Cleanup(func() {
		_ = os.Remove(path)
		_ = exec.Command("systemctl", "daemon-reload").Run()
	})
}

// testWatchdog: whichever part of the daemon hangs, the journal says which one, systemd ends it, what each goroutine does is in the
// journal, and the daemon that is started again delivers what was dropped before and meanwhile, once.
func testWatchdog(t *testing.T) {
	boottest.TakesLong(t)
	copyFile(t, hangingProgram, "/usr/local/bin/"+hangingProgram, 0o755)
	dropIn(t, "watchdog.conf", fmt.Sprintf("[Service]\nWatchdogSec=10s\nRuntimeDirectoryPreserve=no\nExecPaths=/usr/local/bin/%[1]s\nExecStart=\n"+
		"ExecStart=/usr/local/bin/%[1]s run --config /etc/kaizala-drop/config.toml\n", hangingProgram))
	run(t, "systemctl", "restart", "kaizala-drop")
	parts := []string{"posting to kaizala", "writing the ledger in /var/lib/kaizala-drop", "the watcher", "the watcher of the folder " + reception, "bringing up the folders"}
	s := samples.All()[4]
	for i, part := range parts {
		before, _ := posts("reception@2")
		restarts := number(t, show(t, "NRestarts"))
		s.Name = fmt.Sprintf("before %d.docx", i)
		drop(t, reception, s)
		write(t, hangFile, part+"\n", 0o644)
		awaitEntry(t, "PART="+part)
		s.Name = fmt.Sprintf("meanwhile %d.docx", i)
		drop(t, reception, s)
		boottest.Await(t, "a restart", func() bool { return number(t, show(t, "NRestarts")) > restarts })
		for _, when := range []string{"before", "meanwhile"} {
			s.Name = fmt.Sprintf("%s %d.docx", when, i)
			awaitDone(t, reception, s)
		}
		after, err := posts("reception@2")
		if err != nil || len(after)-len(before) != 2 && len(after)-len(before) != 1 { // the first may have been posted at once
			t.Errorf("%s: %d posts more, want 2 (%v)", part, len(after)-len(before), err)
		}
		for _, when := range []string{"before", "meanwhile"} {
			if n := countPosts(after, fmt.Sprintf("%s %d.docx", when, i)); n != 1 {
				t.Errorf("%s: the file dropped %s was posted %d times", part, when, n)
			}
		}
	}
	log := run(t, "journalctl", "--no-pager", "-o", "cat", "-u", "kaizala-drop")
	for _, want := range []string{"Watchdog timeout", "SIGABRT: abort", "beat.(*Part).Taken", "does not move"} {
		if strings.Count(log, want) < len(parts) {
			t.Errorf("the journal does not say %q for each of %d parts", want, len(parts))
		}
	}
}

func countPosts(all []post, name string) (n int) {
	for _, p := range all {
		if p.Media[0].Name == name {
			n++
		}
	}
	return n
}

// testSlowStart: a ledger whose check takes longer than TimeoutStartSec= is waited for.
func testSlowStart(t *testing.T) {
	boottest.TakesLong(t)
	fuse(t)
	const state, real, limit = "/var/lib/kaizala-drop", "/var/lib/kaizala-drop.real", 2 * time.Second
	run(t, "systemctl", "stop", "kaizala-drop")
	run(t, "sqlite3", state+"/ledger.db", `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 300)
		INSERT INTO delivery (folder, action, state, caption, settled_at, claimed_at, updated_at, finished_at)
		SELECT CAST('/nowhere' AS BLOB), 'Image', 'filed', hex(randomblob(2000)), t, t, t, t FROM n, (SELECT strftime('%Y-%m-%dT%H:%M:%fZ') AS t)`)
	ledger, err := os.Stat(state + "/ledger.db")
	if err != nil {
		t.Fatal(err)
	}
	run(t, "mv", state, real)
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, "systemd-run", "--quiet", "--unit=slow-disk", "bindfs", "-f", "-o", "allow_other", fmt.Sprintf("--read-rate=%d", ledger.Size()/int64(2*limit.Seconds())), real, state)
	awaitMount(t, state)
	dropIn(t, "slow.conf", fmt.Sprintf("[Service]\nTimeoutStartSec=%d\n", int(limit.Seconds())))
	began := time.Now()
	out, err := exec.CommandContext(t.Context(), "systemctl", "start", "kaizala-drop").CombinedOutput()
	if err != nil {
		t.Errorf("it was not waited for: %v, %s", err, out)
	}
	if took := time.Since(began); took < limit {
		t.Errorf("the start took %v: the test shows nothing", took)
	}
	if n := show(t, "NRestarts"); n != "0" {
		t.Errorf("%s restarts", n)
	}
	run(t, "systemctl", "stop", "kaizala-drop")
	run(t, "systemctl", "stop", "slow-disk")
	boottest.Await(t, "the end of the slow disk", func() bool { return os.Remove(state) == nil })
	run(t, "mv", real, state)
	run(t, "rm", "-f", dropIns+"/slow.conf")
	run(t, "systemctl", "daemon-reload")
	run(t, "systemctl", "start", "kaizala-drop")
}

// fuse sees that there are FUSE file systems.
func fuse(t *testing.T) {
	t.Helper()
	_, err := os.Stat("/dev/fuse")
	boottest.Need(t, err == nil, "there is no /dev/fuse")
	_, err = exec.LookPath("bindfs")
	boottest.Need(t, err == nil, "there is no bindfs: install the package bindfs")
}

func awaitMount(t *testing.T, at string) {
	t.Helper()
	boottest.Await(t, "a file system at "+at, func() bool {
		mounts, err := os.ReadFile("/proc/self/mounts")
		return err == nil && strings.Contains(string(mounts), " "+at+" fuse")
	})
}

const (
	sickUnit   = "kaizala-drop-sick"
	sickPeriod = 10 * time.Second // of its watchdog: long enough for a machine that is busy
	sickHangs  = "/srv/drop/hangs"
	sickMany   = "/srv/drop/many"
	sickGone   = "/srv/drop/gone"
	sickWell   = "/srv/drop/well"
	sickState  = "/var/lib/" + sickUnit
)

// sick is what begin leaves to end.
type sick struct{ began time.Time }

// begin starts a second daemon, with a short watchdog, for which everything is sick: a folder that hangs in the kernel, a
// destination that takes connections and never answers, one that is not there, a folder of 20,000 files, and a full disk under
// its ledger. It works beside the other tests.
func (s *sick) begin(t *testing.T) {
	boottest.TakesLong(t)
	fuse(t)
	for _, dir := range []string{sickHangs, sickMany, sickGone, sickWell, "/srv/hangs", sickState} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, "chown", "kaizala-drop:kaizala-drop", dir)
	}
	for i := range 20_000 {
		write(t, fmt.Sprintf("%s/%05d.part", sickMany, i), "x", 0o644)
	}
	run(t, "systemd-run", "--quiet", "--unit=hanging-folder", "bindfs", "-f", "-o", "allow_other", "/srv/hangs", sickHangs)
	awaitMount(t, sickHangs)
	run(t, "mount", "-t", "tmpfs", "-o", "size=4m,mode=700,uid="+uidOf(t, "kaizala-drop"), "tmpfs", sickState)
	write(t, "/etc/kaizala-drop/sick.toml", sickConfig(silent(t)), 0o640)
	run(t, "chgrp", "kaizala-drop", "/etc/kaizala-drop/sick.toml")
	write(t, "/etc/systemd/system/"+sickUnit+".service", sickService(t), 0o644)
	run(t, "systemctl", "daemon-reload")
	run(t, "systemctl", "add-wants", "--quiet", "--runtime", "kaizala-drop-test.target", sickUnit+".service")
	run(t, "systemctl", "start", sickUnit)
	boottest.Await(t, "watching", func() bool { return len(entries(t, "-u", sickUnit, "FOLDER="+sickHangs)) > 0 })
	s.began = time.Now()
	run(t, "systemctl", "kill", "--signal=STOP", "hanging-folder")
	_ = exec.Command("dd", "if=/dev/zero", "of="+sickState+"/ballast", "bs=64k").Run() // until the disk is full
	for dir, from := range map[string]int{sickGone: 0, sickMany: 1} {
		for i := range 3 {
			one := samples.All()[from+i]
			one.Name = fmt.Sprintf("%d %s", i, one.Name)
			drop(t, dir, one)
		}
	}
}

// silent listens and never answers, and gives its address.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // to the end of the process
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn) }()
		}
	}()
	return listener.Addr().String()
}

func sickConfig(silent string) string {
	destination := func(name, endpoint, token string) string {
		return fmt.Sprintf("[destination.%s]\ntype = \"kaizala\"\nendpoint = %q\n%s\ncalls_per_minute = 0\n", name, endpoint, token)
	}
	const fixed, loggedIn = `access_token = "fixed"`, "application_id = \"any\"\napplication_secret = \"s3cret\"\nrefresh_token = \"r3fresh\""
	to := func(path, name string) string {
		return folder(path, "sick@2") + fmt.Sprintf("destination = %q\n", name)
	}
	return "[control]\nsocket = \"/run/" + sickUnit + "/control.sock\"\n" + destination("silent", "http://"+silent, fixed) +
		destination("gone", "http://127.0.0.1:9", fixed) + destination("well", api, loggedIn) +
		to(sickHangs, "well") + to(sickMany, "silent") + to(sickGone, "gone") + to(sickWell, "well")
}

// sickService is the unit with places of its own.
func sickService(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("kaizala-drop.service")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^(State|Runtime)Directory=kaizala-drop$`).ReplaceAllString(string(b), "${1}Directory="+sickUnit)
	text = strings.ReplaceAll(text, "/etc/kaizala-drop/config.toml", "/etc/kaizala-drop/sick.toml")
	text = strings.Replace(text, "\n[Service]\n", "\n[Service]\nSupplementaryGroups="+group+"\n", 1)
	return regexp.MustCompile(`(?m)^WatchdogSec=.*$`).ReplaceAllString(text, fmt.Sprintf("WatchdogSec=%d", int(sickPeriod.Seconds())))
}

// room ends the first of the troubles: the disk of the ledger has room again, so that the destinations are tried.
func (s *sick) room(t *testing.T) {
	if s.began.IsZero() {
		t.Skip("it was not begun")
	}
	boottest.Await(t, "a full disk", func() bool { return len(entries(t, "-u", sickUnit, "-g", "its disk is full")) > 0 })
	if err := os.Remove(sickState + "/ballast"); err != nil {
		t.Fatal(err)
	}
}

// end sees that the daemon lived for ten periods of the watchdog, and delivers once all is well.
func (s *sick) end(t *testing.T) {
	if s.began.IsZero() {
		t.Skip("it was not begun")
	}
	boottest.Await(t, "ten periods of the watchdog", func() bool { return time.Since(s.began) >= 10*sickPeriod })
	if n, state := showOf(t, sickUnit, "NRestarts"), showOf(t, sickUnit, "ActiveState"); n != "0" || state != "active" {
		t.Errorf("%s restarts, and it is %s", n, state)
	}
	if got := entries(t, "-u", sickUnit, "-g", "does not move"); len(got) > 0 {
		t.Errorf("it says %v", got)
	}
	run(t, "systemctl", "kill", "--signal=CONT", "hanging-folder")
	one := samples.All()[0]
	for _, dir := range []string{sickHangs, sickWell} {
		drop(t, dir, one)
		awaitDone(t, dir, one)
	}
	// A line may be lost while the journal is stopped: that a folder answers again says that it did not, too.
	for _, sick := range []string{"does not answer|the file system answers again", "destination gone.*cannot take files now|cannot take files now.*destination gone"} {
		boottest.Await(t, sick, func() bool { return len(entries(t, "-u", sickUnit, "-g", sick)) > 0 }) // else it was not sick
	}
	run(t, "systemctl", "stop", sickUnit)
}
