package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// volume is what a test takes: a tenth of it where somebody waits for the result, all of it in CI without the race detector.
func volume(all int) int {
	if thorough() {
		return all
	}
	return all / 10
}

// TestManyFilesInOrder drops thousands of files of 20 kB into a running daemon: each arrives once, byte for byte, in order.
func TestManyFilesInOrder(t *testing.T) {
	t.Parallel()
	folders := []string{"one", "two", "three"}
	w := newWorld(t, "", folders...)
	// By their events alone: a listing that runs meanwhile may see the second of two files, and not yet the first.
	w.reconfigure(`rescan = "1s"`, `rescan = "1h"`)
	p := w.daemon()
	each := volume(1000)
	for i := range each {
		for _, folder := range folders {
			content := strings.Repeat(fmt.Sprintf("%s %d ", folder, i), 20_000)[:20_000]
			w.drop(folder, fmt.Sprintf("scan %04d.pdf", i), content)
		}
	}
	for _, folder := range folders {
		w.filed(folder, each)
	}
	next := map[string]int{}
	for _, post := range w.sandbox.Posts() {
		folder := strings.TrimSuffix(post.GroupID, "@2")
		i := next[folder]
		next[folder]++
		name := fmt.Sprintf("scan %04d.pdf", i)
		if got := post.Media[0].Name; got != name {
			t.Fatalf("message %d in %q is %q, want %q; in all: %q", i, folder, got, name, around(w, post.GroupID, i))
		}
		content := strings.Repeat(fmt.Sprintf("%s %d ", folder, i), 20_000)[:20_000]
		if post.Media[0].SHA256 != digest(content) {
			t.Errorf("%q in %q did not arrive byte for byte", name, folder)
		}
	}
	for _, folder := range folders {
		if next[folder] != each {
			t.Errorf("%d messages in %q, want %d", next[folder], folder, each)
		}
	}
	const most = 6                                     // max_uploads, one for small files and one for posts
	if conns := w.sandbox.MaxConns(); conns > 2*most { // the service may hear of the end of one after the beginning of the next
		t.Errorf("%d connections at once, want %d", conns, most)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// around lists the messages of a group near the i-th one.
func around(w *world, group string, i int) []string {
	names := postsOf(w.sandbox, group)
	return names[max(0, i-3):min(len(names), i+20)]
}

// TestTree copies in a tree of hundreds of subfolders with 5 files each.
func TestTree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "recursive = true", "drop")
	source := t.TempDir() + "/tree"
	folders, each := volume(500), 5
	for i := range folders {
		dir := fmt.Sprintf("%s/%03d", source, i)
		must(t, os.MkdirAll(dir, 0o755))
		for j := range each {
			must(t, os.WriteFile(fmt.Sprintf("%s/%d.pdf", dir, j), fmt.Appendf(nil, "%d %d", i, j), 0o644))
		}
	}
	p := w.daemon()
	out, err := exec.Command("cp", "-r", source, w.folder("drop")).CombinedOutput()
	if err != nil {
		t.Fatal(err, string(out))
	}
	w.filed("drop", folders*each)
	w.arrivedOnce(folders * each)
	p.stop()
}

// TestOverflow makes files when the daemon's event queues are full: 30,000 of them in CI.
func TestOverflow(t *testing.T) {
	t.Parallel()
	folders, each := []string{"one", "two", "three"}, volume(10_000)
	if os.Getenv("KAIZALA_DROP_CI") == "" {
		folders = folders[:1]
	}
	w := newWorld(t, "", folders...)
	p := w.daemon()
	must(t, p.Process.Signal(syscall.SIGSTOP))
	for _, folder := range folders {
		fillQueue(t, w.folder(folder))
	}
	for i := range each {
		for f, folder := range folders {
			must(t, os.WriteFile(fmt.Sprintf("%s/f%05d.pdf", w.folder(folder), i), []byte{byte(i), byte(i >> 8), byte(f)}, 0o644))
		}
	}
	must(t, p.Process.Signal(syscall.SIGCONT))
	p.waitFor("more events than the kernel's queue holds")
	w.posted(each * len(folders))
	for _, folder := range folders {
		w.filed(folder, each)
	}
	w.arrivedOnce(each * len(folders))
	p.stop()
}

// fillQueue brings more events of a folder than the kernel keeps for one who does not take them.
func fillQueue(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	must(t, err)
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	one, other := dir+"/.one", dir+"/.other" // in turn: two equal events one after the other would be one (inotify(7))
	must(t, errors.Join(os.WriteFile(one, nil, 0o600), os.WriteFile(other, nil, 0o600)))
	for range limit/2 + 1 {
		must(t, errors.Join(os.Chmod(one, 0o600), os.Chmod(other, 0o600)))
	}
	must(t, errors.Join(os.Remove(one), os.Remove(other)))
}

// arrivedOnce checks that n messages have arrived, and that no two are of one content.
func (w *world) arrivedOnce(n int) {
	w.t.Helper()
	contents := map[string]bool{}
	for _, post := range w.sandbox.Posts() {
		contents[post.Media[0].SHA256] = true
	}
	if got := w.sandbox.Stats().Posts; got != n || len(contents) != n {
		w.t.Errorf("%d messages with %d different contents, want %d of each", got, len(contents), n)
	}
}

// TestHugeFile sends 2 GiB in CI, and looks at the peak memory of the real binary.
func TestHugeFile(t *testing.T) {
	t.Parallel()
	if raceEnabled || testing.Short() {
		t.Skip("2 GiB through a sandbox with the race detector take minutes, and tell nothing about memory")
	}
	w := newWorld(t, "", "drop")
	size := int64(volume(2 << 30))
	f, err := os.Create(w.folder("drop") + "/huge.mp3")
	must(t, err)
	must(t, unix.Fallocate(int(f.Fd()), 0, 0, size))
	must(t, f.Close())
	p := startProcess(t, exec.Command(buildProgram(t), "run", "--config", w.config))
	w.filed("drop", 1)
	whole := sha256.New()
	_, err = io.CopyN(whole, zeros{}, size)
	must(t, err)
	if m := w.sandbox.Posts()[0].Media[0]; m.Size != size || m.SHA256 != hex.EncodeToString(whole.Sum(nil)) {
		t.Fatalf("%d bytes arrived, want %d, or they are others", m.Size, size)
	}
	peak := peakMemory(t, p)
	t.Logf("%d bytes went through with a peak of %d KiB", size, peak)
	if peak > 64<<10 {
		t.Errorf("peak memory %d KiB, want under 64 MiB", peak)
	}
}

// zeros is what the huge file holds.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// peakMemory is the highest resident size of a running process in KiB (proc(5), VmHWM). What getrusage(2) says would
// count the memory of the test, from which the process was forked.
func peakMemory(t *testing.T, p *process) (peak int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	must(t, err)
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &peak); n == 1 {
			return peak
		}
	}
	t.Fatal("no VmHWM in /proc/PID/status")
	return 0
}
