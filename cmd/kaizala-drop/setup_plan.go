package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"kaizala-drop/internal/setup"
	"kaizala-drop/internal/text"
)

// plan is all that is going to be done.
type plan struct {
	next     string // the text of the configuration
	dropIn   string // the text of the unit's drop-in; "": it stays as it is
	commands [][]string
}

// folderMode is that of a folder that is made: for its owner and its group, which what is in it inherits.
const folderMode = 0o770 | fs.ModeSetgid

// makePlan decides what is to be done.
func (s *settingUp) makePlan() (p plan, err error) {
	if p.next, _, err = s.parse(append(s.destinationEdits(), s.folderEdits()...), false); err != nil {
		return p, failed(shortly(err))
	}
	if s.lines, err = s.unitLines(s.joins()); err != nil {
		return p, failed(err)
	}
	if len(s.lines) > 0 {
		old, err := os.ReadFile(unitDropIn)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return p, failed(err)
		}
		p.dropIn = setup.DropIn(string(old), s.lines)
	}
	if s.host.unit && !s.flags.noStart {
		p.commands = s.serviceCommands(p.dropIn != "")
	}
	return p, nil
}

// joins is the group that the service is to be in for the folder.
func (s *settingUp) joins() string {
	for _, lack := range s.mend {
		if lack.Join != "" {
			return lack.Join
		}
	}
	if s.known.Makes && !slices.Contains(s.host.groups, s.gid) {
		return s.known.People
	}
	return ""
}

// serviceCommands start the service, or have it take up what is new. A destination, a setting of the unit and what was not there when
// it started need a restart.
func (s *settingUp) serviceCommands(unitChanges bool) (all [][]string) {
	if unitChanges {
		all = append(all, []string{"systemctl", "daemon-reload"})
	}
	_, err := os.Stat("/srv/drop")
	again := unitChanges || !s.known.Configured || err != nil
	switch {
	case s.host.active == "active" && !again:
		return append(all, []string{"systemctl", "enable", "--quiet", "kaizala-drop"}, []string{"systemctl", "reload", "kaizala-drop"})
	case s.host.active == "inactive" || s.host.active == "failed":
		return append(all, []string{"systemctl", "enable", "--quiet", "--now", "kaizala-drop"})
	}
	return append(all, []string{"systemctl", "enable", "--quiet", "kaizala-drop"}, []string{"systemctl", "restart", "kaizala-drop"})
}

// askPlan shows all of it.
func (s *settingUp) askPlan() error {
	p, err := s.makePlan()
	if err != nil {
		return err
	}
	if s.dialogue.terminal {
		s.say("\nThis is going to be done:\n")
		for _, line := range s.planned(p) {
			s.say("  %s\n", line)
		}
		yes, err := s.agree("Go on", true)
		if err != nil {
			return err
		}
		if !yes {
			return failed(errors.New("stopped"))
		}
	}
	s.known.Planned = true
	return nil
}

// planned says it in words.
func (s *settingUp) planned(p plan) (lines []string) {
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	folder := text.Printable(s.known.Folder)
	switch {
	case s.known.Makes:
		add("make %s, of the user %s and the group %s (mode 2770)", folder, s.host.user, s.known.People)
	case !s.folder.There:
		add("make %s", folder)
	}
	for _, lack := range s.mend {
		add("%s", s.mendCommand(lack))
	}
	for _, f := range s.secretFiles {
		beside := ""
		if f.beside != "" {
			beside = "; another one is in " + text.Printable(f.beside) + ", and stays there"
		}
		add("keep a secret in %s (mode 600)%s", text.Printable(f.path), beside)
	}
	if s.file.there {
		add("add the folder to %s, and keep what that was beside it", text.Printable(s.file.path))
	} else {
		add("write %s", text.Printable(s.file.path))
	}
	if p.dropIn != "" {
		add("write to %s: %s", unitDropIn, text.Printable(strings.Join(s.lines, ", ")))
	}
	add("check all of it")
	for _, command := range p.commands {
		add("%s", strings.Join(command, " "))
	}
	return lines
}
