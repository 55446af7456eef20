package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// zooWriter is main of a writer of our own, a process so that it can be killed. Its arguments are a script of steps with
// semicolons between them, the path to write at, and where the content is. It prints each step that it has done, and when, in nanoseconds since the epoch.
func zooWriter() {
	script, path := os.Args[1], os.Args[2]
	content, err := os.ReadFile(os.Args[3])
	w := writer{path: path, content: content}
	for step := range strings.SplitSeq(script, ";") {
		if err == nil {
			err = w.do(strings.Fields(step))
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s %q: %v\n", filepath.Base(path), step, err)
			os.Exit(1)
		}
		fmt.Println(time.Now().UnixNano(), strings.TrimSpace(step))
	}
}

// writer is the state of such a process.
type writer struct {
	path    string
	content []byte
	f       *os.File
	remote  *smbFile // the file on a share, if it is one
	mapped  []byte
	at      int // how much was written in sequence
}

// do takes one step. N is a percentage of the content; NAME is relative to the file's folder.
func (w *writer) do(step []string) (err error) {
	arg := ""
	if len(step) > 1 {
		arg = step[1]
	}
	switch step[0] {
	case "create": // [NAME]
		if arg != "" {
			w.path = w.beside(arg)
		}
		w.f, err = os.Create(w.path)
	case "append":
		w.f, err = os.OpenFile(w.path, os.O_WRONLY|os.O_APPEND, 0)
	case "open":
		w.f, err = os.OpenFile(w.path, os.O_RDWR, 0)
	case "write": // N: go on up to there
		from := w.at
		w.at = w.percent(arg)
		_, err = w.f.Write(w.content[from:w.at])
	case "share": // PORT: create it through smbd, which knows the folder by its last name
		dir, name := filepath.Split(w.path)
		w.remote, err = createOnShare(arg, filepath.Base(dir)+`\`+name)
	case "fill": // N-N
		from, to := w.span(arg)
		_, err = w.target().WriteAt(w.content[from:to], int64(from))
	case "truncate": // N
		err = w.target().Truncate(int64(w.percent(arg)))
	case "allocate":
		err = unix.Fallocate(int(w.f.Fd()), 0, 0, int64(len(w.content)))
	case "map": // needs open
		w.mapped, err = unix.Mmap(int(w.f.Fd()), 0, len(w.content), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	case "copy": // N-N, into the mapping
		from, to := w.span(arg)
		copy(w.mapped[from:to], w.content[from:to])
	case "unmap":
		err = unix.Munmap(w.mapped)
	case "close":
		err = w.target().Close()
	case "rename": // NAME
		err = os.Rename(w.path, w.beside(arg))
	case "put": // NAME: another file beside it
		err = os.WriteFile(w.beside(arg), []byte("someone"), 0o644)
	case "remove": // NAME
		err = os.Remove(w.beside(arg))
	case "wait": // DURATION
		var d time.Duration
		d, err = time.ParseDuration(arg)
		time.Sleep(d) // this is what the writer does, not what a test waits for
	default:
		err = errors.New("unknown step")
	}
	return err
}

func (w *writer) target() interface {
	io.WriterAt
	io.Closer
	Truncate(size int64) error
} {
	if w.remote != nil {
		return w.remote
	}
	return w.f
}

func (w *writer) beside(name string) string { return filepath.Join(filepath.Dir(w.path), name) }

func (w *writer) percent(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return len(w.content) * n / 100
}

func (w *writer) span(s string) (from, to int) {
	a, b, _ := strings.Cut(s, "-")
	return w.percent(a), w.percent(b)
}

// stepTime finds in the output of such a process when it last took the step.
func stepTime(output, step string) (at time.Time, err error) {
	err = fmt.Errorf("no step %q in %q", step, output)
	for line := range strings.Lines(output) {
		if when, what, _ := strings.Cut(strings.TrimSpace(line), " "); what == step {
			var n int64
			n, err = strconv.ParseInt(when, 10, 64)
			at = time.Unix(0, n)
		}
	}
	return at, err
}

// killWriters kills every process that holds path open for writing, and says how many there were. It knows the file by
// its inode: a server in a chroot has other names for it.
func killWriters(path string) (killed int, err error) {
	file, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		if opened, err := os.Stat(fd); err != nil || !os.SameFile(file, opened) {
			continue
		}
		info, err := os.ReadFile(strings.Replace(fd, "/fd/", "/fdinfo/", 1))
		var pos, flags int
		if _, bad := fmt.Sscanf(string(info), "pos:\t%d\nflags:\t%o", &pos, &flags); err != nil || bad != nil {
			continue // it has gone meanwhile
		}
		if access := flags & unix.O_ACCMODE; access != unix.O_WRONLY && access != unix.O_RDWR || flags&unix.O_PATH != 0 {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(fd, "/")[2])
		if err != nil {
			return killed, err
		}
		if err := unix.Kill(pid, unix.SIGKILL); err == nil {
			killed++
		}
	}
	return killed, err
}
