// Package systemd_test turns the unit, as it is installed, into a running service under a real systemd, and looks at
// what it does.
//
// The test binary lives three lives. As a test it builds the daemon and starts itself in new namespaces; there it
// becomes process 1 of a throw-away overlay of this machine's root, and then systemd; that starts it once more, as the
// test of what is inside. Nothing is written to the machine: the overlay's upper layer goes with its namespace.
package systemd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lifeVar says which life this is: none, asInit or asInside.
const (
	lifeVar  = "KAIZALA_DROP_BOOT_TEST"
	asInit   = "init"
	asInside = "inside"
)

// bootTimeout is for everything from the first mount to systemd's end: far more than it takes.
const bootTimeout = 20 * time.Minute

// shared is where the files of the test are seen inside.
const shared = "/kaizala-drop-test"

const initProgram = "/lib/systemd/systemd"

func TestMain(m *testing.M) {
	if os.Getenv(lifeVar) == asInit {
		err := becomeInit(os.Args[1], os.Args[2])
		fmt.Fprintln(os.Stderr, err) // it does not return otherwise
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestUnit(t *testing.T) {
	if os.Getenv(lifeVar) == asInside {
		testInside(t)
		return
	}
	need(t, os.Geteuid() == 0, "only root can boot a systemd")
	_, err := os.Stat(initProgram)
	need(t, err == nil, "there is no systemd to boot: install the package systemd")
	share := t.TempDir()
	daemon, hanging := build(t), build(t, "-tags", "hanghook")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{
		self: "test", daemon: "kaizala-drop", hanging: hangingProgram,
		"kaizala-drop.service": "kaizala-drop.service", "kaizala-drop.sysusers.conf": "kaizala-drop.sysusers.conf",
		"folders.conf.example": "folders.conf.example", "tight.conf.example": "tight.conf.example",
	} {
		copyFile(t, from, filepath.Join(share, to), 0o755)
	}
	started := time.Now()
	err = boot(t, share)
	log, readErr := os.ReadFile(filepath.Join(share, "log"))
	t.Logf("inside, in %v:\n%s", time.Since(started).Round(time.Millisecond), log)
	if err = errors.Join(err, readErr); err != nil {
		t.Error(err)
	}
	if !bytes.Contains(log, []byte("\nPASS\n")) {
		t.Error("the test inside did not come to its end")
	}
}

// build builds the daemon with these flags, and gives its path.
func build(t *testing.T, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kaizala-drop")
	command := exec.CommandContext(t.Context(), "go", append(append([]string{"build", "-o", path}, flags...), "../cmd/kaizala-drop")...)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the daemon: %v\n%s", err, out)
	}
	return path
}

// thorough reports whether all must be tried: by hand it takes too long, and the race detector sees nothing new in it.
func thorough() bool { return os.Getenv(thoroughVar) != "" && !raceEnabled }

// takesLong leaves a test to where nothing may be skipped.
func takesLong(t *testing.T) {
	t.Helper()
	if !thorough() {
		t.Skip("it takes long: set " + thoroughVar + "=1 to run it")
	}
}

// thoroughVar is set where nothing may be skipped.
const thoroughVar = "KAIZALA_DROP_CI"

// need skips the test where the machine cannot run it, and fails it where it must.
func need(t *testing.T, ok bool, reason string) {
	t.Helper()
	switch {
	case ok:
	case os.Getenv(thoroughVar) != "":
		t.Fatal(reason)
	default:
		t.Skip(reason)
	}
}

func copyFile(t *testing.T, from, to string, mode fs.FileMode) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, mode); err != nil {
		t.Fatal(err)
	}
}

// boot starts the second life and waits for its end. Whatever it left running dies with its first process.
func boot(t *testing.T, share string) error {
	cgroup := newCgroup(t)
	runtime.LockOSThread() // Pdeathsig is the thread's
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeout(t.Context(), bootTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", share, cgroup)
	cmd.Env = append(os.Environ(), lifeVar+"="+asInit)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		Pdeathsig:  unix.SIGKILL,
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the booted system: %w\n%s", err, said.Bytes())
	}
	return nil
}

// newCgroup makes a control group for systemd to rule, and sees at the end that nothing is left in it.
func newCgroup(t *testing.T) string {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	top := ""
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			top = f[1]
			break
		}
	}
	need(t, top != "", "no cgroup2 file system is mounted")
	dir, err := os.MkdirTemp(top, "kaizala-drop-test-")
	need(t, err == nil, fmt.Sprintf("cannot make a control group: %v", err))
	t.Cleanup(func() {
		var dirs []string
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, d := range slices.Backward(dirs) {
			if err := os.Remove(d); err != nil {
				t.Errorf("a control group is left behind: %v", err)
			}
		}
	})
	return dir
}

// becomeInit furnishes a root of its own and turns into systemd, whose first target is the test. It runs as process 1
// of new namespaces, and returns only an error.
func becomeInit(share, cgroup string) error {
	runtime.LockOSThread() // the control group's namespace and the capabilities are the thread's
	if err := os.WriteFile(filepath.Join(cgroup, "cgroup.procs"), []byte("0"), 0); err != nil {
		return err
	}
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("cannot have a cgroup namespace: %w", err)
	}
	root, err := overlay(share)
	if err != nil {
		return err
	}
	for _, step := range []func(string) error{mountKernel, mountDevices, writeUnits} {
		if err := step(root); err != nil {
			return err
		}
	}
	if err := enter(root); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte("drop-box")); err != nil {
		return err
	}
	if err := dropCapabilities(); err != nil {
		return err
	}
	env := []string{"container=kaizala-drop-test", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	args := []string{initProgram, "--system", "--unit=kaizala-drop-test.target", "--log-target=journal", "--show-status=0"}
	return fmt.Errorf("cannot become systemd: %w", unix.Exec(initProgram, args, env))
}

// overlay lays a tmpfs over the machine's root and returns where. The shared files are inside.
func overlay(share string) (root string, err error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return "", fmt.Errorf("cannot keep mounts to ourselves: %w", err)
	}
	box := filepath.Join(share, "box")
	if err := mount("tmpfs", box, 0, "mode=755"); err != nil {
		return "", err
	}
	root = filepath.Join(box, "root")
	for _, dir := range []string{"upper", "work"} {
		if err := os.Mkdir(filepath.Join(box, dir), 0o755); err != nil {
			return "", err
		}
	}
	if err := mount("overlay", root, 0, fmt.Sprintf("lowerdir=/,upperdir=%[1]s/upper,workdir=%[1]s/work", box)); err != nil {
		return "", err
	}
	return root, bind(share, filepath.Join(root, shared), 0)
}

// mountKernel mounts what the kernel tells. None of it lets the machine's own settings be changed.
func mountKernel(root string) error {
	at := func(path string) string { return filepath.Join(root, path) }
	return errors.Join(
		mount("proc", at("proc"), 0, ""), bind("/proc/sys", at("proc/sys"), unix.MS_RDONLY),
		mount("sysfs", at("sys"), unix.MS_RDONLY, ""), mount("cgroup2", at("sys/fs/cgroup"), 0, ""),
		mount("tmpfs", at("run"), 0, "mode=755"), mount("tmpfs", at("tmp"), 0, "mode=1777"),
	)
}

func mountDevices(root string) error {
	dev := filepath.Join(root, "dev")
	errs := []error{mount("tmpfs", dev, 0, "mode=755")}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "fuse"} {
		if _, err := os.Stat("/dev/" + name); name == "fuse" && err != nil {
			continue // the tests that need it say so
		}
		errs = append(errs, os.WriteFile(filepath.Join(dev, name), nil, 0o666), bind("/dev/"+name, filepath.Join(dev, name), 0))
	}
	return errors.Join(append(errs,
		mount("devpts", filepath.Join(dev, "pts"), 0, "newinstance,ptmxmode=0666,mode=620"),
		mount("tmpfs", filepath.Join(dev, "shm"), 0, "mode=1777"),
		os.Symlink("pts/ptmx", filepath.Join(dev, "ptmx")), os.Symlink("/proc/self/fd", filepath.Join(dev, "fd")),
	)...)
}

// writeUnits writes the target to boot to and the service that is the third life, and takes away what has no business
// in a box. The machine's own mounts, network and timers are not started: nothing wants them.
func writeUnits(root string) error {
	units := filepath.Join(root, "run/systemd/system")
	errs := []error{
		os.MkdirAll(units, 0o755),
		os.WriteFile(filepath.Join(root, "etc/fstab"), nil, 0o644),
		os.WriteFile(filepath.Join(root, "etc/machine-id"), nil, 0o444), // empty: not a first boot, and not this machine
		os.WriteFile(filepath.Join(units, "kaizala-drop-test.target"), []byte(`[Unit]
Requires=basic.target kaizala-drop-test.service
AllowIsolate=yes
`), 0o644),
		os.WriteFile(filepath.Join(units, "kaizala-drop-test.service"), fmt.Appendf(nil, `[Unit]
Requires=basic.target
After=basic.target
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
Environment=%s=%s %[5]s=%[6]s
WorkingDirectory=%[3]s
ExecStart=%[3]s/test -test.v -test.run=^TestUnit$ -test.timeout=%[4]s
StandardOutput=truncate:%[3]s/log
StandardError=inherit
`, lifeVar, asInside, shared, bootTimeout-10*time.Second, thoroughVar, os.Getenv(thoroughVar)), 0o644),
	}
	for _, name := range []string{"timesyncd", "networkd", "resolved", "udevd", "udev-trigger", "sysctl", "modules-load"} {
		errs = append(errs, os.Symlink("/dev/null", filepath.Join(units, "systemd-"+name+".service")))
	}
	return errors.Join(errs...)
}

// enter makes root the root, and forgets the old one.
func enter(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil { // pivot_root(2), NOTES: the old one ends up on top
		return fmt.Errorf("cannot change the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("cannot let go of the old root: %w", err)
	}
	// Shared again, among the namespaces inside: a service's credentials are mounted in one and seen in another. systemd
	// does it by itself, but not in what it takes for a container.
	return unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, "")
}

// dropCapabilities gives up, for good, what reaches out of the namespaces.
func dropCapabilities() error {
	for _, c := range []uintptr{
		unix.CAP_SYS_MODULE, unix.CAP_SYS_RAWIO, unix.CAP_SYS_BOOT, unix.CAP_SYS_TIME, unix.CAP_SYSLOG,
		unix.CAP_MAC_ADMIN, unix.CAP_MAC_OVERRIDE, unix.CAP_WAKE_ALARM, unix.CAP_BLOCK_SUSPEND,
	} {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return fmt.Errorf("cannot drop capability %d: %w", c, err)
		}
	}
	return nil
}

// mount makes the folder at and mounts a file system there.
func mount(kind, at string, flags uintptr, options string) error {
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(kind, at, kind, flags, options); err != nil {
		return fmt.Errorf("cannot mount %s on %q: %w", kind, at, err)
	}
	return nil
}

// bind shows a file or folder at a second place, made there if it is a folder's.
func bind(from, at string, flags uintptr) error {
	if info, err := os.Stat(from); err != nil || info.IsDir() {
		if err := errors.Join(err, os.MkdirAll(at, 0o755)); err != nil {
			return err
		}
	}
	err := unix.Mount(from, at, "", unix.MS_BIND, "")
	if err == nil && flags != 0 {
		err = unix.Mount("", at, "", unix.MS_BIND|unix.MS_REMOUNT|flags, "")
	}
	if err != nil {
		return fmt.Errorf("cannot show %q at %q: %w", from, at, err)
	}
	return nil
}
