package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/setup"
	"kaizala-drop/internal/text"
)

// leadsTo is where a path leads to, links resolved as far as it is there.
func leadsTo(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil || path == "/" {
		return real
	}
	return filepath.Join(leadsTo(filepath.Dir(path)), filepath.Base(path))
}

// mayBeFolder says why what is found at a path cannot be a folder to drop files into, by whatever name it is found.
func mayBeFolder(path string) error {
	real := leadsTo(path)
	if why := setup.Never(real); why != "" {
		return errors.New(aka(path, real) + why)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil // it is made
	}
	for _, other := range slices.Concat(setup.System(), setup.Shared()) {
		if its, err := os.Stat(other); err == nil && os.SameFile(info, its) {
			return errors.New(aka(path, other) + setup.Never(other))
		}
	}
	return nil
}

// aka begins a message about a directory that was named otherwise.
func aka(named, real string) string {
	if named == real {
		return ""
	}
	return text.Printable(named) + " leads to " + text.Printable(real) + ": "
}

// isHome reports whether a directory is the home directory of who owns it, or of who asks.
func isHome(path string, uid int) bool {
	homes := []string{os.Getenv("HOME")}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		homes = append(homes, u.HomeDir)
	}
	if u, err := user.Lookup(os.Getenv("SUDO_USER")); err == nil {
		homes = append(homes, u.HomeDir)
	}
	return filepath.Dir(path) == "/home" || slices.Contains(homes, path)
}

// mostCounted is how many files are counted in a folder.
const mostCounted = 10000

// heldBy counts the files that would be posted from a folder as it is. What it files away itself is none of them.
func heldBy(ctx context.Context, f config.Folder) (h setup.Holds, err error) {
	err = filepath.WalkDir(f.Path, func(path string, e fs.DirEntry, err error) error {
		isDir := err == nil && e.IsDir()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && path == f.Path:
			return err
		case err != nil: // a subfolder that cannot be listed
			return fs.SkipDir
		case path == f.Path:
			return nil
		case isDir && (!f.Recursive || path == f.Done || path == f.Failed || strings.HasPrefix(e.Name(), ".")):
			return fs.SkipDir
		case !e.Type().IsRegular() || strings.HasPrefix(e.Name(), "."):
			return nil
		case h.Files == mostCounted:
			h.More = true
			return fs.SkipAll
		}
		h.Files++
		if filepath.Dir(path) != f.Path {
			h.Below++
		}
		return nil
	})
	return h, err
}

// askPlace asks whether a directory is meant that seems to be something else.
func (s *settingUp) askPlace() error {
	yes := s.flags.evenThere
	if !yes && s.dialogue.terminal {
		s.say("%s.\n", s.known.Doubt)
		var err error
		if yes, err = s.agree("Take it all the same", false); err != nil {
			return err
		}
		if !yes && s.flags.folder == "" {
			s.known.Folder = "" // it is asked for again
			return nil
		}
	}
	if !yes {
		return failed(fmt.Errorf("%s: name a folder in it, or say --even-there", s.known.Doubt))
	}
	s.known.Sure = true
	return nil
}
