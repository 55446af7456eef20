package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"kaizala-drop/internal/durable"
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
	if kept != "" {
		fmt.Fprintf(s.out, "%s has the folder now; what it was is in %s\n", text.Printable(s.file.path), text.Printable(kept))
	} else {
		fmt.Fprintf(s.out, "%s is written\n", text.Printable(s.file.path))
	}
	if err := s.start(p); err != nil {
		return failed(err)
	}
	return s.tell()
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
	*back = append(*back, func() error { return os.Remove(dir) })
	return os.Chmod(dir, mode) // whatever the umask
}

func (s *settingUp) makeFolder(back *undo) error {
	if s.folder.There {
		return nil
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
	return err
}

// mendFolder changes the folder itself, and nothing in it.
func (s *settingUp) mendFolder(back *undo) error {
	for _, lack := range s.mend {
		info, err := os.Stat(s.known.Folder)
		if err != nil {
			return err
		}
		_, gid := ownerOf(info)
		if lack.Join != "" {
			if !s.host.unit {
				return fmt.Errorf("run this, and setup again: %s", lack.Command)
			}
			continue
		}
		*back = append(*back, func() error {
			return errors.Join(os.Chown(s.known.Folder, -1, gid), os.Chmod(s.known.Folder, info.Mode()))
		})
		if lack.Group != "" {
			if err := os.Chown(s.known.Folder, -1, s.host.gid); err != nil {
				return err
			}
		}
		if err := os.Chmod(s.known.Folder, info.Mode()|0o070|fs.ModeSetgid); err != nil {
			return err
		}
	}
	return nil
}

func (s *settingUp) writeSecrets(back *undo) error {
	for _, f := range s.secretFiles {
		if err := s.makeFolders(filepath.Dir(f.path), 0o700, back); err != nil {
			return err
		}
		if err := s.putFile(f.path, f.content, 0o600, f.uid, f.gid, back); err != nil {
			return fmt.Errorf("cannot keep a secret: %w", err)
		}
	}
	return nil
}

func (s *settingUp) writeDropIn(content string, back *undo) error {
	if content == "" {
		return nil
	}
	if err := s.makeFolders(filepath.Dir(unitDropIn), 0o755, back); err != nil {
		return err
	}
	return s.putFile(unitDropIn, content, 0o644, 0, 0, back)
}

// putFile puts a file in the place of whatever is there, which comes back if it must.
func (s *settingUp) putFile(path, content string, mode fs.FileMode, uid, gid int, back *undo) error {
	old, err := os.ReadFile(path)
	there := err == nil
	if !there && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := replaceFile(path, content, mode, s.host.root, uid, gid); err != nil {
		return err
	}
	*back = append(*back, func() error {
		if !there {
			return os.Remove(path)
		}
		return replaceFile(path, string(old), mode, s.host.root, uid, gid)
	})
	return nil
}

func replaceFile(path, content string, mode fs.FileMode, root bool, uid, gid int) error {
	out, err := os.CreateTemp(filepath.Dir(path), ".kaizala-drop-setup-*")
	if err != nil {
		return err
	}
	_, err = out.WriteString(content)
	if err == nil && root {
		err = out.Chown(uid, gid)
	}
	err = errors.Join(err, out.Chmod(mode), out.Sync(), out.Close())
	if err == nil {
		err = durable.Rename(out.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	return nil
}
