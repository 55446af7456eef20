// Package overlap says where one watched folder reaches into what belongs to another one alone: two folders that are
// the same directory, a folder inside the done/ of another, or a done/ inside the tree that another takes files from.
//
// It compares places, which are found in one of two ways. Named goes by their names alone: it needs no I/O, and finds
// all that can be wrong in a text. Find asks the kernel, so neither a link nor a bind mount hides that two directories
// are one.
package overlap

import (
	"fmt"
	"path/filepath"
	"slices"

	"kaizala-drop/internal/file"
)

// Spot is a directory, followed by all the directories that it lies in, up to the root.
type Spot []place

// place is one directory of a Spot.
type place struct {
	path string
	seen bool // the directory exists and id is valid; otherwise only its name tells it from others
	id   file.Identity
}

// Named gives the spot that path names, without any I/O. path must be absolute and clean.
func Named(path string) Spot {
	s := Spot{{path: path}}
	for parent := filepath.Dir(path); parent != path; parent = filepath.Dir(path) {
		s = append(s, place{path: parent})
		path = parent
	}
	return s
}

// Find gives the spot where the kernel finds path, with links resolved as far as the path exists. It hangs as long as a
// file system on the way hangs.
func Find(path string) Spot {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		parent := filepath.Dir(path)
		if parent == path {
			return Spot{{path: path}}
		}
		up := Find(parent)
		return append(Spot{{path: filepath.Join(up[0].path, filepath.Base(path))}}, up...)
	}
	s := Named(resolved)
	for i := range s {
		if info, err := file.Stat(s[i].path); err == nil {
			s[i].seen, s[i].id = true, info.Identity
		}
	}
	return s
}

// same compares device and inode if both places exist, and otherwise their paths.
func (p place) same(q place) bool {
	if p.seen && q.seen {
		return p.id.SameFile(q.id)
	}
	return p.path == q.path
}

// Same reports whether both are one directory.
func (s Spot) Same(other Spot) bool { return s[0].same(other[0]) }

// isIn reports whether s is other or lies inside it.
func (s Spot) isIn(other Spot) bool { return slices.ContainsFunc(s, other[0].same) }

// Claim is what belongs to one folder alone.
type Claim struct {
	Path    string // as it is configured, like the paths of outs
	Deep    bool   // files of directories inside the folder are taken as well
	Watched Spot
	outs    []outlet
}

// outlet is a place to which files are moved.
type outlet struct {
	setting string // "done" or "failed"
	path    string
	spot    Spot
}

// ClaimOf makes the claim of a folder. spot finds its places: Named or Find.
func ClaimOf(path, done, failed string, deep bool, spot func(string) Spot) Claim {
	return Claim{
		Path: path, Deep: deep, Watched: spot(path),
		outs: []outlet{{"done", done, spot(done)}, {"failed", failed, spot(failed)}},
	}
}

// puts reports whether s lies where the folder itself files its files away. The folder takes no files from there.
func (c Claim) puts(s Spot) bool {
	return slices.ContainsFunc(c.outs, func(o outlet) bool { return s.isIn(o.spot) })
}

// Finding is one overlap that must not stay.
type Finding struct {
	Setting string // the setting to blame: "path", "done" or "failed"
	Second  bool   // the setting is of the second of the two claims, rather than of the first
	Other   string // the setting of the other claim that it collides with; "" if there is none to name

	text func(where string) string
}

// Text says what is wrong and what to do. where is put behind the name of the other folder: " (line 4)".
func (f Finding) Text(where string) string { return f.text(where) }

// Own compares the directories of one folder with each other.
func (c Claim) Own() (all []Finding) {
	for _, out := range c.outs {
		switch {
		case c.Watched.Same(out.spot):
			all = append(all, c.about(out.setting, "%s is the watched folder %q itself, so its files would be posted again: "+
				"choose another directory", out.setting, c.Path))
		case c.Watched.isIn(out.spot):
			all = append(all, c.about(out.setting, "%s %q contains the watched folder %q: choose another directory",
				out.setting, out.path, c.Path))
		}
	}
	if c.outs[0].spot.Same(c.outs[1].spot) {
		all = append(all, c.about("failed", "failed is the same directory as done, %q: choose two", c.outs[0].path))
	}
	return all
}

func (c Claim) about(setting, format string, args ...any) Finding {
	return Finding{Setting: setting, text: func(string) string { return fmt.Sprintf(format, args...) }}
}

// Between compares the claims of two folders.
func Between(a, b Claim) []Finding {
	if a.Watched.Same(b.Watched) {
		return []Finding{{Setting: "path", Other: "path", text: func(where string) string {
			return fmt.Sprintf("path %q is the same directory as %q%s: give each folder its own", a.Path, b.Path, where)
		}}}
	}
	all := intrudes(a, b)
	for _, f := range intrudes(b, a) {
		f.Second = !f.Second
		all = append(all, f)
	}
	return all
}

// State compares the folder with the daemon's own directory. Who may drop files into a folder may move all that lies in it.
func (c Claim) State(dir string, state Spot) (Finding, bool) {
	switch {
	case state.isIn(c.Watched):
		return c.about("state_dir", "state_dir %q lies in the watched folder %q, whose files are posted or filed away: "+
			"choose another directory", dir, c.Path), true
	case c.Watched.isIn(state):
		return c.about("path", "path %q lies in state_dir %q, which is the daemon's alone: choose another directory", c.Path, dir), true
	}
	return Finding{}, false
}

// Holds reports whether a file that the daemon reads, the configuration or a secret, lies in the folder, in which it would be posted.
func (c Claim) Holds(path string, at Spot) (Finding, bool) {
	if !at.isIn(c.Watched) {
		return Finding{}, false
	}
	return c.about("path", "path %q holds %q, which the daemon reads its settings or a secret from, and would post or file away: "+
		"choose another directory, or move that file", c.Path, path), true
}

// intrudes finds where a reaches into what belongs to b alone. It stops at the first finding that makes the others
// pointless.
func intrudes(a, b Claim) (all []Finding) {
	for _, out := range b.outs {
		if a.Watched.Same(out.spot) {
			return []Finding{{Setting: out.setting, Second: true, Other: "path", text: func(string) string {
				return fmt.Sprintf("%s of the folder %q is the watched folder %q, so its files would be posted again: "+
					"choose another directory", out.setting, b.Path, a.Path)
			}}}
		}
		if a.Watched.isIn(out.spot) && !b.Watched.isIn(out.spot) {
			return []Finding{{Setting: "path", Other: out.setting, text: func(where string) string {
				return fmt.Sprintf("path %q lies inside %s of the folder %q%s: choose another directory", a.Path, out.setting, b.Path, where)
			}}}
		}
	}
	if !b.Deep {
		return nil
	}
	if a.Watched.isIn(b.Watched) {
		return []Finding{{Setting: "path", Other: "path", text: func(where string) string {
			return fmt.Sprintf("path %q lies inside %q%s, which takes files of directories inside it: "+
				"choose another directory, or change recursive or album there", a.Path, b.Path, where)
		}}}
	}
	for _, out := range a.outs {
		if out.spot.isIn(b.Watched) && !out.spot.Same(b.Watched) && !b.puts(out.spot) {
			all = append(all, Finding{Setting: out.setting, Other: "path", text: func(where string) string {
				return fmt.Sprintf("%s of the folder %q lies inside %q%s, which takes files of directories inside it and would post "+
					"them again: choose another directory", out.setting, a.Path, b.Path, where)
			}})
		}
	}
	return all
}
