package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/durable"
	"kaizala-drop/internal/text"
)

// settingsFile is the configuration as it was when setup read it.
type settingsFile struct {
	path  string // absolute, as it was named
	real  string // where that leads to
	there bool
	text  string
	info  os.FileInfo // if it is there
}

func readSettings(name string) (f settingsFile, err error) {
	if f.path, err = filepath.Abs(name); err != nil {
		return f, err
	}
	f.real, err = filepath.EvalSymlinks(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(f.path); err == nil {
			return f, fmt.Errorf("%s is a symbolic link that leads nowhere: mend it, or remove it", text.Printable(f.path))
		}
		f.real = f.path
		return f, nil
	}
	if err != nil {
		return f, err
	}
	if f.info, err = os.Stat(f.real); err != nil {
		return f, err
	}
	if !f.info.Mode().IsRegular() {
		return f, fmt.Errorf("%s is no file: name the configuration with --config", text.Printable(f.path))
	}
	content, err := os.ReadFile(f.real)
	f.there, f.text = err == nil, string(content)
	return f, err
}

// canChange finds out beforehand whether the file can be replaced, and changes nothing.
func (f settingsFile) canChange() error {
	if f.there {
		file, err := os.OpenFile(f.real, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	dir := filepath.Dir(f.real)
	for !f.there && dir != "/" {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		dir = filepath.Dir(dir)
	}
	probe, err := os.CreateTemp(dir, ".kaizala-drop-setup-*")
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("in %s: %w", text.Printable(dir), e.Err)
	}
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// newName is where the next content is written to.
func (f settingsFile) newName() string { return f.real + ".setup" }

// prepare writes the next content beside the file, with its mode and owner. A new file is the daemon's group's to read. No other setup
// writes there until release is called, or this process ends.
func (f settingsFile) prepare(content string, h host) (release func(), err error) {
	if err := f.removeOld(); err != nil {
		return nil, err
	}
	out, err := os.OpenFile(f.newName(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	release = func() { _ = out.Close() } // all of it is synced
	if err := unix.Flock(int(out.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return release, errOtherSetup
	}
	if err = f.fill(out, content, h); err != nil {
		err = errors.Join(err, os.Remove(f.newName()))
	}
	return release, err
}

var errOtherSetup = errors.New("another kaizala-drop setup is at work: wait until it has ended")

// removeOld removes what a setup left that was killed.
func (f settingsFile) removeOld() error {
	old, err := os.Open(f.newName())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer old.Close()
	if err := unix.Flock(int(old.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return errOtherSetup
	}
	return os.Remove(f.newName())
}

func (f settingsFile) fill(out *os.File, content string, h host) error {
	_, err := out.WriteString(content)
	uid, gid, mode := -1, -1, fs.FileMode(0o600)
	if h.root {
		uid, gid, mode = 0, h.gid, 0o640
	}
	if f.there {
		mode = f.info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
		uid, gid = ownerOf(f.info)
	}
	if err == nil && uid >= 0 {
		err = out.Chown(uid, gid)
	}
	if err = errors.Join(err, out.Chmod(mode)); err == nil && f.there {
		err = copyAttributes(f.real, out)
	}
	return errors.Join(err, out.Sync())
}

// commit puts what was prepared in the place of the file, and keeps that beside it. It gives the name of what is kept.
func (f settingsFile) commit() (kept string, err error) {
	if err := f.unchanged(); err != nil {
		return "", err
	}
	if f.there {
		if kept, err = f.keep(); err != nil {
			return "", fmt.Errorf("cannot keep a copy of %s: %w", text.Printable(f.real), err)
		}
	}
	if err := durable.Rename(f.newName(), f.real); err != nil {
		if kept != "" {
			err = errors.Join(err, os.Remove(kept))
		}
		return "", err
	}
	return kept, nil
}

// unchanged gives an error if somebody else has changed the file meanwhile.
func (f settingsFile) unchanged() error {
	now, err := os.ReadFile(f.real)
	if !f.there && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !f.there || !bytes.Equal(now, []byte(f.text)) {
		return fmt.Errorf("%s was changed by somebody else meanwhile: run setup again", text.Printable(f.path))
	}
	return nil
}

// mostKept is how many files of before are kept: the first, and the last ones.
const mostKept = 6

// keptName is the name of the nth.
func (f settingsFile) keptName(n int) string {
	if n == 1 {
		return f.real + ".before-setup"
	}
	return fmt.Sprintf("%s.before-setup-%d", f.real, n)
}

// keptBefore are the numbers of those that are there, in order.
func (f settingsFile) keptBefore() (all []int, err error) {
	entries, err := os.ReadDir(filepath.Dir(f.real))
	for _, e := range entries {
		after, ok := strings.CutPrefix(e.Name(), filepath.Base(f.real)+".before-setup")
		n, numErr := strconv.Atoi(strings.TrimPrefix(after, "-"))
		switch {
		case ok && after == "":
			all = append(all, 1)
		case ok && numErr == nil && n > 1 && f.real+".before-setup"+after == f.keptName(n):
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, err
}

// keep gives the file a second name, or copies it where that cannot be done.
func (f settingsFile) keep() (name string, err error) {
	before, err := f.keptBefore()
	if err != nil {
		return "", err
	}
	next := 1
	if len(before) > 0 {
		next = before[len(before)-1] + 1
	}
	name = f.keptName(next)
	if err = os.Link(f.real, name); err != nil && !errors.Is(err, fs.ErrExist) {
		err = f.copyTo(name)
	}
	return name, err
}

// forget removes kept files of between the first and the last ones. One that cannot be removed stays.
func (f settingsFile) forget() {
	before, err := f.keptBefore()
	if err != nil || len(before) <= mostKept {
		return
	}
	for _, n := range before[1 : len(before)-mostKept+1] {
		_ = os.Remove(f.keptName(n))
	}
}

func (f settingsFile) copyTo(name string) error {
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = out.WriteString(f.text)
	if uid, gid := ownerOf(f.info); err == nil && uid >= 0 {
		err = out.Chown(uid, gid)
	}
	if err = errors.Join(err, out.Chmod(f.info.Mode().Perm()), out.Sync(), out.Close()); err != nil {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}
