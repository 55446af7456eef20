package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// diskCalls are the system calls by which Open changes the disk or syncs it.
func diskCalls() []string {
	return strings.Fields("openat open pwrite64 fsync fdatasync ftruncate renameat unlink unlinkat statfs")
}

// thorough reports whether all must be tried: by hand it takes too long, and the race detector sees nothing new in it.
func thorough() bool { return os.Getenv("KAIZALA_DROP_CI") != "" && !raceEnabled }

// each calls try for the calls of these kinds that an update makes, one by one, until there is no call with this number. It
// tries one of step calls, and one of step/40 where all tests must run.
func each(t *testing.T, step int, calls []string, try func(call string, n int) (came bool)) {
	t.Helper()
	if thorough() {
		step = max(1, step/40)
	}
	total := 0
	for _, call := range calls {
		for n := 1; try(call, n); n += step {
			total++
		}
	}
	if t.Logf("%d calls", total); total < len(calls) {
		t.Errorf("only %d calls were tried", total)
	}
}

// updated opens the ledger in dir in another process, and tampers with its call number when (with a plus: and with all later
// ones).
func updated(t *testing.T, dir, call, when, tamper string, and ...string) (said string, err error) {
	t.Helper()
	args := []string{"-f", "-qq", "-o", filepath.Join(t.TempDir(), "strace"), "-e", "trace=" + call,
		"-e", "inject=" + call + ":" + tamper + ":when=" + when}
	path := filepath.Join(dir, fileName)
	for _, p := range []string{dir, path, path + "-wal", path + "-shm", path + ".v1", path + ".v1.part", path + ".v1.part-journal"} {
		args = append(args, "-P", p)
	}
	cmd := exec.Command(needs(t, "strace"), append(append(args, and...), os.Args[0])...)
	cmd.Env = append(os.Environ(), openDir+"="+dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// wantOneWhole fails the test unless a process left the ledger whole, in the old schema or in the new one with its copy, and
// the next start finishes the update.
func wantOneWhole(t *testing.T, dir, text string) {
	t.Helper()
	version, now := dumpOf(t, dir)
	if now != text || version != 1 && version != len(migrations()) {
		t.Errorf("schema %d; same rows: %t", version, now == text)
	}
	path := filepath.Join(dir, fileName) + ".v1"
	if _, err := os.Stat(path); err == nil {
		if version, kept := dump(t, path, ""); version != 1 || kept != text {
			t.Errorf("the copy has schema %d; same rows: %t", version, kept == text)
		}
	} else if version != 1 {
		t.Errorf("schema %d, and no copy: %v", version, err)
	}
	wantNew(t, dir, text)
}

// TestUpdateKilled shows that an update which is killed before any call that changes the disk leaves the ledger whole.
func TestUpdateKilled(t *testing.T) {
	t.Parallel()
	each(t, 40, diskCalls(), func(call string, n int) bool {
		dir, text := layOld(t)
		said, err := updated(t, dir, call, fmt.Sprint(n), "signal=KILL")
		if err == nil {
			return false // the process makes fewer such calls
		}
		if said != "" {
			t.Errorf("%s %d: it was to be killed: %v: %s", call, n, err, said)
		}
		wantOneWhole(t, dir, text)
		return !t.Failed()
	})
}

// TestUpdateOnABadDisk shows that an update in which any of these calls fails, once or from then on, leaves the ledger whole,
// and that its error names the folder.
func TestUpdateOnABadDisk(t *testing.T) {
	faults := []struct {
		error, when string
		step        int
	}{{"ENOSPC", "+", 40}, {"EIO", "", 120}, {"EIO", "+", 120}, {"EDQUOT", "+", 120}}
	if !thorough() {
		faults = faults[:2]
	}
	for _, f := range faults {
		t.Run(f.error+f.when, func(t *testing.T) {
			t.Parallel()
			failed := 0
			each(t, f.step, diskCalls(), func(call string, n int) bool {
				dir, text := layOld(t)
				trace := filepath.Join(t.TempDir(), "trace")
				said, err := updated(t, dir, call, fmt.Sprint(n)+f.when, "error="+f.error, "-o", trace)
				if _, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || !strings.Contains(said, dir)) {
					t.Errorf("%s %d: %v: %s", call, n, err, said)
				}
				if err != nil {
					failed++
				}
				came, err := os.ReadFile(trace)
				try(t, err)
				wantOneWhole(t, dir, text)
				return bytes.Contains(came, []byte("(INJECTED)")) && !t.Failed()
			})
			if failed == 0 {
				t.Error("no update ever failed")
			}
		})
	}
}

// TestUpdateWithoutRoom shows that the ledger stays as it is where there is no room for a copy, and that the error says how
// much is needed.
func TestUpdateWithoutRoom(t *testing.T) {
	for name, more := range map[string][]string{
		"asked":    nil,
		"it lies":  {"-e", "trace=statfs", "-e", "inject=statfs:error=ENOSYS"},
		"no sizes": {"-e", "trace=statfs", "-e", "inject=statfs:retval=0"},
	} {
		t.Run(name, func(t *testing.T) {
			old, text := layOld(t)
			dir := mount(t, 0, "size=8m")
			for _, f := range []string{fileName, fileName + "-wal"} {
				data, err := os.ReadFile(filepath.Join(old, f))
				try(t, err)
				try(t, os.WriteFile(filepath.Join(dir, f), data, 0o600))
			}
			ballast := fill(t, dir)
			full, err := os.Stat(ballast)
			try(t, err)
			refused := 0
			for room := int64(0); ; room += 16 { // pages
				try(t, os.Truncate(ballast, full.Size()-room*4096))
				said, err := updated(t, dir, "none", "1", "error=EIO", more...)
				if err == nil {
					break
				}
				if version, now := dumpOf(t, dir); version != 1 || now != text || room > 1000 {
					t.Fatalf("schema %d with %d pages, same rows: %t: %s", version, room, now == text, said)
				}
				if strings.Contains(said, "the ledger is as it was") {
					refused++
					if refused == 1 {
						t.Log(said)
					}
					if !strings.Contains(said, "bytes are needed for") || !strings.Contains(said, "make room") {
						t.Errorf("%d pages: %s", room, said)
					}
				}
				if copies, _ := filepath.Glob(filepath.Join(dir, fileName+".v*")); len(copies) > 0 {
					t.Errorf("%d pages: left %v", room, copies)
				}
			}
			if refused == 0 {
				t.Error("never refused")
			}
			wantNew(t, dir, text)
		})
	}
}

// TestUpdateInAPowerCut shows that an update leaves the ledger whole if the power fails at any call that orders what is on
// disk. An ext4 is shut down without a flush of its journal, as in a power cut, and mounted anew.
func TestUpdateInAPowerCut(t *testing.T) {
	disk := newDisk(t)
	each(t, 16, strings.Fields("fsync fdatasync ftruncate renameat unlink unlinkat"), func(call string, n int) bool {
		old, text := layOld(t)
		dir := disk.fresh(t, old)
		_, err := updated(t, dir, call, fmt.Sprint(n), "signal=KILL")
		disk.cut(t)
		wantOneWhole(t, dir, text)
		return err != nil && !t.Failed()
	})
}

// disk is an ext4 file system whose power can be cut.
type disk struct{ image, root string }

func newDisk(t *testing.T) disk {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("KAIZALA_DROP_CI") != "" {
			t.Fatal("not run as root")
		}
		t.Skip("must be run as root, to mount a disk")
	}
	d := disk{filepath.Join(t.TempDir(), "image"), t.TempDir()}
	try(t, os.WriteFile(d.image, nil, 0o600))
	try(t, os.Truncate(d.image, 32<<20))
	d.run(t, "mkfs.ext4", "-q", d.image)
	d.run(t, "mount", "-o", "loop", d.image, d.root)
	t.Cleanup(func() { _ = unix.Unmount(d.root, unix.MNT_DETACH) })
	return d
}

func (d disk) run(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(needs(t, program), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", program, err, out)
	}
}

// fresh puts the ledger of a folder on the disk durably, and removes all else.
func (d disk) fresh(t *testing.T, from string) string {
	t.Helper()
	dir := filepath.Join(d.root, "state")
	try(t, os.RemoveAll(dir))
	try(t, os.CopyFS(dir, os.DirFS(from)))
	d.run(t, "sync", "-f", d.root)
	return dir
}

// cut cuts the power and brings it back.
func (d disk) cut(t *testing.T) {
	t.Helper()
	root, err := os.Open(d.root)
	try(t, err)
	const shutdown, withoutFlush = 0x8004587d, 2 // EXT4_IOC_SHUTDOWN, EXT4_GOING_FLAGS_NOLOGFLUSH (fs/ext4/ext4.h)
	try(t, unix.IoctlSetPointerInt(int(root.Fd()), shutdown, withoutFlush))
	root.Close()
	try(t, unix.Unmount(d.root, 0))
	d.run(t, "mount", "-o", "loop", d.image, d.root)
}
