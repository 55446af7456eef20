package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kaizala-drop/internal/boottest"
	"kaizala-drop/internal/samples"
)

// setup runs kaizala-drop setup for the service, as root and without a terminal.
func setup(t *testing.T, ok bool, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "/usr/local/bin/kaizala-drop", append([]string{"setup"}, args...)...).CombinedOutput()
	if (err == nil) != ok {
		t.Fatalf("setup %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	t.Logf("setup %s:\n%s", strings.Join(args, " "), out)
	return string(out)
}

// testSetsUp: on a machine on which the unit is installed and nothing is configured, one command leads to a running service that delivers;
// the next ones add folders: one that a reload is enough for, one outside of /srv/drop and one in a home directory, each of another group.
func testSetsUp(t *testing.T) {
	boottest.TakesLong(t)
	for _, path := range []string{configFile, "/etc/credstore/kaizala-drop.application-secret", "/etc/credstore/kaizala-drop.refresh-token", filepath.Join(dropIns, "folders.conf"), "/var/lib/kaizala-drop"} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "systemctl", "disable", "--quiet", "kaizala-drop")
	run(t, "systemctl", "daemon-reload")
	run(t, "systemctl", "reset-failed", "kaizala-drop")
	write(t, "/root/secret", "s3cret\n", 0o600)

	const front = "/srv/drop/front desk"
	setup(t, true, "--endpoint", api, "--application-id", "any", "--application-secret-file", "/root/secret", "--refresh-token-file", "/root/secret",
		"--group", "reception@2", "--folder", front)
	wantState(t, "active", "running")
	if enabled := strings.TrimSpace(run(t, "systemctl", "is-enabled", "kaizala-drop")); enabled != "enabled" {
		t.Errorf("the service is %s", enabled)
	}
	for path, want := range map[string]string{
		front: "kaizala-drop:kaizala-drop 2770", configFile: "root:kaizala-drop 640", "/var/lib/kaizala-drop": "kaizala-drop:kaizala-drop 700",
		"/etc/credstore/kaizala-drop.application-secret": "root:root 600",
	} {
		if got := strings.TrimSpace(run(t, "stat", "-c", "%U:%G %a", path)); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	text, err := os.ReadFile(configFile)
	if err != nil || strings.Contains(string(text), "s3cret") || !strings.Contains(string(text), `"credential:refresh-token"`) {
		t.Errorf("the configuration is %s (%v)", text, err)
	}
	write(t, configFile, string(text)+"\n[defaults]\nsettle = \"200ms\"\n", 0o640) // as an administrator may have it
	run(t, "systemctl", "reload", "kaizala-drop")
	first := samples.All()[0]
	first.Name = "first " + first.Name
	dropInto(t, front, first)
	awaitDone(t, front, first)

	pid := show(t, "MainPID")
	setup(t, true, "--group", "reception@2", "--folder", "/srv/drop/back")
	if now := show(t, "MainPID"); now != pid {
		t.Errorf("process %s became %s: a reload would have been enough", pid, now)
	}
	dropInto(t, "/srv/drop/back", first)
	awaitDone(t, "/srv/drop/back", first)

	const far = "/data/x 100% scans"
	said := setup(t, true, "--group", "lab@2", "--folder", far, "--people", group)
	if !strings.Contains(said, "systemctl restart kaizala-drop") {
		t.Errorf("said %s", said)
	}
	if got := strings.TrimSpace(run(t, "stat", "-c", "%U:%G %a", far)); got != "kaizala-drop:"+group+" 2770" {
		t.Errorf("%s is %s", far, got)
	}
	const scans = "/home/anna/My scans"
	if err := os.MkdirAll(scans, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "chown", "anna:anna", scans)
	run(t, "chmod", "700", "/home/anna")
	if said := setup(t, false, "--group", "home@2", "--folder", scans); !strings.Contains(said, "chgrp kaizala-drop '/home/anna/My scans' && chmod g+rwxs '/home/anna/My scans'") {
		t.Errorf("said %s", said)
	}
	if said := setup(t, false, "--group", "home@2", "--folder", "/tmp/scans"); !strings.Contains(said, "has a /tmp of its own") {
		t.Errorf("said %s", said)
	}
	setup(t, true, "--group", "home@2", "--folder", scans, "--mend")
	for _, dir := range []string{far, scans, front} {
		s := samples.All()[2]
		s.Name = "again " + s.Name
		dropInto(t, dir, s)
		awaitDone(t, dir, s)
	}
	wantState(t, "active", "running")
	run(t, "systemctl", "stop", "kaizala-drop")
}

// dropInto is drop by somebody whose files get the group of the folder, as its set-gid bit has it.
func dropInto(t *testing.T, dir string, s samples.Sample) {
	t.Helper()
	drop(t, dir, s)
	path := filepath.Join(dir, s.Name)
	run(t, "chown", "anna:"+strings.TrimSpace(run(t, "stat", "-c", "%G", dir)), path)
}
