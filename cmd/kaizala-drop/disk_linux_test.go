package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// fault is a disk that fails for a while: system calls of the daemon end with an error, by strace.
type fault struct {
	name   string
	from   string   // when it begins: "start", or "/v1/media" or "/actions": while that call is answered
	inject []string // strace's -e inject=...
	paths  []string // only of these, below the world's folder
	says   []string // words of the log
	state  string   // a delivery has this state and a reason meanwhile; "": none was written down
}

func faults() []fault {
	ledger := []string{"state/ledger.db", "state/ledger.db-wal"}
	done, target := []string{"in/done"}, []string{"in/a.pdf", "in/done/a.pdf"}
	note := []string{"in/failed/bad.txt.reason.txt"}
	all := []fault{
		{"mkdir of done, EACCES", "start", []string{"mkdirat:error=EACCES"}, done, []string{"in/done", "must be writable"}, "posted"},
		{"mkdir of done, ENOSPC", "start", []string{"mkdirat:error=ENOSPC"}, done, []string{"in/done", "make room"}, "posted"},
		{"open of done, EACCES", "start", []string{"openat:error=EACCES"}, done, []string{"in/done", "must be writable"}, "posted"},
		{"open of done, EIO", "start", []string{"openat:error=EIO"}, done, []string{"in/done", "input/output error"}, "posted"},
		{"sync of done, EIO", "start", []string{"fsync:error=EIO"}, done, []string{"in/done", "input/output error"}, "posted"},
		{"sync of the folder, EIO", "start", []string{"fsync:error=EIO"}, []string{"in"}, []string{"a.pdf", "input/output error"}, "posted"},
		{"note, ENOSPC", "start", []string{"write:error=ENOSPC"}, note, []string{"bad.txt", "make room"}, "failed"},
		{"sync of the note, EIO", "start", []string{"fsync:error=EIO"}, note, []string{"bad.txt", "input/output error"}, "failed"},
		{"open of the note, EDQUOT", "start", []string{"openat:error=EDQUOT"}, note, []string{"bad.txt", "make room"}, "failed"},
		{"link to another device, ENOSPC", "start", []string{"linkat:error=ENOSPC"}, []string{"far/done/b.pdf"}, []string{"b.pdf", "make room"}, "posted"},
		{"sync of another device, EIO", "start", []string{"fsync:error=EIO"}, []string{"far/done"}, []string{"b.pdf", "input/output error"}, "posted"},
		{"original of a copy, EIO", "start", []string{"renameat:error=EIO"}, []string{"in2/b.pdf"}, []string{"b.pdf", "input/output error"}, "posted"},
	}
	for errno, words := range map[string]string{
		"ENOSPC": "make room", "EIO": "input/output error", "EACCES": "must be writable", "EROFS": "must be writable", "EDQUOT": "make room",
	} {
		all = append(all, fault{"rename, " + errno, "start", []string{"renameat2:error=" + errno}, target, []string{"a.pdf", words}, "posted"})
	}
	for _, from := range []string{"start", "/v1/media", "/actions"} {
		for _, inject := range []string{"pwrite64:error=ENOSPC", "pwrite64:error=EIO", "fdatasync:error=EIO", "fdatasync:error=EIO:when=2+"} {
			all = append(all, fault{"ledger from " + from + ", " + inject, from, []string{inject}, ledger, []string{"ledger.db", "disk"}, ""})
		}
	}
	return all
}

// TestFailingDisk: at every step of filing and of the ledger, in turn, the disk fails for a while. Nothing is lost, nothing
// is posted twice, the log says what happens and what to do, and all goes on by itself.
func TestFailingDisk(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil || os.Geteuid() != 0 {
		needs(t, "strace, as root")
	}
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			d := newDiskWorld(t)
			attached := sync.OnceValue(func() *exec.Cmd { return d.attach(f) })
			if f.from != "start" {
				d.between(func(_ http.ResponseWriter, r *http.Request) bool {
					if strings.HasSuffix(r.URL.Path, f.from) {
						attached()
					}
					return false
				})
			}
			d.daemon()
			if f.from == "start" {
				attached()
			}
			d.dropAll()
			for _, words := range f.says {
				d.p.waitFor(words)
			}
			if f.state != "" {
				d.waits(f.state)
			}
			strace := attached()
			must(t, strace.Process.Signal(syscall.SIGTERM))
			_ = strace.Wait()
			d.wantDelivered()
		})
	}
}

// diskWorld is a world of two folders; in2 has its done/ on another device.
type diskWorld struct {
	*world
	far string // the other device
	p   *process
}

func newDiskWorld(t *testing.T) *diskWorld {
	d := &diskWorld{world: newWorld(t, "", "in", "in2")}
	far, err := os.MkdirTemp("/dev/shm", "kaizala-drop-disk")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(far) })
	d.far = far
	d.reconfigure(`group_id = "in2@2"`, `group_id = "in2@2"`+fmt.Sprintf("\ndone = %q", far+"/done"))
	return d
}

func (d *diskWorld) daemon() { d.p = d.world.daemon() }

// attach has strace make system calls of the daemon fail, and returns when it does.
func (d *diskWorld) attach(f fault) *exec.Cmd {
	args := []string{"-f", "-qq", "-o", "/dev/null", "-p", fmt.Sprint(d.p.Process.Pid)}
	for _, inject := range f.inject {
		name, _, _ := strings.Cut(inject, ":")
		args = append(args, "-e", "trace="+name, "-e", "inject="+inject)
	}
	for _, path := range f.paths {
		if below, far := strings.CutPrefix(path, "far/"); far {
			path = filepath.Join(d.far, below)
		} else {
			path = filepath.Join(d.dir, path)
		}
		args = append(args, "-P", path)
	}
	strace := exec.Command("strace", args...)
	must(d.t, strace.Start())
	d.t.Cleanup(func() {
		if strace.ProcessState == nil {
			_ = strace.Process.Kill()
			_ = strace.Wait()
		}
	})
	eventually(d.t, func() error {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", d.p.Process.Pid))
		must(d.t, err)
		for _, task := range tasks {
			if status, err := os.ReadFile(task); err == nil && strings.Contains(string(status), "TracerPid:\t0\n") {
				return fmt.Errorf("%s is not traced", task)
			}
		}
		return nil
	})
	return strace
}

// waits waits until a delivery of this state has a reason.
func (d *diskWorld) waits(state string) {
	d.t.Helper()
	eventually(d.t, func() error {
		reason := ""
		query(d.t, "file:"+d.dir+"/state/ledger.db?mode=ro", func(rows *sql.Rows) { must(d.t, rows.Scan(&reason)) },
			"SELECT reason FROM delivery WHERE finished_at IS NULL AND reason != '' AND state = '"+state+"'")
		if reason == "" {
			return fmt.Errorf("no delivery is %s with a reason", state)
		}
		return nil
	})
}

// wantDelivered waits for the end of all, and holds it against the promise.
func (d *diskWorld) wantDelivered() {
	d.t.Helper()
	in := d.folder("in")
	want := map[string]string{in + "/done/a.pdf": "first", d.far + "/done/b.pdf": "second", in + "/failed/bad.txt": "unsupported"}
	eventually(d.t, func() error {
		for path, content := range want {
			if text, err := os.ReadFile(path); string(text) != content {
				return fmt.Errorf("%s holds %q, %w", path, text, err)
			}
		}
		return nil
	})
	if code := d.p.stop(); code != 0 {
		d.t.Errorf("exit code %d", code)
	}
	count := map[string]int{}
	for _, p := range d.sandbox.Posts() {
		count[p.Media[0].Name]++
	}
	if len(count) != 2 || count["a.pdf"] != 1 || count["b.pdf"] != 1 {
		d.t.Errorf("posted %v", count)
	}
	for folder, n := range map[string]int{in: 3, d.folder("in2"): 0, d.far: 1} {
		if found := files(d.t, folder); len(found) != n {
			d.t.Errorf("%s holds %q, want %d files", folder, found, n)
		}
	}
}

// TestDiskForReal: the same with real disks that are full or read-only.
func TestDiskForReal(t *testing.T) {
	if os.Geteuid() != 0 {
		needs(t, "root")
	}
	mount := func(t *testing.T, path, size string) {
		t.Helper()
		must(t, os.MkdirAll(path, 0o755))
		must(t, unix.Mount("none", path, "tmpfs", 0, "size="+size))
		t.Cleanup(func() { must(t, unix.Unmount(path, unix.MNT_DETACH)) })
	}
	fill := func(t *testing.T, path string) {
		t.Helper()
		f, err := os.Create(path)
		must(t, err)
		defer f.Close()
		for err == nil {
			_, err = f.Write(make([]byte, 4096))
		}
	}
	t.Run("done is full", func(t *testing.T) {
		d := newDiskWorld(t)
		mount(t, d.dir+"/in/done", "64k")
		fill(t, d.dir+"/in/done/filler")
		d.daemon()
		d.dropAll()
		d.p.waitFor("make room")
		d.waits("posted")
		must(t, os.Remove(d.dir+"/in/done/filler"))
		d.wantDelivered()
	})
	t.Run("done is read-only", func(t *testing.T) {
		d := newDiskWorld(t)
		mount(t, d.dir+"/in/done", "64k")
		must(t, unix.Mount("none", d.dir+"/in/done", "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
		d.daemon()
		d.dropAll()
		d.p.waitFor("must be writable")
		d.waits("posted")
		must(t, unix.Mount("none", d.dir+"/in/done", "", unix.MS_REMOUNT, ""))
		d.wantDelivered()
	})
	t.Run("done is immutable", func(t *testing.T) {
		d := newDiskWorld(t)
		must(t, os.Mkdir(d.dir+"/in/done", 0o755))
		if out, err := exec.Command("chattr", "+i", d.dir+"/in/done").CombinedOutput(); err != nil {
			needs(t, "a file system that knows chattr +i: "+string(out))
		}
		change := func(flag string) { _ = exec.Command("chattr", flag, d.dir+"/in/done").Run() }
		t.Cleanup(func() { change("-i") })
		d.daemon()
		d.dropAll()
		d.p.waitFor("must be writable")
		d.waits("posted")
		change("-i")
		d.wantDelivered()
	})
	t.Run("state_dir is full", func(t *testing.T) {
		d := newDiskWorld(t)
		mount(t, d.dir+"/state", "1m")
		d.daemon()
		fill(t, d.dir+"/state/filler")
		d.dropAll()
		d.p.waitFor("disk")
		d.p.waitFor("ledger.db")
		must(t, os.Remove(d.dir+"/state/filler"))
		d.wantDelivered()
	})
}

func (d *diskWorld) dropAll() {
	d.t.Helper()
	d.drop("in", "a.pdf", "first")
	d.drop("in2", "b.pdf", "second")
	d.drop("in", "bad.txt", "unsupported")
}
