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

	unit   bool // systemd runs, and knows a unit that runs with the configuration
	active string
	has    setup.Unit
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
	h.user = u.Username
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
	return h, nil
}

// lookAtUnit asks systemd.
func (h *host) lookAtUnit(ctx context.Context, config string) error {
	if _, err := os.Stat("/run/systemd/system"); err != nil { // sd_booted(3)
		return nil
	}
	out, err := exec.CommandContext(ctx, "systemctl", "show", "kaizala-drop.service", "--property=LoadState,ActiveState,ExecStart").Output()
	if err != nil {
		return failed(fmt.Errorf("cannot ask systemd about kaizala-drop.service: %w", err))
	}
	shown := map[string]string{}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		shown[key] = value
	}
	if shown["LoadState"] != "loaded" || !strings.Contains(shown["ExecStart"], config) {
		return nil
	}
	text, err := exec.CommandContext(ctx, "systemctl", "cat", "kaizala-drop.service").Output()
	if err != nil {
		return failed(fmt.Errorf("cannot read kaizala-drop.service: %w", err))
	}
	h.unit, h.active, h.has = true, shown["ActiveState"], setup.ParseUnit(string(text))
	return nil
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
