package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/setup"
	"kaizala-drop/internal/text"
)

// likelyFolder is named after the group or room.
func (s *settingUp) likelyFolder() string {
	if s.base.openPath != "" {
		return s.base.openPath
	}
	if !s.dialogue.terminal {
		return ""
	}
	top := "/srv/drop"
	if !s.host.root {
		top = filepath.Join(filepath.Dir(s.file.real), "drop")
	}
	name := cmp.Or(setup.FolderName(s.called), setup.FolderName(s.known.Target), "reception")
	for n := 1; ; n++ {
		path := filepath.Join(top, name)
		if n > 1 {
			path = fmt.Sprintf("%s-%d", path, n)
		}
		taken := func(f config.Folder) bool { return f.Path == path }
		if !slices.ContainsFunc(s.base.config.Folders, taken) {
			return path
		}
	}
}

// takeFolder takes a path that the configuration takes, and looks at what is there.
func (s *settingUp) takeFolder(answer string) (err error) {
	here, _ := os.Getwd()
	path, trouble := setup.CleanPath(answer, here)
	if trouble != "" {
		return errors.New(trouble)
	}
	s.known.Folder = path
	defer func() {
		if err != nil {
			s.known.Folder = ""
		}
	}()
	if _, _, err := s.parse(append(s.destinationEdits(), s.folderEdits()...), false); err != nil {
		return shortly(err)
	}
	if err := s.lookAtFolder(path); err != nil {
		return err
	}
	_, err = s.unitLines("")
	return err
}

// lookAtFolder finds out what is at a path, within the time that check gives it, too.
func (s *settingUp) lookAtFolder(path string) error {
	type seen struct {
		folder setup.Folder
		gid    int
		holds  int
		err    error
	}
	answers := make(chan seen, 1)
	go func() { // it may hang there for ever
		var a seen
		a.folder, a.gid, a.holds, a.err = s.seenAt(path)
		answers <- a
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return a.err
		}
		if a.folder.There && s.flags.people != "" {
			return fmt.Errorf("--people is for a folder that is made: %s is there already, and belongs to the group %s", text.Printable(path), a.folder.Group)
		}
		s.folder, s.gid = a.folder, a.gid
		s.known.Makes, s.known.Holds = !a.folder.There && s.host.root, a.holds
		s.known.Mended = !a.folder.There
		return nil
	case <-time.After(checkPatience):
		return fmt.Errorf("%s does not answer: look at its file system, or name another folder", text.Printable(path))
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

func (s *settingUp) seenAt(path string) (f setup.Folder, gid, holds int, err error) {
	f.Path = path
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return f, 0, 0, fmt.Errorf("%s is a symbolic link that leads nowhere: mend it, or name another folder", text.Printable(path))
		}
		return f, 0, 0, s.canMake(path)
	}
	if err != nil {
		return f, 0, 0, err
	}
	f.There, f.IsFolder, f.Mode = true, info.IsDir(), info.Mode()
	if !f.IsFolder {
		return f, 0, 0, fmt.Errorf("%s is there and is no folder: move it away, or name another one", text.Printable(path))
	}
	_, gid = ownerOf(info)
	f.Group, f.Private, f.InGroup = groupName(gid), isPrivate(gid) && gid != s.host.gid, slices.Contains(s.host.groups, gid)
	f.Usable, f.Blocked = mayUse(s.ctx, s.host, path), s.blocked(path)
	entries, err := os.ReadDir(path)
	if err != nil {
		return f, gid, 0, err
	}
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			holds++
		}
	}
	return f, gid, holds, nil
}

// canMake looks at what a new folder would be made in.
func (s *settingUp) canMake(path string) error {
	for above := filepath.Dir(path); ; above = filepath.Dir(above) {
		info, err := os.Stat(above)
		switch {
		case errors.Is(err, fs.ErrNotExist) && above != "/":
			continue
		case err != nil:
			return err
		case !info.IsDir():
			return fmt.Errorf("%s is in the way, as it is no folder: move it away, or name another one", text.Printable(above))
		}
		if blocked := s.blocked(path); blocked != "" {
			return fmt.Errorf("the daemon's user %s may not enter %s: name another folder, or run chmod o+x %s", s.host.user, text.Printable(blocked), text.Quoted(blocked))
		}
		return nil
	}
}

// blocked is what keeps the daemon's user from a path. What the unit binds is seen, whatever lies above it.
func (s *settingUp) blocked(path string) string {
	if s.host.unit && setup.Hidden(path) {
		return ""
	}
	return blockedAbove(s.ctx, s.host, path)
}

func (s *settingUp) takePeople(answer string) error {
	gid, err := groupID(answer)
	if err != nil {
		return err
	}
	s.known.People, s.gid = answer, gid
	return nil
}

// askMend tells what a folder that is there lacks, and whether that is to be mended.
func (s *settingUp) askMend() error {
	lacks := setup.Lacks(s.folder, s.host.user, s.host.group)
	for _, lack := range lacks {
		if err := s.askOneMend(lack); err != nil {
			return err
		}
	}
	s.known.Mended = true
	return nil
}

func (s *settingUp) askOneMend(lack setup.Lack) error {
	said := fmt.Sprintf("%s: %s", text.Printable(s.folder.Path), lack.What)
	advice := fmt.Errorf("%s. This mends it: %s", said, lack.Command)
	if !lack.Mends {
		return failed(advice)
	}
	yes := s.flags.mend
	if !yes && s.dialogue.terminal {
		s.say("%s.\nThis mends it, and changes none of the files in it: %s\n", said, s.mendCommand(lack))
		var err error
		if yes, err = s.agree("Do that", s.known.Holds == 0); err != nil {
			return err
		}
	}
	switch {
	case yes:
		s.mend = append(s.mend, lack)
	case s.folder.Usable: // it works, if not for everybody
		fmt.Fprintf(s.out, "note: %v\n", advice)
	default:
		return failed(fmt.Errorf("%w, and so does --mend", advice))
	}
	return nil
}

// mendCommand is what is done: the unit is given groups with a drop-in.
func (s *settingUp) mendCommand(lack setup.Lack) string {
	if lack.Join != "" && s.host.unit {
		return "SupplementaryGroups=" + lack.Join + " for the service"
	}
	return lack.Command
}

// askPresent sees to it that nobody posts a folder full of files by surprise.
func (s *settingUp) askPresent() error {
	there := fmt.Sprintf("%s is in %s already, and would be posted", counted(s.known.Holds, "file"), text.Printable(s.known.Folder))
	if s.known.Holds > 1 {
		there = fmt.Sprintf("%s are in %s already, and would be posted", counted(s.known.Holds, "file"), text.Printable(s.known.Folder))
	}
	yes := s.flags.present
	if !yes && s.dialogue.terminal {
		s.say("%s.\n", there)
		var err error
		if yes, err = s.agree("Post them, too", false); err != nil {
			return err
		}
	}
	if !yes {
		return failed(fmt.Errorf("%s: move them away, or say --post-present", there))
	}
	s.known.Agreed = true
	return nil
}

// unitLines are the settings that the unit lacks. group is one that the service is to be in.
func (s *settingUp) unitLines(group string) ([]string, error) {
	if !s.host.unit {
		return nil, nil
	}
	needs := setup.Needs{Paths: []string{s.known.Folder}, Group: group}
	if real, err := filepath.EvalSymlinks(s.known.Folder); err == nil {
		needs.Paths = append(needs.Paths, real)
	}
	for reference := range s.references {
		if name, ok := strings.CutPrefix(reference, "credential:"); ok {
			needs.Credentials = append(needs.Credentials, name)
		}
	}
	slices.Sort(needs.Credentials)
	return s.host.has.Lines(needs)
}
