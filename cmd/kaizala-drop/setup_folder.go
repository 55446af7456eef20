package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"kaizala-drop/internal/config"
	"kaizala-drop/internal/door"
	"kaizala-drop/internal/overlap"
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
	_, c, err := s.parse(append(s.destinationEdits(), s.folderEdits()...), false)
	if err != nil {
		return shortly(err)
	}
	i := slices.IndexFunc(c.Folders, func(f config.Folder) bool { return f.Path == path })
	if err := s.lookAtFolder(c.Folders[i], door.Own{StateDir: c.StateDir, Files: c.Files}); err != nil {
		return err
	}
	_, err = s.unitLines("")
	return err
}

// lookAtFolder finds out what is at a path, within the time that check gives it, too.
func (s *settingUp) lookAtFolder(f config.Folder, own door.Own) error {
	path := f.Path
	answers := make(chan seen, 1)
	ctx, cancel := context.WithTimeout(s.ctx, checkPatience)
	defer cancel()
	go func() { answers <- s.seenAt(ctx, f, own) }() // it may hang there for ever
	select {
	case a := <-answers:
		if a.err != nil {
			return a.err
		}
		if a.folder.There && s.flags.people != "" {
			return fmt.Errorf("--people is for a folder that is made: %s is there already, and belongs to the group %s", text.Printable(path), a.folder.Group)
		}
		s.folder, s.gid, s.mend = a.folder, a.gid, nil
		s.known.Makes, s.known.Holds, s.known.Doubt = !a.folder.There && s.host.root, a.holds, a.doubt
		s.known.Mended, s.known.Sure, s.known.Agreed = !a.folder.There, false, false
		return nil
	case <-ctx.Done():
		if s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		return fmt.Errorf("%s does not answer: look at its file system, or name another folder", text.Printable(path))
	}
}

// seen is what is at a path.
type seen struct {
	folder setup.Folder
	gid    int // its group
	holds  setup.Holds
	doubt  string
	err    error
}

func (s *settingUp) seenAt(ctx context.Context, configured config.Folder, own door.Own) (a seen) {
	path := configured.Path
	a.folder.Path = path
	if a.err = mayBeFolder(path); a.err != nil {
		return a
	}
	if a.err = s.apart(configured, own); a.err != nil {
		return a
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		if _, err := os.Lstat(path); err == nil {
			a.err = fmt.Errorf("%s is a symbolic link that leads nowhere: mend it, or name another folder", text.Printable(path))
			return a
		}
		a.doubt, a.err = setup.Doubt(leadsTo(path), false), s.canMake(path)
		return a
	}
	if a.err = err; err != nil {
		return a
	}
	if !info.IsDir() {
		a.err = fmt.Errorf("%s is there and is no folder: move it away, or name another one", text.Printable(path))
		return a
	}
	uid, gid := ownerOf(info)
	a.folder = setup.Folder{
		Path: path, There: true, IsFolder: true, Mode: info.Mode(), Owner: userName(uid), Owned: uid == s.host.uid || s.host.uid == 0,
		Group: groupName(gid), Private: isPrivate(gid) && gid != s.host.gid, InGroup: slices.Contains(s.host.groups, gid),
		Usable: mayUse(s.ctx, s.host, path), Blocked: s.blocked(path),
	}
	a.gid, a.doubt = gid, setup.Doubt(leadsTo(path), isHome(leadsTo(path), uid))
	a.holds, a.err = heldBy(ctx, configured)
	return a
}

// apart finds out whether the kernel finds the folder where another one, or something of the daemon's own, is.
func (s *settingUp) apart(f config.Folder, own door.Own) error {
	claim := overlap.ClaimOf(f.Path, f.Done, f.Failed, f.Recursive, overlap.Find)
	found := own.In(claim)
	for _, other := range s.base.config.Folders {
		if other.Path != s.base.openPath {
			found = append(found, overlap.Between(claim, overlap.ClaimOf(other.Path, other.Done, other.Failed, other.Recursive, overlap.Find))...)
		}
	}
	if len(found) > 0 {
		return errors.New(found[0].Text(""))
	}
	return nil
}

// canMake looks at what a new folder would be made in.
func (s *settingUp) canMake(path string) error {
	for above := filepath.Dir(path); ; above = filepath.Dir(above) {
		info, err := os.Stat(above)
		switch {
		case (errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)) && above != "/":
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
	said := fmt.Sprintf("%s, now of %s: %s", text.Printable(s.folder.Path), s.folder.Now(), lack.What)
	advice := fmt.Errorf("%s. This mends it: %s", said, lack.Command)
	if !lack.Mends {
		return failed(advice)
	}
	yes := s.flags.mend
	if !yes && s.dialogue.terminal {
		s.say("%s.\nThis mends it, and changes none of the files in it: %s\n", said, s.mendCommand(lack))
		var err error
		if yes, err = s.agree("Do that", s.known.Holds.Files == 0); err != nil {
			return err
		}
	}
	switch {
	case yes:
		s.mend = append(s.mend, lack)
	case s.folder.Usable: // it works, if not for everybody
		fmt.Fprintf(s.out, "note: %v\n", advice)
	default:
		return s.another(fmt.Errorf("%w, and so does --mend", advice))
	}
	return nil
}

// another has a person name another folder, as something stands against this one.
func (s *settingUp) another(err error) error {
	if !s.dialogue.terminal || s.flags.folder != "" {
		return failed(err)
	}
	s.say("Then it stays as it is: name another folder.\n")
	s.known.Folder, s.mend = "", nil
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
	there := s.known.Holds.Text() + " " + text.Printable(s.known.Folder) + " already, and would be posted"
	yes := s.flags.present
	if !yes && s.dialogue.terminal {
		s.say("%s.\n", there)
		var err error
		if yes, err = s.agree("Post them, too", false); err != nil {
			return err
		}
	}
	if !yes {
		return s.another(fmt.Errorf("%s: move them away, or say --post-present", there))
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
