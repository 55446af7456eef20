package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"kaizala-drop/internal/setup"
	"kaizala-drop/internal/text"
)

// daemonUser is the user that the unit has, and its group.
const daemonUser = "kaizala-drop"

// unitDropIn is what setup writes for the unit.
const unitDropIn = "/etc/systemd/system/kaizala-drop.service.d/setup.conf"

// host is what setup has to know of this machine.
type host struct {
	root   bool
	user   string // of the daemon
	uid    int
	gid    int // its own group
	group  string
	groups []int // all that it is in, as a service

	unit    bool // systemd runs, and knows a unit that runs with the configuration
	active  string
	enabled string // its UnitFileState
	other   string // the service that is there runs with another configuration: how; "": it does not
	has     setup.Unit
}

// lookAtHost finds out who the daemon is. runAs names its user; "": that of the unit, or kaizala-drop, or who asks.
func lookAtHost(ctx context.Context, config, runAs string) (h host, err error) {
	h.root = os.Geteuid() == 0
	if h.root {
		if err := h.lookAtUnit(ctx, config); err != nil {
			return h, err
		}
	}
	u, err := h.chooseUser(runAs)
	if err != nil {
		return h, err
	}
	h.runAs(u)
	return h, nil
}

// runAs takes a user for the daemon's.
func (h *host) runAs(u *user.User) {
	h.user, h.groups = u.Username, nil
	h.uid, _ = strconv.Atoi(u.Uid)
	h.gid, _ = strconv.Atoi(u.Gid)
	h.group = groupName(h.gid)
	ids, _ := u.GroupIds()
	for _, id := range append(ids, u.Gid) {
		if gid, err := strconv.Atoi(id); err == nil && !slices.Contains(h.groups, gid) {
			h.groups = append(h.groups, gid)
		}
	}
	for _, name := range h.has.Groups {
		if gid, err := groupID(name); err == nil && !slices.Contains(h.groups, gid) {
			h.groups = append(h.groups, gid)
		}
	}
}

// ownerRuns sees to it that the daemon of a configuration stays the user whose its state_dir is: another one could not read that.
func (h *host) ownerRuns(stateDir, runAs string) error {
	info, err := os.Stat(stateDir)
	if err != nil || !h.root || h.unit {
		return nil // it is made, or said by who uses it
	}
	uid, _ := ownerOf(info)
	u, err := user.LookupId(strconv.Itoa(uid))
	switch {
	case uid < 0 || uid == h.uid:
		return nil
	case err != nil:
		return failed(fmt.Errorf("state_dir %s belongs to the user %d, who is not on this machine: give it to the daemon's user", text.Printable(stateDir), uid))
	case runAs != "":
		return failed(fmt.Errorf("state_dir %s belongs to %s, so that the daemon runs as that user, and not as %s: leave --run-as out, or give it to %[3]s",
			text.Printable(stateDir), u.Username, runAs))
	}
	h.runAs(u)
	return nil
}

// lookAtUnit asks systemd.
func (h *host) lookAtUnit(ctx context.Context, config string) error {
	if _, err := os.Stat("/run/systemd/system"); err != nil { // sd_booted(3)
		return nil
	}
	out, err := exec.CommandContext(ctx, "systemctl", "show", "kaizala-drop.service", "--property=LoadState,ActiveState,UnitFileState,ExecStart").Output()
	if err != nil {
		return failed(fmt.Errorf("cannot ask systemd about kaizala-drop.service: %w", err))
	}
	shown := map[string]string{}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		shown[key] = value
	}
	if shown["LoadState"] != "loaded" {
		return nil
	}
	if !runsWith(shown["ExecStart"], config) {
		if shown["ActiveState"] == "active" {
			h.other = commandOf(shown["ExecStart"])
		}
		return nil
	}
	h.enabled = shown["UnitFileState"]
	text, err := exec.CommandContext(ctx, "systemctl", "cat", "kaizala-drop.service").Output()
	if err != nil {
		return failed(fmt.Errorf("cannot read kaizala-drop.service: %w", err))
	}
	h.unit, h.active, h.has = true, shown["ActiveState"], setup.ParseUnit(string(text))
	return nil
}

// commandOf is the command line in what systemctl show tells of ExecStart=.
func commandOf(shown string) string {
	_, command, _ := strings.Cut(shown, "argv[]=")
	command, _, _ = strings.Cut(command, " ; ")
	return command
}

// runsWith reports whether a service runs with the configuration, by the name that it has there or by where that leads.
func runsWith(shown, config string) bool {
	words := strings.Fields(commandOf(shown))
	for i, word := range words {
		path, joined := strings.CutPrefix(word, "--config=")
		if !joined && (word == "--config" || word == "-c") && i+1 < len(words) {
			path = words[i+1]
		} else if !joined {
			continue
		}
		return path == config || leadsTo(path) == leadsTo(config)
	}
	return config == defaultConfig
}

func (h *host) chooseUser(runAs string) (*user.User, error) {
	name := runAs
	switch {
	case name != "" && !h.root:
		return nil, errors.New("--run-as is for root: nobody else can set up a daemon for another user")
	case name == "" && h.unit && h.has.User != "":
		name = h.has.User
	case name == "" && h.root:
		if u, err := user.Lookup(daemonUser); err == nil {
			return u, nil
		}
	}
	if name == "" {
		return user.Current()
	}
	u, err := user.Lookup(name)
	if err != nil {
		err = fmt.Errorf("the daemon's user %s is not on this machine: install systemd/kaizala-drop.sysusers.conf and run systemd-sysusers, "+
			"or name another one with --run-as", name)
	}
	return u, failed(err)
}

// userName is the name of a user, or the number.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// groupName is the name of a group, or its number.
func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}

func groupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("there is no group %s on this machine: make it (groupadd %s), or name another one", quotedArg(name), shellWord(name))
	}
	return strconv.Atoi(g.Gid)
}

// isPrivate reports whether a group is that of one person or of root, rather than one of people who share something.
func isPrivate(gid int) bool {
	name := groupName(gid)
	_, err := user.Lookup(name)
	return gid == 0 || err == nil
}

// domain is that of this machine, or "".
func domain() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	_, domain, _ := strings.Cut(name, ".")
	if !strings.Contains(domain, ".") || strings.HasSuffix(domain, ".internal") {
		return ""
	}
	return domain
}
