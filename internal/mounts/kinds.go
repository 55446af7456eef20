//go:build linux

package mounts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

const mib = 1 << 20 // bytes

// Disk mounts a new ext4 of 64 MiB from a loop device.
func Disk(t testing.TB) *Mount {
	t.Helper()
	img := image(t, 64*mib, "e2fsprogs", "mkfs.ext4", "-q", "-F", "-m", "0")
	return kernel(t, "-o", "loop", img)
}

// Ext4 is Disk, and gives the path.
func Ext4(t testing.TB) string {
	t.Helper()
	return Disk(t).Path
}

// XFS mounts a new XFS of 320 MiB from a loop device, and gives the path.
func XFS(t testing.TB) string {
	t.Helper()
	img := image(t, 320*mib, "xfsprogs", "mkfs.xfs", "-q", "-f")
	return kernel(t, "-o", "loop", img).Path
}

// Tmpfs mounts a tmpfs with the given options ("" for none), and gives the path.
func Tmpfs(t testing.TB, options string) string {
	t.Helper()
	args := []string{"-t", "tmpfs"}
	if options != "" {
		args = append(args, "-o", options)
	}
	return kernel(t, append(args, "tmpfs")...).Path
}

// Overlay mounts an overlay of two folders of an ext4, and gives the path.
func Overlay(t testing.TB) string {
	t.Helper()
	return OverlayOn(t, Ext4(t))
}

// OverlayOn is Overlay of folders that it makes in base.
func OverlayOn(t testing.TB, base string) string {
	t.Helper()
	for _, dir := range []string{"lower", "upper", "work"} {
		if err := os.Mkdir(filepath.Join(base, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	layers := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", base)
	return kernel(t, "-t", "overlay", "-o", layers, "overlay").Path
}

// Bind mounts the folder src a second time.
func Bind(t testing.TB, src string) *Mount {
	t.Helper()
	return kernel(t, "-o", "bind", src)
}

// ReadOnly mounts the folder src a second time, for reading only, and gives the path.
func ReadOnly(t testing.TB, src string) string {
	t.Helper()
	return kernel(t, "-o", "bind,ro", src).Path
}

// ExFAT mounts a new exFAT of 64 MiB with exfat-fuse. It has no links and no RENAME_NOREPLACE, and its inode numbers
// change.
func ExFAT(t testing.TB) *Mount {
	t.Helper()
	img := image(t, 64*mib, "exfatprogs", "mkfs.exfat")
	return serveFrom(t, "exfat-fuse", "mount.exfat-fuse", func() ([]string, func()) {
		device, release := loop(t, img)
		return []string{"-d", "-o", "allow_other", device}, release // the device stays as long as it is used
	})
}

// loop gives a block device of an image, and a function that frees it. That function acts only once, because the next
// caller may get the same device.
func loop(t testing.TB, img string) (device string, release func()) {
	t.Helper()
	out, err := exec.Command("losetup", "-f", "--show", img).Output()
	if err != nil {
		Needs(t, "a loop device (as root)", err)
	}
	device = strings.TrimSpace(string(out))
	release = sync.OnceFunc(func() {
		if out, err := exec.Command("losetup", "-d", device).CombinedOutput(); err != nil {
			t.Errorf("losetup -d %s: %v: %s", device, err, out)
		}
	})
	t.Cleanup(release)
	return device, release
}

// NTFS mounts a new NTFS of 64 MiB with ntfs-3g. options are further options of ntfs-3g ("windows_names"), or "".
func NTFS(t testing.TB, options string) *Mount {
	t.Helper()
	img := image(t, 64*mib, "ntfs-3g", "mkfs.ntfs", "-q", "-F", "-f")
	all := "no_detach,allow_other"
	if options != "" {
		all += "," + options
	}
	return serve(t, "ntfs-3g", "ntfs-3g", "-o", all, img)
}

// Bindfs shows the folder src through bindfs, a FUSE program.
func Bindfs(t testing.TB, src string) *Mount {
	t.Helper()
	return serve(t, "bindfs", "bindfs", "-f", "-o", "allow_other", src)
}

// Mergerfs shows two new folders as one through mergerfs, a FUSE program.
func Mergerfs(t testing.TB) *Mount {
	t.Helper()
	return MergerfsOf(t, t.TempDir(), t.TempDir())
}

// MergerfsOf shows folders as one through mergerfs, which uses each up to its last block.
func MergerfsOf(t testing.TB, branches ...string) *Mount {
	t.Helper()
	return serve(t, "mergerfs", "mergerfs", "-f", "-o", "allow_other,minfreespace=0", strings.Join(branches, ":"))
}

// Freeze makes every change to the file system at path wait until Thaw or the end of the test. A process that waits
// cannot be ended.
func Freeze(t testing.TB, path string) {
	t.Helper()
	const fifreeze = 0xc0045877 // linux/fs.h
	freeze(t, path, fifreeze)
}

// Thaw ends Freeze.
func Thaw(t testing.TB, path string) {
	t.Helper()
	const fithaw = 0xc0045878
	freeze(t, path, fithaw)
}

func freeze(t testing.TB, path string, request uint) {
	t.Helper()
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := unix.IoctlSetInt(int(dir.Fd()), request, 0); err != nil {
		t.Fatalf("freezing or thawing %s: %v", path, err)
	}
}

func isMounted(t testing.TB, path string) bool {
	t.Helper()
	table, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(table), " "+listed(path)+" ")
}

// listed is how the kernel writes a path in mountinfo, where it escapes what separates fields: proc_pid_mountinfo(5).
func listed(path string) string {
	return strings.NewReplacer("\\", `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(path)
}
