package filing

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCanFileAndProbeAgreeWithMove shows that CanFile, Probe and Move find the same error, and that CanFile and Probe find
// none where Move works.
func TestCanFileAndProbeAgreeWithMove(t *testing.T) {
	needsRoot(t)
	for _, c := range []struct {
		name  string
		spoil func(d *desk, m *Move)
		want  error // nil: the file can be filed
		says  string
		one   bool // the error concerns this file alone, so that the probe cannot find it
	}{
		{name: "all is well", spoil: func(*desk, *Move) {}},
		{name: "done is there", spoil: func(d *desk, _ *Move) { mkdir(d.t, d.done+"/a/b", 0o755) }},
		{name: "done is a link", spoil: func(d *desk, _ *Move) { noError(d.t, os.Symlink(d.t.TempDir(), d.done)) }},
		{name: "done lies deeper", spoil: func(d *desk, m *Move) { m.Dir = d.folder + "/x/y/done" }},
		{"a file named done", func(d *desk, _ *Move) { write(d.t, d.done, "x") }, unix.ENOTDIR, "move it away", false},
		{"a file in done's way", func(d *desk, m *Move) { write(d.t, d.folder+"/x", "x"); m.Dir = d.folder + "/x/y/done" },
			unix.ENOTDIR, "move it away", false},
		{"a file in the subfolder's way", func(d *desk, _ *Move) { write(d.t, d.done+"/a", "x") }, unix.ENOTDIR, "move it away", true},
		{"a link in the subfolder's way", func(d *desk, _ *Move) {
			mkdir(d.t, d.done, 0o755)
			noError(d.t, os.Symlink("/tmp", d.done+"/a"))
		}, unix.ELOOP, "symbolic link", true},
		{"done leads nowhere", func(d *desk, _ *Move) { noError(d.t, os.Symlink("nowhere", d.done)) }, fs.ErrNotExist, "", false},
		{"done has no parent", func(d *desk, m *Move) { m.Dir = d.t.TempDir() + "/archive/done" }, fs.ErrNotExist, "archive", false},
		{"folder read-only", func(d *desk, _ *Move) { readOnlyMount(d.t, d.folder) }, unix.EROFS, "read-only", false},
		{"done read-only", func(d *desk, _ *Move) { mkdir(d.t, d.done, 0o755); readOnlyMount(d.t, d.done) }, unix.EROFS, "read-only", false},
		{"folder immutable", func(d *desk, _ *Move) { attributes(d.t, "+i", d.folder) }, unix.EPERM, "must be writable", false},
		{"done immutable", func(d *desk, _ *Move) { mkdir(d.t, d.done, 0o755); attributes(d.t, "+i", d.done) }, unix.EPERM, "must be writable", false},
		{"subfolder immutable", func(d *desk, _ *Move) { attributes(d.t, "+i", d.folder+"/a/b") }, unix.EPERM, "chattr -i", true},
		{"subfolder append-only", func(d *desk, _ *Move) { attributes(d.t, "+a", d.folder+"/a/b") }, unix.EPERM, "chattr -a", true},
		{"file immutable", func(d *desk, _ *Move) { attributes(d.t, "+i", d.folder+"/a/b/scan.pdf") }, unix.EPERM, "chattr -i", true},
		{"file append-only", func(d *desk, _ *Move) { attributes(d.t, "+a", d.folder+"/a/b/scan.pdf") }, unix.EPERM, "chattr -a", true},
		{"gone", func(d *desk, m *Move) { noError(d.t, os.Remove(m.source())) }, ErrGone, "", true},
		{"folder gone", func(d *desk, _ *Move) { noError(d.t, os.RemoveAll(d.folder)) }, ErrFolderGone, "mounted?", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t)
			m := d.drop("a/b/scan.pdf", "x")
			c.spoil(&d, &m)
			f := New()
			before, _ := exec.Command("find", d.folder).CombinedOutput()
			can := f.CanFile(m)
			if after, _ := exec.Command("find", d.folder).CombinedOutput(); string(after) != string(before) {
				t.Errorf("a look changed\n%s to\n%s", before, after)
			}
			probe := f.Probe(d.folder, m.Dir)
			dest, move := f.Move(m)
			if !errors.Is(can, c.want) || !errors.Is(move, c.want) || c.want == nil && (can != nil || move != nil || dest == "") {
				t.Errorf("want %v; the look: %v; the move: %v", c.want, can, move)
			}
			if c.want != nil && !strings.Contains(can.Error(), c.says) {
				t.Errorf("%v does not say %q", can, c.says)
			}
			if wants := c.want; !errors.Is(probe, wants) && !c.one || c.one && wants != ErrGone && probe != nil && !errors.Is(probe, wants) {
				t.Errorf("the probe: %v, want %v", probe, wants)
			}
		})
	}
}

func readOnlyMount(t testing.TB, path string) {
	mount(t, path, path, "", unix.MS_BIND, "")
	noError(t, unix.Mount("", path, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
}

func attributes(t testing.TB, change, path string) {
	t.Helper()
	if out, err := exec.Command("chattr", change, path).CombinedOutput(); err != nil {
		needs(t, "chattr on "+path+" ("+string(out)+")", err)
	}
	t.Cleanup(func() { exec.Command("chattr", "-ia", path).Run() })
}

const canFileEnv = "FILING_TEST_CAN_FILE"

// TestCanFileAsAnotherUser shows that CanFile agrees with Move for a user who is not root. Another process asks as nobody,
// then moves.
func TestCanFileAsAnotherUser(t *testing.T) {
	if at := os.Getenv(canFileEnv); at != "" {
		asNobody(t, at)
		return
	}
	needsRoot(t)
	const nobody = 65534
	for _, c := range []struct {
		name  string
		spoil func(in string)
		want  string
	}{
		{"all is well", func(string) {}, "fine"},
		{"the folder is not ours to write", func(in string) { noError(t, os.Chmod(in+"/a", 0o755)) }, "permission denied"},
		{"done is not ours to write", func(in string) { mkdir(t, in+"/done", 0o755) }, "permission denied"},
		{"done/a is not ours to write", func(in string) { mkdir(t, in+"/done/a", 0o755) }, "permission denied"},
		{"done is not ours to make", func(in string) { noError(t, os.Chmod(in, 0o755)) }, "permission denied"},
		{"the folder is not ours to enter", func(in string) { noError(t, os.Chmod(in+"/a", 0o700)) }, "permission denied"},
		{"sticky, all of it foreign", func(in string) { noError(t, os.Chmod(in+"/a", 0o777|fs.ModeSticky)) }, "operation not permitted"},
		{"sticky, the file is ours", func(in string) {
			noError(t, os.Chmod(in+"/a", 0o777|fs.ModeSticky))
			noError(t, os.Chown(in+"/a/scan.pdf", nobody, nobody))
		}, "fine"},
		{"sticky, the folder is ours", func(in string) {
			noError(t, os.Chmod(in+"/a", 0o777|fs.ModeSticky))
			noError(t, os.Chown(in+"/a", nobody, nobody))
		}, "fine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			top, err := os.MkdirTemp("", "can-file-")
			noError(t, err)
			t.Cleanup(func() { os.RemoveAll(top) })
			noError(t, os.Chmod(top, 0o755))
			in := filepath.Join(top, "in")
			write(t, in+"/a/scan.pdf", "x")
			for _, dir := range []string{in, in + "/a"} {
				noError(t, os.Chmod(dir, 0o777))
			}
			c.spoil(in)
			self, err := os.Open("/proc/self/exe") // the user nobody may not be able to enter the folder of this program
			noError(t, err)
			defer self.Close()
			cmd := exec.Command("/proc/self/fd/3", "-test.run=^TestCanFileAsAnotherUser$", "-test.v")
			cmd.ExtraFiles = []*os.File{self}
			cmd.Dir, cmd.Env = "/", append(os.Environ(), canFileEnv+"="+in)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			out, err := cmd.CombinedOutput()
			noError(t, err)
			for _, who := range []string{"look: ", "move: "} {
				_, said, _ := strings.Cut(string(out), who)
				if said, _, _ = strings.Cut(said, "\n"); !strings.Contains(said, c.want) {
					t.Errorf("%ssaid %q, want %q\n%s", who, said, c.want, out)
				}
			}
		})
	}
}

func asNobody(t *testing.T, in string) {
	m := Move{Folder: in, Name: "a/scan.pdf", Dir: in + "/done"}
	if id, err := os.Lstat(m.source()); err == nil {
		st := sys(id)
		m.Want.Dev, m.Want.Ino, m.Want.Size, m.Want.Mtime = st.Dev, st.Ino, st.Size, st.Mtim.Nano()
	}
	say := func(who string, err error) {
		if err == nil {
			err = errors.New("fine")
		}
		os.Stdout.WriteString(who + err.Error() + "\n")
	}
	f := New()
	say("look: ", f.CanFile(m))
	_, err := f.Move(m)
	say("move: ", err)
}

// TestCanFileKnowsRoom shows that CanFile knows of a copy that does not fit, and that a move on one device needs no room.
func TestCanFileKnowsRoom(t *testing.T) {
	needsRoot(t)
	far := t.TempDir()
	mount(t, "tmpfs", far, "tmpfs", 0, "size=64k")
	big := strings.Repeat("x", 128<<10)
	d := newDesk(t)
	m := d.drop("scan.pdf", big)
	m.Dir = far + "/done"
	if err := New().CanFile(m); !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "make room there") {
		t.Errorf("to a full disk: %v", err)
	}
	small := d.drop("small.pdf", "x")
	small.Dir = m.Dir
	noError(t, New().CanFile(small))
	fill(t, far)
	near := d.move("scan.pdf")
	noError(t, New().CanFile(near))
	full := desk{t, far, far + "/done"}
	mkdir(t, far+"/sub", 0o755)
	noError(t, os.WriteFile(far+"/empty.pdf", nil, 0o600))
	noError(t, New().CanFile(full.move("empty.pdf")))
}
