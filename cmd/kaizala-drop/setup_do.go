package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/text"
)

// undo is what takes back what was done, in the order in which it was done.
type undo []func() error

func (u undo) all() (err error) {
	for _, step := range slices.Backward(u) {
		err = errors.Join(err, step())
	}
	return err
}

// carryOut does it. What fails before the configuration is in its place takes all back.
func (s *settingUp) carryOut() error {
	p, err := s.makePlan()
	if err != nil {
		return err
	}
	var back undo
	kept, err := s.write(p, &back)
	if err != nil {
		if undone := back.all(); undone != nil {
			err = fmt.Errorf("%w; and this could not be taken back: %w", err, undone)
		}
		return failed(err)
	}
	s.written = true
	back = append(back, func() error { return s.file.restore(kept, p.next) })
	if kept != "" {
		fmt.Fprintf(s.out, "%s has the folder now; what it was is in %s\n", text.Printable(s.file.path), text.Printable(kept))
	} else {
		fmt.Fprintf(s.out, "%s is written\n", text.Printable(s.file.path))
	}
	if err := s.start(p); err != nil {
		return failed(s.notStarted(err, back))
	}
	s.file.forget()
	return s.tell()
}

// notStarted takes all back if the service does not do what it was told, and has it run as it did before.
func (s *settingUp) notStarted(err error, back undo) error {
	failure, ok := errors.AsType[*startError](err)
	if s.ctx.Err() != nil {
		return errors.New("stopped: the configuration is written, and the service may not have taken it up: see kaizala-drop status")
	}
	if !ok {
		return err
	}
	err = fmt.Errorf("%w%s", err, s.journal(failure.since))
	if undone := errors.Join(back.all(), s.asBefore(failure)); undone != nil {
		return fmt.Errorf("%w\nand this could not be taken back: %w", err, undone)
	}
	return fmt.Errorf("%w\nall of it was taken back", err)
}

// write does all up to the configuration.
func (s *settingUp) write(p plan, back *undo) (kept string, err error) {
	for _, step := range []func(*undo) error{
		s.makeFolder, s.mendFolder,
		func(back *undo) error { return s.makeFolders(filepath.Dir(s.file.real), 0o755, back) },
		s.writeSecrets,
		func(back *undo) error { return s.writeDropIn(p.dropIn, back) },
		func(back *undo) error {
			made, err := s.makeStateDir()
			*back = append(*back, made)
			return err
		},
	} {
		if err := errors.Join(s.ctx.Err(), step(back)); err != nil {
			return "", err
		}
	}
	release, err := s.file.prepare(p.next, s.host)
	if release != nil {
		defer release()
	}
	if err != nil {
		return "", fmt.Errorf("cannot write the configuration: %w", err)
	}
	*back = append(*back, func() error {
		if err := os.Remove(s.file.newName()); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	if err := s.checkNew(); err != nil {
		return "", err
	}
	if err := s.ctx.Err(); err != nil {
		return "", err
	}
	return s.file.commit()
}

// makeFolders makes a folder and those above it that are missing.
func (s *settingUp) makeFolders(dir string, mode fs.FileMode, back *undo) error {
	if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.makeFolders(filepath.Dir(dir), 0o755, back); err != nil {
		return err
	}
	if err := os.Mkdir(dir, mode.Perm()); err != nil {
		return err
	}
	*back = append(*back, func() error {
		if err := os.Remove(dir); !errors.Is(err, unix.ENOTEMPTY) { // what came into it meanwhile stays
			return err
		}
		return nil
	})
	return os.Chmod(dir, mode) // whatever the umask
}
