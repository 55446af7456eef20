package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"kaizala-drop/internal/sandbox"
	"kaizala-drop/internal/text"
)

func TestOnceSortsGoodFromBad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "drop", "other")
	drop := w.folder("drop")
	huge := strings.Repeat("too large", 10_000)
	for name, content := range map[string]string{
		"good.pdf": "good", "also good.JPG": "jpg", "notes.txt": "unsupported", "README": "no extension", "huge.mp4": huge, "odd.png": "odd",
	} {
		must(t, os.WriteFile(filepath.Join(drop, name), []byte(content), 0o644))
	}
	w.between(func(rw http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/media" && r.ContentLength > int64(len(huge)) {
			rw.WriteHeader(http.StatusRequestEntityTooLarge)
			fmt.Fprint(rw, `{"message":"too large","errorCode":"RequestTooLarge"}`)
			return true
		}
		return false
	})
	p := w.start("run", "--once", "--config", w.config)
	if code := p.wait(); code != 1 {
		t.Errorf("exit code %d with bad files, want 1", code)
	}
	got := files(t, drop)
	want := map[string]string{
		"done/good.pdf": "good", "done/also good.JPG": "jpg", "done/odd.png": "odd",
		"failed/notes.txt": "unsupported", "failed/README": "no extension", "failed/huge.mp4": huge,
	}
	for name, content := range want {
		if got[name] != content {
			t.Errorf("%s holds %q, want %q", name, got[name], content)
		}
	}
	for name, words := range map[string][]string{
		"notes.txt": {".txt", ".jpg .jpeg .png .mp3 .wav .doc .docx .xls .xlsx .ppt .pptx .pdf .mp4 .3gpp"},
		"README":    {"extension"},
		"huge.mp4":  {"too large", "413"},
	} {
		for _, word := range words {
			if note := got["failed/"+name+".reason.txt"]; !strings.Contains(note, word) {
				t.Errorf("the reason of %s does not say %q:\n%s", name, word, note)
			}
		}
	}
	if len(got) != len(want)+3 {
		t.Errorf("there are %d files, want %d and 3 reasons: %v", len(got), len(want), got)
	}
	if code := w.start("run", "--once", "--config", w.config).wait(); code != 0 {
		t.Errorf("exit code %d with nothing to do, want 0", code)
	}
	if n := w.sandbox.Stats().Posts; n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
}

// TestOddNames drops names that break careless programs: each is delivered, or refused with its reason.
func TestOddNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "drop")
	delivered := []string{
		" leading and trailing .pdf", `quo"te's.pdf`, `back\slash.pdf`, "two\nlines.pdf", "carriage\rreturn\r\nX-Injected: yes.pdf",
		"\x1b[31mred.pdf", "\xff\xfe\xfa.pdf", "-rf.pdf", "--help.pdf", "שלום עולם.pdf", "abc\u202efdp.pdf", "a.b.c.PDF", "日本語の名前.jpg",
		"percent%0d%0a%22.pdf", "semi;colon,comma.pdf", "tab\there.pdf", "$(reboot).pdf", "&lt;b&gt;<script>alert(1).pdf",
		strings.Repeat("x", 251) + ".pdf", strings.Repeat("é", 125) + "x.pdf", "…....pdf", "~.pdf", "*?[a].pdf",
	}
	refused := []string{"no extension", "new\nline.exe", strings.Repeat("y", 251) + ".odd", "trailing.pdf ", "\xff.\xfe"}
	names := slices.Concat(delivered, refused)
	for i, name := range names {
		must(t, os.WriteFile(filepath.Join(w.folder("drop"), name), fmt.Appendf(nil, "content %d", i), 0o644))
	}
	w.between(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("X-Injected") != "" {
			t.Error("a file name injected a header")
		}
		return false
	})
	p := w.start("run", "--once", "--config", w.config)
	if code := p.wait(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	got := files(t, w.folder("drop"))
	for i, name := range delivered {
		if got["done/"+name] != fmt.Sprintf("content %d", i) {
			t.Errorf("%q is not in done/", name)
		}
	}
	for i := range refused {
		want := fmt.Sprintf("content %d", len(delivered)+i)
		if !slices.ContainsFunc(keysOf(got, "failed/"), func(name string) bool { return got[name] == want && got[name+".reason.txt"] != "" }) {
			t.Errorf("%q is not in failed/ with its reason", refused[i])
		}
	}
	if want := len(delivered) + 2*len(refused); len(got) != want {
		t.Errorf("%d files, want %d", len(got), want)
	}
	if n := len(w.sandbox.Posts()); n != len(delivered) {
		t.Errorf("%d messages, want %d", n, len(delivered))
	}
	lines := strings.Split(strings.TrimSuffix(p.log(), "\n"), "\n")
	for _, line := range lines[:len(lines)-1] { // the last one is for people: what failed
		if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "}") || text.Printable(line) != strings.ReplaceAll(line, `\`, `\\`) {
			t.Errorf("broken log line %q", line)
		}
	}
}

func keysOf(m map[string]string, prefix string) []string {
	var keys []string
	for k := range m {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	return keys
}

func TestSameNamesNeverOverwrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "drop")
	p := w.daemon()
	for i := range 5 {
		must(t, os.WriteFile(w.folder("drop")+"/scan0001.pdf", fmt.Appendf(nil, "scan %d", i), 0o644))
		w.filed("drop", i+1)
	}
	got := files(t, w.folder("drop")+"/done")
	for i, name := range []string{"scan0001.pdf", "scan0001 (2).pdf", "scan0001 (3).pdf", "scan0001 (4).pdf", "scan0001 (5).pdf"} {
		if got[name] != fmt.Sprintf("scan %d", i) {
			t.Errorf("%s holds %q", name, got[name])
		}
	}
	p.stop()
}

func TestReload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "one", "two", "three")
	w.configure("", "one", "two")
	p := w.daemon()
	drop := func(folder, name string) {
		must(t, os.WriteFile(filepath.Join(w.folder(folder), name), []byte(folder+name), 0o644))
	}
	drop("one", "a.pdf")
	w.posted(1)
	drop("three", "early.pdf") // not watched yet

	w.configure("caption = \"from {{.Folder}}\"", "one", "three") // two goes, three comes, captions change
	must(t, p.Process.Signal(syscall.SIGHUP))
	p.waitFor("configuration reloaded")
	w.posted(2)
	drop("two", "not watched any more.pdf")
	drop("one", "b.pdf")
	w.filed("one", 2)
	w.filed("three", 1)

	must(t, os.WriteFile(w.config, []byte("folder = nonsense"), 0o600))
	must(t, p.Process.Signal(syscall.SIGHUP))
	p.waitFor("the configuration was not reloaded")
	drop("three", "c.pdf")
	w.filed("three", 2)

	if got := files(t, w.folder("two")); len(got) != 1 || got["not watched any more.pdf"] == "" {
		t.Errorf("in the folder that was taken out: %v", got)
	}
	for _, post := range w.sandbox.Posts() {
		want := "from " + strings.TrimSuffix(post.GroupID, "@2")
		if post.Media[0].Name == "a.pdf" {
			want = ""
		}
		if post.Caption != want {
			t.Errorf("%s has the caption %q, want %q", post.Media[0].Name, post.Caption, want)
		}
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestSecondDaemonIsKeptOut(t *testing.T) {
	w := newWorld(t, "", "drop")
	p := w.daemon()
	second := w.start("run", "--config", w.config)
	if code := second.wait(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if log := second.log(); !strings.Contains(log, fmt.Sprint(p.Process.Pid)) || !strings.Contains(log, w.dir+"/state") {
		t.Errorf("it does not say which process holds which state_dir: %s", log)
	}
	p.stop()
}

// TestShutdownFinishesWhatIsUnderWay stops the daemon while an upload is under way: it ends, and the rest is left.
func TestShutdownFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "drop")
	arrived, goOn := make(chan bool, 100), make(chan bool)
	w.between(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/media" {
			arrived <- true
			<-goOn
		}
		return false
	})
	p := w.daemon()
	for i := range 10 {
		must(t, os.WriteFile(fmt.Sprintf("%s/%d.pdf", w.folder("drop"), i), []byte("x"), 0o644))
	}
	for range 4 {
		<-arrived
	}
	must(t, p.Process.Signal(syscall.SIGTERM))
	p.waitFor("stopping")
	close(goOn)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if s := w.sandbox.Stats(); s.Uploads != 4 {
		t.Errorf("%d uploads, want the 4 that were under way", s.Uploads)
	}
	w.between(nil)
	if code := w.start("run", "--once", "--config", w.config).wait(); code != 0 {
		t.Errorf("exit code %d of the next run", code)
	}
	w.filed("drop", 10)
	if s := w.sandbox.Stats(); s.Uploads != 10 || s.Posts != 10 {
		t.Errorf("%+v, want 10 uploads and 10 posts: nothing again", s)
	}
}

// TestGroupRefusedHoldsOnlyItsFolder also shows that an outage moves nothing.
func TestGroupRefusedHoldsOnlyItsFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "good", "refused")
	w.between(func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/v1/groups/refused@2/") {
			http.Error(rw, `{"message":"you may not post here","errorCode":"NotAMember"}`, http.StatusForbidden)
			return true
		}
		return false
	})
	for i := range 3 {
		w.drop("refused", fmt.Sprint(i, ".pdf"), "x")
	}
	p := w.daemon()
	p.waitFor("the group refuses")
	for i := range 3 {
		must(t, os.WriteFile(fmt.Sprintf("%s/%d.pdf", w.folder("good"), i), []byte("x"), 0o644))
	}
	w.filed("good", 3)
	if got := files(t, w.folder("refused")); len(got) != 3 || got["0.pdf"] != "x" {
		t.Errorf("the refused folder holds %v", got)
	}
	w.between(nil)
	w.filed("refused", 3)
	if got := postsOf(w.sandbox, "refused@2"); !slices.Equal(got, []string{"0.pdf", "1.pdf", "2.pdf"}) {
		t.Errorf("posts in the order %v", got)
	}
	p.stop()
}

func postsOf(s *sandbox.Server, group string) (names []string) {
	for _, post := range s.Posts() {
		if post.GroupID == group {
			names = append(names, post.Media[0].Name)
		}
	}
	return names
}

// TestOutageMovesNothing has the server answer 503 for a while.
func TestOutageMovesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", "drop")
	w.between(func(rw http.ResponseWriter, _ *http.Request) bool {
		http.Error(rw, "<html>down</html>", http.StatusServiceUnavailable)
		return true
	})
	var want []string
	for i := range 20 {
		name := fmt.Sprintf("%02d.pdf", i)
		want = append(want, name)
		w.drop("drop", name, "x")
	}
	p := w.daemon()
	p.waitFor("the destination cannot take files now")
	if got := files(t, w.folder("drop")); len(got) != 20 || got["00.pdf"] != "x" {
		t.Errorf("during the outage the folder holds %v", got)
	}
	w.between(nil)
	w.filed("drop", 20)
	p.waitFor("the destination answers again")
	if got := postsOf(w.sandbox, "drop@2"); !slices.Equal(got, want) {
		t.Errorf("posts in the order %v", got)
	}
	p.stop()
}

// TestRemount mounts a tmpfs over the watched folder, takes it away and mounts it again. How soon that is seen is a matter of
// the watcher's tests.
func TestRemount(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		needs(t, "root, to mount")
	}
	w := newWorld(t, "", "drop")
	drop := w.folder("drop")
	mount := func() {
		if out, err := exec.Command("mount", "-t", "tmpfs", "tmpfs", drop).CombinedOutput(); err != nil {
			needs(t, fmt.Sprintf("to be allowed to mount: %v %s", err, out))
		}
	}
	unmount := func() {
		if out, err := exec.Command("umount", "--lazy", drop).CombinedOutput(); err != nil {
			t.Fatalf("umount: %v %s", err, out)
		}
	}
	p := w.daemon()
	must(t, os.WriteFile(drop+"/before.pdf", []byte("x"), 0o644))
	w.filed("drop", 1)
	arrives := func(name string) {
		t.Helper()
		must(t, os.WriteFile(filepath.Join(drop, name), []byte("x"), 0o644))
		eventually(t, func() error { _, err := os.Stat(filepath.Join(drop, "done", name)); return err })
	}
	for i := range 2 {
		mount()
		arrives("mounted.pdf")
		arrives("later.pdf")
		unmount()
		arrives(fmt.Sprintf("after%d.pdf", i))
	}
	w.filed("drop", 3)
	if n := w.sandbox.Stats().Posts; n != 7 {
		t.Errorf("%d messages, want 7", n)
	}
	p.stop()
}

// needs skips a test on a machine that cannot run it. In CI that is a failure: a skip there would be a hole.
func needs(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("KAIZALA_DROP_CI") != "" {
		t.Fatalf("this test needs %s", what)
	}
	t.Skipf("this test needs %s", what)
}
