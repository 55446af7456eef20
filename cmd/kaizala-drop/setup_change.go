package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/setup"
	"kaizala-drop/internal/text"
)

func (s *settingUp) makeFolder(back *undo) error {
	if s.folder.There {
		return nil
	}
	if _, err := os.Lstat(s.known.Folder); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s came to be there meanwhile: run setup again", text.Printable(s.known.Folder))
	}
	if err := s.makeFolders(s.known.Folder, 0o770, back); err != nil {
		return fmt.Errorf("cannot make the folder: %w", err)
	}
	var err error
	if s.host.root {
		err = os.Chown(s.known.Folder, s.host.uid, s.gid)
	}
	if err == nil {
		err = os.Chmod(s.known.Folder, folderMode) // after chown(2), which takes the set-gid bit away
	}
	if err != nil && mayUse(s.ctx, s.host, s.known.Folder) { // a stick, whose file system knows no owners
		fmt.Fprintf(s.out, "note: %s is as its file system makes it: %v\n", text.Printable(s.known.Folder), err)
		return nil
	}
	return s.ownerless(err)
}

// ownerless says what helps where a file system keeps no owners and modes of its own.
func (s *settingUp) ownerless(err error) error {
	if !s.host.root || !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return fmt.Errorf("%w: its file system keeps no owners or modes that could be changed: %s", err, s.mountAs())
}

func (s *settingUp) mountAs() string {
	return fmt.Sprintf("mount it with uid=%d,gid=%d,umask=007", s.host.uid, s.host.gid)
}

// mendFolder changes the folder itself, and nothing in it.
func (s *settingUp) mendFolder(back *undo) error {
	for _, lack := range s.mend {
		if lack.Join == "" {
			if err := s.mendOne(lack, back); err != nil {
				return err
			}
		} else if !s.host.unit {
			return fmt.Errorf("run this, and setup again: %s", lack.Command)
		}
	}
	return nil
}

func (s *settingUp) mendOne(lack setup.Lack, back *undo) error {
	info, err := os.Stat(s.known.Folder)
	if err != nil {
		return err
	}
	_, gid := ownerOf(info)
	*back = append(*back, func() error {
		return errors.Join(os.Chown(s.known.Folder, -1, gid), os.Chmod(s.known.Folder, info.Mode()))
	})
	mode := info.Mode() | 0o070 | fs.ModeSetgid
	if lack.Sticky {
		mode = info.Mode() &^ fs.ModeSticky
	}
	if lack.Group != "" {
		err = os.Chown(s.known.Folder, -1, s.host.gid)
	}
	if err == nil {
		err = os.Chmod(s.known.Folder, mode)
	}
	usable := mayUse(s.ctx, s.host, s.known.Folder)
	switch {
	case err != nil && usable:
		fmt.Fprintf(s.out, "note: %s stays as its file system makes it: %v\n", text.Printable(s.known.Folder), err)
		*back = (*back)[:len(*back)-1]
		return nil
	case err != nil:
		return fmt.Errorf("cannot mend the folder: %w", s.ownerless(err))
	case !usable:
		return fmt.Errorf("that was done to %s, and the daemon's user %s may not use it all the same: look at its access control lists; or if its "+
			"file system keeps no owners, %s", text.Printable(s.known.Folder), s.host.user, s.mountAs())
	}
	fmt.Fprintf(s.out, "%s is changed; it was of %s\n", text.Printable(s.known.Folder), s.folder.Now())
	return nil
}
