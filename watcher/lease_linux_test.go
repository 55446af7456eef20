package watcher_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"kaizala-drop/internal/file"
)

const (
	nobody     = 65534
	foreignDir = "KAIZALA_DROP_TEST_FOREIGN_FILES" // set in the process that watches files which are not its own
)

// TestLeaseDenied watches root's files as somebody else. The kernel does not tell him who has them open, which is said once,
// and they are handed over all the same.
func TestLeaseDenied(t *testing.T) {
	if dir := os.Getenv(foreignDir); dir != "" {
		watchForeign(t, dir)
		return
	}
	if os.Geteuid() != 0 {
		lacking(t, "it needs root, to be somebody else")
	}
	dir, err := os.MkdirTemp("", "watcher") // TempDir's parent is closed to others
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	must(t, os.Mkdir(dir+"/drop", 0o755))
	for _, name := range []string{"a.mp3", "b.mp3", "open.mp3"} {
		must(t, os.WriteFile(dir+"/drop/"+name, []byte("content"), 0o644))
	}
	writer, err := os.OpenFile(dir+"/drop/open.mp3", os.O_WRONLY, 0)
	must(t, err)
	defer writer.Close()
	program, err := os.ReadFile("/proc/self/exe") // itself it lies where others may not go
	must(t, err)
	must(t, os.WriteFile(dir+"/test", program, 0o755))
	cmd := exec.Command(dir+"/test", "-test.run=^TestLeaseDenied$", "-test.v")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), foreignDir+"="+dir+"/drop")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Fatalf("%v\n%s", err, out)
	}
}

// watchForeign is that process.
func watchForeign(t *testing.T, dir string) {
	if os.Geteuid() != nobody {
		t.Fatalf("uid %d", os.Geteuid())
	}
	r := start(t, folder(dir))
	r.expect("a.mp3", "b.mp3", "open.mp3")
	r.released <- file.Release{Folder: dir, Name: "a.mp3"}
	r.expect("a.mp3") // asked a second time at least
	if n := strings.Count(r.log.String(), "CAP_LEASE"); n != 1 {
		t.Errorf("it was said %d times, want once:\n%s", n, r.log)
	}
}
