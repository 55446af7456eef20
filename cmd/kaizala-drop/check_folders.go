package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/destination"
	"kaizala-drop/internal/door"
	"kaizala-drop/internal/file"
	"kaizala-drop/internal/overlap"
	"kaizala-drop/internal/text"
	"kaizala-drop/watcher"
)

// checkPatience is how long a folder may take to answer.
const checkPatience = 10 * time.Second

// look is what is found out about one directory, in a goroutine of its own: it may hang there for ever.
type look struct {
	report
	text    bytes.Buffer // what report prints
	step    atomic.Value // string: what is being done
	ended   chan struct{}
	claim   *overlap.Claim // of a folder that can be served
	watches int            // that it needs
	asked   bool           // the destination says what it posts to
}

// startLook starts f.
func startLook(f func(*look)) *look {
	l := &look{ended: make(chan struct{})}
	l.out = &l.text
	l.step.Store("looking at it")
	go func() {
		defer close(l.ended)
		f(l)
	}()
	return l
}

func (l *look) at(step string) { l.step.Store(step) }

// endedBy waits until late ends, and reports whether l has ended.
func (l *look) endedBy(late <-chan struct{}) bool {
	select {
	case <-l.ended:
		return true
	default:
	}
	select {
	case <-l.ended:
		return true
	case <-late:
		return false
	}
}

// add takes what was found out, or says of what it is about that it does not answer.
func (r *report) add(l *look, late <-chan struct{}, what, path string) (ended bool) {
	if !l.endedBy(late) {
		r.problem("%s %q does not answer: %s hangs: look at its file system", what, path, l.step.Load())
		return false
	}
	r.problems += l.problems
	_, _ = l.text.WriteTo(r.out)
	return true
}

// config looks at what needs no destination. asked: the destinations are asked afterwards, and tell what each folder posts to.
func (r *report) config(c config.Config, asked bool) {
	r.good("%s: %s", text.Printable(c.Path), counted(len(c.Folders), "folder"))
	for _, w := range c.Warnings {
		r.warning("%s", w.In(c.Path))
	}
	for _, e := range c.Examples {
		r.problem("%s", e.In(c.Path))
		r.code = exitConfig
	}
	late := make(chan struct{})
	time.AfterFunc(checkPatience, func() { close(late) })
	state := startLook(func(l *look) { l.writable("state_dir", c.StateDir) })
	_, toWatch := stages(c.Folders, destination.Traits{}) // which folders are watched is no matter of types
	looks := make([]*look, len(c.Folders))
	for i, f := range c.Folders {
		looks[i] = startLook(func(l *look) {
			l.asked = asked
			l.folder(f, toWatch[i], door.Own{StateDir: c.StateDir, Files: c.Files})
		})
	}
	r.add(state, late, "state_dir", c.StateDir)
	watches, unknown := 0, 0
	var claims []overlap.Claim
	for i, l := range looks {
		if !r.add(l, late, "folder", c.Folders[i].Path) {
			unknown++
			continue
		}
		watches += l.watches
		if l.claim != nil {
			r.apart(*l.claim, claims)
			claims = append(claims, *l.claim)
		}
	}
	r.limits(len(c.Folders), watches, unknown)
}

// apart compares what a folder has to itself with what those before it have.
func (r *report) apart(c overlap.Claim, before []overlap.Claim) {
	for _, other := range before {
		for _, found := range overlap.Between(c, other) {
			r.problem("folder %q: %s", c.Path, found.Text(""))
		}
	}
}

// folder looks at f as its door will, and changes nothing.
func (l *look) folder(f config.Folder, watch watcher.Folder, own door.Own) {
	claim, holder, err := door.Look(f, own, l.at)
	if err != nil {
		l.problem("folder %q: %s", f.Path, advised(err, door.Help(err)))
		return
	}
	if err := unix.Access(f.Path, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		l.problem("folder %q: this user cannot list it and move files out of it: %s", f.Path, advised(err, door.Remedy(err)))
		return
	}
	if holder != nil && holder.StateDir != text.Printable(own.StateDir) {
		l.problem("folder %q: %s", f.Path, advised(holder, door.Help(*holder)))
		return
	}
	l.claim = &claim
	how := "watched"
	if remote := watcher.RemoteFS(f.Path); remote != "" {
		how = "listed every so often, as events do not come on " + remote
	}
	if holder != nil {
		how = "served now by the daemon of this state_dir, " + how
	}
	if l.asked {
		l.good("folder %q: %s", f.Path, how)
	} else {
		l.good("folder %q: %s, posts to %q", f.Path, how, f.Target())
	}
	for _, dir := range []string{f.Done, f.Failed} {
		l.at("looking at " + text.Printable(dir))
		l.writable("folder", dir)
		l.sameDevice(f.Path, dir)
	}
	l.at("counting the folders in it")
	l.watches = watcher.Watches(watch)
}

// advised is an error with what to do about it.
func advised(err error, help string) string {
	if help == "" {
		return err.Error()
	}
	return err.Error() + ": " + help
}

// writable looks at dir or, if it is not there yet, at the folder in which it will be made.
func (r *report) writable(what, dir string) {
	existing := dir
	for {
		info, err := os.Stat(existing)
		switch {
		case errors.Is(err, os.ErrNotExist) && filepath.Dir(existing) != existing:
			existing = filepath.Dir(existing)
			continue
		case err != nil:
			r.problem("%s %q: %s", what, dir, advised(err, door.Remedy(err)))
		case !info.IsDir():
			r.problem("%s %q: %q is in the way, as it is no folder: move it away", what, dir, existing)
		default:
			if err := unix.Access(existing, unix.W_OK|unix.X_OK); err != nil {
				r.unwritable(what, dir, existing, err)
			}
		}
		return
	}
}

// unwritable says that this user cannot write in existing, which is dir or lies above it.
func (r *report) unwritable(what, dir, existing string, err error) {
	if dir == unitStateDir && existing != dir {
		r.warning("%s %q is not there yet: the unit makes it when it first starts; without systemd, make it for the daemon's user", what, dir)
		return
	}
	help := "grant it write and search permission"
	if !errors.Is(err, fs.ErrPermission) {
		help = door.Remedy(err)
	}
	r.problem("%s %q: this user cannot write in %q: %s", what, dir, existing, advised(err, help))
}

// sameDevice says so if files will be copied rather than renamed.
func (r *report) sameDevice(from, to string) {
	a, aerr := file.Stat(from)
	b, berr := file.Stat(to)
	if aerr != nil || berr != nil { // made when it is needed, and then inside
		return
	}
	if a.Mode.IsDir() && b.Mode.IsDir() && a.Dev != b.Dev {
		r.warning("folder %q is on another device than %q: files are copied there, which takes longer", to, from)
	}
}

// limits compares what will be watched with what the kernel allows this user (inotify(7)). unknown folders did not answer.
func (r *report) limits(instances, watches, unknown int) {
	r.limit("max_user_instances", instances)
	r.limit("max_user_watches", watches)
	if unknown > 0 {
		r.warning("fs.inotify.max_user_watches: without %s that did not answer", counted(unknown, "folder"))
	}
}
