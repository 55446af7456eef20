package door

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/file"
)

// bind mounts from at to, or skips the test.
func bind(t *testing.T, from, to string) {
	t.Helper()
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		if os.Getenv("KAIZALA_DROP_CI") != "" {
			t.Fatalf("cannot mount: %v", err)
		}
		t.Skipf("needs root, to mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(to, 0); err != nil {
			t.Error(err)
		}
	})
}

// TestBindMount shows that a directory which is bind-mounted in two places counts as one, for the doors of one daemon
// and for two daemons.
func TestBindMount(t *testing.T) {
	dir := tree(t)
	a, b := in(filepath.Join(dir, "a")), in(filepath.Join(dir, "b"))
	bind(t, a.Path, b.Path)
	if err := enter(t, newRegistry(dir+"/state"), a, b); err == nil || !strings.Contains(err.Error(), "is the same directory as") {
		t.Errorf("got %v", err)
	}
	if err := enter(t, newRegistry(dir+"/other"), b); err == nil {
		t.Error("another registry, as of another daemon, got it too")
	} else if who, ok := errors.AsType[Holder](err); !ok || who.PID != os.Getpid() || who.UID != os.Getuid() || who.StateDir != dir+"/state" {
		t.Errorf("got %v", err)
	}
}

// TestHolderThatDoesNotAnswer shows that a process which is stopped, or stuck in the kernel, is still known by its pid.
func TestHolderThatDoesNotAnswer(t *testing.T) {
	dir := tree(t)
	info, err := file.Stat(dir + "/a")
	try(t, err)
	mute, err := net.ListenUnix("unix", &net.UnixAddr{Name: nameOf(info.Identity), Net: "unix"})
	try(t, err)
	defer mute.Close()
	err = enter(t, newRegistry(dir+"/state"), in(dir+"/a"))
	if who, ok := errors.AsType[Holder](err); !ok || who.PID != os.Getpid() || who.StateDir != "" || Help(err) == "" {
		t.Errorf("got %v", err)
	}
}

// TestHoldPinsNothing shows that a mounted file system can be unmounted while a folder on it is held.
func TestHoldPinsNothing(t *testing.T) {
	dir := tree(t)
	if err := unix.Mount("tmpfs", dir+"/b", "tmpfs", 0, ""); err != nil {
		if os.Getenv("KAIZALA_DROP_CI") != "" {
			t.Fatalf("cannot mount: %v", err)
		}
		t.Skipf("needs root, to mount: %v", err)
	}
	err := enter(t, newRegistry(dir+"/state"), in(dir+"/b"))
	if busy := unix.Unmount(dir+"/b", 0); busy != nil {
		t.Errorf("it cannot be unmounted: %v", busy)
		_ = unix.Unmount(dir+"/b", unix.MNT_DETACH)
	}
	try(t, err)
}

// TestWordsOfAHolder shows that the state_dir another process tells is shown as it wrote it, and cannot harm a
// terminal.
func TestWordsOfAHolder(t *testing.T) {
	dir := tree(t)
	info, err := file.Stat(dir + "/a")
	try(t, err)
	for says, want := range map[string]string{"/srv/b\\c": `/srv/b\c`, "/srv/\x1b[31m": `/srv/\x1b[31m`, "/srv/ä": "/srv/ä"} {
		h, err := take(info.Identity, says)
		try(t, err)
		if who, ok := whoHolds(info.Identity); !ok || strings.ReplaceAll(who.StateDir, `\\`, `\`) != want {
			t.Errorf("%q: got %q", says, who.StateDir)
		}
		h.letGo()
	}
	if _, ok := whoHolds(info.Identity); ok {
		t.Error("it is held after it was let go")
	}
}
