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
	foreignDir = "KAIZALA_DROP_TEST_FOREIGN_FILES" // set in the child process, which watches files of another user
)

// TestLeaseDenied shows that another user's files are handed over although the kernel does not tell who has them open,
// and that this is said once.
func TestLeaseDenied(t *testing.T) {
	if dir := os.Getenv(foreignDir); dir != "" {
		watchForeign(t, dir)
		return
	}
	if os.Geteuid() != 0 {
		lacking(t, "it needs root, to be somebody else")
	}
	dir, err := os.MkdirTemp("", "watcher") // the parent of TempDir is closed to others
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
	program, err := os.ReadFile("/proc/self/exe") // the program itself lies where others may not go
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

// watchForeign is what the child process does.
func watchForeign(t *testing.T, dir string) {
	if os.Geteuid() != nobody {
		t.Fatalf("uid %d", os.Geteuid())
	}
	r := start(t, folder(dir))
	r.expect("a.mp3", "b.mp3", "open.mp3")
	r.released <- file.Release{Folder: dir, Name: "a.mp3"}
	r.expect("a.mp3") // the kernel was asked at least a second time
	if n := strings.Count(r.log.String(), "CAP_LEASE"); n != 1 {
		t.Errorf("it was said %d times, want once:\n%s", n, r.log)
	}
}
