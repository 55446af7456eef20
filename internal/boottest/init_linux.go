package boottest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// becomeInit furnishes a root of its own and turns into systemd, whose first target is the test. It runs as process 1
// of new namespaces, and returns only an error.
func becomeInit(share, cgroup, test string) error {
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
	if err := errors.Join(mountKernel(root), mountDevices(root), writeUnits(root, test)); err != nil {
		return err
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
	return root, bind(share, filepath.Join(root, Shared), 0)
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
func writeUnits(root, test string) error {
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
Environment=%s=%s %[6]s=%[7]s
WorkingDirectory=%[3]s
ExecStart=%[3]s/test -test.v -test.run=^%[5]s$ -test.timeout=%[4]s
StandardOutput=truncate:%[3]s/log
StandardError=inherit
`, lifeVar, asInside, Shared, bootTimeout-10*time.Second, test, thoroughVar, os.Getenv(thoroughVar)), 0o644),
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
