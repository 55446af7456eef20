//go:build linux

// Package mounts mounts real file systems for the length of a test. Only tests import it.
//
// A test that lacks a program, or the right to mount, is skipped with a message that says how to get it, and fails
// where KAIZALA_DROP_CI is set. Nothing stays mounted, whatever becomes of the test's process: for each mount a shell
// waits for the end of a pipe that the test holds, and then thaws, continues, unmounts and kills. The end of a mount
// ends what a test mounted inside it as well.
package mounts

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Mount is a mounted file system. Only one goroutine may call its methods.
type Mount struct {
	Path string // where it is mounted

	t       testing.TB
	server  *exec.Cmd // the program that serves it; nil if the kernel does
	ended   chan struct{}
	stdin   *os.File
	answers *bufio.Scanner
	mount   func() // mounts it at Path
	undo    func() // ends what mount began; acts only once
}

// Needs skips a test because something is missing, but fails it in CI.
func Needs(t testing.TB, what string, err error) {
	t.Helper()
	if os.Getenv("KAIZALA_DROP_CI") != "" {
		t.Fatalf("this test needs %s: %v", what, err)
	}
	t.Skipf("this test needs %s: %v", what, err)
}

// run runs a program that must succeed.
func run(t testing.TB, pkg, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Needs(t, name+" (apt-get install "+pkg+")", err)
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		Needs(t, fmt.Sprintf("%s %q to work (as root)", name, args), fmt.Errorf("%w: %s", err, out))
	}
}

// image gives a sparse file with a file system that mkfs makes in it.
func image(t testing.TB, size int64, pkg, mkfs string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(path)
	if err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	run(t, pkg, mkfs, append(args, path)...)
	return path
}

// kernel mounts a file system that the kernel serves.
func kernel(t testing.TB, args ...string) *Mount {
	t.Helper()
	m := &Mount{Path: t.TempDir(), t: t}
	if os.Geteuid() != 0 {
		Needs(t, "root", nil)
	}
	m.mount = func() {
		t.Helper()
		m.watch()
		run(t, "mount", "mount", slices.Concat(args, []string{m.Path})...)
	}
	m.mount()
	return m
}

// serve mounts a file system that a program serves. The mount point is the last argument of the program. It returns
// when the file system is mounted.
func serve(t testing.TB, pkg, name string, args ...string) *Mount {
	t.Helper()
	return serveFrom(t, pkg, name, func() ([]string, func()) { return args, func() {} })
}

// serveFrom is serve with arguments that are made anew for each mounting, and a function to be called when it is
// mounted.
func serveFrom(t testing.TB, pkg, name string, args func() (args []string, mounted func())) *Mount {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Needs(t, name+" (apt-get install "+pkg+")", err)
	}
	if os.Geteuid() != 0 {
		Needs(t, "root", nil)
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		Needs(t, "FUSE in the kernel", err)
	}
	m := &Mount{Path: t.TempDir(), t: t}
	said := filepath.Join(t.TempDir(), "said")
	m.mount = func() {
		t.Helper()
		now, mounted := args()
		defer mounted()
		// libfuse 2 mounts only in an empty folder, and a daemon that watches the folder may just be trying whether it
		// can make files there.
		for try := 0; !m.begin(said, path, now...); try++ {
			text, _ := os.ReadFile(said)
			if try == 9 || !strings.Contains(string(text), "not empty") {
				t.Fatalf("%s ended: %.4096s", name, text)
			}
			m.undo()
		}
	}
	m.mount()
	return m
}

// begin starts the program that serves m, and reports whether m is mounted then. If not, the program has ended and has
// written why to said.
func (m *Mount) begin(said, path string, args ...string) bool {
	m.t.Helper()
	text, err := os.Create(said)
	if err != nil {
		m.t.Fatal(err)
	}
	defer text.Close()
	m.server = exec.Command(path, slices.Concat(args, []string{m.Path})...)
	m.server.Stderr = text
	m.server.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	m.pipes()
	if err := m.server.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.watch()
	pid, ended := m.server.Process.Pid, make(chan struct{})
	m.ended = ended
	go func() {
		// The process is not reaped here but by the end of the mount, so that no other process gets its number before.
		var info unix.Siginfo
		for unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		}
		close(ended)
	}()
	return m.await(filepath.Base(path))
}

func (m *Mount) pipes() {
	m.t.Helper()
	in, toServer, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	fromServer, out, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	m.server.Stdin, m.server.Stdout, m.stdin, m.answers = in, out, toServer, bufio.NewScanner(fromServer)
	m.t.Cleanup(func() { in.Close(); out.Close(); toServer.Close(); fromServer.Close() })
}

// await returns when the kernel lists the mount, or when the program has ended.
func (m *Mount) await(name string) bool {
	m.t.Helper()
	table, err := os.Open("/proc/thread-self/mountinfo") // the first thread may have other mounts, where a test has unshared them
	if err != nil {
		m.t.Fatal(err)
	}
	defer table.Close()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if isMounted(m.t, m.Path) {
			return true
		}
		select {
		case <-m.ended:
			return false
		default:
		}
		unix.Poll([]unix.PollFd{{Fd: int32(table.Fd()), Events: unix.POLLPRI}}, 100) // a change is an event: proc_pid_mountinfo(5)
	}
	m.t.Fatalf("%s does not come up", name)
	return false
}

// guardian is the script that undoes a mount. $1 is the path, $2 the process of the server or 0, $3 the path as the
// kernel lists it.
const guardian = `trap '' INT TERM HUP
read -r _
if [ "$2" = 0 ]; then fsfreeze -u "$1" 2>/dev/null; else kill -CONT "$2" 2>/dev/null; fi
while read -r _ _ _ _ at _; do [ "$at" = "$3" ] && echo x; done </proc/self/mountinfo | while read -r _; do
  timeout 30 umount "$1" 2>/dev/null || umount -l "$1"
done
if [ "$2" != 0 ]; then kill -KILL "$2" 2>/dev/null; fi
:`

// watch starts the shell that undoes the mount when the test, or its process, has ended.
func (m *Mount) watch() {
	m.t.Helper()
	read, hold, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	pid, server := "0", m.server
	if server != nil {
		pid = fmt.Sprint(server.Process.Pid)
	}
	guard := exec.Command("sh", "-c", guardian, "sh", m.Path, pid, listed(m.Path))
	guard.Stdin, guard.SysProcAttr = read, &syscall.SysProcAttr{Setsid: true}
	out := new(strings.Builder)
	guard.Stdout, guard.Stderr = out, out
	if err := guard.Start(); err != nil {
		m.t.Fatal(err)
	}
	read.Close()
	m.undo = sync.OnceFunc(func() {
		hold.Close()
		if err := guard.Wait(); err != nil || out.Len() > 0 {
			m.t.Errorf("undoing the mount of %s: %v\n%s", m.Path, err, out)
		}
		if server != nil {
			server.Wait() //nolint:errcheck // it was killed
		}
		if isMounted(m.t, m.Path) {
			m.t.Errorf("%s is still mounted", m.Path)
		}
	})
	m.t.Cleanup(m.undo)
}

// Detach takes the mount from its path (umount -l), as pulling out a stick does. A process that has a file of it open
// keeps the file. Detach waits until the program that serves the mount has ended, which it does when nothing of the
// mount is open any more. The mount must not hang.
func (m *Mount) Detach() {
	m.t.Helper()
	if out, err := exec.Command("umount", "-l", m.Path).CombinedOutput(); err != nil {
		m.t.Fatalf("taking away %s: %v: %s", m.Path, err, out)
	}
	if m.server != nil {
		select {
		case <-m.ended:
		case <-time.After(time.Minute):
			m.t.Fatalf("%s was taken away a minute ago, and somebody still has something of it open", m.Path)
		}
	}
	m.undo()
}

// Again mounts the file system at its path again, after Detach. What a tmpfs held is gone then, unless the tmpfs is
// mounted elsewhere as well.
func (m *Mount) Again() { m.t.Helper(); m.mount() }

// IsServed reports whether a program serves the mount, so that Stop, Cont and Kill can be called.
func (m *Mount) IsServed() bool { return m.server != nil }

// Stop stops the program that serves the mount (SIGSTOP). From then on every use of the mount hangs, as with a dead
// server.
func (m *Mount) Stop() { m.signal(unix.SIGSTOP) }

// Cont lets the program go on (SIGCONT).
func (m *Mount) Cont() { m.signal(unix.SIGCONT) }

// Kill ends the program (SIGKILL). From then on every use of the mount fails with ENOTCONN.
func (m *Mount) Kill() {
	m.signal(unix.SIGKILL)
	<-m.ended
}

func (m *Mount) signal(s syscall.Signal) {
	m.t.Helper()
	if m.server == nil {
		m.t.Fatalf("%s is served by the kernel: there is nothing to signal", m.Path)
	}
	if err := m.server.Process.Signal(s); err != nil {
		m.t.Fatal(err)
	}
	if s != unix.SIGSTOP {
		return
	}
	var info unix.Siginfo // waits until the program has stopped
	for unix.Waitid(unix.P_PID, m.server.Process.Pid, &info, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}
