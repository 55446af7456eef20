package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"kaizala-drop/internal/control"
	"kaizala-drop/internal/setup"
	"kaizala-drop/internal/text"
)

// upWithin is how long setup waits for the service to serve the folder.
const upWithin = 30 * time.Second

// checkNew has the daemon's user check what was prepared. What was wrong before, with other folders, does not count.
func (s *settingUp) checkNew() error {
	fmt.Fprintln(s.out, "checking:")
	lines, failure := s.check(s.file.newName())
	if failure == nil {
		s.show(lines)
		return s.ctx.Err()
	}
	var before []string
	if s.file.there {
		before, _ = s.check(s.file.real)
	}
	old := func(line string) bool { return !strings.HasPrefix(line, "PROBLEM") || slices.Contains(before, line) }
	s.show(lines)
	switch fresh := slices.DeleteFunc(slices.Clone(lines), old); {
	case s.ctx.Err() != nil:
		return s.ctx.Err()
	case len(fresh) > 0:
		return errors.New("the check found what stands against it: mend that, and run setup again")
	case len(lines) == 0 || !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, "PROBLEM") }):
		return fmt.Errorf("it cannot be checked: %w", failure)
	}
	fmt.Fprintln(s.out, "what the check found was so before")
	return nil
}

// show leaves out the folders with which all is well, but for the new one.
func (s *settingUp) show(lines []string) {
	for _, line := range lines {
		if strings.HasPrefix(line, "ok       folder ") && !strings.HasPrefix(line, fmt.Sprintf("ok       folder %q", s.known.Folder)) {
			continue
		}
		fmt.Fprintln(s.out, "  "+line)
	}
}

// check runs "check --online" as the daemon's user: as a service where there is one, with what the unit has. Its lines name the
// configuration, whatever file it looks at.
func (s *settingUp) check(path string) (lines []string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{self, "check", "--online", "--config", path}
	if s.host.unit {
		args = append(s.asTheUnit(), args...)
	}
	cmd := exec.CommandContext(s.ctx, args[0], args[1:]...)
	if !s.host.unit {
		cmd.Dir, cmd.SysProcAttr = "/", asUser(s.host)
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	if words := strings.TrimPrefix(strings.TrimSpace(s.named(said.String(), path)), "kaizala-drop: "); err != nil && words != "" {
		err = errors.New(words)
	} else if err != nil {
		err = fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	for line := range strings.Lines(s.named(out.String(), path)) {
		lines = append(lines, strings.TrimRight(line, "\n"))
	}
	return lines, err
}

// named has the name of the configuration in the place of that of the file that was looked at.
func (s *settingUp) named(said, path string) string {
	return strings.ReplaceAll(strings.ReplaceAll(said, text.Printable(path), text.Printable(s.file.path)), path, s.file.path)
}

// asTheUnit begins a command that runs as the service will.
func (s *settingUp) asTheUnit() []string {
	words := []string{"systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--uid=" + s.host.user}
	has := setup.ParseUnit("[Service]\n" + strings.Join(s.lines, "\n"))
	set := func(format string, args ...any) { words = append(words, "--property="+fmt.Sprintf(format, args...)) }
	set("ProtectSystem=strict")
	set("ProtectHome=tmpfs")
	set("PrivateTmp=yes")
	if s.to.config.StateDir == unitStateDir {
		set("StateDirectory=kaizala-drop")
		set("StateDirectoryMode=0700")
	} else {
		set("ReadWritePaths=%s", setup.Word(s.to.config.StateDir))
	}
	for _, path := range slices.Concat(s.host.has.Paths, has.Paths) {
		set("ReadWritePaths=%s", setup.Word(path))
	}
	for _, path := range slices.Concat(s.host.has.Binds, has.Binds) {
		set("BindPaths=%s", setup.Word(path))
	}
	for _, group := range slices.Concat(s.host.has.Groups, has.Groups) {
		set("SupplementaryGroups=%s", group)
	}
	for _, name := range slices.Concat(s.host.has.Credentials, has.Credentials) {
		set("LoadCredential=%s:kaizala-drop.%[1]s", name)
	}
	for _, name := range s.host.has.Encrypted {
		set("LoadCredentialEncrypted=%s:kaizala-drop.%[1]s", name)
	}
	return words
}

// start starts the service, or says how the daemon is to be started.
func (s *settingUp) start(p plan) error {
	since := time.Now()
	for i, command := range p.commands {
		fmt.Fprintln(s.out, strings.Join(command, " "))
		cmd := exec.CommandContext(s.ctx, command[0], command[1:]...)
		cmd.Stdout, cmd.Stderr = s.out, s.out
		if err := cmd.Run(); err != nil {
			return &startError{since, p.dropIn != "", i == len(p.commands)-1, fmt.Errorf("%s: %w", strings.Join(command, " "), err)}
		}
	}
	if len(p.commands) > 0 {
		if err := s.awaitUp(); err != nil {
			return &startError{since, p.dropIn != "", true, err}
		}
		return nil
	}
	options := optionsFor(s.file.path)
	switch pid := s.running(); {
	case s.host.unit:
		fmt.Fprintln(s.out, "start it, or have it take this up: systemctl enable --now kaizala-drop, systemctl reload-or-restart kaizala-drop")
	case pid > 0 && s.known.Configured:
		fmt.Fprintf(s.out, "a daemon is at work: have it take this up with: kill -HUP %d\n", pid)
	case pid > 0:
		fmt.Fprintf(s.out, "a daemon is at work (process %d): start it anew, as its destination is new\n", pid)
	case s.host.root && s.host.uid != 0:
		fmt.Fprintf(s.out, "start it: runuser -u %s -- %s\n", shellWord(s.host.user), text.Command(options, "run"))
	default:
		fmt.Fprintf(s.out, "start it: %s\n", text.Command(options, "run"))
	}
	return nil
}

// running asks whether a daemon of this configuration answers; 0: none does.
func (s *settingUp) running() (pid int) {
	if s.to.config.Control.Socket == "" {
		return 0
	}
	client := control.NewClient(s.to.config.Control.Socket)
	defer client.Close()
	status, err := client.Status(s.ctx)
	if err != nil || status.StateDir != s.to.config.StateDir {
		return 0
	}
	return status.PID
}

// awaitUp waits until the service serves the folder. What is wrong with the folder alone is said, and no error: it is served once that is
// mended.
func (s *settingUp) awaitUp() error {
	socket := s.to.config.Control.Socket
	if socket == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, upWithin)
	defer cancel()
	client := control.NewClient(socket)
	defer client.Close()
	trouble, known := "", false
	for {
		status, err := client.Status(ctx)
		for _, f := range status.Folders {
			if err == nil && f.Path == s.known.Folder {
				trouble, known = f.Trouble+" "+f.Advice, true
				if f.Up {
					return nil
				}
			}
		}
		select {
		case <-time.After(100 * time.Millisecond):
			continue
		case <-ctx.Done():
		}
		said := fmt.Sprintf("the service does not serve %s yet: see kaizala-drop status and journalctl -u kaizala-drop %s",
			text.Printable(s.known.Folder), text.Printable(trouble))
		if known || s.ctx.Err() != nil {
			fmt.Fprintln(s.out, said)
			return s.ctx.Err()
		}
		return errors.New(said)
	}
}

// tell says what can be done now.
func (s *settingUp) tell() error {
	to := s.known.Target
	if s.called != "" {
		to = text.Line(s.called, 60) + " (" + to + ")"
	}
	fmt.Fprintf(s.out, "\nWhat is dropped into %s is posted to %s.\n", text.Printable(s.known.Folder), text.Printable(to))
	if s.known.Makes && s.host.uid != 0 {
		who := "NAME"
		if name := os.Getenv("SUDO_USER"); name != "" && name != "root" && !isMember(name, strconv.Itoa(s.gid)) {
			who = name
		}
		fmt.Fprintf(s.out, "Who is to drop files there must be in the group %s: usermod -aG %s %s (at their next login)\n",
			s.known.People, shellWord(s.known.People), shellWord(who))
		if join := s.joins(); join != "" && !s.host.unit {
			fmt.Fprintf(s.out, "So must the daemon's user, to read what they drop: usermod -aG %s %s\n", shellWord(join), shellWord(s.host.user))
		}
	}
	fmt.Fprintf(s.out, "How it goes: %s\n", text.Command(optionsFor(s.file.path), "status"))
	return nil
}
