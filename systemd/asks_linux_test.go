package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"kaizala-drop/internal/boottest"
	"kaizala-drop/internal/samples"
)

// adminGroup is the group of those who may ask.
const adminGroup = "kaizala-drop-admin"

// asks runs kaizala-drop as a user who is in the given groups, and gives what it says.
func asks(t *testing.T, uid string, gids []string, args ...string) (out string, ok bool) {
	t.Helper()
	cmd := exec.Command("/usr/local/bin/kaizala-drop", args...)
	id := &syscall.Credential{Uid: uint32(number(t, uid)), Gid: uint32(number(t, uid))}
	for _, gid := range gids {
		id.Groups = append(id.Groups, uint32(number(t, gid)))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: id}
	text, err := cmd.CombinedOutput()
	return string(text), err == nil
}

// testAsks: under the unit root and an administrator, who may not read the configuration, get answers and take a failed file back; who
// drops files and a stranger do not. Who asked is in the journal.
func testAsks(t *testing.T) {
	socket := "/run/kaizala-drop/control.sock"
	if got := strings.TrimSpace(run(t, "stat", "-c", "%U:%G %A", socket)); got != "kaizala-drop:kaizala-drop srw-rw----" {
		t.Errorf("%s is %s", socket, got)
	}
	run(t, "chmod", "640", configFile)
	admins := []string{gidOf(t, adminGroup)}
	last, up := samples.All()[0], regexp.MustCompile(`(?m)^up .* `+reception+`$`)
	for who, c := range map[string]struct {
		uid    string
		groups []string
		may    bool
	}{
		"root": {"0", nil, true}, "an administrator": {"65534", admins, true}, "a dropper": {uidOf(t, "anna"), []string{gidOf(t, group)}, false},
		"a stranger": {"65534", nil, false},
	} {
		out, ok := asks(t, c.uid, c.groups, "status")
		if ok != c.may || c.may != up.MatchString(out) {
			t.Errorf("status for %s: %t, %s", who, ok, out)
		}
		if !c.may && !strings.Contains(out, "or as a member of the group "+adminGroup) {
			t.Errorf("%s is not told what helps: %s", who, out)
		}
		out, ok = asks(t, c.uid, c.groups, "explain", filepath.Join(reception, last.Name))
		if ok != c.may || c.may != strings.Contains(out, "was posted today at") {
			t.Errorf("explain for %s: %t, %s", who, ok, out)
		}
	}
	failed := filepath.Join(reception, "failed", "torn.pdf")
	write(t, filepath.Join(reception, "torn.pdf"), "%PDF-1.4\n", 0o664)
	boottest.Await(t, "a failed file", func() bool {
		out, _ := asks(t, "0", nil, "history", "--state", "failed")
		return strings.Contains(out, "failed/torn.pdf")
	})
	if out, ok := asks(t, "65534", admins, "retry", failed); !ok {
		t.Errorf("retry: %s", out)
	}
	boottest.Await(t, "the journal's word of who asked", func() bool { // it is written a moment later
		return strings.Contains(run(t, "journalctl", "--no-pager", "-o", "cat", "-u", "kaizala-drop", "-g", "torn.pdf"), "(uid 65534)")
	})
	if err := os.Remove(filepath.Join(reception, "torn.pdf")); err != nil {
		t.Error(err)
	}
}
