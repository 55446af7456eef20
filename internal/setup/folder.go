package setup

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"kaizala-drop/internal/text"
)

// Folder is what is there at the path of a folder that is to be watched.
type Folder struct {
	Path     string
	There    bool
	IsFolder bool
	Mode     fs.FileMode
	Owner    string // the name of its user, or the number
	Owned    bool   // the daemon's user is its owner
	Group    string // its name, or its number
	Private  bool   // the group is root's, or that of one person
	InGroup  bool   // the daemon's user is in that group
	Usable   bool   // the daemon's user may list it, and move files out of it
	Blocked  string // the first folder above it that the daemon's user may not enter; "": none
}

// Now says whose a folder is, and what its mode is.
func (f Folder) Now() string {
	return fmt.Sprintf("%s:%s with the mode %s", text.Printable(f.Owner), text.Printable(f.Group), octal(f.Mode))
}

// octal is a mode as chmod takes it.
func octal(m fs.FileMode) string {
	bits := m.Perm()
	for bit, value := range map[fs.FileMode]fs.FileMode{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&bit != 0 {
			bits |= value
		}
	}
	return fmt.Sprintf("%04o", uint32(bits))
}

// Holds is what lies in a folder and would be posted.
type Holds struct {
	Files int
	Below int  // of them in its subfolders
	More  bool // than were counted
}

// Text says how many files there are.
func (h Holds) Text() string {
	count, verb := strconv.Itoa(h.Files)+" files", "are"
	if h.Files == 1 {
		count, verb = "1 file", "is"
	}
	if h.More {
		count = "more than " + count
	}
	switch {
	case h.Below == 0:
		return count + " " + verb + " in"
	case h.Below == h.Files:
		return count + " " + verb + " in subfolders of"
	}
	return fmt.Sprintf("%s (%d of them in subfolders) %s in", count, h.Below, verb)
}

// Lack is something that a folder lacks, what helps, and whether setup can do that.
type Lack struct {
	What    string
	Command string // for a shell
	Group   string // to give the folder to; "": it keeps its own
	Join    string // the group that the daemon is to be in; "": none
	Sticky  bool   // the sticky bit goes, and nothing else changes
	Mends   bool   // setup can do it
}

// Lacks says what an existing folder lacks for the daemon's user to work in it, and for people who drop files there too. own is the
// group to give it to where its own is of no use.
func Lacks(f Folder, daemon, own string) (all []Lack) {
	quoted := text.Quoted(f.Path)
	switch {
	case !f.There:
		return nil
	case !f.IsFolder:
		return []Lack{{What: f.Path + " is there and is no folder: move it away, or name another one"}}
	case f.Blocked != "":
		return []Lack{{What: "the daemon's user " + daemon + " may not enter " + f.Blocked + ", which is above it",
			Command: "chmod o+x " + text.Quoted(f.Blocked)}}
	case !f.Usable && !f.Private && !f.InGroup && f.Mode&0o070 == 0o070:
		return []Lack{{What: "the daemon's user " + daemon + " is not in the group " + f.Group + ", to which it belongs",
			Command: "usermod -aG " + text.Quoted(f.Group) + " " + text.Quoted(daemon), Join: f.Group, Mends: true}}
	case !f.Usable && (f.Private || !f.InGroup):
		return []Lack{{What: "the daemon's user " + daemon + " may not list it and move files out of it",
			Command: "chgrp " + text.Quoted(own) + " " + quoted + " && chmod g+rwxs " + quoted, Group: own, Mends: true}}
	case !f.Usable:
		return []Lack{{What: "its group " + f.Group + " may not list it and move files out of it",
			Command: "chmod g+rwxs " + quoted, Mends: true}}
	case f.Mode&fs.ModeSticky != 0 && !f.Owned:
		return []Lack{{What: "it has the sticky bit, so that the daemon's user " + daemon + " may not move files of others out of it",
			Command: "chmod -t " + quoted, Mends: true, Sticky: true}}
	case f.Mode&fs.ModeSetgid == 0 && f.InGroup && f.Mode&0o020 != 0:
		return []Lack{{What: "it has no set-gid bit: what is dropped there may not belong to its group " + f.Group +
			", and then the daemon may not be able to read it", Command: "chmod g+s " + quoted, Mends: true}}
	}
	return nil
}

// CleanPath is a path as somebody typed it, or what is wrong with it. dir is where they are.
func CleanPath(typed, dir string) (clean, trouble string) {
	p := strings.TrimSpace(typed)
	for _, quote := range []string{`"`, "'"} { // as for a shell
		if len(p) > 2 && strings.HasPrefix(p, quote) && strings.HasSuffix(p, quote) {
			p = p[1 : len(p)-1]
		}
	}
	switch {
	case p == "":
		return "", "no folder is named: write its path, from / on"
	case strings.ToValidUTF8(p, "") != p:
		return "", "the path is not UTF-8, as the configuration must be: name another one"
	case strings.ContainsRune(p, 0):
		return "", "the path holds a NUL, which none has"
	case strings.HasPrefix(p, "~"):
		return "", "write the path from / on, without ~"
	case !path.IsAbs(p):
		return "", "write the path from / on: is " + text.Printable(path.Join(dir, p)) + " meant?"
	}
	p = path.Clean(p)
	if why := Never(p); why != "" {
		return "", why
	}
	return p, ""
}
