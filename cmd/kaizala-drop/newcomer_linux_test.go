package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/samples"
)

// newcomer is what a person who does not know the daemon yet leaves in a folder, and what the log must say of each thing: a
// part of a line that names it, or the kind that it is counted in.
type newcomer struct {
	t     *testing.T
	w     *world
	told  map[string][]string // thing -> what one line must hold
	names []string            // in the order in which they were laid down
}

func (n *newcomer) path(name string) string { return filepath.Join(n.w.folder("drop"), name) }

// lay puts a thing there; the log must have a line that holds all of words.
func (n *newcomer) lay(name, content string, words ...string) {
	n.t.Helper()
	must(n.t, os.MkdirAll(filepath.Dir(n.path(name)), 0o755))
	must(n.t, os.WriteFile(n.path(name), []byte(content), 0o644))
	n.expect(name, words...)
}

func (n *newcomer) expect(name string, words ...string) {
	n.names = append(n.names, name)
	n.told[name] = words
}

// TestNewcomersDay drops more than forty odd things into one folder. The log has 30 lines at most, and from them alone a
// person can say of each thing where it is and why.
func TestNewcomersDay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "truncated_after = \"2s\"\nwarn_after = \"4s\"", "drop")
	w.reconfigure("verify_ending = false", "")
	n := &newcomer{t: t, w: w, told: map[string][]string{}}
	pdf, jpg := sampleOf(t, "Invoice 2026-0417.PDF"), sampleOf(t, "crane at dusk.jpg")

	n.lay("invoice.pdf", pdf, "delivered", `"invoice.pdf"`)
	n.lay("photo.jpg", jpg, "delivered", `"photo.jpg"`)
	n.lay("old.docx", sampleOf(t, "Visitors this week.docx"), "lock file beside it is old", `"old.docx"`)
	n.lay(".~lock.old.docx#", ",anna,", "the lock file beside it is old", ".~lock.old.docx#")
	lastWeek := time.Now().Add(-7 * 24 * time.Hour)
	must(t, os.Chtimes(n.path(".~lock.old.docx#"), lastWeek, lastWeek))

	for _, dir := range []string{"$RECYCLE.BIN", "RECYCLER", "System Volume Information", "FOUND.000", "@eaDir", "@Recycle", "#recycle", "#snapshot", "@tmp", "lost+found"} {
		n.lay(dir+"/deleted.pdf", pdf, "ignored by their names", dir)
	}
	for _, name := range []string{
		"Thumbs.db", "desktop.ini", "big.iso.part", "unconfirmed 4711.crdownload", "movie.mp4.!qB", "scan.pdf.uploading", "scan.pdf.ffs_tmp",
		"~WRL0001.tmp", "~$gone.docx", "notes.txt~",
	} {
		n.lay(name, "x", "ignored by their names", name)
	}
	for _, name := range []string{".DS_Store", "._photo.jpg", ".invoice.pdf.Xa12Bc", ".nfs0000001", ".Trash-1000/deleted.pdf"} {
		n.lay(name, "x", "ignored by their names", `".*":"8: `) // with .pdf and two locks; five are named
	}
	n.told[".~lock.old.docx#"] = []string{"the lock file beside it is old", ".~lock.old.docx#"}
	n.lay(".pdf", pdf, "left where", "nothing but an extension", ".pdf")

	n.lay("report.docx", "x", "left where", "lock file", "report.docx")
	n.lay(".~lock.report.docx#", ",anna,", "ignored by their names", `".*":"`)
	n.lay("film.mp4", "x", "left where", "still fetching it", "film.mp4")
	n.lay("film.mp4.aria2", "x", "ignored by their names", "film.mp4.aria2")
	for i := range 30 {
		n.lay(fmt.Sprintf("marker %d.pdf", i), "", "left where", "it is empty: 30: marker 0.pdf")
	}
	for _, name := range []string{"payroll.pdf", "secret.pdf"} {
		n.lay(name, pdf, `"level":"warn"`, "may not read it", name, "CAP_DAC_READ_SEARCH")
		must(t, os.Chmod(n.path(name), 0))
	}
	must(t, unix.Mkfifo(n.path("pipe.pdf"), 0o644))
	n.expect("pipe.pdf", "left where", "FIFO", "pipe.pdf")
	socket, err := net.Listen("unix", n.path("s.pdf"))
	must(t, err)
	defer socket.Close()
	n.expect("s.pdf", "left where", "socket", "s.pdf")
	must(t, os.Symlink("invoice.pdf", n.path("link.pdf")))
	n.expect("link.pdf", "left where", "symbolic link", "link.pdf")
	n.lay("linked.jpg", jpg, "left where", "2 names", "linked.jpg")
	must(t, os.Link(n.path("linked.jpg"), n.path("linked too.jpg")))
	n.expect("linked too.jpg", "left where", "2 names", "linked too.jpg")
	n.lay("holiday/beach.jpg", jpg, "left where", "recursive = false", "holiday")
	n.lay("tool.exe", "MZ", "failed/tool.exe", ".exe")
	n.lay("torn.pdf", pdf[:len(pdf)/2], "failed/torn.pdf", "truncated")
	writer, err := os.OpenFile(n.path("recording.mp3"), os.O_CREATE|os.O_WRONLY, 0o644)
	must(t, err)
	defer writer.Close()
	_, err = writer.WriteString(strings.Repeat("x", 5000))
	must(t, err)
	n.expect("recording.mp3", "left where", "open for writing", "recording.mp3")

	p := n.start()
	stopCamera := n.camera("camera.jpg")
	n.expect("camera.jpg", `"level":"warn"`, "still being written", "camera.jpg")
	n.await(p, "CAP_DAC_READ_SEARCH", "failed/tool.exe", "failed/torn.pdf", "still being written")

	// They put all of failed/ back, with the notes.
	for name := range files(t, n.path("failed")) {
		must(t, os.Rename(n.path("failed/"+name), n.path(name)))
	}
	n.expect("tool.exe.reason.txt", "put back with its file", "tool.exe.reason.txt")
	n.expect("torn.pdf.reason.txt", "put back with its file", "torn.pdf.reason.txt")
	eventually(t, func() error {
		if got := files(t, n.path("failed")); len(got) != 4 {
			return fmt.Errorf("failed/ holds %d files", len(got))
		}
		return nil
	})
	stopCamera()
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	n.judge(p.log())
	if got := files(t, n.path("done")); len(got) < 3 || got["invoice.pdf"] != pdf {
		t.Errorf("done/ holds %d files", len(got))
	}
}

// sampleOf is a real file.
func sampleOf(t *testing.T, name string) string {
	t.Helper()
	for _, s := range samples.All() {
		if s.Name == name {
			return string(s.Bytes)
		}
	}
	t.Fatalf("no sample %q", name)
	return ""
}

// start starts the daemon as a user that may not read everything.
func (n *newcomer) start() *process {
	n.t.Helper()
	cmd := exec.Command(buildProgram(n.t), "run", "--config", n.w.config)
	if os.Geteuid() == 0 {
		const nobody = 65534
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		must(n.t, os.Mkdir(n.w.dir+"/state", 0o755))
		must(n.t, filepath.Walk(n.w.dir, func(path string, _ os.FileInfo, err error) error {
			if err != nil || strings.HasPrefix(path, n.w.dir+"/sandbox") {
				return err
			}
			return os.Lchown(path, nobody, nobody)
		}))
		for dir := n.w.dir; dir != os.TempDir(); dir = filepath.Dir(dir) {
			must(n.t, os.Chmod(dir, 0o755))
		}
		must(n.t, os.Chmod(filepath.Dir(cmd.Path), 0o755))
	}
	return startProcess(n.t, cmd)
}

// camera writes a picture again and again, until it is told to stop.
func (n *newcomer) camera(name string) (stop func()) {
	end, ended := make(chan bool), make(chan bool)
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			case <-time.After(50 * time.Millisecond):
				_ = os.WriteFile(n.path(name), fmt.Appendf(nil, "picture %d", i), 0o644)
			}
		}
	}()
	return func() { close(end); <-ended }
}

func (n *newcomer) await(p *process, words ...string) {
	n.t.Helper()
	for _, word := range words {
		p.waitFor(word)
	}
}

// judge holds the log against what was laid down.
func (n *newcomer) judge(log string) {
	n.t.Helper()
	lines := strings.Split(strings.TrimSpace(log), "\n")
	if len(lines) > 30 { // 25, and a few more where a slow machine sees in two steps what is one
		n.t.Errorf("%d lines, want 30 at most:\n%s", len(lines), log)
	}
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			n.t.Errorf("no JSON: %s", line)
		}
	}
	if len(n.names) < 40 {
		n.t.Fatalf("only %d things were laid down", len(n.names))
	}
	for _, name := range n.names {
		if !saidTogether(lines, n.told[name]) {
			n.t.Errorf("%s: no line says %q", name, n.told[name])
		}
	}
	n.t.Logf("%d things, %d lines", len(n.names), len(lines))
}

func saidTogether(lines, words []string) bool {
	for _, line := range lines {
		all := true
		for _, word := range words {
			all = all && strings.Contains(line, word)
		}
		if all {
			return true
		}
	}
	return false
}

// TestEmptiedFoldersGiveTheirWatchesBack: a camera makes a folder an hour; once their pictures are filed the folders are gone,
// and the kernel watches the drop folder alone.
func TestEmptiedFoldersGiveTheirWatchesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "recursive = true\nremove_emptied = true", "drop")
	p := w.daemon()
	const hours = 40
	for i := range hours {
		dir := fmt.Sprintf("%s/2026-11-27/%02d", w.folder("drop"), i)
		must(t, os.MkdirAll(dir, 0o755))
		must(t, os.WriteFile(dir+"/picture.jpg", []byte("x"), 0o644))
		must(t, os.WriteFile(dir+"/Thumbs.db", []byte("x"), 0o644))
	}
	w.filed("drop", hours)
	eventually(t, func() error {
		left, _ := filepath.Glob(w.folder("drop") + "/2026-11-27*")
		watches := 0
		infos, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", p.Process.Pid))
		for _, path := range infos {
			info, _ := os.ReadFile(path)
			watches += strings.Count(string(info), "inotify wd:")
		}
		if len(left) > 0 || watches != 1 {
			return fmt.Errorf("left are %v, and %d watches", left, watches)
		}
		return nil
	})
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
