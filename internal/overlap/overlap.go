// Package overlap says where one watched folder reaches into what another one has to itself: the same directory twice,
// a folder inside the done/ of another, a done/ inside the tree that another one takes files from.
//
// It compares places, and does so in two ways: by their names alone (Named), which needs no I/O and is all that can be
// wrong in a text, or as the kernel finds them (Find), so that neither a link nor a bind mount hides that two are one.
package overlap

import (
	"fmt"
	"path/filepath"
	"slices"

	"kaizala-drop/internal/file"
)

// Spot is a directory: itself first, then all it lies in, up to the root.
type Spot []Place

// Place is one directory of a Spot.
type Place struct {
	Path string
	Seen bool // it was there to be looked at; else only its name tells it from others
	ID   file.Identity
}

// Named is the spot that path names. It asks nobody: path must be absolute and clean.
func Named(path string) Spot {
	s := Spot{{Path: path}}
	for parent := filepath.Dir(path); parent != path; parent = filepath.Dir(path) {
		s = append(s, Place{Path: parent})
		path = parent
	}
	return s
}

// Find is the spot where the kernel finds path, links resolved, as far as it exists. It hangs as long as a file system on
// the way does.
func Find(path string) Spot {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		parent := filepath.Dir(path)
		if parent == path {
			return Spot{{Path: path}}
		}
		up := Find(parent)
		return append(Spot{{Path: filepath.Join(up[0].Path, filepath.Base(path))}}, up...)
	}
	s := Named(resolved)
	for i := range s {
		if info, err := file.Stat(s[i].Path); err == nil {
			s[i].Seen, s[i].ID = true, info.Identity
		}
	}
	return s
}

// same compares device and inode where there are any.
func (p Place) same(q Place) bool {
	if p.Seen && q.Seen {
		return p.ID.SameFile(q.ID)
	}
	return p.Path == q.Path
}

// Same tells whether both are one directory.
func (s Spot) Same(other Spot) bool { return s[0].same(other[0]) }

// In tells whether s is other or lies inside it.
func (s Spot) In(other Spot) bool { return slices.ContainsFunc(s, other[0].same) }

// Claim is what a folder has to itself.
type Claim struct {
	Path    string // as it is configured, as are those of Outs
	Deep    bool   // takes files of directories inside it, too
	Watched Spot
	Outs    []Outlet
}

// Outlet is a place that files are moved to.
type Outlet struct {
	Setting string // "done" or "failed"
	Path    string
	Spot    Spot
}

// ClaimOf is the claim of a folder, its places found by spot.
func ClaimOf(path, done, failed string, deep bool, spot func(string) Spot) Claim {
	return Claim{
		Path: path, Deep: deep, Watched: spot(path),
		Outs: []Outlet{{"done", done, spot(done)}, {"failed", failed, spot(failed)}},
	}
}

// puts tells whether a spot lies where the folder itself puts files: from there it takes none.
func (c Claim) puts(s Spot) bool {
	return slices.ContainsFunc(c.Outs, func(o Outlet) bool { return s.In(o.Spot) })
}

// Finding is one thing that cannot stay as it is.
type Finding struct {
	Setting string // which setting is to blame: "path", "done", "failed"
	Second  bool   // of the second of two claims, rather than of the first
	Other   string // which setting of the other claim it collides with; "" if there is none to name

	text func(where string) string
}

// Text says what is wrong and what to do. where is put behind the name of the other folder, as in " (line 4)".
func (f Finding) Text(where string) string { return f.text(where) }

// Own looks at the directories of one folder among themselves.
func (c Claim) Own() (all []Finding) {
	for _, out := range c.Outs {
		switch {
		case c.Watched.Same(out.Spot):
			all = append(all, c.about(out.Setting, "%s is the watched folder %q itself, so its files would be posted again: "+
				"choose another directory", out.Setting, c.Path))
		case c.Watched.In(out.Spot):
			all = append(all, c.about(out.Setting, "%s %q contains the watched folder %q: choose another directory",
				out.Setting, out.Path, c.Path))
		}
	}
	if c.Outs[0].Spot.Same(c.Outs[1].Spot) {
		all = append(all, c.about("failed", "failed is the same directory as done, %q: choose two", c.Outs[0].Path))
	}
	return all
}

func (c Claim) about(setting, format string, args ...any) Finding {
	return Finding{Setting: setting, text: func(string) string { return fmt.Sprintf(format, args...) }}
}

// Between compares two folders.
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

// State looks whether a daemon's own directory, state, lies where a folder takes files from.
func (c Claim) State(dir string, state Spot) (Finding, bool) {
	if state.Same(c.Watched) || c.Deep && state.In(c.Watched) && !c.puts(state) {
		return c.about("state_dir", "state_dir %q lies in the watched folder %q, whose files are posted or filed away: "+
			"choose another directory", dir, c.Path), true
	}
	return Finding{}, false
}

// intrudes finds where a reaches into what b has to itself. One finding is enough.
func intrudes(a, b Claim) (all []Finding) {
	for _, out := range b.Outs {
		if a.Watched.Same(out.Spot) {
			return []Finding{{Setting: out.Setting, Second: true, Other: "path", text: func(string) string {
				return fmt.Sprintf("%s of the folder %q is the watched folder %q, so its files would be posted again: "+
					"choose another directory", out.Setting, b.Path, a.Path)
			}}}
		}
		if a.Watched.In(out.Spot) && !b.Watched.In(out.Spot) {
			return []Finding{{Setting: "path", Other: out.Setting, text: func(where string) string {
				return fmt.Sprintf("path %q lies inside %s of the folder %q%s: choose another directory", a.Path, out.Setting, b.Path, where)
			}}}
		}
	}
	if !b.Deep {
		return nil
	}
	if a.Watched.In(b.Watched) {
		return []Finding{{Setting: "path", Other: "path", text: func(where string) string {
			return fmt.Sprintf("path %q lies inside %q%s, which takes files of directories inside it: "+
				"choose another directory, or change recursive or album there", a.Path, b.Path, where)
		}}}
	}
	for _, out := range a.Outs {
		if out.Spot.In(b.Watched) && !out.Spot.Same(b.Watched) && !b.puts(out.Spot) {
			all = append(all, Finding{Setting: out.Setting, Other: "path", text: func(where string) string {
				return fmt.Sprintf("%s of the folder %q lies inside %q%s, which takes files of directories inside it and would post "+
					"them again: choose another directory", out.Setting, a.Path, b.Path, where)
			}})
		}
	}
	return all
}
