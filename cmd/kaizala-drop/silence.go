package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/control"
	"kaizala-drop/internal/inquiry"
	"kaizala-drop/internal/text"
)

// What a command makes of a daemon that does not answer.

// answerTime is how long a daemon is given to answer a small question. It answers within a few milliseconds, and within a shorter time
// than this where parts of it hang.
const answerTime = 5 * time.Second

// asked is the daemon at a socket.
type asked struct {
	*control.Client
	socket string
}

// question is what is asked of a desk.
type question[T any] func(context.Context, control.Desk) (T, error)

// Retry takes as long as it takes: as long as the daemon answers small questions meanwhile, it is waited for.
func (d *asked) Retry(ctx context.Context, q control.Retry, by string) ([]control.Retried, error) {
	got, err := patiently(ctx, d, func(ctx context.Context, desk control.Desk) ([]control.Retried, error) { return desk.Retry(ctx, q, by) })
	if errors.Is(err, errSilent) {
		err = fmt.Errorf("%w. What was asked may be done all the same once it goes on: ask again then", err)
	}
	return got, err
}

// there is nil if the daemon answers.
func (d *asked) there(ctx context.Context) error {
	_, err := briefly(ctx, d, func(ctx context.Context, desk control.Desk) (control.Status, error) { return desk.Status(ctx) })
	return err
}

// briefly asks a small question. Its error wraps control.ErrNoDaemon where none answers, and errSilent, too, if one is there.
func briefly[T any](ctx context.Context, d *asked, ask question[T]) (T, error) {
	asking, cancel := context.WithTimeoutCause(ctx, answerTime, errSilent)
	defer cancel()
	got, err := ask(asking, d.Client)
	return got, d.inWords(asking, err)
}

// patiently asks what may take long: the daemon is waited for as long as it answers small questions. Its errors are those of briefly.
func patiently[T any](ctx context.Context, d *asked, ask question[T]) (got T, err error) {
	if err := d.there(ctx); err != nil {
		return got, err
	}
	asking, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		for {
			select {
			case <-time.After(answerTime):
			case <-asking.Done():
				return
			}
			if errors.Is(d.there(asking), errSilent) {
				cancel(errSilent)
			}
		}
	}()
	got, err = ask(asking, d.Client)
	return got, d.inWords(asking, err)
}

// errSilent says that a daemon is there and does not answer.
var errSilent = errors.New("it does not answer")

// silentError is errSilent in the words of a person.
type silentError struct {
	who, why string // why: and what to do
}

func (e *silentError) Error() string   { return e.who + ": " + e.why }
func (e *silentError) Unwrap() []error { return []error{errSilent, control.ErrNoDaemon} }

// inWords says to a person what went wrong with a question, and what to do.
func (d *asked) inWords(asking context.Context, err error) error {
	var slow net.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(asking), errSilent),
		errors.Is(err, control.ErrNoDaemon) && errors.As(err, &slow) && slow.Timeout(): // so many ask that there is no room for another one
		return &silentError{"the daemon" + withPID(d.PID()) + " does not answer", whatItDoes(d.PID())}
	case errors.Is(err, fs.ErrPermission):
		return mayNotAsk(d.socket)
	}
	return err
}

func withPID(pid int) string {
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}

// whatItDoes says of a process that does not answer what the kernel knows of it (proc_pid_stat(5)), and what to do.
func whatItDoes(pid int) string {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(stat), ") ")
	switch {
	case strings.HasPrefix(after, "T"), strings.HasPrefix(after, "t"):
		return fmt.Sprintf("it was stopped by a signal or a debugger: kill -CONT %d lets it go on", pid)
	case strings.HasPrefix(after, "D"):
		return "it hangs in the kernel: look at the disks and servers of its folders and of state_dir"
	}
	return "it hangs, or the machine is overloaded: look at its log (journalctl -u kaizala-drop), restart it if that does not end"
}

// mayNotAsk says who may ask at a socket.
func mayNotAsk(socket string) error {
	who := "this user"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	group, err := user.LookupGroup(control.AdminGroup)
	info, statErr := os.Stat(socket)
	switch {
	case err != nil, statErr == nil && info.Mode().Perm()&0o060 == 0:
		return fmt.Errorf("%s may not ask the daemon at %q: only root and the daemon's user may, for the daemon's user is in no group %s. "+
			"Ask as root: sudo kaizala-drop", who, text.Printable(socket), control.AdminGroup)
	case isMember(who, group.Gid):
		return fmt.Errorf("%s may not ask the daemon at %q yet: the group %s counts from the next login on. Log out and in again",
			who, text.Printable(socket), control.AdminGroup)
	}
	return fmt.Errorf("%s may not ask the daemon at %q: ask as root (sudo kaizala-drop), or as a member of the group %s "+
		"(usermod -aG %s %s, then log in anew)", who, text.Printable(socket), control.AdminGroup, control.AdminGroup, text.Quoted(who))
}

func isMember(name, gid string) bool {
	u, err := user.Lookup(name)
	if err != nil {
		return false
	}
	all, err := u.GroupIds()
	return err == nil && slices.Contains(all, gid)
}

// absence is why no daemon is asked.
type absence struct {
	text  string
	quiet error // it is there and silent
}

// without says why no daemon is asked, given the error of who asked. It is inquiry.NotRunning only if none runs.
func (r *reading) without(err error) absence {
	if silent, ok := errors.AsType[*silentError](err); ok {
		return absence{text: silent.who, quiet: err}
	}
	pid := holder(r.c.StateDir)
	switch {
	case pid != 0 && r.client == nil:
		return absence{text: fmt.Sprintf("the daemon (pid %d) runs, but no socket is configured to ask it at", pid)}
	case pid != 0:
		return absence{text: fmt.Sprintf("the daemon (pid %d) runs, but nobody answers at the socket %q", pid, text.Printable(r.client.socket))}
	case r.client == nil:
		return absence{text: "no daemon answers at a socket, for none is configured"}
	}
	return absence{text: inquiry.NotRunning}
}

// holder is the process that has the lock of a state_dir, 0 if none has, or the kernel does not say. The lock itself is not tried: a
// daemon that starts at that moment would be kept out.
func holder(stateDir string) (pid int) {
	path := filepath.Join(stateDir, "lock")
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	file, ok := info.Sys().(*syscall.Stat_t)
	locks, err := os.ReadFile("/proc/locks")
	if err != nil || !ok {
		return 0
	}
	written, _ := os.ReadFile(path)
	said, _, _ := strings.Cut(string(written), "\n")
	device := fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(file.Dev)), unix.Minor(uint64(file.Dev)), file.Ino)
	for line := range strings.Lines(string(locks)) {
		words := strings.Fields(line) // "1: FLOCK  ADVISORY  WRITE 1234 08:02:5678 0 EOF" (proc_locks(5))
		if len(words) < 6 || words[1] != "FLOCK" || !strings.HasSuffix(words[5], fmt.Sprintf(":%d", file.Ino)) {
			continue
		}
		if words[5] == device || words[4] == said { // Btrfs and overlay have two numbers for a device
			pid, _ = strconv.Atoi(words[4])
			return max(pid, 0)
		}
	}
	return 0
}

// unreadable is the error of a user who can read neither the configuration nor ask at the default socket.
func (r *reading) unreadable(why absence) error {
	if why.quiet != nil {
		return failed(why.quiet)
	}
	return failed(fmt.Errorf("cannot read %q, and no daemon answers at %q, where one does unless the configuration names another socket: "+
		"ask as root (sudo kaizala-drop)", text.Printable(r.asker.config), config.DefaultSocket))
}
