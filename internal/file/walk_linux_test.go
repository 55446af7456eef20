package file

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOpenEachIsAsOpenat2: without openat2(2) the same names are opened, and the same ones are refused, with the same errors.
func TestOpenEachIsAsOpenat2(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	socket, err := net.Listen("unix", dir+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if err := errors.Join(os.WriteFile(outside+"/secret", []byte("x"), 0o600), os.MkdirAll(dir+"/a/b/c", 0o755), os.WriteFile(dir+"/file", nil, 0o600),
		os.WriteFile(dir+"/a/b/c/file", nil, 0o600), os.Symlink(outside, dir+"/out"), os.Symlink(outside, dir+"/a/b/out"), os.Symlink("a", dir+"/in"),
		os.Symlink("/proc/self/root", dir+"/root"), os.Symlink("nowhere", dir+"/nowhere"), unix.Mkfifo(dir+"/fifo", 0o600)); err != nil {
		t.Fatal(err)
	}
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(root)
	for _, name := range []string{
		"file", "a/b/c/file", "a/./b//c/file", "a", ".", "fifo", "socket", "out", "nowhere", "a/b/out", // what is pinned
		"out/secret", "a/b/out/secret", "in/b/c/file", "root/etc/passwd", "nowhere/x", "file/x", "fifo/x", "missing", "a/missing/x", strings.Repeat("x", 256),
	} {
		for _, flags := range []int{unix.O_PATH, reading} {
			flags |= unix.O_NOFOLLOW | unix.O_CLOEXEC
			how := unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
			want, wantErr := unix.Openat2(root, name, &how)
			if errors.Is(wantErr, unix.ENOSYS) {
				t.Skip("this kernel has no openat2(2) to compare with")
			}
			got, gotErr := openEach(root, name, flags)
			if !errors.Is(gotErr, wantErr) {
				t.Errorf("%.20s, flags %#x: %v, and openat2 says %v", name, flags, gotErr, wantErr)
			}
			if gotErr == nil && wantErr == nil {
				one, err1 := fstat(got)
				two, err2 := fstat(want)
				if one != two || errors.Join(err1, err2) != nil {
					t.Errorf("%s, flags %#x: opened %+v, and openat2 %+v", name, flags, one, two)
				}
			}
			_, _ = unix.Close(got), unix.Close(want)
		}
	}
	before, _ := filepath.Glob("/proc/self/fd/*")
	for range 100 {
		_, _ = openEach(root, "a/b/out/secret", reading)
	}
	if after, _ := filepath.Glob("/proc/self/fd/*"); len(after) > len(before)+50 {
		t.Errorf("%d descriptors became %d", len(before), len(after))
	}
}
