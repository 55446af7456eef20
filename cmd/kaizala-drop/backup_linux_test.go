package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// backUp copies a state directory as docs/running.md says, also while the daemon runs.
func (w *world) backUp(to string) {
	w.t.Helper()
	run(w.t, "sqlite3", w.dir+"/state/ledger.db", ".backup '"+to+"/ledger.db'")
	tokens, err := filepath.Glob(w.dir + "/state/*.json")
	must(w.t, err)
	run(w.t, "cp", append([]string{"-p", w.dir + "/state/ledger.made", "--target-directory=" + to}, tokens...)...)
}

// says wants a command to end with 0 and to say each of these.
func (w *world) says(args []string, texts ...string) {
	w.t.Helper()
	out, err := w.command(args...).CombinedOutput()
	if err != nil {
		w.t.Errorf("%s: %v\n%s", args, err, out)
	}
	for _, text := range texts {
		if !strings.Contains(string(out), text) {
			w.t.Errorf("%s says\n%s\nand not %q", args, out, text)
		}
	}
}

// TestStatePutBack: a backup that is made while the daemon runs, and put back after more was delivered, has nothing posted again that
// lies in done/ or failed/, and nothing forgotten. What was posted since and was not moved yet is posted again, as the page says.
func TestStatePutBack(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sqlite3"); err != nil {
		needs(t, "sqlite3")
	}
	w, backup := newWorld(t, "", "in"), t.TempDir()
	p := w.daemon()
	w.drop("in", "before.pdf", "before")
	w.drop("in", "before.exe", "fails before")
	failed := func(name string) string { return filepath.Join(w.folder("in"), "failed", name) }
	there := func(path string) { t.Helper(); eventually(t, func() error { _, err := os.Stat(path); return err }) }
	w.posted(1)
	there(failed("before.exe.reason.txt"))
	there(failed("before.exe"))
	w.backUp(backup)

	w.drop("in", "since.pdf", "since")
	w.drop("in", "since.exe", "fails since")
	w.posted(2)
	there(filepath.Join(w.folder("in"), "done/since.pdf"))
	there(failed("since.exe"))
	killed := make(chan struct{})
	w.between(func(_ http.ResponseWriter, r *http.Request) bool { // the post is shown, and not answered until it is too late
		if !strings.Contains(r.URL.Path, "/actions") {
			return false
		}
		w.sandbox.ServeHTTP(httptest.NewRecorder(), r)
		<-killed
		panic(http.ErrAbortHandler)
	})
	w.drop("in", "underway.pdf", "under way")
	w.posted(3)
	must(t, p.Process.Kill())
	p.wait()
	close(killed)
	w.between(nil)

	must(t, os.RemoveAll(w.dir+"/state"))
	must(t, os.Mkdir(w.dir+"/state", 0o700))
	run(t, "cp", "-p", "-T", "-r", backup, w.dir+"/state")
	p = w.daemon()
	w.posted(4)
	there(filepath.Join(w.folder("in"), "done/underway.pdf"))
	done := func(name string) string { return filepath.Join(w.folder("in"), "done", name) }
	w.says([]string{"explain", done("before.pdf")}, "It is safe to delete")
	w.says([]string{"explain", done("since.pdf")}, "lies in done/, and was not moved there by kaizala-drop, or so long ago that it is forgotten")
	w.says([]string{"explain", failed("since.exe")}, "To have it posted, move it into")
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	times := map[string]int{}
	for _, post := range w.sandbox.Posts() {
		for _, m := range post.Media {
			times[m.SHA256]++
		}
	}
	for text, want := range map[string]int{"before": 1, "since": 1, "under way": 2, "fails before": 0, "fails since": 0} {
		if n := times[digest(text)]; n != want {
			t.Errorf("%q was posted %d times, want %d", text, n, want)
		}
	}
	for name := range files(t, w.folder("in")) {
		if !strings.Contains(name, "/") {
			t.Errorf("%s is left in the folder", name)
		}
	}
}
